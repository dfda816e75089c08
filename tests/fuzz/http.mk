if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_http
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c \
	tests/lib/http_fakes.c tests/lib/http_fakes.h \
	tests/lib/http_fakes_tenants.c
tests_fuzz_fuzz_http_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_http_LDADD = $(HTTP_LIBS) $(TENANT_LIBS) $(METRICS_LIBS) $(SCHEDULER_LIBS) $(CONFIG_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/http
