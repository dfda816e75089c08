/* SPDX-License-Identifier: Apache-2.0 */
/* Reading documents and the change log. */
#include "store/docs.h"

#include "base/enum.h"
#include "store/collection_inside.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const document_status_names[DOCUMENT_STATUS_MAX] = {
        [DOCUMENT_PENDING] = "pending",
        [DOCUMENT_READY] = "ready",
        [DOCUMENT_FAILED] = "failed",
};

const char *document_status_name(enum document_status status)
{
        return (unsigned) status < DOCUMENT_STATUS_MAX ? document_status_names[status] : NULL;
}

void document_done(struct document *document)
{
        free(document->external_id);
        free(document->mime);
        free(document->title);
        free(document->source_url);
        free(document->metadata);
        free(document->chunking);
        free(document->error);
        free(document->body);
        *document = (struct document){ 0 };
}

struct document *documents_free(struct document *documents, size_t n)
{
        for (size_t i = 0; i < n; i++)
                document_done(&documents[i]);
        free(documents);
        return NULL;
}

/* ---- Documents -------------------------------------------------------------------------- */

#define DOCUMENT_COLUMNS                                                                      \
        "d.id, d.doc_no, v.docver, v.version, v.job, v.failed, v.sha256, v.size,"             \
        " d.created_usec, v.updated_usec, d.external_id, v.mime, v.title, v.source_url,"      \
        " v.metadata, v.chunking, v.error, v.chunks"
#define CURRENT " FROM document d JOIN version v ON v.docver = d.docver"

static int read_document(struct db *db, sqlite3_stmt *statement, struct document *ret,
                         struct error *reterr)
{
        struct document document = { 0 };
        char **const texts[] = { &document.external_id, &document.mime,     &document.title,
                                 &document.source_url,  &document.metadata, &document.chunking,
                                 &document.error };
        int r;

        r = db_column_bytes(db, statement, 0, document.id.id.bytes, ID_BYTES, reterr);
        if (r == 0)
                r = db_column_bytes(db, statement, 4, document.job.id.bytes, ID_BYTES, reterr);
        if (r == 0)
                r = db_column_bytes(db, statement, 6, document.sha256, 32, reterr);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(texts); i++)
                r = db_column_text(statement, 10 + (int) i, texts[i], reterr);
        if (r < 0) {
                document_done(&document);
                return r;
        }
        document.doc_no = db_column_u32(statement, 1);
        document.docver = db_column_u32(statement, 2);
        document.doc_seq = document.docver;
        document.version = db_column_u32(statement, 3);
        document.failed = sqlite3_column_int(statement, 5) != 0;
        document.size_bytes = db_column_u64(statement, 7);
        document.chunks = db_column_u32(statement, 17);
        document.created_usec = db_column_u64(statement, 8);
        document.updated_usec = db_column_u64(statement, 9);
        *ret = document;
        return 0;
}

/* What a document is asked for by: exactly one of the three. */
struct key {
        const char *external_id;
        const struct document_id *id;
        uint32_t docver;
};

static int find_document(struct db *db, const char *sql, const struct key *key,
                         struct document *ret, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        if (key->external_id)
                db_bind_text(statement, 1, key->external_id);
        else if (key->id)
                db_bind_blob(statement, 1, key->id->id.bytes, ID_BYTES);
        else
                db_bind_u64(statement, 1, key->docver);
        r = db_step(db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such document");
        return r < 0 ? r : read_document(db, statement, ret, reterr);
}

static int get_document(struct collection *collection, const char *sql, const struct key *key,
                        struct document *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        return r < 0 ? r : find_document(reader.db, sql, key, ret, reterr);
}

int docs_get(struct collection *collection, const char *external_id, struct document *ret,
             struct error *reterr)
{
        return get_document(collection,
                            "SELECT " DOCUMENT_COLUMNS CURRENT " WHERE d.external_id = ?",
                            &(struct key){ .external_id = external_id }, ret, reterr);
}

int docs_get_by_id(struct collection *collection, struct document_id id, struct document *ret,
                   struct error *reterr)
{
        return get_document(collection, "SELECT " DOCUMENT_COLUMNS CURRENT " WHERE d.id = ?",
                            &(struct key){ .id = &id }, ret, reterr);
}

static const char version_sql[] = "SELECT " DOCUMENT_COLUMNS " FROM version v"
                                  " JOIN document d ON d.doc_no = v.doc_no WHERE v.docver = ?";

int docs_get_version(struct collection *collection, uint32_t docver, struct document *ret,
                     struct error *reterr)
{
        return get_document(collection, version_sql, &(struct key){ .docver = docver }, ret,
                            reterr);
}

static int step_once(struct db *db, const char *sql, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        return r < 0 ? r : db_step(db, statement, reterr);
}

/* Beginning and ending a transaction takes file locks, which cost more than a row. */
int docs_get_versions(struct collection *collection, const uint32_t *docvers, size_t n,
                      struct document *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        size_t i = 0;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r < 0)
                return r;
        r = step_once(reader.db, "BEGIN", reterr);
        for (; r >= 0 && i < n; i++) {
                ret[i] = (struct document){ 0 };
                r = find_document(reader.db, version_sql, &(struct key){ .docver = docvers[i] },
                                  &ret[i], reterr);
                if (r == -ENOENT)
                        r = 0;
        }
        if (r >= 0)
                r = step_once(reader.db, "COMMIT", reterr);
        if (r >= 0)
                return 0;
        db_rollback(reader.db);
        while (i-- > 0)
                document_done(&ret[i]);
        return r;
}

