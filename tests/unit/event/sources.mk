if HAVE_CMOCKA
event_tests = \
	tests/unit/event/test_fetch \
	tests/unit/event/test_fetch_callbacks \
	tests/unit/event/test_mailbox
check_PROGRAMS += $(event_tests)
TESTS += $(event_tests)
fetching = tests/unit/event/fetching.c tests/unit/event/fetching.h \
	tests/lib/tiny_server.c tests/lib/tiny_server.h
tests_unit_event_test_fetch_SOURCES = tests/unit/event/test_fetch.c $(fetching)
tests_unit_event_test_fetch_LDADD = $(EVENT_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_event_test_fetch_callbacks_SOURCES = tests/unit/event/test_fetch_callbacks.c $(fetching)
tests_unit_event_test_fetch_callbacks_LDADD = $(EVENT_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_event_test_mailbox_SOURCES = tests/unit/event/test_mailbox.c
tests_unit_event_test_mailbox_LDADD = $(EVENT_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
if HAVE_GNUTLS
check_PROGRAMS += tests/unit/event/test_fetch_tls
TESTS += tests/unit/event/test_fetch_tls
tests_unit_event_test_fetch_tls_SOURCES = tests/unit/event/test_fetch_tls.c $(fetching) \
	tests/lib/tiny_tls.c tests/lib/tiny_tls.h
tests_unit_event_test_fetch_tls_LDADD = $(EVENT_LIBS) $(BASE_LIBS) $(GNUTLS_LIBS) $(CMOCKA_LIBS)
endif
endif
