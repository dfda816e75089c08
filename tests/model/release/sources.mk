# Random sequences of changes against a small model; a few of them with every check, and at any
# length: make check-releases SEQUENCES=10000 SEED=1
check_PROGRAMS += tests/model/release/model
TESTS += tests/model/release/model
tests_model_release_model_SOURCES = \
	tests/model/release/life.c \
	tests/model/release/model.c tests/model/release/model.h \
	tests/model/release/world.c
tests_model_release_model_LDADD = $(RELEASE_LIBS) $(ANSWER_LIBS) $(INGEST_LIBS) $(GATEWAY_LIBS) \
	$(PROVIDER_LIBS) $(STORE_LIBS) $(SCHEDULER_LIBS) $(EVENT_LIBS) $(CONFIG_LIBS) $(INDEX_LIBS) \
	$(BASE_LIBS)

check-releases: tests/model/release/model$(EXEEXT)
	SEQUENCES=$${SEQUENCES:-10000} tests/model/release/model

.PHONY: check-releases
