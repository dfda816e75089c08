/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's rows about generations: which there are, and in which state. */
#include "store/registry.h"

#include <string.h>

int registry_list_generations(struct store *store, struct collection_id id,
                              struct generation_row **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_free_ struct generation_row *rows = NULL;
        size_t n = 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT number, state FROM generation"
                                          " WHERE collection = ? ORDER BY number",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, id.id.bytes, ID_BYTES);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                struct generation_row *grown = reallocarray(rows, n + 1, sizeof *rows);
                uint32_t state = db_column_u32(statement, 1);

                if (!grown)
                        return error_oom(reterr);
                rows = grown;
                if (state >= GENERATION_STATE_MAX)
                        return error_set(reterr, -EBADMSG, "%s is damaged: generation state %u",
                                         db_path(reader.db), state);
                rows[n++] = (struct generation_row){ db_column_u32(statement, 0),
                                                     (enum generation_state) state };
        }
        if (r < 0)
                return r;
        *ret = take_ptr(rows);
        *ret_n = n;
        return 0;
}

struct generation_request {
        struct collection_id id;
        const uint8_t *identity;
        uint32_t number;
        enum generation_state state;
        const char *garbage;
        const struct generation_garbage *others;
        size_t n_others;
};

/* Runs a statement with the collection as ?1, the number as ?2 and the identity as ?3. */
static int run_on(struct db *db, const char *sql, const struct generation_request *request,
                  struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, request->id.id.bytes, ID_BYTES);
        if (sqlite3_bind_parameter_count(statement) >= 2)
                db_bind_u64(statement, 2, request->number);
        if (sqlite3_bind_parameter_count(statement) >= 3)
                db_bind_blob(statement, 3, request->identity, GENERATION_IDENTITY_BYTES);
        return db_step(db, statement, reterr);
}

/* The states are numbers in the text below and in folders of older versions. */
_Static_assert(GENERATION_BUILDING == 0 && GENERATION_READY == 1 && GENERATION_RESTING == 2,
               "generation states are stored as numbers");

int registry_find_serving(struct store *store, struct db *db, const struct collection_info *info,
                          uint32_t *ret_number, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        uint64_t served;
        int r;

        *ret_number = 0;
        if (!store_get_served(store, info->language, identity, &served))
                return 0;
        r = db_prepare(db, "SELECT number FROM generation WHERE collection = ? AND identity = ?"
                           " ORDER BY CASE state WHEN 1 THEN 0 WHEN 0 THEN 1 ELSE 2 END,"
                           " number DESC LIMIT 1", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, info->id.id.bytes, ID_BYTES);
        db_bind_blob(statement, 2, identity, sizeof identity);
        r = db_step(db, statement, reterr);
        if (r > 0)
                *ret_number = db_column_u32(statement, 0);
        return r < 0 ? r : 0;
}

static int apply_add(struct db *db, void *data, struct error *reterr)
{
        struct generation_request *request = data;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = run_on(db, "SELECT 1 FROM generation WHERE collection = ?1 AND state = 0"
                           " AND identity = ?3", request, reterr);

        if (r > 0)
                return error_set(reterr, -EEXIST, "such a generation is being built already");
        if (r == 0)
                r = db_prepare(db, "UPDATE collection SET last_number = last_number + 1"
                                   " WHERE id = ? RETURNING last_number", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, request->id.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "the collection was deleted");
        if (r < 0)
                return r;
        request->number = db_column_u32(statement, 0);
        (void) sqlite3_reset(statement);
        return run_on(db, "INSERT INTO generation(collection, number, state, identity)"
                          " VALUES(?, ?, 0, ?)", request, reterr);
}

static int apply_state(struct db *db, void *data, struct error *reterr)
{
        static const char *const updates[GENERATION_STATE_MAX] = {
                [GENERATION_BUILDING] = "UPDATE generation SET state = 0"
                                        " WHERE collection = ? AND number = ?",
                [GENERATION_READY] = "UPDATE generation SET state = 1"
                                     " WHERE collection = ? AND number = ?",
                [GENERATION_RESTING] = "UPDATE generation SET state = 2"
                                       " WHERE collection = ? AND number = ?",
        };
        const struct generation_request *request = data;
        int r = run_on(db, updates[request->state], request, reterr);

        if (r == 0 && sqlite3_changes(db_connection(db)) != 1)
                return error_set(reterr, -ENOENT, "there is no generation %u", request->number);
        return r;
}

static int apply_remove(struct db *db, void *data, struct error *reterr)
{
        const struct generation_request *request = data;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = run_on(db, "DELETE FROM generation WHERE collection = ? AND number = ?", request,
                       reterr);

        if (r < 0 || !request->garbage)
                return r;
        r = db_prepare(db, "INSERT OR IGNORE INTO garbage(path) VALUES(?)", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_text(statement, 1, request->garbage);
        return db_step(db, statement, reterr);
}

static int apply_finish(struct db *db, void *data, struct error *reterr)
{
        struct generation_request *request = data;
        int r = apply_state(db, request, reterr);

        for (size_t i = 0; r == 0 && i < request->n_others; i++) {
                struct generation_request other = { .id = request->id,
                                                    .number = request->others[i].number,
                                                    .garbage = request->others[i].path };

                r = apply_remove(db, &other, reterr);
        }
        return r;
}

int registry_add_generation(struct store *store, struct collection_id id,
                            const uint8_t identity[static GENERATION_IDENTITY_BYTES],
                            uint32_t *ret_number, struct error *reterr)
{
        struct generation_request request = { .id = id, .identity = identity };
        int r = committer_run(store->registry, apply_add, &request, reterr);

        if (r == 0)
                *ret_number = request.number;
        return r;
}

int registry_set_generation(struct store *store, struct collection_id id, uint32_t number,
                            enum generation_state state, struct error *reterr)
{
        struct generation_request request = { .id = id, .number = number, .state = state };

        return committer_run(store->registry, apply_state, &request, reterr);
}

int registry_finish_generation(struct store *store, struct collection_id id, uint32_t number,
                               const struct generation_garbage *others, size_t n_others,
                               struct error *reterr)
{
        struct generation_request request = { .id = id,
                                              .number = number,
                                              .state = GENERATION_READY,
                                              .others = others,
                                              .n_others = n_others };

        return committer_run(store->registry, apply_finish, &request, reterr);
}

int registry_remove_generation(struct store *store, struct collection_id id, uint32_t number,
                               const char *garbage, struct error *reterr)
{
        struct generation_request request = { .id = id, .number = number, .garbage = garbage };

        return committer_run(store->registry, apply_remove, &request, reterr);
}
