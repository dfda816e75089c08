if HAVE_CMOCKA
tenant_test_libs = $(TENANT_LIBS) $(STORE_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS) \
	$(CMOCKA_LIBS)
tenant_tests = tests/unit/tenant/test_key tests/unit/tenant/test_keyring \
	tests/unit/tenant/test_keyring_used \
	tests/unit/tenant/test_rate tests/unit/tenant/test_tenants

check_PROGRAMS += $(tenant_tests)
TESTS += $(tenant_tests)
tests_unit_tenant_test_rate_SOURCES = tests/unit/tenant/test_rate.c
tests_unit_tenant_test_rate_LDADD = $(tenant_test_libs)
tests_unit_tenant_test_tenants_SOURCES = tests/unit/tenant/test_tenants.c
tests_unit_tenant_test_tenants_LDADD = $(tenant_test_libs)
tests_unit_tenant_test_key_SOURCES = tests/unit/tenant/test_key.c
tests_unit_tenant_test_key_LDADD = $(tenant_test_libs) $(ZLIB_LIBS)
tests_unit_tenant_test_keyring_SOURCES = tests/unit/tenant/test_keyring.c \
	tests/unit/tenant/keyring_fixture.h
tests_unit_tenant_test_keyring_LDADD = $(tenant_test_libs)
tests_unit_tenant_test_keyring_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=key_get,--wrap=sodium_memcmp
tests_unit_tenant_test_keyring_used_SOURCES = tests/unit/tenant/test_keyring_used.c \
	tests/unit/tenant/keyring_fixture.h
tests_unit_tenant_test_keyring_used_LDADD = $(tenant_test_libs)

tenant_life_tests = tests/unit/tenant/test_lifecycle tests/unit/tenant/test_lifecycle_crash
tenant_life_fixture = tests/unit/tenant/life.c tests/unit/tenant/life.h
check_PROGRAMS += $(tenant_life_tests)
TESTS += $(tenant_life_tests)
tests_unit_tenant_test_lifecycle_SOURCES = tests/unit/tenant/test_lifecycle.c \
	$(tenant_life_fixture) tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_tenant_test_lifecycle_LDADD = $(tenant_test_libs) -ldl
tests_unit_tenant_test_lifecycle_crash_SOURCES = tests/unit/tenant/test_lifecycle_crash.c \
	$(tenant_life_fixture)
tests_unit_tenant_test_lifecycle_crash_LDADD = $(tenant_test_libs)
endif
