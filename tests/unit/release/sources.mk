if HAVE_CMOCKA
release_tests = \
	tests/unit/release/test_canary \
	tests/unit/release/test_observe \
	tests/unit/release/test_record \
	tests/unit/release/test_spec
check_PROGRAMS += $(release_tests)
TESTS += $(release_tests)
release_test_libs = $(RELEASE_LIBS) $(STORE_LIBS) $(INDEX_LIBS) $(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_release_test_canary_SOURCES = tests/unit/release/test_canary.c
tests_unit_release_test_canary_LDADD = $(release_test_libs)
tests_unit_release_test_observe_SOURCES = tests/unit/release/test_observe.c
tests_unit_release_test_observe_LDADD = $(release_test_libs)
tests_unit_release_test_record_SOURCES = tests/unit/release/test_record.c
tests_unit_release_test_record_LDADD = $(release_test_libs)
tests_unit_release_test_spec_SOURCES = tests/unit/release/test_spec.c
tests_unit_release_test_spec_LDADD = $(release_test_libs)

# Gates ask golden questions: the room of answers, and what lies beneath it.
release_gate_libs = $(RELEASE_LIBS) $(ANSWER_LIBS) $(GATEWAY_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) \
	$(SCHEDULER_LIBS) $(EVENT_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/release/test_gate
TESTS += tests/unit/release/test_gate
tests_unit_release_test_gate_SOURCES = tests/unit/release/test_gate.c \
	tests/unit/answer/fixture.c tests/unit/answer/fixture.h
tests_unit_release_test_gate_LDADD = $(release_gate_libs)
endif
