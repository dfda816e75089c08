if HAVE_CMOCKA
provider_tests = \
	tests/unit/provider/test_call \
	tests/unit/provider/test_fault \
	tests/unit/provider/test_framing \
	tests/unit/provider/test_hashing \
	tests/unit/provider/test_hints \
	tests/unit/provider/test_provider \
	tests/unit/provider/test_recorded \
	tests/unit/provider/test_wire \
	tests/unit/provider/test_wire_chat \
	tests/unit/provider/test_wire_requests
check_PROGRAMS += $(provider_tests)
TESTS += $(provider_tests)
provider_test_libs = $(PROVIDER_LIBS) $(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_provider_test_call_SOURCES = tests/unit/provider/test_call.c \
	tests/unit/provider/calling.c tests/unit/provider/calling.h \
	tests/lib/tiny_server.c tests/lib/tiny_server.h
tests_unit_provider_test_call_LDADD = $(provider_test_libs)
tests_unit_provider_test_fault_SOURCES = tests/unit/provider/test_fault.c
tests_unit_provider_test_fault_LDADD = $(provider_test_libs)
tests_unit_provider_test_framing_SOURCES = tests/unit/provider/test_framing.c
tests_unit_provider_test_framing_LDADD = $(provider_test_libs)
tests_unit_provider_test_hashing_SOURCES = tests/unit/provider/test_hashing.c
tests_unit_provider_test_hashing_LDADD = $(provider_test_libs)
tests_unit_provider_test_hints_SOURCES = tests/unit/provider/test_hints.c
tests_unit_provider_test_hints_LDADD = $(provider_test_libs)
tests_unit_provider_test_provider_SOURCES = tests/unit/provider/test_provider.c
tests_unit_provider_test_provider_LDADD = $(provider_test_libs)
tests_unit_provider_test_recorded_SOURCES = tests/unit/provider/test_recorded.c
tests_unit_provider_test_recorded_LDADD = $(provider_test_libs)
wiring = tests/unit/provider/wiring.c tests/unit/provider/wiring.h
tests_unit_provider_test_wire_SOURCES = tests/unit/provider/test_wire.c $(wiring)
tests_unit_provider_test_wire_LDADD = $(provider_test_libs)
tests_unit_provider_test_wire_chat_SOURCES = tests/unit/provider/test_wire_chat.c $(wiring)
tests_unit_provider_test_wire_chat_LDADD = $(provider_test_libs)
tests_unit_provider_test_wire_requests_SOURCES = tests/unit/provider/test_wire_requests.c $(wiring)
tests_unit_provider_test_wire_requests_LDADD = $(provider_test_libs)
endif
