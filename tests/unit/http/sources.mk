if HAVE_CMOCKA
http_tests = \
	tests/unit/http/test_callers \
	tests/unit/http/test_exposed \
	tests/unit/http/test_note \
	tests/unit/http/test_rebind \
	tests/unit/http/test_reject \
	tests/unit/http/test_routes \
	tests/unit/http/test_server \
	tests/unit/http/test_shadow \
	tests/unit/http/test_tenants
check_PROGRAMS += $(http_tests)
TESTS += $(http_tests)
HTTP_TEST_FAKES = \
	tests/lib/http_client.c tests/lib/http_client.h \
	tests/lib/http_fakes.c tests/lib/http_fakes.h \
	tests/lib/http_fakes_tenants.c
HTTP_TEST_LIBS = $(HTTP_LIBS) $(TENANT_LIBS) $(METRICS_LIBS) $(SCHEDULER_LIBS) $(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_http_test_callers_SOURCES = tests/unit/http/test_callers.c $(HTTP_TEST_FAKES)
tests_unit_http_test_callers_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_exposed_SOURCES = tests/unit/http/test_exposed.c $(HTTP_TEST_FAKES)
tests_unit_http_test_exposed_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_note_SOURCES = tests/unit/http/test_note.c $(HTTP_TEST_FAKES)
tests_unit_http_test_note_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_rebind_SOURCES = tests/unit/http/test_rebind.c $(HTTP_TEST_FAKES)
tests_unit_http_test_rebind_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_reject_SOURCES = tests/unit/http/test_reject.c $(HTTP_TEST_FAKES)
tests_unit_http_test_reject_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_routes_SOURCES = tests/unit/http/test_routes.c $(HTTP_TEST_FAKES)
tests_unit_http_test_routes_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_server_SOURCES = tests/unit/http/test_server.c $(HTTP_TEST_FAKES)
tests_unit_http_test_server_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_shadow_SOURCES = tests/unit/http/test_shadow.c $(HTTP_TEST_FAKES)
tests_unit_http_test_shadow_LDADD = $(HTTP_TEST_LIBS)
tests_unit_http_test_tenants_SOURCES = tests/unit/http/test_tenants.c $(HTTP_TEST_FAKES)
tests_unit_http_test_tenants_LDADD = $(HTTP_TEST_LIBS)
if HAVE_GNUTLS
check_PROGRAMS += tests/unit/http/test_rebind_tls
TESTS += tests/unit/http/test_rebind_tls
tests_unit_http_test_rebind_tls_SOURCES = tests/unit/http/test_rebind_tls.c $(HTTP_TEST_FAKES)
tests_unit_http_test_rebind_tls_LDADD = $(HTTP_TEST_LIBS) $(GNUTLS_LIBS)
endif
endif
