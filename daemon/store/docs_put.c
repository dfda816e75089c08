/* SPDX-License-Identifier: Apache-2.0 */
/* Writing documents: what a door handed in is checked, hashed and parsed before it queues for
 * the writer, so that the transaction only compares and inserts. */
#include "store/collection_inside.h"
#include "store/docs.h"
#include "store/docs_write.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

#include <sodium.h>
#include <string.h>

struct prepared {
        const struct document_input *input;
        struct json_object *metadata; /* NULL: none */
        uint8_t sha256[32], vectors_sha256[32];
        uint32_t dimensions;
};

struct put {
        struct collection *collection;
        struct prepared *prepared;
        size_t n;
        struct job_id job;
        uint64_t now_usec;
        struct docs_receipt *receipts;
        const struct docs_delta *most; /* or NULL */
        struct docs_delta delta;       /* what the totals change by, */
        int64_t failed;                /* and the count of failures */
        uint64_t last_seq;
};

/* ---- Before the transaction ------------------------------------------------------------- */

static int refuse(struct error *reterr, const char *key, const char *rule)
{
        error_set(reterr, -EINVAL, "%s %s", key, rule);
        error_set_origin(reterr, NULL, key, 0, 0);
        return -EINVAL;
}

static int check_external_id(const char *id, struct error *reterr)
{
        size_t len = strlen(id);

        if (len == 0 || len > DOCUMENT_EXTERNAL_ID_MAX)
                return refuse(reterr, "external_id", "must have 1 to 512 bytes");
        if (utf8_valid_prefix(id, len) != len)
                return refuse(reterr, "external_id", "is not valid UTF-8");
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) id[i] < 0x20 || id[i] == 0x7f)
                        return refuse(reterr, "external_id", "must not hold control characters");
        return 0;
}

static int check_text(const char *key, const char *text, struct error *reterr)
{
        if (text && utf8_valid_prefix(text, strlen(text)) != strlen(text))
                return refuse(reterr, key, "is not valid UTF-8");
        return 0;
}

static uint32_t default_dimensions(struct collection *collection)
{
        struct generation *serving = collection_serving(collection);
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);
        uint32_t dimensions = n > 0 ? generation_dimensions(all[n - 1]) : 0;

        if (serving)
                dimensions = generation_dimensions(serving);
        for (size_t i = 0; i < n; i++)
                (void) generation_unref(all[i]);
        (void) generation_unref(serving);
        return dimensions;
}

static int prepare_vectors(struct collection *collection, const struct document_input *input,
                           struct prepared *prepared, struct error *reterr)
{
        crypto_hash_sha256_state state;
        uint32_t dimensions = 0;

        (void) crypto_hash_sha256_init(&state);
        for (size_t i = 0; i < input->n_vectors; i++) {
                const struct document_vector *vector = &input->vectors[i];
                uint64_t len = vector->text ? strlen(vector->text) : UINT64_MAX;

                if (!dimensions)
                        dimensions = vector->dimensions ? vector->dimensions
                                                        : default_dimensions(collection);
                if (dimensions == 0)
                        return refuse(reterr, "vector", "has no width: there is no generation yet");
                if (vector->dimensions && vector->dimensions != dimensions)
                        return refuse(reterr, "vector", "differs in width from the one before");
                if (check_text("text", vector->text, reterr) < 0)
                        return -EINVAL;
                (void) crypto_hash_sha256_update(&state, (const uint8_t *) &len, sizeof len);
                if (vector->text)
                        (void) crypto_hash_sha256_update(&state, (const uint8_t *) vector->text,
                                                         len);
                (void) crypto_hash_sha256_update(&state, (const uint8_t *) vector->values,
                                                 dimensions * sizeof(float));
        }
        (void) crypto_hash_sha256_final(&state, prepared->vectors_sha256);
        prepared->dimensions = dimensions;
        return 0;
}

static int prepare(struct collection *collection, const struct document_input *input,
                   struct prepared *prepared, struct error *reterr)
{
        int r;

