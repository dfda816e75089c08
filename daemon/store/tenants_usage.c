/* SPDX-License-Identifier: Apache-2.0 */
/* What the documents of a tenant take: docs.db is the truth. */
#include "store/tenants.h"

#include "store/docs_totals.h"
#include "store/registry.h"
#include "store/tenants_inside.h"

static int list_collections(struct store *store, struct tenant_id tenant,
                            struct collection_id **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_free_ struct collection_id *ids = NULL;
        enum tenant_state state = TENANT_DELETED;
        size_t n = 0, size = 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = tenant_read_state(reader.db, tenant, &state, reterr);
        if (r == 0 && state >= TENANT_OFFLOADED)
                return error_set(reterr, -ENODATA, "the tenant's documents lie in its archive");
        if (r == 0)
                r = db_prepare(reader.db, "SELECT id FROM collection WHERE tenant = ?", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        struct collection_id *grown =
                                reallocarray(ids, size ? size * 2 : 16, sizeof *grown);

                        if (!grown)
                                return error_oom(reterr);
                        ids = grown;
                        size = size ? size * 2 : 16;
                }
                r = db_column_bytes(reader.db, statement, 0, ids[n++].id.bytes, ID_BYTES, reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = take_ptr(ids);
        *ret_n = n;
        return 0;
}

int tenant_get_usage(struct store *store, struct tenant_id tenant, struct tenant_usage *ret,
                     struct error *reterr)
{
        cleanup_free_ struct collection_id *ids = NULL;
        struct tenant_usage usage = { 0 };
        size_t n = 0;
        int r = list_collections(store, tenant, &ids, &n, reterr);

        for (size_t i = 0; r == 0 && i < n; i++) {
                struct docs_totals totals = { 0 };

                r = docs_read_totals(store, tenant, ids[i], &totals, reterr);
                if (r == -ENOENT) { /* deleted since it was listed */
                        r = 0;
                        continue;
                }
                usage.collections++;
                usage.documents += totals.documents;
                usage.bytes += totals.bytes;
                usage.vectors += totals.vectors;
        }
        if (r == 0)
                *ret = usage;
        return r;
}
