if HAVE_CMOCKA
answer_test_fixture = tests/unit/answer/fixture.c tests/unit/answer/fixture.h
answer_test_libs = $(ANSWER_LIBS) $(GATEWAY_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) \
	$(SCHEDULER_LIBS) $(EVENT_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/answer/test_answer
TESTS += tests/unit/answer/test_answer
tests_unit_answer_test_answer_SOURCES = tests/unit/answer/test_answer.c $(answer_test_fixture)
tests_unit_answer_test_answer_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_candidates
TESTS += tests/unit/answer/test_candidates
tests_unit_answer_test_candidates_SOURCES = tests/unit/answer/test_candidates.c
tests_unit_answer_test_candidates_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_cite
TESTS += tests/unit/answer/test_cite
tests_unit_answer_test_cite_SOURCES = tests/unit/answer/test_cite.c
tests_unit_answer_test_cite_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_ended
TESTS += tests/unit/answer/test_ended
tests_unit_answer_test_ended_SOURCES = tests/unit/answer/test_ended.c $(answer_test_fixture)
tests_unit_answer_test_ended_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_eval
TESTS += tests/unit/answer/test_eval
tests_unit_answer_test_eval_SOURCES = tests/unit/answer/test_eval.c $(answer_test_fixture)
tests_unit_answer_test_eval_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_floats
TESTS += tests/unit/answer/test_floats
tests_unit_answer_test_floats_SOURCES = tests/unit/answer/test_floats.c
tests_unit_answer_test_floats_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_kept
TESTS += tests/unit/answer/test_kept
tests_unit_answer_test_kept_SOURCES = tests/unit/answer/test_kept.c
tests_unit_answer_test_kept_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_prompt
TESTS += tests/unit/answer/test_prompt
tests_unit_answer_test_prompt_SOURCES = tests/unit/answer/test_prompt.c
tests_unit_answer_test_prompt_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_quotes
TESTS += tests/unit/answer/test_quotes
tests_unit_answer_test_quotes_SOURCES = tests/unit/answer/test_quotes.c
tests_unit_answer_test_quotes_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_recall
TESTS += tests/unit/answer/test_recall
tests_unit_answer_test_recall_SOURCES = tests/unit/answer/test_recall.c $(answer_test_fixture)
tests_unit_answer_test_recall_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_remembered
TESTS += tests/unit/answer/test_remembered
tests_unit_answer_test_remembered_SOURCES = tests/unit/answer/test_remembered.c
tests_unit_answer_test_remembered_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_request
TESTS += tests/unit/answer/test_request
tests_unit_answer_test_request_SOURCES = tests/unit/answer/test_request.c
tests_unit_answer_test_request_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_rerank
TESTS += tests/unit/answer/test_rerank
tests_unit_answer_test_rerank_SOURCES = tests/unit/answer/test_rerank.c $(answer_test_fixture)
tests_unit_answer_test_rerank_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_search
TESTS += tests/unit/answer/test_search
tests_unit_answer_test_search_SOURCES = tests/unit/answer/test_search.c $(answer_test_fixture)
tests_unit_answer_test_search_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_trace
TESTS += tests/unit/answer/test_trace
tests_unit_answer_test_trace_SOURCES = tests/unit/answer/test_trace.c
tests_unit_answer_test_trace_LDADD = $(answer_test_libs)

check_PROGRAMS += tests/unit/answer/test_tune
TESTS += tests/unit/answer/test_tune
tests_unit_answer_test_tune_SOURCES = tests/unit/answer/test_tune.c $(answer_test_fixture)
tests_unit_answer_test_tune_LDADD = $(answer_test_libs)
endif
