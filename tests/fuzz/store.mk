if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_store
tests_fuzz_fuzz_store_SOURCES = tests/fuzz/fuzz_store.c
tests_fuzz_fuzz_store_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_store_LDADD = $(STORE_LIBS) $(INDEX_LIBS) $(BASE_LIBS)

noinst_PROGRAMS += tests/fuzz/fuzz_live
tests_fuzz_fuzz_live_SOURCES = tests/fuzz/fuzz_live.c
tests_fuzz_fuzz_live_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_live_LDADD = $(STORE_LIBS) $(INDEX_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/store tests/fuzz/corpus/live
