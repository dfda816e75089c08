EXTRA_PROGRAMS += tests/bench/gateway/bench_gateway
tests_bench_gateway_bench_gateway_SOURCES = tests/bench/gateway/bench_gateway.c \
	tests/bench/gateway/stub.c tests/bench/gateway/stub.h
tests_bench_gateway_bench_gateway_LDADD = $(GATEWAY_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) \
	$(INDEX_LIBS) $(CONFIG_LIBS) $(EVENT_LIBS) $(BASE_LIBS)

# What a call through the gateway costs beside bare libcurl; many streams on one thread.
# BENCH_CALLS, BENCH_ROUNDS, BENCH_STREAMS and others: see the program.
bench-gateway: tests/bench/gateway/bench_gateway$(EXEEXT)
	tests/bench/gateway/bench_gateway$(EXEEXT)

.PHONY: bench-gateway
