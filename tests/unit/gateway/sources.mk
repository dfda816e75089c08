if HAVE_CMOCKA
gateway_tests = \
	tests/unit/gateway/test_beside \
	tests/unit/gateway/test_beside_caches \
	tests/unit/gateway/test_books \
	tests/unit/gateway/test_breaker \
	tests/unit/gateway/test_chat \
	tests/unit/gateway/test_embed \
	tests/unit/gateway/test_gateway \
	tests/unit/gateway/test_gauges \
	tests/unit/gateway/test_limits \
	tests/unit/gateway/test_money \
	tests/unit/gateway/test_money_spent \
	tests/unit/gateway/test_take \
	tests/unit/gateway/test_tenants \
	tests/unit/gateway/test_thread
gateway_test_libs = $(GATEWAY_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) $(INDEX_LIBS) $(CONFIG_LIBS) \
	$(EVENT_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += $(gateway_tests)
TESTS += $(gateway_tests)
tests_unit_gateway_test_books_SOURCES = tests/unit/gateway/test_books.c
tests_unit_gateway_test_books_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_books_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=ledger_add
tests_unit_gateway_test_breaker_SOURCES = tests/unit/gateway/test_breaker.c
tests_unit_gateway_test_breaker_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_gateway_SOURCES = tests/unit/gateway/test_gateway.c
tests_unit_gateway_test_gateway_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_gauges_SOURCES = tests/unit/gateway/test_gauges.c \
	daemon/gateway_gauges.c daemon/gateway_gauges.h daemon/news.c daemon/news.h
tests_unit_gateway_test_gauges_LDADD = $(RELEASE_LIBS) $(GATEWAY_LIBS) $(METRICS_LIBS) \
	$(gateway_test_libs)
tests_unit_gateway_test_limits_SOURCES = tests/unit/gateway/test_limits.c
tests_unit_gateway_test_limits_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_money_SOURCES = tests/unit/gateway/test_money.c
tests_unit_gateway_test_money_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_thread_SOURCES = tests/unit/gateway/test_thread.c
tests_unit_gateway_test_thread_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_thread_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=pthread_create,--wrap=pthread_join,--wrap=sd_event_ref,--wrap=sd_event_unref \
	-Wl,--wrap=sd_event_add_time,--wrap=sd_event_add_io,--wrap=sd_event_add_defer \
	-Wl,--wrap=sd_event_source_set_enabled,--wrap=sd_event_source_set_time \
	-Wl,--wrap=sd_event_source_disable_unref
gateway_network = tests/unit/gateway/fake_provider.c tests/unit/gateway/fake_provider.h \
	tests/unit/gateway/network.c tests/unit/gateway/network.h
tests_unit_gateway_test_beside_SOURCES = tests/unit/gateway/test_beside.c $(gateway_network)
tests_unit_gateway_test_beside_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_beside_caches_SOURCES = tests/unit/gateway/test_beside_caches.c \
	$(gateway_network)
tests_unit_gateway_test_beside_caches_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_chat_SOURCES = tests/unit/gateway/test_chat.c $(gateway_network)
tests_unit_gateway_test_chat_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_money_spent_SOURCES = tests/unit/gateway/test_money_spent.c \
	$(gateway_network)
tests_unit_gateway_test_money_spent_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_tenants_SOURCES = tests/unit/gateway/test_tenants.c $(gateway_network)
tests_unit_gateway_test_tenants_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_take_SOURCES = tests/unit/gateway/test_take.c $(gateway_network)
tests_unit_gateway_test_take_LDADD = $(gateway_test_libs)
tests_unit_gateway_test_embed_SOURCES = tests/unit/gateway/test_embed.c $(gateway_network)
tests_unit_gateway_test_embed_LDADD = $(gateway_test_libs)
endif
