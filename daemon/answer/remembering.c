/* SPDX-License-Identifier: Apache-2.0 */
/* What a remembered response belongs to. */
#include "answer/inside.h"

#include "base/clock.h"
#include "store/collection.h"

#include <sodium.h>

/* Between two changes of the log only deletes can come, so these numbers never come again. */
struct pin_state {
        struct collection_id collection;
        uint32_t generation, committed;
        uint64_t applied_seq, documents, live;
};

_Static_assert(sizeof(struct pin_state) == 48, "what is hashed has no holes");

static struct pin_state state_of(const struct pin *pin)
{
        struct pin_state state = { .collection = collection_get(pin->collection)->id };

        if (pin->generation)
                state.generation = generation_number(pin->generation);
        if (pin->view) {
                state.committed = pin->view->committed;
                state.applied_seq = pin->view->applied_seq;
                state.documents = pin->view->documents;
                state.live = pin->view->live ? roaring_bitmap_get_cardinality(pin->view->live) : 0;
        }
        return state;
}

static void make_key(const struct answer *answer, struct tenant_id tenant,
                     const struct search_request *request, const struct search_response *response,
                     struct remembered_key *ret)
{
        crypto_generichash_state hash;

        (void) crypto_generichash_init(&hash, NULL, 0, sizeof ret->bytes);
        (void) crypto_generichash_update(&hash, tenant.id.bytes, sizeof tenant.id.bytes);
        (void) crypto_generichash_update(&hash,
                                         (const unsigned char *) &answer->settings.release,
                                         sizeof answer->settings.release);
        (void) crypto_generichash_update(&hash, (const unsigned char *) &response->unindexed,
                                         sizeof response->unindexed);
        (void) crypto_generichash_update(&hash, request->body_hash, sizeof request->body_hash);
        for (size_t i = 0; i < response->n_pins; i++) {
                const struct pin_state state = state_of(&response->pins[i]);

                (void) crypto_generichash_update(&hash, (const unsigned char *) &state,
                                                 sizeof state);
        }
        (void) crypto_generichash_final(&hash, ret->bytes, sizeof ret->bytes);
}

bool response_find_remembered(struct answer *answer, struct tenant_id tenant,
                              const struct search_request *request,
                              struct search_response *response)
{
        if (!answer->remembered)
                return false;
        make_key(answer, tenant, request, response, &response->key);
        response->remembered = remembered_get(answer->remembered, &response->key,
                                              clock_monotonic_usec());
        response->remember = !response->remembered;
        response->remembered_in = answer->remembered;
        return response->remembered != NULL;
}
