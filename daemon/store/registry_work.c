/* SPDX-License-Identifier: Apache-2.0 */
/* Which collections have work, by the registry alone: nothing is opened to find out. */
#include "store/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The mark --------------------------------------------------------------------------- */

int registry_is_behind(struct store *store, struct collection_id id, bool *ret,
                       struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT 1 FROM behind WHERE collection = ?", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, id.id.bytes, ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r >= 0)
                *ret = r > 0;
        return r < 0 ? r : 0;
}

struct marking {
        const struct collection_id *ids;
        size_t n;
};

static int run_for(struct db *db, const char *sql, const struct marking *marking,
                   struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < marking->n; i++) {
                cleanup_statement_ sqlite3_stmt *statement = NULL;

                r = db_prepare(db, sql, &statement, reterr);
                if (r < 0)
                        break;
                db_bind_blob(statement, 1, marking->ids[i].id.bytes, ID_BYTES);
                r = db_step(db, statement, reterr);
        }
        return r;
}

/* One that was deleted meanwhile has no row to refer to. */
static int apply_behind(struct db *db, void *data, struct error *reterr)
{
        return run_for(db, "INSERT OR IGNORE INTO behind SELECT id FROM collection WHERE id = ?",
                       data, reterr);
}

static int apply_caught_up(struct db *db, void *data, struct error *reterr)
{
        return run_for(db, "DELETE FROM behind WHERE collection = ?", data, reterr);
}

int registry_set_behind(struct store *store, struct collection_id id, struct error *reterr)
{
        struct marking marking = { &id, 1 };

        return committer_run(store->registry, apply_behind, &marking, reterr);
}

int registry_set_caught_up(struct store *store, const struct collection_id *ids, size_t n,
                           struct error *reterr)
{
        struct marking marking = { ids, n };

        return committer_run(store->registry, apply_caught_up, &marking, reterr);
}

/* ---- Who has work ----------------------------------------------------------------------- */

/* Those in the folder: tenants that are offloaded or deleted (2, 3) have nothing to work on. */
#define PRESENT " JOIN tenant t ON t.id = c.tenant AND t.state < 2"

#define LANGUAGES_MAX 32 /* whose identities are remembered; hashing one costs microseconds */

struct identities {
        char language[32];
        uint8_t (*at)[GENERATION_IDENTITY_BYTES];
};

struct search {
        const struct generation_spec *const *specs;
        size_t n_specs;
        bool others_rest; /* generations of other identities are to rest */
        struct identities languages[LANGUAGES_MAX];
        size_t n_languages;

        /* of the collection that the rows are about */
        struct store_collection collection;
        const struct identities *wanted;
        uint32_t ready; /* bit i: the one of specs[i] is */
        bool any, concerned;

        struct store_collection *found;
        size_t n, room;
};

static void search_done(struct search *search)
{
        for (size_t i = 0; i < search->n_languages; i++)
                free(search->languages[i].at);
        free(search->found);
}

static const struct identities *identities_of(struct search *search, const char *language)
{
        struct identities *found = search->languages;

        for (size_t i = 0; i < search->n_languages; i++, found++)
                if (strcmp(found->language, language) == 0)
                        return found;
        if (search->n_languages == LANGUAGES_MAX)
                free((--found)->at);
        else
                search->n_languages++;
        found->at = calloc(search->n_specs + 1, sizeof *found->at);
        (void) snprintf(found->language, sizeof found->language, "%s", found->at ? language : "?");
        for (size_t i = 0; found->at && i < search->n_specs; i++) {
                struct generation_spec spec = *search->specs[i];

                spec.language = found->language;
                generation_identity(&spec, found->at[i]);
        }
        return found->at ? found : NULL;
}

/* All rows of a collection were seen. */
static int end_collection(struct search *search, struct error *reterr)
{
        uint32_t all = (UINT32_C(1) << search->n_specs) - 1;
        bool concerned = search->any && (search->concerned || search->ready != all);

        search->any = false;
        if (!concerned)
                return 0;
        if (search->n == search->room) {
                size_t room = search->room ? search->room * 2 : 16;
                struct store_collection *grown = reallocarray(search->found, room, sizeof *grown);

                if (!grown)
                        return error_oom(reterr);
                search->found = grown;
                search->room = room;
        }
        search->found[search->n++] = search->collection;
        return 0;
}

static int begin_collection(struct search *search, struct db *db, sqlite3_stmt *statement,
                            const struct collection_id *id, struct error *reterr)
{
        const char *language = (const char *) sqlite3_column_text(statement, 2);
        int r = end_collection(search, reterr);

        if (r == 0)
                r = db_column_bytes(db, statement, 0, search->collection.tenant.id.bytes, ID_BYTES,
                                    reterr);
        if (r < 0)
                return r;
        search->collection.collection = *id;
        search->wanted = identities_of(search, language ? language : "");
        search->any = true;
        search->ready = 0;
        search->concerned = sqlite3_column_int(statement, 3) != 0; /* marked */
        return search->wanted ? 0 : error_oom(reterr);
}