        prepared->input = input;
        r = check_external_id(input->external_id, reterr);
        if (r == 0)
                r = check_text("title", input->title, reterr);
        if (r == 0)
                r = check_text("source_url", input->source_url, reterr);
        if (r == 0)
                r = docs_check_metadata(input->metadata, reterr);
        if (r == 0 && utf8_valid_prefix(input->body, input->body_len) != input->body_len)
                r = refuse(reterr, "text", "is not valid UTF-8");
        if (r == 0 && input->body_len > INT32_MAX)
                r = refuse(reterr, "text", "is larger than 2 GiB");
        if (r == 0)
                r = prepare_vectors(collection, input, prepared, reterr);
        if (r == 0 && input->metadata)
                r = json_parse(input->metadata, strlen(input->metadata), &prepared->metadata,
                               reterr);
        if (r == 0)
                (void) crypto_hash_sha256(prepared->sha256, input->body, input->body_len);
        return r;
}

/* ---- The transaction -------------------------------------------------------------------- */

struct current {
        bool found, unchanged, failed;
        uint32_t doc_no, docver, version, chunks;
        uint64_t size;
        struct document_id id;
};

static bool same_text(sqlite3_stmt *statement, int at, const char *text)
{
        const char *stored = (const char *) sqlite3_column_text(statement, at);

        return stored && text ? strcmp(stored, text) == 0 : !stored && !text;
}

static bool same_bytes(sqlite3_stmt *statement, int at, const uint8_t bytes[static 32])
{
        const void *stored = sqlite3_column_blob(statement, at);

        return stored && sqlite3_column_bytes(statement, at) == 32 &&
               memcmp(stored, bytes, 32) == 0;
}

static int find_current(struct db *db, const struct prepared *prepared, struct current *ret,
                        struct error *reterr)
{
        const struct document_input *input = prepared->input;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db,
                           "SELECT d.doc_no, d.id, d.docver, v.version, v.size, v.failed, v.sha256,"
                           " v.vectors_sha256, v.mime, v.title, v.source_url, v.metadata,"
                           " v.chunking, v.chunks FROM document d JOIN version v ON v.docver = d.docver"
                           " WHERE d.external_id = ?", &statement, reterr);

        if (r < 0)
                return r;
        *ret = (struct current){ 0 };
        db_bind_text(statement, 1, input->external_id);
        r = db_step(db, statement, reterr);
        if (r <= 0)
                return r;
        ret->found = true;
        ret->doc_no = db_column_u32(statement, 0);
        ret->docver = db_column_u32(statement, 2);
        ret->version = db_column_u32(statement, 3);
        ret->size = db_column_u64(statement, 4);
        ret->chunks = db_column_u32(statement, 13);
        ret->failed = sqlite3_column_int(statement, 5) != 0;
        ret->unchanged = !ret->failed && same_bytes(statement, 6, prepared->sha256) &&
                         same_bytes(statement, 7, prepared->vectors_sha256) &&
                         same_text(statement, 8, input->mime) &&
                         same_text(statement, 9, input->title) &&
                         same_text(statement, 10, input->source_url) &&
                         same_text(statement, 11, input->metadata) &&
                         same_text(statement, 12, input->chunking);
        return db_column_bytes(db, statement, 1, ret->id.id.bytes, ID_BYTES, reterr);
}

static int insert_document(struct db *db, struct put *put, const char *external_id,
                           struct current *current, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO document(id, external_id, docver, created_usec)"
                               " VALUES(?,?,0,?)", &statement, reterr);

        if (r < 0)
                return r;
        current->id.id = id_random();
        db_bind_blob(statement, 1, current->id.id.bytes, ID_BYTES);
        db_bind_text(statement, 2, external_id);
        db_bind_u64(statement, 3, put->now_usec);
        r = db_step(db, statement, reterr);
        current->doc_no = (uint32_t) sqlite3_last_insert_rowid(db_connection(db));
        return r;
}

/* The body goes at once; the row stays for those who still serve it. */
static int supersede(struct db *db, struct put *put, const struct current *current, uint64_t seq,
                     struct error *reterr)
{
        int r = docs_write_numbers(db, "UPDATE version SET superseded = ?2 WHERE docver = ?1",
                                   current->docver, seq, reterr);

