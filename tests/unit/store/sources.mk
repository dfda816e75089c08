if HAVE_CMOCKA
store_test_fixture = tests/unit/store/fixture.c tests/unit/store/fixture.h
store_test_libs = $(STORE_LIBS) $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_generation
TESTS += tests/unit/store/test_generation
tests_unit_store_test_generation_SOURCES = tests/unit/store/test_generation.c $(store_test_fixture)
tests_unit_store_test_generation_LDADD = $(store_test_libs)
endif
