/* SPDX-License-Identifier: Apache-2.0 */
/* A key that is being carried out is claimed in memory only, so that claiming costs no fsync
 * and a daemon that dies forgets its claims; the answer is a row of the registry.  The row is
 * committed before the claim is let go, so a repetition finds one or the other. */
#include "store/idempotency.h"

#include "base/clock.h"
#include "store/collections.h"
#include "store/registry.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_USEC (UINT64_C(24) * 3600 * USEC_PER_SEC)

struct claim {
        struct tenant_id tenant;
        uint8_t hash[32];
        uint64_t created_usec;
        struct claim *next;
        char key[];
};

void claims_free(struct claim *claims)
{
        while (claims) {
                struct claim *next = claims->next;

                free(claims);
                claims = next;
        }
}

void idempotent_response_done(struct idempotent_response *response)
{
        free(response->location);
        free(response->body);
        *response = (struct idempotent_response){ 0 };
}

/* The link that points to the claim, or to NULL at the end. */
static struct claim **find_claim(struct store *store, struct tenant_id tenant, const char *key)
{
        struct claim **at = &store->claims;

        while (*at && !(id_equal((*at)->tenant.id, tenant.id) && strcmp((*at)->key, key) == 0))
                at = &(*at)->next;
        return at;
}

/* 1: *ret is the stored answer, 0: none that still counts. */
static int read_answer(struct store *store, struct tenant_id tenant, const char *key,
                       const uint8_t hash[static 32], uint64_t now_wall_usec,
                       struct idempotent_response *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct idempotent_response response = { 0 };
        uint8_t stored[32];
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT hash, created_usec, status, location, body"
                                          " FROM idempotency WHERE tenant = ? AND key = ?",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        db_bind_text(statement, 2, key);
        r = db_step(reader.db, statement, reterr);
        if (r <= 0 || db_column_u64(statement, 1) + KEPT_USEC <= now_wall_usec)
                return r < 0 ? r : 0;
        r = db_column_bytes(reader.db, statement, 0, stored, sizeof stored, reterr);
        if (r < 0)
                return r;
        if (memcmp(stored, hash, sizeof stored) != 0)
                return error_set(reterr, -EEXIST,
                                 "the idempotency key was used with another request body");
        response.status = sqlite3_column_int(statement, 2);
        response.body_len = (size_t) sqlite3_column_bytes(statement, 4);
        response.body = malloc(response.body_len + 1);
        r = db_column_text(statement, 3, &response.location, reterr);
        if (r < 0 || !response.body) {
                idempotent_response_done(&response);
                return error_oom(reterr);
        }
        if (response.body_len > 0)
                memcpy(response.body, sqlite3_column_blob(statement, 4), response.body_len);
        response.body[response.body_len] = '\0';
        *ret = response;
        return 1;
}

static int begin_locked(struct store *store, struct tenant_id tenant, const char *key,
                        const uint8_t hash[static 32], uint64_t now_wall_usec,
                        struct idempotent_response *ret, struct error *reterr)
{
        struct claim *claim = *find_claim(store, tenant, key);
        size_t len = strlen(key);
        int r;

        if (claim && memcmp(claim->hash, hash, sizeof claim->hash) != 0)
                return error_set(reterr, -EEXIST,
                                 "the idempotency key was used with another request body");
        if (claim)
                return error_set(reterr, -EINPROGRESS,
                                 "a request with this idempotency key is being carried out");
        r = read_answer(store, tenant, key, hash, now_wall_usec, ret, reterr);
        if (r != 0)
                return r;
        claim = malloc(sizeof *claim + len + 1);
        if (!claim)
                return error_oom(reterr);
        claim->tenant = tenant;
        claim->created_usec = now_wall_usec;
        memcpy(claim->hash, hash, sizeof claim->hash);
        memcpy(claim->key, key, len + 1);
        claim->next = store->claims;
        store->claims = claim;
        return 0;
}

int idempotency_begin(struct store *store, struct tenant_id tenant, const char *key,
                      const uint8_t body_hash[static 32], uint64_t now_wall_usec,
                      struct idempotent_response *ret_response, struct error *reterr)
{
        int r;

        (void) pthread_mutex_lock(&store->claims_lock);
        r = begin_locked(store, tenant, key, body_hash, now_wall_usec, ret_response, reterr);
        (void) pthread_mutex_unlock(&store->claims_lock);
        return r;
}

struct finish {
        struct tenant_id tenant;
        const char *key;
        uint8_t hash[32];
        uint64_t created_usec;
        const struct idempotent_response *response;
};

static int apply_finish(struct db *db, void *data, struct error *reterr)
{
        const struct finish *finish = data;
        const struct idempotent_response *response = finish->response;
        cleanup_statement_ sqlite3_stmt *insert = NULL, *expire = NULL;
        int r = db_prepare(db, "INSERT OR REPLACE INTO idempotency(tenant, key, hash,"
                               " created_usec, status, location, body) VALUES(?,?,?,?,?,?,?)",
                           &insert, reterr);

        if (r == 0) /* a little at a time: no request pays for all that grew old */
                r = db_prepare(db, "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM"
                                   " idempotency WHERE created_usec < ? LIMIT 16)", &expire,
                               reterr);
        if (r < 0)
                return r;
        db_bind_u64(expire, 1,
                    finish->created_usec > KEPT_USEC ? finish->created_usec - KEPT_USEC : 0);
        r = db_step(db, expire, reterr);
        if (r < 0)
                return r;
        db_bind_blob(insert, 1, finish->tenant.id.bytes, ID_BYTES);
        db_bind_text(insert, 2, finish->key);
        db_bind_blob(insert, 3, finish->hash, sizeof finish->hash);
        db_bind_u64(insert, 4, finish->created_usec);
        (void) sqlite3_bind_int(insert, 5, response->status);
        db_bind_text(insert, 6, response->location);
        db_bind_blob(insert, 7, response->body ? response->body : "", response->body_len);
        return db_step(db, insert, reterr);
}

int idempotency_finish(struct store *store, struct tenant_id tenant, const char *key,
                       const struct idempotent_response *response, struct error *reterr)
{
        struct finish finish = { .tenant = tenant, .key = key, .response = response };
        struct claim *claim;
        int r;

        (void) pthread_mutex_lock(&store->claims_lock);
        claim = *find_claim(store, tenant, key);
        if (claim) {
                finish.created_usec = claim->created_usec;
                memcpy(finish.hash, claim->hash, sizeof finish.hash);
        }
        (void) pthread_mutex_unlock(&store->claims_lock);
        if (!claim)
                return error_set(reterr, -ENOENT, "the idempotency key is not claimed");
        r = committer_run(store->registry, apply_finish, &finish, reterr);
        idempotency_abandon(store, tenant, key);
        return r;
}

void idempotency_abandon(struct store *store, struct tenant_id tenant, const char *key)
{
        struct claim **link, *claim;

        (void) pthread_mutex_lock(&store->claims_lock);
        link = find_claim(store, tenant, key);
        claim = *link;
        if (claim)
                *link = claim->next;
        (void) pthread_mutex_unlock(&store->claims_lock);
        free(claim);
}
