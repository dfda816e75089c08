/* SPDX-License-Identifier: Apache-2.0 */
/* What releases remember of a tenant that is gone.  One that nobody holds any more is freed soon,
 * with all that it remembers. */
#include "answer/answer.h"
#include "base/cleanup.h"
#include "gateway/gateway.h"
#include "release/inside.h"

#include <stdlib.h>

static int take_all(struct releases *releases, struct snapshot ***ret, size_t *ret_n,
                    struct error *reterr)
{
        struct snapshot **all;
        size_t n = 0;

        (void) pthread_mutex_lock(&releases->lock);
        all = calloc(releases->n_alive + 1, sizeof *all);
        for (size_t i = 0; all && i < releases->n_alive; i++)
                if (snapshot_try_ref(releases->alive[i]))
                        all[n++] = releases->alive[i];
        (void) pthread_mutex_unlock(&releases->lock);
        if (!all)
                return error_oom(reterr);
        *ret = all;
        *ret_n = n;
        return 0;
}

/* Gateways share what they remember, so one of them is enough. */
int releases_erase_tenant(struct releases *releases, struct tenant_id tenant, const char *name,
                          struct error *reterr)
{
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        cleanup_free_ struct snapshot **all = NULL;
        size_t n = 0;
        int r = take_all(releases, &all, &n, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                answer_forget(all[i]->answer);
                (void) snapshot_unref(all[i]);
        }
        return gateway_forget(serving->gateway, tenant, name, reterr);
}
