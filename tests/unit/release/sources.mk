if HAVE_CMOCKA
release_tests = \
	tests/unit/release/test_engine \
	tests/unit/release/test_engine_change \
	tests/unit/release/test_engine_crash \
	tests/unit/release/test_promote \
	tests/unit/release/test_engine_deploy \
	tests/unit/release/test_engine_drain \
	tests/unit/release/test_canary \
	tests/unit/release/test_observe \
	tests/unit/release/test_boot \
	tests/unit/release/test_bundle \
	tests/unit/release/test_journal \
	tests/unit/release/test_ops \
	tests/unit/release/test_record \
	tests/unit/release/test_state \
	tests/unit/release/test_spec
check_PROGRAMS += $(release_tests)
TESTS += $(release_tests)
release_test_libs = $(RELEASE_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) $(INDEX_LIBS) $(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
release_recording = tests/unit/release/recording.c tests/unit/release/recording.h
release_faults = tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_release_test_boot_SOURCES = tests/unit/release/test_boot.c $(release_recording) \
	$(release_faults)
tests_unit_release_test_boot_LDADD = $(release_test_libs) -ldl
tests_unit_release_test_bundle_SOURCES = tests/unit/release/test_bundle.c $(release_recording) \
	$(release_faults)
tests_unit_release_test_bundle_LDADD = $(release_test_libs) -ldl
tests_unit_release_test_journal_SOURCES = tests/unit/release/test_journal.c $(release_recording) \
	$(release_faults)
tests_unit_release_test_journal_LDADD = $(release_test_libs) -ldl
tests_unit_release_test_ops_SOURCES = tests/unit/release/test_ops.c $(release_recording)
tests_unit_release_test_ops_LDADD = $(release_test_libs)
tests_unit_release_test_canary_SOURCES = tests/unit/release/test_canary.c
tests_unit_release_test_canary_LDADD = $(release_test_libs)
tests_unit_release_test_observe_SOURCES = tests/unit/release/test_observe.c
tests_unit_release_test_observe_LDADD = $(release_test_libs)
tests_unit_release_test_record_SOURCES = tests/unit/release/test_record.c $(release_recording) \
	$(release_faults)
tests_unit_release_test_record_LDADD = $(release_test_libs) -ldl
tests_unit_release_test_state_SOURCES = tests/unit/release/test_state.c
tests_unit_release_test_state_LDADD = $(release_test_libs)
tests_unit_release_test_spec_SOURCES = tests/unit/release/test_spec.c
tests_unit_release_test_spec_LDADD = $(release_test_libs)

# Gates ask golden questions: the room of answers, and what lies beneath it.
release_gate_libs = $(RELEASE_LIBS) $(ANSWER_LIBS) $(GATEWAY_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) \
	$(SCHEDULER_LIBS) $(EVENT_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
release_gate_fixture = tests/unit/release/gates.c tests/unit/release/gates.h \
	tests/unit/answer/fixture.c tests/unit/answer/fixture.h
check_PROGRAMS += tests/unit/release/test_gate tests/unit/release/test_gate_probe
TESTS += tests/unit/release/test_gate tests/unit/release/test_gate_probe
tests_unit_release_test_gate_SOURCES = tests/unit/release/test_gate.c $(release_gate_fixture)
tests_unit_release_test_gate_LDADD = $(release_gate_libs)
tests_unit_release_test_gate_probe_SOURCES = tests/unit/release/test_gate_probe.c \
	$(release_gate_fixture)
tests_unit_release_test_gate_probe_LDADD = $(release_gate_libs)
check_PROGRAMS += tests/unit/release/test_live
TESTS += tests/unit/release/test_live
tests_unit_release_test_live_SOURCES = tests/unit/release/test_live.c \
	tests/unit/answer/fixture.c tests/unit/answer/fixture.h \
	tests/unit/gateway/fake_provider.c tests/unit/gateway/fake_provider.h
tests_unit_release_test_live_LDADD = $(RELEASE_LIBS) $(INGEST_LIBS) $(release_gate_libs)
release_engine = tests/unit/release/engine.c tests/unit/release/engine.h \
	tests/unit/release/engine_fakes.c tests/unit/release/engine_fakes.h
release_engine_libs = $(RELEASE_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) $(EVENT_LIBS) $(CONFIG_LIBS) \
	$(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_release_test_engine_SOURCES = tests/unit/release/test_engine.c $(release_engine)
tests_unit_release_test_engine_LDADD = $(release_engine_libs)
tests_unit_release_test_engine_change_SOURCES = tests/unit/release/test_engine_change.c \
	$(release_engine)
tests_unit_release_test_engine_change_LDADD = $(release_engine_libs)
tests_unit_release_test_promote_SOURCES = tests/unit/release/test_promote.c $(release_engine)
tests_unit_release_test_promote_LDADD = $(release_engine_libs)
tests_unit_release_test_engine_crash_SOURCES = tests/unit/release/test_engine_crash.c \
	$(release_engine)
tests_unit_release_test_engine_crash_LDADD = $(release_engine_libs)
tests_unit_release_test_engine_deploy_SOURCES = tests/unit/release/test_engine_deploy.c \
	$(release_engine)
tests_unit_release_test_engine_deploy_LDADD = $(release_engine_libs)
tests_unit_release_test_engine_drain_SOURCES = tests/unit/release/test_engine_drain.c $(release_engine)
tests_unit_release_test_engine_drain_LDADD = $(release_engine_libs)
endif
