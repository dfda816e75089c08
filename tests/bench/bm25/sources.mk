EXTRA_PROGRAMS += tests/bench/bm25/bench_bm25
tests_bench_bm25_bench_bm25_SOURCES = tests/bench/bm25/bench_bm25.c \
	tests/lib/bm25_fts5.c tests/lib/bm25_fts5.h
tests_bench_bm25_bench_bm25_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(SQLITE_LIBS)

# BM25 beside SQLite's FTS5, over texts by Zipf's law and over real English: BENCH_CHUNKS
# (100000), BENCH_CORPUS (a folder with corpus.jsonl and queries.jsonl).
bench-bm25: tests/bench/bm25/bench_bm25$(EXEEXT)
	tests/bench/bm25/bench_bm25$(EXEEXT) $${BENCH_CHUNKS:-100000}
	corpus=$${BENCH_CORPUS:-$(abs_top_srcdir)/../shared/data/cranfield}; \
	if [ -f "$$corpus/corpus.jsonl" ]; then \
		tests/bench/bm25/bench_bm25$(EXEEXT) $${BENCH_CHUNKS:-100000} "$$corpus"; \
	else \
		echo "no real English: $$corpus/corpus.jsonl is missing"; \
	fi

.PHONY: bench-bm25