        if (r == 0)
                r = docs_write_numbers(db, "DELETE FROM body WHERE docver = ?", current->docver, 0,
                                       reterr);
        if (r == 0)
                r = docs_write_numbers(db, "DELETE FROM vector WHERE docver = ?", current->docver,
                                       0, reterr);
        put->failed -= current->failed;
        return r;
}

static uint32_t chunks_of(const struct document_input *input)
{
        return input->n_vectors > 0 ? (uint32_t) input->n_vectors : input->chunks;
}

static int insert_version(struct db *db, struct put *put, const struct prepared *prepared,
                          const struct current *current, uint64_t docver, struct error *reterr)
{
        const struct document_input *input = prepared->input;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db,
                           "INSERT INTO version(docver, doc_no, version, job, mime, title,"
                           " source_url, metadata, chunking, sha256, vectors_sha256, size,"
                           " updated_usec, chunks) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, docver);
        db_bind_u64(statement, 2, current->doc_no);
        db_bind_u64(statement, 3, (uint64_t) current->version + 1);
        db_bind_blob(statement, 4, put->job.id.bytes, ID_BYTES);
        db_bind_text(statement, 5, input->mime);
        db_bind_text(statement, 6, input->title);
        db_bind_text(statement, 7, input->source_url);
        db_bind_text(statement, 8, input->metadata);
        db_bind_text(statement, 9, input->chunking);
        db_bind_blob(statement, 10, prepared->sha256, sizeof prepared->sha256);
        db_bind_blob(statement, 11, prepared->vectors_sha256, sizeof prepared->vectors_sha256);
        db_bind_u64(statement, 12, input->body_len);
        db_bind_u64(statement, 13, put->now_usec);
        db_bind_u64(statement, 14, chunks_of(input));
        return db_step(db, statement, reterr);
}

static int insert_body(struct db *db, const struct document_input *input, uint64_t docver,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO body VALUES(?,?)", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, docver);
        db_bind_blob(statement, 2, input->body_len ? input->body : "", input->body_len);
        return db_step(db, statement, reterr);
}

