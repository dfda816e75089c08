if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_provider
tests_fuzz_fuzz_provider_SOURCES = tests/fuzz/fuzz_provider.c
tests_fuzz_fuzz_provider_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_provider_LDADD = $(PROVIDER_LIBS) $(CONFIG_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/provider
