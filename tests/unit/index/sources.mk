if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/index/test_bm25 \
	tests/unit/index/test_budget \
	tests/unit/index/test_filter \
	tests/unit/index/test_index \
	tests/unit/index/test_kernel \
	tests/unit/index/test_quantizer
TESTS += \
	tests/unit/index/test_bm25 \
	tests/unit/index/test_budget \
	tests/unit/index/test_filter \
	tests/unit/index/test_index \
	tests/unit/index/test_kernel \
	tests/unit/index/test_quantizer
tests_unit_index_test_bm25_SOURCES = tests/unit/index/test_bm25.c \
	tests/lib/bm25_fts5.c tests/lib/bm25_fts5.h
tests_unit_index_test_bm25_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
tests_unit_index_test_budget_SOURCES = tests/unit/index/test_budget.c
tests_unit_index_test_budget_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_index_test_filter_SOURCES = tests/unit/index/test_filter.c
tests_unit_index_test_filter_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_index_test_index_SOURCES = tests/unit/index/test_index.c
tests_unit_index_test_index_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_index_test_kernel_SOURCES = tests/unit/index/test_kernel.c
tests_unit_index_test_kernel_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_index_test_quantizer_SOURCES = tests/unit/index/test_quantizer.c
tests_unit_index_test_quantizer_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

graph_test_fixture = tests/unit/index/graph_fixture.c tests/unit/index/graph_fixture.h

check_PROGRAMS += tests/unit/index/test_graph_file
TESTS += tests/unit/index/test_graph_file
tests_unit_index_test_graph_file_SOURCES = tests/unit/index/test_graph_file.c $(graph_test_fixture)
tests_unit_index_test_graph_file_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/index/test_hnsw_file
TESTS += tests/unit/index/test_hnsw_file
tests_unit_index_test_hnsw_file_SOURCES = tests/unit/index/test_hnsw_file.c $(graph_test_fixture)
tests_unit_index_test_hnsw_file_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/index/test_hnsw_file_crash
TESTS += tests/unit/index/test_hnsw_file_crash
tests_unit_index_test_hnsw_file_crash_SOURCES = tests/unit/index/test_hnsw_file_crash.c \
	$(graph_test_fixture) tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_index_test_hnsw_file_crash_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS) -ldl

graph_test_stage = tests/unit/index/graph_check.c tests/unit/index/graph_check.h \
	tests/recall/stage.c tests/recall/stage.h tests/recall/cloud.c tests/recall/cloud.h

check_PROGRAMS += tests/unit/index/test_graph tests/unit/index/test_mend tests/unit/index/test_hnsw
TESTS += tests/unit/index/test_graph tests/unit/index/test_mend tests/unit/index/test_hnsw
tests_unit_index_test_graph_SOURCES = tests/unit/index/test_graph.c $(graph_test_stage)
tests_unit_index_test_graph_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_index_test_mend_SOURCES = tests/unit/index/test_mend.c $(graph_test_stage)
tests_unit_index_test_mend_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_index_test_hnsw_SOURCES = tests/unit/index/test_hnsw.c $(graph_test_stage)
tests_unit_index_test_hnsw_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/index/test_hnsw_threads
TESTS += tests/unit/index/test_hnsw_threads
tests_unit_index_test_hnsw_threads_SOURCES = tests/unit/index/test_hnsw_threads.c \
	tests/recall/cloud.c tests/recall/cloud.h
tests_unit_index_test_hnsw_threads_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

postings_test_fixture = tests/unit/index/postings_fixture.c tests/unit/index/postings_fixture.h \
	tests/lib/bm25_fts5.c tests/lib/bm25_fts5.h

check_PROGRAMS += tests/unit/index/test_postings
TESTS += tests/unit/index/test_postings
tests_unit_index_test_postings_SOURCES = tests/unit/index/test_postings.c $(postings_test_fixture)
tests_unit_index_test_postings_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/index/test_postings_file
TESTS += tests/unit/index/test_postings_file
tests_unit_index_test_postings_file_SOURCES = tests/unit/index/test_postings_file.c \
	$(postings_test_fixture) tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_index_test_postings_file_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(SQLITE_LIBS) \
	$(CMOCKA_LIBS) -ldl

check_PROGRAMS += tests/unit/index/test_postings_faults
TESTS += tests/unit/index/test_postings_faults
tests_unit_index_test_postings_faults_SOURCES = tests/unit/index/test_postings_faults.c \
	$(postings_test_fixture) tests/lib/faultfs.c tests/lib/faultfs.h \
	tests/lib/faultmem.c tests/lib/faultmem.h
tests_unit_index_test_postings_faults_LDADD = $(INDEX_LIBS) $(BASE_LIBS) $(SQLITE_LIBS) \
	$(CMOCKA_LIBS) -ldl
tests_unit_index_test_postings_faults_LDFLAGS = $(AM_LDFLAGS) $(wrap_memory)
endif

# What tests/lib/faultmem.h stands before.
wrap_memory = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray \
	-Wl,--wrap=aligned_alloc