static int insert_vectors(struct db *db, const struct prepared *prepared, uint64_t docver,
                          struct error *reterr)
{
        for (size_t i = 0; i < prepared->input->n_vectors; i++) {
                const struct document_vector *vector = &prepared->input->vectors[i];
                cleanup_statement_ sqlite3_stmt *statement = NULL;
                int r = db_prepare(db, "INSERT INTO vector(docver, ordinal, text, floats)"
                                       " VALUES(?,?,?,?)", &statement, reterr);

                if (r < 0)
                        return r;
                db_bind_u64(statement, 1, docver);
                db_bind_u64(statement, 2, i);
                db_bind_text(statement, 3, vector->text);
                db_bind_blob(statement, 4, vector->values, prepared->dimensions * sizeof(float));
                r = db_step(db, statement, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int insert_attributes(struct db *db, struct json_object *metadata, uint64_t docver,
                             struct error *reterr)
{
        if (!metadata)
                return 0;
        json_object_object_foreach(metadata, key, value) {
                cleanup_statement_ sqlite3_stmt *statement = NULL;
                int r = db_prepare(db, "INSERT INTO attribute(docver, key, type, value)"
                                       " VALUES(?,?,?,?)", &statement, reterr);

                if (r < 0)
                        return r;
                db_bind_u64(statement, 1, docver);
                db_bind_text(statement, 2, key);
                if (json_object_is_type(value, json_type_string)) {
                        db_bind_u64(statement, 3, ATTRIBUTE_STRING);
                        (void) sqlite3_bind_text(statement, 4, json_object_get_string(value),
                                                 json_object_get_string_len(value), SQLITE_STATIC);
                } else if (json_object_is_type(value, json_type_boolean)) {
                        db_bind_u64(statement, 3, ATTRIBUTE_BOOL);
                        db_bind_u64(statement, 4, json_object_get_boolean(value) != 0);
                } else {
                        db_bind_u64(statement, 3, ATTRIBUTE_NUMBER);
                        (void) sqlite3_bind_double(statement, 4, json_object_get_double(value));
                }
                r = db_step(db, statement, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What the totals change by, one document after the other. */
static struct docs_delta note_delta(struct put *put, const struct document_input *input,
                                    const struct current *current)
{
        struct docs_delta delta = {
                .documents = !current->found,
                .bytes = (int64_t) input->body_len - (int64_t) current->size,
                .vectors = (int64_t) chunks_of(input) - (int64_t) current->chunks,
        };

        put->delta.documents += delta.documents;
        put->delta.bytes += delta.bytes;
        put->delta.vectors += delta.vectors;
        return delta;
}

static int put_one(struct db *db, struct put *put, const struct prepared *prepared,
                   struct docs_receipt *ret, struct error *reterr)
{
        struct current current = { 0 };
        uint64_t seq = 0;
        int r = find_current(db, prepared, &current, reterr);

        if (r < 0)
                return r;
        *ret = (struct docs_receipt){ .id = current.id,
                                      .version = current.version,
                                      .doc_seq = current.docver,
                                      .unchanged = current.unchanged };
        memcpy(ret->sha256, prepared->sha256, sizeof ret->sha256);
        if (current.unchanged)
                return 0;

        ret->delta = note_delta(put, prepared->input, &current);
        if (!current.found)
                r = insert_document(db, put, prepared->input->external_id, &current, reterr);
        if (r == 0)
                r = docs_write_log(db, current.doc_no, false, put->job, &seq, reterr);
        if (r == 0 && current.found)
                r = supersede(db, put, &current, seq, reterr);
        if (r == 0)
                r = insert_version(db, put, prepared, &current, seq, reterr);
        if (r == 0)
                r = insert_body(db, prepared->input, seq, reterr);
        if (r == 0)
                r = insert_vectors(db, prepared, seq, reterr);
        if (r == 0)
                r = insert_attributes(db, prepared->metadata, seq, reterr);
        if (r == 0)
                r = docs_write_numbers(db, "UPDATE document SET docver = ?2 WHERE doc_no = ?1",
                                       current.doc_no, seq, reterr);
        ret->id = current.id;
        ret->version = current.version + 1;
        ret->doc_seq = put->last_seq = seq;
        return r;
}

static bool exceeds(const struct docs_delta *delta, const struct docs_delta *most)
{
        return delta->documents > most->documents || delta->bytes > most->bytes ||
               delta->vectors > most->vectors;
}

static int apply_put(struct db *db, void *data, struct error *reterr)
{
        struct put *put = data;
        int r = 0;

        put->delta = (struct docs_delta){ 0 };
        put->failed = 0;
        put->last_seq = 0;
        for (size_t i = 0; r == 0 && i < put->n; i++)
                r = put_one(db, put, &put->prepared[i], &put->receipts[i], reterr);
        if (r == 0 && put->most && exceeds(&put->delta, put->most))
                r = error_set(reterr, -ESTALE, "the documents were changed meanwhile");
        return r < 0 ? r : docs_write_totals(db, &put->delta, put->failed, reterr);
}

int docs_put(struct collection *collection, const struct document_input *inputs, size_t n,
             struct job_id job, struct docs_receipt *ret_receipts, struct error *reterr)
{
        return docs_put_within(collection, inputs, n, job, NULL, ret_receipts, reterr);
}

int docs_put_within(struct collection *collection, const struct document_input *inputs, size_t n,
                    struct job_id job, const struct docs_delta *most,
                    struct docs_receipt *ret_receipts, struct error *reterr)
{
        struct put put = { .collection = collection, .n = n, .job = job, .most = most,
                           .now_usec = clock_wall_usec(), .receipts = ret_receipts };
        int r = 0;

        put.prepared = calloc(n ? n : 1, sizeof *put.prepared);
        if (!put.prepared)
                return error_oom(reterr);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = prepare(collection, &inputs[i], &put.prepared[i], reterr);
        if (r == 0)
                r = collection_begin_change(collection, reterr);
        if (r == 0)
                r = committer_run(collection->docs, apply_put, &put, reterr);
        if (r == 0)
                docs_raise_last_seq(collection, put.last_seq);
        for (size_t i = 0; i < n; i++)
                json_object_put(put.prepared[i].metadata);
        free(put.prepared);
        return r;
}
