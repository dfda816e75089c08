if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_toml
tests_fuzz_fuzz_toml_SOURCES = tests/fuzz/fuzz_toml.c
tests_fuzz_fuzz_toml_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_toml_LDADD = $(CONFIG_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/toml
