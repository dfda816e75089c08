check_PROGRAMS += tests/recall/recall_exact
TESTS += tests/recall/recall_exact
tests_recall_recall_exact_SOURCES = tests/recall/recall_exact.c
tests_recall_recall_exact_LDADD = $(INDEX_LIBS) $(BASE_LIBS)
