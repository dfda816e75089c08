noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	daemon/store/collection.c daemon/store/collection_behind.c daemon/store/collection_change.c daemon/store/collection.h daemon/store/collection_inside.h \
	daemon/store/collections.c daemon/store/collections.h \
	daemon/store/collections_close.c \
	daemon/store/collections_make.c daemon/store/collections_table.c \
	daemon/store/collection_purge.c daemon/store/collection_purge.h \
	daemon/store/committer.c daemon/store/committer.h \
	daemon/store/db.c daemon/store/db.h daemon/store/db_values.c \
	daemon/store/docs.c daemon/store/docs.h daemon/store/docs_filter.c \
	daemon/store/docs_log.c daemon/store/docs_put.c daemon/store/docs_schema.c \
	daemon/store/docs_totals.c daemon/store/docs_totals.h \
	daemon/store/docs_write.c daemon/store/docs_write.h \
	daemon/store/embedding_cache.c daemon/store/embedding_cache.h \
	daemon/store/embedding_file.c daemon/store/embedding_file.h \
	daemon/store/embedding_file_inside.h daemon/store/embedding_file_keep.c \
	daemon/store/embedding_memory.c daemon/store/embedding_memory.h \
	daemon/store/embedding_writer.c daemon/store/embedding_writer.h \
	daemon/store/generation.c daemon/store/generation.h daemon/store/generation_inside.h \
	daemon/store/generation_facts.c daemon/store/generation_index.c \
	daemon/store/generation_info.c \
	daemon/store/generation_maintain.c daemon/store/generation_read.c \
	daemon/store/generation_postings.c daemon/store/generation_rewrite.c \
	daemon/store/generation_room.c \
	daemon/store/generation_transaction.c daemon/store/generation_transaction.h \
	daemon/store/generation_vectors.c daemon/store/generation_write.c \
	daemon/store/golden.c daemon/store/golden.h \
	daemon/store/idempotency.c daemon/store/idempotency.h \
	daemon/store/jobs.c daemon/store/jobs.h \
	daemon/store/keys.c daemon/store/keys.h daemon/store/keys_write.c \
	daemon/store/ledger.c daemon/store/ledger.h \
	daemon/store/live.c daemon/store/live.h \
	daemon/store/manifest.c daemon/store/manifest.h \
	daemon/store/registry.c daemon/store/registry.h daemon/store/registry_generations.c daemon/store/registry_work.c \
	daemon/store/segment.c daemon/store/segment_inside.h daemon/store/segment_read.c \
	daemon/store/segment.h \
	daemon/store/served.c daemon/store/store.c daemon/store/store.h \
	daemon/store/tarball.h daemon/store/tarball_blocks.c daemon/store/tarball_gunzip.c \
	daemon/store/tarball_inside.h daemon/store/tarball_list.c daemon/store/tarball_read.c \
	daemon/store/tarball_write.c \
	daemon/store/tenant_archive.h daemon/store/tenant_archive_inside.h \
	daemon/store/tenant_archive_read.c daemon/store/tenant_archive_write.c \
	daemon/store/tenants.c daemon/store/tenants.h daemon/store/tenants_inside.h \
	daemon/store/tenants_erase.c daemon/store/tenants_usage.c daemon/store/tenants_write.c \
	daemon/store/traces.c daemon/store/traces.h \
	daemon/store/traces_file.c daemon/store/traces_file.h \
	daemon/store/view.c

# What a program that links libstore.a needs beside the floors below.
STORE_LIBS = libstore.a $(SQLITE_LIBS) $(ROARING_LIBS) $(LIBARCHIVE_LIBS) $(ZLIB_LIBS) $(SODIUM_LIBS)
