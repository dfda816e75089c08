/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a generation's chunks and checksums; and tidying what nobody reads. */
#include "store/generation_inside.h"

#include <stdlib.h>
#include <string.h>

void chunk_done(struct chunk *chunk)
{
        free(chunk->text);
        *chunk = (struct chunk){ 0 };
}

struct chunk *chunks_free(struct chunk *chunks, size_t n)
{
        for (size_t i = 0; i < n; i++)
                chunk_done(&chunks[i]);
        free(chunks);
        return NULL;
}

static int read_chunk(sqlite3_stmt *statement, struct chunk *ret, struct error *reterr)
{
        struct chunk chunk = {
                .slot = db_column_u32(statement, 0),
                .docver = db_column_u32(statement, 1),
                .ordinal = db_column_u32(statement, 2),
                .start = db_column_u32(statement, 3),
                .end = db_column_u32(statement, 4),
                .tokens = db_column_u32(statement, 5),
        };
        int r = db_column_text(statement, 6, &chunk.text, reterr);

        if (r < 0)
                return r;
        chunk.text_len = chunk.text ? (size_t) sqlite3_column_bytes(statement, 6) : 0;
        *ret = chunk;
        return 0;
}

#define CHUNK_COLUMNS "c.slot, c.docver, c.ordinal, c.start, c.stop, c.tokens, c.text"

int generation_get_chunk(struct generation *generation, uint32_t slot, struct chunk *ret,
                         struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(generation->readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT " CHUNK_COLUMNS " FROM chunk c WHERE c.slot = ?",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, slot);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such chunk");
        return r < 0 ? r : read_chunk(statement, ret, reterr);
}

int generation_get_chunks(struct generation *generation, uint32_t docver, struct chunk **ret,
                          size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct chunk *chunks = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(generation->readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT " CHUNK_COLUMNS " FROM version v JOIN chunk c"
                                          " ON c.slot >= v.first_slot"
                                          " AND c.slot < v.first_slot + v.count"
                                          " WHERE v.docver = ? ORDER BY c.slot", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, docver);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        struct chunk *grown = reallocarray(chunks, size ? size * 2 : 8,
                                                           sizeof *grown);

                        if (!grown) {
                                r = error_oom(reterr);
                                break;
                        }
                        chunks = grown;
                        size = size ? size * 2 : 8;
                }
                r = read_chunk(statement, &chunks[n], reterr);
                if (r < 0)
                        break;
                n++;
        }
        if (r < 0) {
                (void) chunks_free(chunks, n);
                return r;
        }
        *ret = chunks;
        *ret_n = n;
        return 0;
}

int generation_scrub(struct generation *generation, struct error *reterr)
{
        struct generation_view *view = generation_view_ref(generation);
        int r = segments_scrub(generation->segments, view->committed, reterr);

        (void) generation_view_unref(view);
        return r;
}

/* ---- Tidying ---------------------------------------------------------------------------- */

#define TIDY_VERSIONS 64
#define TIDY_CHUNKS 256

struct dead_version {
        uint32_t docver, first_slot, count;
};

struct dead_versions {
        struct dead_version versions[TIDY_VERSIONS];
        size_t n;
        bool more;
};

/* All slots of a version live and die together: its first speaks for it. */
static int find_dead(struct generation *generation, struct dead_versions *dead,
                     struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(generation->db, "SELECT docver, first_slot, count FROM version"
                                           " WHERE state = 2 ORDER BY docver", &statement, reterr);

        if (r < 0)
                return r;
        while ((r = db_step(generation->db, statement, reterr)) > 0) {
                struct dead_version version = {
                        .docver = db_column_u32(statement, 0),
                        .first_slot = db_column_u32(statement, 1),
                        .count = db_column_u32(statement, 2),
                };

                if (version.count > 0 && view_shows(generation, version.first_slot))
                        continue;
                if (dead->n == TIDY_VERSIONS) {
                        dead->more = true;
                        return 0;
                }
                dead->versions[dead->n++] = version;
        }
        return r;
}

/* The first `budget` chunks of the version. */
static int remove_chunks(struct generation *generation, const struct dead_version *version,
                         uint32_t *budget, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(generation->db, "DELETE FROM chunk WHERE slot IN (SELECT slot FROM chunk"
                                           " WHERE slot >= ? AND slot < ? ORDER BY slot LIMIT ?)",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, version->first_slot);
        db_bind_u64(statement, 2, (uint64_t) version->first_slot + version->count);
        db_bind_u64(statement, 3, *budget);
        r = db_step(generation->db, statement, reterr);
        if (r == 0)
                *budget -= (uint32_t) sqlite3_changes(db_connection(generation->db));
        return r;
}

static int remove_version(struct generation *generation, const struct dead_version *version,
                          uint32_t *budget, bool *ret_gone, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = remove_chunks(generation, version, budget, reterr);

        if (r == 0)
                r = db_prepare(generation->db,
                               "DELETE FROM version WHERE docver = ?1 AND NOT EXISTS(SELECT 1 FROM"
                               " chunk WHERE slot >= ?2 AND slot < ?3)", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, version->docver);
        db_bind_u64(statement, 2, version->first_slot);
        db_bind_u64(statement, 3, (uint64_t) version->first_slot + version->count);
        r = db_step(generation->db, statement, reterr);
        *ret_gone = sqlite3_changes(db_connection(generation->db)) == 1;
        return r;
}

static int tidy_locked(struct generation *generation, bool *ret_more, struct error *reterr)
{
        struct dead_versions dead = { .n = 0 };
        uint32_t budget = TIDY_CHUNKS;
        int r = generation_recover(generation, reterr);

        if (r == 0)
                r = find_dead(generation, &dead, reterr);
        if (r < 0 || dead.n == 0)
                return r;
        r = db_begin(generation->db, reterr);
        for (size_t i = 0; r == 0 && i < dead.n; i++) {
                bool gone = false;

                if (budget > 0)
                        r = remove_version(generation, &dead.versions[i], &budget, &gone, reterr);
                dead.more |= !gone;
        }
        if (r == 0)
                r = db_commit(generation->db, reterr);
        if (r < 0)
                db_rollback(generation->db);
        *ret_more = dead.more;
        return r;
}

int generation_tidy(struct generation *generation, bool *ret_more, struct error *reterr)
{
        bool more = false, more_docs = false;
        int r;

        generation_lock(generation);
        r = tidy_locked(generation, &more, reterr);
        generation_unlock(generation);
        if (r == 0)
                r = collection_tidy(generation->collection, &more_docs, reterr);
        if (r == 0)
                *ret_more = more || more_docs;
        return r;
}
