if HAVE_CMOCKA
store_test_fixture = tests/unit/store/fixture.c tests/unit/store/fixture.h
store_test_libs = $(STORE_LIBS) $(INDEX_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_collection
TESTS += tests/unit/store/test_collection
tests_unit_store_test_collection_SOURCES = tests/unit/store/test_collection.c $(store_test_fixture)
tests_unit_store_test_collection_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_docs
TESTS += tests/unit/store/test_docs
tests_unit_store_test_docs_SOURCES = tests/unit/store/test_docs.c $(store_test_fixture)
tests_unit_store_test_docs_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_generation
TESTS += tests/unit/store/test_generation
tests_unit_store_test_generation_SOURCES = tests/unit/store/test_generation.c $(store_test_fixture)
tests_unit_store_test_generation_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_golden
TESTS += tests/unit/store/test_golden
tests_unit_store_test_golden_SOURCES = tests/unit/store/test_golden.c $(store_test_fixture)
tests_unit_store_test_golden_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_identity
TESTS += tests/unit/store/test_identity
tests_unit_store_test_identity_SOURCES = tests/unit/store/test_identity.c $(store_test_fixture)
tests_unit_store_test_identity_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_jobs
TESTS += tests/unit/store/test_jobs
tests_unit_store_test_jobs_SOURCES = tests/unit/store/test_jobs.c $(store_test_fixture)
tests_unit_store_test_jobs_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_live
TESTS += tests/unit/store/test_live
tests_unit_store_test_live_SOURCES = tests/unit/store/test_live.c $(store_test_fixture)
tests_unit_store_test_live_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_migration
TESTS += tests/unit/store/test_migration
tests_unit_store_test_migration_SOURCES = tests/unit/store/test_migration.c \
	tests/unit/store/generation_v1.h $(store_test_fixture)
tests_unit_store_test_migration_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_segment
TESTS += tests/unit/store/test_segment
tests_unit_store_test_segment_SOURCES = tests/unit/store/test_segment.c $(store_test_fixture)
tests_unit_store_test_segment_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_store
TESTS += tests/unit/store/test_store
tests_unit_store_test_store_SOURCES = tests/unit/store/test_store.c $(store_test_fixture)
tests_unit_store_test_store_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_words
TESTS += tests/unit/store/test_words
tests_unit_store_test_words_SOURCES = tests/unit/store/test_words.c $(store_test_fixture)
tests_unit_store_test_words_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_crash
TESTS += tests/unit/store/test_crash
tests_unit_store_test_crash_SOURCES = tests/unit/store/test_crash.c $(store_test_fixture) \
	tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_store_test_crash_LDADD = $(store_test_libs) -ldl

check_PROGRAMS += tests/unit/store/test_threads
TESTS += tests/unit/store/test_threads
tests_unit_store_test_threads_SOURCES = tests/unit/store/test_threads.c $(store_test_fixture)
tests_unit_store_test_threads_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_ledger
TESTS += tests/unit/store/test_ledger
tests_unit_store_test_ledger_SOURCES = tests/unit/store/test_ledger.c $(store_test_fixture) \
	tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_store_test_ledger_LDADD = $(store_test_libs) -ldl

check_PROGRAMS += tests/unit/store/test_traces
TESTS += tests/unit/store/test_traces
tests_unit_store_test_traces_SOURCES = tests/unit/store/test_traces.c $(store_test_fixture) \
	tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_store_test_traces_LDADD = $(store_test_libs) -ldl

check_PROGRAMS += tests/unit/store/test_embedding_cache
TESTS += tests/unit/store/test_embedding_cache
tests_unit_store_test_embedding_cache_SOURCES = tests/unit/store/test_embedding_cache.c \
	$(store_test_fixture) tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_store_test_embedding_cache_LDADD = $(store_test_libs) -ldl

check_PROGRAMS += tests/unit/store/test_keys tests/unit/store/test_tenants \
	tests/unit/store/test_tenants_erase
TESTS += tests/unit/store/test_keys tests/unit/store/test_tenants \
	tests/unit/store/test_tenants_erase
tests_unit_store_test_keys_SOURCES = tests/unit/store/test_keys.c \
	tests/unit/store/tenant_rows.h $(store_test_fixture)
tests_unit_store_test_keys_LDADD = $(store_test_libs)
tests_unit_store_test_tenants_SOURCES = tests/unit/store/test_tenants.c \
	tests/unit/store/tenant_rows.h $(store_test_fixture)
tests_unit_store_test_tenants_LDADD = $(store_test_libs)
tests_unit_store_test_tenants_erase_SOURCES = tests/unit/store/test_tenants_erase.c \
	tests/unit/store/registry_v2.h tests/unit/store/tenant_rows.h $(store_test_fixture)
tests_unit_store_test_tenants_erase_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/store/test_tenant_archive
TESTS += tests/unit/store/test_tenant_archive
tests_unit_store_test_tenant_archive_SOURCES = tests/unit/store/test_tenant_archive.c \
	$(store_test_fixture) tests/lib/faultfs.c tests/lib/faultfs.h
tests_unit_store_test_tenant_archive_LDADD = $(store_test_libs) -ldl

check_PROGRAMS += tests/unit/store/test_purge
TESTS += tests/unit/store/test_purge
tests_unit_store_test_purge_SOURCES = tests/unit/store/test_purge.c $(store_test_fixture)
tests_unit_store_test_purge_LDADD = $(store_test_libs)
endif
