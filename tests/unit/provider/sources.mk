if HAVE_CMOCKA
check_PROGRAMS += tests/unit/provider/test_hashing tests/unit/provider/test_provider
TESTS += tests/unit/provider/test_hashing tests/unit/provider/test_provider
tests_unit_provider_test_hashing_SOURCES = tests/unit/provider/test_hashing.c
tests_unit_provider_test_hashing_LDADD = $(PROVIDER_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_provider_test_provider_SOURCES = tests/unit/provider/test_provider.c
tests_unit_provider_test_provider_LDADD = $(PROVIDER_LIBS) $(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
endif