static void look_at_generation(struct search *search, int state, const void *identity)
{
        bool wanted = false;

        for (size_t i = 0; i < search->n_specs; i++) {
                if (memcmp(search->wanted->at[i], identity, GENERATION_IDENTITY_BYTES) != 0)
                        continue;
                wanted = true;
                if (state == GENERATION_READY)
                        search->ready |= UINT32_C(1) << i;
        }
        if (search->others_rest)
                search->concerned |= state == GENERATION_BUILDING ||
                                     (!wanted && state != GENERATION_RESTING);
}

static int look_at_row(struct search *search, struct db *db, sqlite3_stmt *statement,
                       struct error *reterr)
{
        struct collection_id id;
        int r = db_column_bytes(db, statement, 1, id.id.bytes, ID_BYTES, reterr);

        if (r == 0 && (!search->any || !id_equal(id.id, search->collection.collection.id)))
                r = begin_collection(search, db, statement, &id, reterr);
        if (r == 0 && sqlite3_column_bytes(statement, 5) == GENERATION_IDENTITY_BYTES)
                look_at_generation(search, sqlite3_column_int(statement, 4),
                                   sqlite3_column_blob(statement, 5));
        return r;
}

#define ROWS(where)                                                                           \
        "SELECT c.tenant, c.id, c.language, b.collection IS NOT NULL, g.state, g.identity"    \
        " FROM collection c" PRESENT                                                          \
        " LEFT JOIN behind b ON b.collection = c.id"                                          \
        " LEFT JOIN generation g ON g.collection = c.id" where " ORDER BY c.id"

static int run(struct store *store, const struct tenant_id *tenant, struct search *search,
               struct store_collection **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = tenant ? db_prepare(reader.db, ROWS(" WHERE c.tenant = ?"), &statement, reterr)
                           : db_prepare(reader.db, ROWS(""), &statement, reterr);
        if (r < 0)
                return r;
        if (tenant)
                db_bind_blob(statement, 1, tenant->id.bytes, ID_BYTES);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                r = look_at_row(search, reader.db, statement, reterr);
                if (r < 0)
                        return r;
        }
        if (r == 0)
                r = end_collection(search, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(search->found);
        *ret_n = search->n;
        return 0;
}

int store_list_with_work(struct store *store, const struct tenant_id *tenant_or_null,
                         const struct generation_spec *const *specs, size_t n_specs,
                         struct store_collection **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_(search_done) struct search search = { .specs = specs,
                                                       .n_specs = n_specs,
                                                       .others_rest = true };

        return run(store, tenant_or_null, &search, ret, ret_n, reterr);
}

int store_list_without(struct store *store, const struct generation_spec *spec,
                       struct store_collection **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_(search_done) struct search search = { .specs = &spec, .n_specs = 1 };

        return run(store, NULL, &search, ret, ret_n, reterr);
}

int store_list_resting(struct store *store, struct store_generation **ret, size_t *ret_n,
                       struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_free_ struct store_generation *all = NULL;
        size_t n = 0, room = 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT c.tenant, c.id, g.identity FROM generation g"
                                          " JOIN collection c ON c.id = g.collection" PRESENT
                                          " WHERE g.state = 2 ORDER BY g.identity", &statement,
                               reterr);
        if (r < 0)
                return r;
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                struct store_generation *at;

                if (n == room) {
                        room = room ? room * 2 : 16;
                        at = reallocarray(all, room, sizeof *at);
                        if (!at)
                                return error_oom(reterr);
                        all = at;
                }
                at = &all[n++];
                r = db_column_bytes(reader.db, statement, 0, at->tenant.id.bytes, ID_BYTES, reterr);
                if (r == 0)
                        r = db_column_bytes(reader.db, statement, 1, at->collection.id.bytes,
                                            ID_BYTES, reterr);
                if (r == 0)
                        r = db_column_bytes(reader.db, statement, 2, at->identity,
                                            sizeof at->identity, reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = take_ptr(all);
        *ret_n = n;
        return 0;
}

int store_count_collections(struct store *store, uint64_t *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT count(*) FROM collection WHERE tenant NOT IN"
                                          " (SELECT id FROM tenant WHERE state >= 2)", &statement,
                               reterr);
        if (r == 0)
                r = db_step(reader.db, statement, reterr);
        if (r > 0)
                *ret = db_column_u64(statement, 0);
        return r < 0 ? r : 0;
}
