if HAVE_CMOCKA
check_PROGRAMS += tests/unit/base/test_text
TESTS += tests/unit/base/test_text
tests_unit_base_test_text_SOURCES = tests/unit/base/test_text.c
tests_unit_base_test_text_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
endif
