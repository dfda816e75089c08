if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_graph
tests_fuzz_fuzz_graph_SOURCES = tests/fuzz/fuzz_graph.c
tests_fuzz_fuzz_graph_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_graph_LDADD = $(INDEX_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/graph
