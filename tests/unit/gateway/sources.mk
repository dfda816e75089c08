if HAVE_CMOCKA
check_PROGRAMS += tests/unit/gateway/test_gateway
TESTS += tests/unit/gateway/test_gateway
tests_unit_gateway_test_gateway_SOURCES = tests/unit/gateway/test_gateway.c
tests_unit_gateway_test_gateway_LDADD = $(GATEWAY_LIBS) $(PROVIDER_LIBS) $(CONFIG_LIBS) \
	$(BASE_LIBS) $(CMOCKA_LIBS)
endif
