if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_filter
tests_fuzz_fuzz_filter_SOURCES = tests/fuzz/fuzz_filter.c
tests_fuzz_fuzz_filter_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_filter_LDADD = $(INDEX_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/filter
