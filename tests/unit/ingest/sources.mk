if HAVE_CMOCKA
ingest_test_libs = $(INGEST_LIBS) $(GATEWAY_LIBS) $(SCHEDULER_LIBS) $(PROVIDER_LIBS) $(STORE_LIBS) \
	$(CONFIG_LIBS) $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
ingest_tests = tests/unit/ingest/test_chunk tests/unit/ingest/test_extract \
	tests/unit/ingest/test_document tests/unit/ingest/test_pipeline tests/unit/ingest/test_room \
	tests/unit/ingest/test_upkeep tests/unit/ingest/test_estimate tests/unit/ingest/test_follow \
	tests/unit/ingest/test_quota

check_PROGRAMS += $(ingest_tests)
TESTS += $(ingest_tests)
tests_unit_ingest_test_chunk_SOURCES = tests/unit/ingest/test_chunk.c
tests_unit_ingest_test_chunk_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_extract_SOURCES = tests/unit/ingest/test_extract.c
tests_unit_ingest_test_extract_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_document_SOURCES = tests/unit/ingest/test_document.c
tests_unit_ingest_test_document_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_pipeline_SOURCES = tests/unit/ingest/test_pipeline.c \
	tests/unit/ingest/pipeline.c tests/unit/ingest/pipeline.h
tests_unit_ingest_test_pipeline_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_room_SOURCES = tests/unit/ingest/test_room.c \
	tests/unit/ingest/pipeline.c tests/unit/ingest/pipeline.h
tests_unit_ingest_test_room_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_estimate_SOURCES = tests/unit/ingest/test_estimate.c \
	tests/unit/ingest/pipeline.c tests/unit/ingest/pipeline.h
tests_unit_ingest_test_estimate_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_follow_SOURCES = tests/unit/ingest/test_follow.c \
	tests/unit/ingest/pipeline.c tests/unit/ingest/pipeline.h
tests_unit_ingest_test_follow_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_upkeep_SOURCES = tests/unit/ingest/test_upkeep.c \
	tests/unit/ingest/pipeline.c tests/unit/ingest/pipeline.h
tests_unit_ingest_test_upkeep_LDADD = $(ingest_test_libs)
tests_unit_ingest_test_quota_SOURCES = tests/unit/ingest/test_quota.c \
	tests/unit/ingest/pipeline.c tests/unit/ingest/pipeline.h
tests_unit_ingest_test_quota_LDADD = $(ingest_test_libs)
endif
