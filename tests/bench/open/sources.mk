EXTRA_PROGRAMS += tests/bench/open/bench_open
tests_bench_open_bench_open_SOURCES = tests/bench/open/bench_open.c
tests_bench_open_bench_open_LDADD = $(STORE_LIBS) $(INDEX_LIBS) $(BASE_LIBS)

# Opening a large collection; BENCH_SLOTS, BENCH_GRAPH and others: see the program.
bench-open: tests/bench/open/bench_open$(EXEEXT)
	tests/bench/open/bench_open$(EXEEXT)

.PHONY: bench-open
