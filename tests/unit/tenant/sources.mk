if HAVE_CMOCKA
tenant_test_libs = $(TENANT_LIBS) $(STORE_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS) \
	$(CMOCKA_LIBS)
tenant_tests = tests/unit/tenant/test_rate tests/unit/tenant/test_tenants

check_PROGRAMS += $(tenant_tests)
TESTS += $(tenant_tests)
tests_unit_tenant_test_rate_SOURCES = tests/unit/tenant/test_rate.c
tests_unit_tenant_test_rate_LDADD = $(tenant_test_libs)
tests_unit_tenant_test_tenants_SOURCES = tests/unit/tenant/test_tenants.c
tests_unit_tenant_test_tenants_LDADD = $(tenant_test_libs)
endif
