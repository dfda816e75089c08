/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a tenant in registry.db.
 *
 * First every row goes but its own, which keeps nothing but its id; then the file is written anew
 * (VACUUM) and its log is cut; last the row goes.  So whatever was cut short can be done again. */
#include "store/tenants.h"

#include "store/registry.h"
#include "store/tenants_inside.h"

#include <stdio.h>

/* Generations go with their collections. */
static const char *const erasures[] = {
        "DELETE FROM key WHERE tenant = ?",         "DELETE FROM tenant_quota WHERE tenant = ?",
        "DELETE FROM tenant_day WHERE tenant = ?",  "DELETE FROM job WHERE tenant = ?",
        "DELETE FROM idempotency WHERE tenant = ?", "DELETE FROM ledger WHERE tenant = ?",
        "DELETE FROM generation WHERE collection IN (SELECT id FROM collection WHERE tenant = ?)",
        "DELETE FROM collection WHERE tenant = ?",
};

struct erasure {
        struct tenant_id tenant;
        uint64_t rows;
};

static int apply_empty(struct db *db, void *data, struct error *reterr)
{
        struct erasure *erasure = data;
        enum tenant_state state = TENANT_STATE_INVALID;
        int r = tenant_read_state(db, erasure->tenant, &state, reterr);

        erasure->rows = 0;
        if (r < 0)
                return r;
        if (state != TENANT_DELETED)
                return error_set(reterr, -EPROTO, "a tenant that is %s cannot be erased: delete it "
                                                  "first", tenant_state_name(state));
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(erasures); i++)
                r = tenant_execute(db, erasures[i], erasure->tenant, &erasure->rows, reterr);
        return r < 0 ? r : tenant_execute(db, "UPDATE tenant SET name = '.' || lower(hex(id)),"
                                              " archive = NULL WHERE id = ?", erasure->tenant,
                                          NULL, reterr);
}

static int apply_last(struct db *db, void *data, struct error *reterr)
{
        struct erasure *erasure = data;
        int r = db_execute(db, "PRAGMA secure_delete=ON", reterr);

        return r < 0 ? r : tenant_execute(db, "DELETE FROM tenant WHERE id = ?", erasure->tenant,
                                          &erasure->rows, reterr);
}

static int apply_compact(struct db *db, void *data, struct error *reterr)
{
        (void) data;
        return db_compact(db, reterr);
}

static int apply_cut(struct db *db, void *data, struct error *reterr)
{
        (void) data;
        return db_cut_log(db, reterr);
}

int tenant_erase(struct store *store, struct tenant_id tenant, uint64_t *ret_rows,
                 struct error *reterr)
{
        struct erasure erasure = { .tenant = tenant };
        int r = committer_run(store->registry, apply_empty, &erasure, reterr);

        if (r == 0)
                r = committer_run_outside(store->registry, apply_compact, NULL, reterr);
        if (r == 0)
                r = committer_run(store->registry, apply_last, &erasure, reterr);
        if (r < 0)
                return r;
        /* Where a reader stands still the id, a random number, stays until the next checkpoint. */
        (void) committer_run_outside(store->registry, apply_cut, NULL, NULL);
        if (ret_rows)
                *ret_rows = erasure.rows;
        return 0;
}
