if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_varlink
tests_fuzz_fuzz_varlink_SOURCES = tests/fuzz/fuzz_varlink.c
tests_fuzz_fuzz_varlink_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_varlink_LDADD = $(CONTROLPROTO_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/varlink
