if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_ingest
tests_fuzz_fuzz_ingest_SOURCES = tests/fuzz/fuzz_ingest.c
tests_fuzz_fuzz_ingest_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_ingest_LDADD = $(INGEST_LIBS) $(GATEWAY_LIBS) $(SCHEDULER_LIBS) $(PROVIDER_LIBS) \
	$(STORE_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/ingest
