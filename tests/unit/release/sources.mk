if HAVE_CMOCKA
check_PROGRAMS += tests/unit/release/test_record
TESTS += tests/unit/release/test_record
tests_unit_release_test_record_SOURCES = tests/unit/release/test_record.c
tests_unit_release_test_record_LDADD = $(RELEASE_LIBS) $(STORE_LIBS) $(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
endif
