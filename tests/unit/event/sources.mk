if HAVE_CMOCKA
check_PROGRAMS += tests/unit/event/test_mailbox
TESTS += tests/unit/event/test_mailbox
tests_unit_event_test_mailbox_SOURCES = tests/unit/event/test_mailbox.c
tests_unit_event_test_mailbox_LDADD = $(EVENT_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
endif
