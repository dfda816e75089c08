if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_postings
tests_fuzz_fuzz_postings_SOURCES = tests/fuzz/fuzz_postings.c
tests_fuzz_fuzz_postings_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_postings_LDADD = $(INDEX_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/postings
