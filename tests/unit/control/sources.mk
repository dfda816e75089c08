if HAVE_CMOCKA
control_tests = \
	tests/unit/control/test_amounts \
	tests/unit/control/test_call \
	tests/unit/control/test_commands \
	tests/unit/control/test_connection \
	tests/unit/control/test_money \
	tests/unit/control/test_operations \
	tests/unit/control/test_varlink
check_PROGRAMS += $(control_tests)
TESTS += $(control_tests)

tests_unit_control_test_amounts_SOURCES = tests/unit/control/test_amounts.c
tests_unit_control_test_amounts_LDADD = $(CONTROL_LIBS) $(STORE_LIBS) $(INDEX_LIBS) $(CONFIG_LIBS) \
	$(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_control_test_call_SOURCES = tests/unit/control/test_call.c \
	tests/lib/control_fakes.c tests/lib/control_fakes.h
tests_unit_control_test_call_LDADD = $(CONTROL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_control_test_commands_SOURCES = tests/unit/control/test_commands.c
tests_unit_control_test_commands_LDADD = $(CONTROLPROTO_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_control_test_connection_SOURCES = tests/unit/control/test_connection.c \
	tests/lib/control_fakes.c tests/lib/control_fakes.h
tests_unit_control_test_connection_LDADD = $(CONTROL_LIBS) $(SCHEDULER_LIBS) $(EVENT_LIBS) \
	$(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_control_test_money_SOURCES = tests/unit/control/test_money.c
tests_unit_control_test_money_LDADD = $(CONTROL_LIBS) $(STORE_LIBS) $(INDEX_LIBS) $(CONFIG_LIBS) \
	$(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_control_test_operations_SOURCES = tests/unit/control/test_operations.c \
	tests/lib/release_fakes.c tests/lib/release_fakes.h
tests_unit_control_test_operations_LDADD = $(CONTROL_LIBS) $(STORE_LIBS) $(INDEX_LIBS) \
	$(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_control_test_varlink_SOURCES = tests/unit/control/test_varlink.c
tests_unit_control_test_varlink_LDADD = $(CONTROLPROTO_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
endif
