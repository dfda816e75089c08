recall_cloud = tests/recall/cloud.c tests/recall/cloud.h

check_PROGRAMS += tests/recall/recall_table tests/recall/recall_model
TESTS += tests/recall/recall_table tests/recall/recall_model
tests_recall_recall_table_SOURCES = tests/recall/recall_table.c \
	tests/recall/stage.c tests/recall/stage.h $(recall_cloud)
tests_recall_recall_table_LDADD = $(INDEX_LIBS) $(BASE_LIBS)
tests_recall_recall_model_SOURCES = tests/recall/recall_model.c $(recall_cloud)
tests_recall_recall_model_LDADD = $(INDEX_LIBS) $(BASE_LIBS)

# The same with more vectors: make check-recall SCALE=20
check-recall: tests/recall/recall_table$(EXEEXT)
	tests/recall/recall_table $${SCALE:-20}

# The same for longer: make check-model OPS=20000 SEED=7, which are six lives of so many operations
check-model: tests/recall/recall_model$(EXEEXT)
	OPS=$${OPS:-20000} tests/recall/recall_model

.PHONY: check-recall check-model
