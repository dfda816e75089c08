/* SPDX-License-Identifier: Apache-2.0 */
/* What nobody does by mistake: changes that are refused unless an override is in force. */
#include "release/inside.h"

#include "store/collection.h"
#include "store/store.h"

#include <inttypes.h>
#include <roaring/roaring.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- What is served ----------------------------------------------------------------------- */

struct served {
        uint64_t documents;
        uint64_t most_chunks; /* of one collection */
        char name[STORE_NAME_MAX + 1];
};

static int count(struct store *store, const struct store_collection *at, struct served *served,
                 struct error *reterr)
{
        struct collection *collection = NULL;
        struct generation *generation;
        int r = collection_open_by_id(store, at->tenant, at->collection, &collection, reterr);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        generation = collection_serving(collection);
        if (generation) {
                struct generation_view *view = generation_view_ref(generation);
                uint64_t chunks = roaring_bitmap_get_cardinality(view->live);

                served->documents += view->documents;
                if (chunks > served->most_chunks) {
                        served->most_chunks = chunks;
                        (void) snprintf(served->name, sizeof served->name, "%s",
                                        collection_get(collection)->name);
                }
                generation_view_unref(view);
        }
        generation_unref(generation);
        collection_unref(collection);
        return 0;
}

/* Opens every collection, so only where a rule asks. */
static int count_all(struct store *store, const struct config *base, const struct config *candidate,
                     struct served *ret, struct error *reterr)
{
        struct store_collection *list = NULL;
        size_t n = 0;
        int r;

        *ret = (struct served){ 0 };
        if (candidate->vector_storage.hnsw.max_elements >= base->vector_storage.hnsw.max_elements &&
            candidate->vector_storage.backend == base->vector_storage.backend)
                return 0;
        r = store_list_collections(store, &list, &n, reterr);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = count(store, &list[i], ret, reterr);
        free(list);
        return r;
}

/* ---- The rules ---------------------------------------------------------------------------- */

static bool refuse_capacity(const struct config *base, const struct config *candidate,
                            const struct served *served, struct refusal *ret)
{
        uint64_t limit = candidate->vector_storage.hnsw.max_elements;

        (void) base;
        if (limit >= served->most_chunks)
                return false;
        (void) snprintf(ret->message, sizeof ret->message,
                        "max_elements = %" PRIu64 " is below the %" PRIu64
                        " chunks that %s serves", limit, served->most_chunks, served->name);
        (void) snprintf(ret->hint, sizeof ret->hint,
                        "rag.vector_storage.hnsw.max_elements must hold what is there");
        return true;
}

static bool refuse_sharing(const struct config *base, const struct config *candidate,
                           const struct served *served, struct refusal *ret)
{
        (void) served;
        if (!base->multi_tenant || candidate->multi_tenant)
                return false;
        (void) snprintf(ret->message, sizeof ret->message,
                        "multi_tenant is switched off: tenants would not be kept apart any more");
        (void) snprintf(ret->hint, sizeof ret->hint, "keep rag.multi_tenant = true");
        return true;
}

static bool refuse_memory(const struct config *base, const struct config *candidate,
                          const struct served *served, struct refusal *ret)
{
        if (candidate->vector_storage.backend != VECTOR_BACKEND_MOCK ||
            base->vector_storage.backend == VECTOR_BACKEND_MOCK || served->documents == 0)
                return false;
        (void) snprintf(ret->message, sizeof ret->message,
                        "backend \"mock\" keeps vectors in memory alone, and %" PRIu64
                        " documents are persistent", served->documents);
        (void) snprintf(ret->hint, sizeof ret->hint,
                        "keep a persistent rag.vector_storage.backend");
        return true;
}

static bool (*const rules[])(const struct config *base, const struct config *candidate,
                             const struct served *served, struct refusal *ret) = {
        refuse_capacity,
        refuse_sharing,
        refuse_memory,
};

static void add(struct releases *releases, struct json_object *refusals,
                const struct refusal *refusal)
{
        struct json_object *row = json_object_new_object();
        uint64_t until_usec = 0;

        json_add_string(row, "code", refusal->code);
        json_add_string(row, "message", refusal->message);
        json_add_string(row, "hint", refusal->hint);
        if (override_in_force(releases, refusal->code, &until_usec))
                json_add_time(row, "overridden_until", until_usec);
        else
                json_add(row, "overridden_until", NULL);
        json_add(refusals, NULL, row);
}

int plan_refusals(struct releases *releases, const struct config *base,
                  const struct config *candidate, const struct refusal *extra_or_null,
                  struct json_object **ret, struct error *reterr)
{
        cleanup_json_ struct json_object *refusals = json_object_new_array();
        struct served served;
        int r = refusals ? count_all(releases->settings.store, base, candidate, &served, reterr)
                         : error_oom(reterr);

        if (r < 0)
                return r;
        if (extra_or_null)
                add(releases, refusals, extra_or_null);
        for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
                struct refusal refusal = { .code = "E_DESTRUCTIVE" };

                if (rules[i](base, candidate, &served, &refusal))
                        add(releases, refusals, &refusal);
        }
        *ret = take_ptr(refusals);
        return 0;
}

int plan_check_refusals(struct releases *releases, const struct plan *plan, struct error *reterr)
{
        struct json_object *refusals = NULL;

        (void) json_object_object_get_ex(plan->json, "refusals", &refusals);
        for (size_t i = 0; refusals && i < json_object_array_length(refusals); i++) {
                struct json_object *row = json_object_array_get_idx(refusals, i);
                const char *code = "", *message = "", *hint = "";
                uint64_t until_usec;

                (void) json_get_string(row, "code", &code, NULL);
                (void) json_get_string(row, "message", &message, NULL);
                (void) json_get_string(row, "hint", &hint, NULL);
                if (!override_in_force(releases, code, &until_usec))
                        return error_set(reterr, -EPERM, "%s: %.120s (%.80s)", code, message, hint);
        }
        return 0;
}
