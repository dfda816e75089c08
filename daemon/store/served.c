/* SPDX-License-Identifier: Apache-2.0 */
/* What the release in force asks of the store: which generations serve, and how indexes are
 * opened. */
#include "store/registry.h"

#include <stdlib.h>

int store_serve(struct store *store, const struct generation_spec *spec, struct error *reterr)
{
        struct generation_spec *copy = spec ? generation_spec_copy(spec) : NULL, *former;

        if (spec && !copy)
                return error_oom(reterr);
        (void) pthread_mutex_lock(&store->settings_lock);
        former = store->served;
        store->served = copy;
        (void) atomic_fetch_add(&store->served_number, 1);
        (void) pthread_mutex_unlock(&store->settings_lock);
        free(former);
        return 0;
}

bool store_get_served(struct store *store, const char *language,
                      uint8_t ret_identity[static GENERATION_IDENTITY_BYTES],
                      uint64_t *ret_number)
{
        bool any;

        (void) pthread_mutex_lock(&store->settings_lock);
        *ret_number = atomic_load(&store->served_number);
        any = store->served;
        if (any) {
                struct generation_spec spec = *store->served;

                spec.language = language;
                generation_identity(&spec, ret_identity);
        }
        (void) pthread_mutex_unlock(&store->settings_lock);
        return any;
}

void store_set_index(struct store *store, const struct index_params *params)
{
        (void) pthread_mutex_lock(&store->settings_lock);
        store->limits.index = *params;
        (void) pthread_mutex_unlock(&store->settings_lock);
}

struct index_params store_get_index(struct store *store)
{
        struct index_params params;

        (void) pthread_mutex_lock(&store->settings_lock);
        params = store->limits.index;
        (void) pthread_mutex_unlock(&store->settings_lock);
        return params;
}
