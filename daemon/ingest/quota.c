/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/quota.h"

#include "base/cleanup.h"
#include "ingest/followed.h"

static struct tenant_amounts positive(const struct tenant_amounts *amounts)
{
        return (struct tenant_amounts){
                .collections = amounts->collections > 0 ? amounts->collections : 0,
                .documents = amounts->documents > 0 ? amounts->documents : 0,
                .bytes = amounts->bytes > 0 ? amounts->bytes : 0,
                .vectors = amounts->vectors > 0 ? amounts->vectors : 0,
        };
}

int quota_hold(struct ingest *ingest, struct tenant_id tenant,
               const struct tenant_amounts *amounts, struct quota_hold *ret, struct error *reterr)
{
        struct quota_hold hold = { .tenants = ingest->settings.tenants,
                                   .tenant = tenant,
                                   .reserved = positive(amounts) };
        int r;

        if (!hold.tenants)
                return 0;
        r = tenant_reserve(hold.tenants, tenant, &hold.reserved, reterr);
        if (r < 0)
                return r;
        hold.limited = tenant_has_data_limits(hold.tenants, tenant);
        hold.held = true;
        *ret = hold;
        return 0;
}

/* As one more writer, who at once becomes one with the first. */
int quota_hold_more(struct quota_hold *hold, const struct tenant_amounts *amounts,
                    struct error *reterr)
{
        const struct tenant_amounts none = { 0 };
        struct tenant_amounts more = positive(amounts);
        int r;

        if (!hold->held)
                return 0;
        r = tenant_reserve(hold->tenants, hold->tenant, &more, reterr);
        if (r < 0)
                return r;
        hold->reserved.collections += more.collections;
        hold->reserved.documents += more.documents;
        hold->reserved.bytes += more.bytes;
        hold->reserved.vectors += more.vectors;
        tenant_settle(hold->tenants, hold->tenant, &none, &none);
        return 0;
}

void quota_settle(struct quota_hold *hold, const struct tenant_amounts *added)
{
        if (hold->held)
                tenant_settle(hold->tenants, hold->tenant, &hold->reserved, added);
        hold->held = false;
}

void quota_give_back(struct quota_hold *hold)
{
        const struct tenant_amounts none = { 0 };

        quota_settle(hold, &none);
}

struct tenant_amounts quota_amounts(const struct docs_delta *delta)
{
        return (struct tenant_amounts){ .documents = delta->documents,
                                        .bytes = delta->bytes,
                                        .vectors = delta->vectors };
}

void quota_add(struct tenant_amounts *to, const struct docs_delta *delta)
{
        to->documents += delta->documents;
        to->bytes += delta->bytes;
        to->vectors += delta->vectors;
}

const struct docs_delta *quota_left(const struct quota_hold *hold,
                                    const struct tenant_amounts *added, struct docs_delta *ret)
{
        if (!hold->held || !hold->limited)
                return NULL;
        *ret = (struct docs_delta){ .documents = hold->reserved.documents - added->documents,
                                    .bytes = hold->reserved.bytes - added->bytes,
                                    .vectors = hold->reserved.vectors - added->vectors };
        return ret;
}

bool quota_is_clean(int code)
{
        return code == -ESTALE || code == -EINVAL || code == -ENOMEM || code == -ENOENT ||
               code == -EEXIST || code == -EDQUOT;
}

int quota_count_chunks(struct ingest *ingest, struct text_analyzer *analyzer,
                       const struct document_input *input, uint32_t *ret, struct error *reterr)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *own = NULL;
        cleanup_(followed_unref_cleanup) struct followed *followed = NULL;
        const struct ingest_release *release;
        struct ingest_estimate estimate = { 0 };
        int r = 0;

        *ret = (uint32_t) input->n_vectors;
        if (input->n_vectors > 0)
                return 0;
        followed = followed_ref(ingest);
        release = followed_serving(followed, reterr);
        if (!release)
                return -EAGAIN;
        if (!analyzer) {
                r = text_analyzer_new("none", &own, reterr);
                analyzer = own;
        }
        if (r == 0)
                r = ingest_estimate_cut(release->spec, analyzer, input, &estimate, NULL);
        if (r == -ENOMEM)
                return error_oom(reterr);
        *ret = (uint32_t) estimate.chunks;
        return 0;
}
