/* SPDX-License-Identifier: Apache-2.0 */
/* What a search may see: collections, generations and views, pinned until the response goes. */
#include "answer/inside.h"

#include "store/collection.h"

#include <stdio.h>
#include <string.h>

DEFINE_CLEANUP(roaring_bitmap_t *, roaring_bitmap_free)

void pin_done(struct pin *pin)
{
        if (pin->filter)
                roaring_bitmap_free(pin->filter);
        if (pin->view)
                (void) generation_view_unref(pin->view);
        if (pin->generation)
                (void) generation_unref(pin->generation);
        if (pin->collection)
                (void) collection_unref(pin->collection);
        memset(pin, 0, sizeof *pin);
}

/* ---- Identity ------------------------------------------------------------------------------ */

/* Each language's identity is computed once and kept: hashing it costs as much as a small
 * search. */
static const uint8_t *wanted_identity(struct answer *answer, const char *language,
                                      struct error *reterr)
{
        struct wanted_identity *known = atomic_load(&answer->identities);
        struct generation_spec spec = *answer->settings.spec;
        struct wanted_identity *fresh;

        for (; known; known = known->next)
                if (strcmp(known->language, language) == 0)
                        return known->identity;
        fresh = calloc(1, sizeof *fresh);
        if (!fresh) {
                (void) error_oom(reterr);
                return NULL;
        }
        (void) snprintf(fresh->language, sizeof fresh->language, "%s", language);
        spec.language = fresh->language;
        generation_identity(&spec, fresh->identity);
        fresh->next = atomic_load(&answer->identities);
        while (!atomic_compare_exchange_weak(&answer->identities, &fresh->next, fresh))
                ;
        return fresh->identity;
}

/* There is no generation for this release: nothing is lost where there is nothing to find. */
static int find_nothing(const struct answer *answer, const struct pin *pin, struct error *reterr)
{
        struct document *documents = NULL;
        char wanted[192];
        size_t n = 0;
        int r = docs_list(pin->collection, NULL, 1, &documents, &n, reterr);

        (void) documents_free(documents, n);
        if (r < 0 || n == 0)
                return r;
        return error_set(reterr, -EAGAIN,
                         "collection %s is being built for this release (%s): try again later; "
                         "`ragctl generation list %s` shows how far it is",
                         collection_get(pin->collection)->name,
                         generation_describe(answer->settings.spec, wanted),
                         collection_get(pin->collection)->name);
}

int pin_open(struct answer *answer, struct tenant_id tenant, const char *name, struct pin *pin,
             struct error *reterr)
{
        const uint8_t *wanted;
        int r = collection_open(answer->settings.store, tenant, name, &pin->collection, reterr);

        if (r < 0)
                return r;
        wanted = wanted_identity(answer, collection_get(pin->collection)->language, reterr);
        if (!wanted)
                return -ENOMEM;
        pin->generation = collection_find_generation(pin->collection, wanted);
        if (!pin->generation)
                return find_nothing(answer, pin, reterr);
        pin->view = generation_view_ref(pin->generation);
        return pin->view ? 0 : error_oom(reterr);
}

int pins_open(struct answer *answer, struct tenant_id tenant, const struct search_request *request,
              struct search_response *response, struct error *reterr)
{
        static const char *const by_default[] = { "default" };
        const char *const *names = request->n_collections ? request->collections : by_default;
        size_t n = request->n_collections ? request->n_collections : 1;

        for (size_t i = 0; i < n; i++) {
                struct pin *pin = &response->pins[response->n_pins++];
                int r = pin_open(answer, tenant, names[i], pin, reterr);

                if (r < 0)
                        return r;
                if (pin->view) {
                        struct index_status status;

                        index_get_status(pin->view->index, &pin->view->source, pin->view->live,
                                         &status);
                        response->unindexed += status.unindexed;
                }
        }
        return 0;
}

const float *view_vector(const struct generation_view *view, uint32_t slot)
{
        for (size_t i = view->source.segment_count; i-- > 0;) {
                const struct index_segment *segment = &view->source.segments[i];

                if (slot >= segment->first_slot && slot - segment->first_slot < segment->count)
                        return (const float *) (const void *) (
                                (const char *) segment->base +
                                (size_t) (slot - segment->first_slot) * segment->stride_bytes);
        }
        return NULL;
}

/* ---- Filter -------------------------------------------------------------------------------- */

int pins_filter(const struct search_request *request, struct search_response *response,
                struct error *reterr)
{
        if (!request->filter)
                return 0;
        response->has_filter_matches = true;
        for (size_t i = 0; i < response->n_pins; i++) {
                cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *versions = NULL;
                struct pin *pin = &response->pins[i];
                int r;

                if (!pin->view)
                        continue;
                r = docs_filter(pin->collection, request->filter, &versions, reterr);
                if (r < 0)
                        return r;
                pin->filter = generation_view_slots(pin->view, versions);
                if (!pin->filter)
                        return error_oom(reterr);
                if (pin->view->live)
                        roaring_bitmap_and_inplace(pin->filter, pin->view->live);
                response->filter_matches += roaring_bitmap_get_cardinality(pin->filter);
        }
        return 0;
}
