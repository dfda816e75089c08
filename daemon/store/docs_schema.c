/* SPDX-License-Identifier: Apache-2.0 */
/* docs.db: its tables, and opening it. */
#include "store/collection_inside.h"
#include "store/docs.h"

#include <limits.h>
#include <stdio.h>

/* `totals` holds what would take a scan to count.  A version's `superseded` is the doc_seq of
 * the put that replaced it; its body and vectors are gone by then. */
static const struct db_migration migrations[] = {
        { .to = 1,
          .sql =
          "CREATE TABLE document("
          " doc_no INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,"
          " external_id TEXT NOT NULL UNIQUE, docver INTEGER NOT NULL,"
          " created_usec INTEGER NOT NULL);"

          "CREATE TABLE version("
          " docver INTEGER PRIMARY KEY, doc_no INTEGER NOT NULL, version INTEGER NOT NULL,"
          " job BLOB NOT NULL, mime TEXT, title TEXT, source_url TEXT, metadata TEXT,"
          " chunking TEXT, sha256 BLOB NOT NULL, vectors_sha256 BLOB NOT NULL,"
          " size INTEGER NOT NULL, updated_usec INTEGER NOT NULL,"
          " failed INTEGER NOT NULL DEFAULT 0, error TEXT, superseded INTEGER);"
          "CREATE INDEX version_document ON version(doc_no);"
          "CREATE INDEX version_superseded ON version(superseded) WHERE superseded IS NOT NULL;"

          "CREATE TABLE body(docver INTEGER PRIMARY KEY, body BLOB NOT NULL);"

          "CREATE TABLE vector("
          " docver INTEGER NOT NULL, ordinal INTEGER NOT NULL, text TEXT, floats BLOB NOT NULL,"
          " UNIQUE(docver, ordinal));"

          "CREATE TABLE attribute("
          " docver INTEGER NOT NULL, key TEXT NOT NULL, type INTEGER NOT NULL, value NOT NULL,"
          " PRIMARY KEY(docver, key)) WITHOUT ROWID;"

          "CREATE TABLE log("
          " doc_seq INTEGER PRIMARY KEY AUTOINCREMENT, doc_no INTEGER NOT NULL,"
          " deleted INTEGER NOT NULL, job BLOB NOT NULL);"
          "CREATE INDEX log_job ON log(job);"
          "CREATE INDEX log_deletes ON log(doc_seq) WHERE deleted = 1;"

          "CREATE TABLE totals("
          " one INTEGER PRIMARY KEY CHECK(one = 1), documents INTEGER NOT NULL,"
          " bytes INTEGER NOT NULL, failed INTEGER NOT NULL);"
          "INSERT INTO totals VALUES(1, 0, 0, 0);" },

        { .to = 2,
          .sql =
          "CREATE TABLE golden("
          " golden_no INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, query TEXT NOT NULL,"
          " created_usec INTEGER NOT NULL, UNIQUE(name, query));"

          "CREATE TABLE golden_gain("
          " golden_no INTEGER NOT NULL, external_id TEXT NOT NULL, gain INTEGER NOT NULL,"
          " PRIMARY KEY(golden_no, external_id)) WITHOUT ROWID;" },

        /* What was put before is not counted until it changes. */
        { .to = 3,
          .sql =
          "ALTER TABLE version ADD COLUMN chunks INTEGER NOT NULL DEFAULT 0;"
          "ALTER TABLE totals ADD COLUMN vectors INTEGER NOT NULL DEFAULT 0;" },
};

const struct db_schema docs_schema = {
        .application_id = 0x52476464, /* "RGdd" */
        .migrations = migrations,
        .n_migrations = ELEMENTSOF(migrations),
};

static int read_last_seq(struct collection *collection, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT max(doc_seq) FROM log", &statement, reterr);
        if (r == 0)
                r = db_step(reader.db, statement, reterr);
        if (r > 0)
                atomic_store(&collection->last_seq, db_column_u64(statement, 0));
        return r < 0 ? r : 0;
}

int docs_open(struct collection *collection, bool create, struct error *reterr)
{
        char path[PATH_MAX];
        struct db *db = NULL;
        int r;

        (void) snprintf(path, sizeof path, "%s/docs.db", collection->path);
        r = db_open(path, &docs_schema, create ? DB_WRITE : DB_WRITE_EXISTING, &db, reterr);
        if (r == 0)
                r = committer_new(db, &collection->docs, reterr);
        if (r == 0)
                r = db_pool_new(path, &docs_schema, &collection->docs_readers, reterr);
        return r == 0 ? read_last_seq(collection, reterr) : r;
}

void docs_close(struct collection *collection)
{
        collection->docs_readers = db_pool_free(collection->docs_readers);
        collection->docs = committer_free(collection->docs);
        attribute_index_free(collection->attributes);
        collection->attributes = NULL;
        if (collection->versions)
                roaring_bitmap_free(collection->versions);
        collection->versions = NULL;
}
