/* SPDX-License-Identifier: Apache-2.0 */
#include "store/docs_totals.h"

#include "store/collection_inside.h"
#include "store/generation_inside.h"
#include "store/registry.h"

#include <limits.h>
#include <stdio.h>

static int read_totals(struct db *db, struct docs_totals *ret, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT documents, bytes, vectors FROM totals", &statement, reterr);

        if (r == 0)
                r = db_step(db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -EBADMSG, "%s is damaged: it has no totals", db_path(db));
        if (r < 0)
                return r;
        *ret = (struct docs_totals){ .documents = db_column_u64(statement, 0),
                                     .bytes = db_column_u64(statement, 1),
                                     .vectors = db_column_u64(statement, 2) };
        return 0;
}

static int ask(struct collection *collection, struct docs_totals *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        return r < 0 ? r : read_totals(reader.db, ret, reterr);
}

static int read_file(struct store *store, struct tenant_id tenant, struct collection_id id,
                     struct docs_totals *ret, struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        char folder[COLLECTION_PATH_SIZE], path[PATH_MAX];
        int r;

        (void) snprintf(path, sizeof path, "%s/%s/docs.db", store->path,
                        collection_path(tenant, id, folder));
        r = db_open(path, &docs_schema, DB_READ, &db, reterr);
        return r < 0 ? r : read_totals(db, ret, reterr);
}

/* A file of an older format is migrated by whoever opens the collection, and by nobody else. */
int docs_read_totals(struct store *store, struct tenant_id tenant, struct collection_id id,
                     struct docs_totals *ret, struct error *reterr)
{
        struct collection *collection = collection_find_open(store, id);
        int r;

        if (!collection && read_file(store, tenant, id, ret, reterr) == 0)
                return 0;
        r = collection ? 0 : collection_open_by_id(store, tenant, id, &collection, reterr);
        if (r == 0)
                r = ask(collection, ret, reterr);
        (void) collection_unref(collection);
        return r;
}
