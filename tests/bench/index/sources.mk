EXTRA_PROGRAMS += tests/bench/index/bench_index
tests_bench_index_bench_index_SOURCES = \
	tests/bench/index/adapter.h \
	tests/bench/index/bench_index.c \
	tests/bench/index/contestant.c tests/bench/index/contestant.h \
	tests/bench/index/goals.c \
	tests/bench/index/measure.c tests/bench/index/measure.h \
	tests/bench/index/ragd.c tests/bench/index/ragd.h \
	tests/bench/index/report.c tests/bench/index/report.h \
	tests/bench/index/set.c tests/bench/index/set.h
tests_bench_index_bench_index_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_index_bench_index_LDADD = $(INDEX_LIBS) $(BASE_LIBS) -ldl
EXTRA_DIST += \
	tests/bench/index/http \
	tests/bench/index/peer_faiss.cc \
	tests/bench/index/peer_hnswlib.cc \
	tests/bench/index/peer_usearch.cc \
	tests/bench/index/peers.sh \
	tests/bench/index/run \
	tests/bench/index/vectors.py

# ragd's index beside its peers, then the whole daemon; the script says what can be set.
bench-index: tests/bench/index/bench_index$(EXEEXT) ragd ragctl tests/bench/http_load$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) CXX='$(CXX)' PYTHON='$(PYTHON)' $(srcdir)/tests/bench/index/run

.PHONY: bench-index
