noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	daemon/store/collection.h \
	daemon/store/collections.h \
	daemon/store/committer.c daemon/store/committer.h \
	daemon/store/db.c daemon/store/db.h daemon/store/db_values.c \
	daemon/store/docs.h \
	daemon/store/generation.h \
	daemon/store/idempotency.c daemon/store/idempotency.h \
	daemon/store/jobs.c daemon/store/jobs.h \
	daemon/store/registry.c daemon/store/registry.h daemon/store/registry_generations.c \
	daemon/store/store.c daemon/store/store.h

# What a program that links libstore.a needs beside the floors below.
STORE_LIBS = libstore.a $(SQLITE_LIBS) $(ROARING_LIBS)
