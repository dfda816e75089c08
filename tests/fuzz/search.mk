if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_search
tests_fuzz_fuzz_search_SOURCES = tests/fuzz/fuzz_search.c
tests_fuzz_fuzz_search_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_search_LDADD = $(ANSWER_LIBS) $(GATEWAY_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) \
	$(SCHEDULER_LIBS) $(EVENT_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/search