int docs_get_body(struct collection *collection, uint32_t docver, struct document *ret,
                  struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct document document = { 0 };
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = find_document(reader.db, version_sql, &(struct key){ .docver = docver },
                                  &document, reterr);
        if (r == 0)
                r = db_prepare(reader.db, "SELECT body FROM body WHERE docver = ?", &statement,
                               reterr);
        if (r == 0) {
                db_bind_u64(statement, 1, docver);
                r = db_step(reader.db, statement, reterr);
                if (r == 0)
                        r = error_set(reterr, -ENOENT, "the version was superseded");
        }
        if (r > 0) {
                document.body_len = (size_t) sqlite3_column_bytes(statement, 0);
                document.body = malloc(document.body_len + 1);
                r = document.body ? 0 : error_oom(reterr);
        }
        if (r < 0) {
                document_done(&document);
                return r;
        }
        if (document.body_len > 0)
                memcpy(document.body, sqlite3_column_blob(statement, 0), document.body_len);
        document.body[document.body_len] = '\0';
        *ret = document;
        return 0;
}

int docs_list(struct collection *collection, const char *after, size_t limit,
              struct document **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct document *documents = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT " DOCUMENT_COLUMNS CURRENT
                                          " WHERE d.external_id > ? ORDER BY d.external_id LIMIT ?",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_text(statement, 1, after ? after : "");
        db_bind_u64(statement, 2, limit > INT_MAX ? INT_MAX : limit);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        struct document *grown =
                                reallocarray(documents, size ? size * 2 : 8, sizeof *grown);

                        if (!grown) {
                                r = error_oom(reterr);
                                break;
                        }
                        documents = grown;
                        size = size ? size * 2 : 8;
                }
                r = read_document(reader.db, statement, &documents[n], reterr);
                if (r < 0)
                        break;
                n++;
        }
        if (r < 0) {
                (void) documents_free(documents, n);
                return r;
        }
        *ret = documents;
        *ret_n = n;
        return 0;
}

/* ---- Vectors that clients brought ------------------------------------------------------- */

struct document_vector *docs_vectors_free(struct document_vector *vectors, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free((void *) (uintptr_t) vectors[i].text);
                free((void *) (uintptr_t) vectors[i].values);
        }
        free(vectors);
        return NULL;
}

static int read_vector(struct db *db, sqlite3_stmt *statement, struct document_vector *ret,
                       struct error *reterr)
{
        size_t len = (size_t) sqlite3_column_bytes(statement, 1);
        char *text = NULL;
        float *values;
        int r;

        if (len == 0 || len % sizeof(float) != 0)
                return error_set(reterr, -EBADMSG, "%s is damaged: a vector's length",
                                 db_path(db));
        r = db_column_text(statement, 0, &text, reterr);
        if (r < 0)
                return r;
        values = malloc(len);
        if (!values) {
                free(text);
                return error_oom(reterr);
        }
        memcpy(values, sqlite3_column_blob(statement, 1), len);
        *ret = (struct document_vector){ text, values, (uint32_t) (len / sizeof(float)) };
        return 0;
}

int docs_get_vectors(struct collection *collection, uint32_t docver, struct document_vector **ret,
                     size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct document_vector *vectors = NULL;
        size_t n = 0;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT text, floats FROM vector WHERE docver = ?"
                                          " ORDER BY ordinal", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, docver);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                struct document_vector *grown = reallocarray(vectors, n + 1, sizeof *grown);

                if (!grown) {
                        r = error_oom(reterr);
                        break;
                }
                vectors = grown;
                r = read_vector(reader.db, statement, &vectors[n], reterr);
                if (r < 0)
                        break;
                n++;
        }
        if (r < 0) {
                (void) docs_vectors_free(vectors, n);
                return r;
        }
        *ret = vectors;
        *ret_n = n;
        return 0;
}
