if HAVE_CMOCKA
check_PROGRAMS += tests/unit/base/test_text
TESTS += tests/unit/base/test_text
tests_unit_base_test_text_SOURCES = tests/unit/base/test_text.c
tests_unit_base_test_text_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_base
TESTS += tests/unit/base/test_base
tests_unit_base_test_base_SOURCES = tests/unit/base/test_base.c
tests_unit_base_test_base_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_json
TESTS += tests/unit/base/test_json
tests_unit_base_test_json_SOURCES = tests/unit/base/test_json.c
tests_unit_base_test_json_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
endif
