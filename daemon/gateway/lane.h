/* SPDX-License-Identifier: Apache-2.0 */
/* One provider as one release has it: its table, the model behind it, what it is used for.  How
 * it is doing is not the release's but the machine's: lane_state.h. */
#pragma once
#include "base/error.h"
#include "gateway/lane_state.h"
#include "provider/provider.h"

struct resilience_config;

enum lane_role {
        LANE_EMBEDS = 1,
        LANE_GENERATES = 2,
        LANE_RERANKS = 4,
};

struct lane {
        const struct provider_config *config;
        struct provider *provider; /* NULL: it could not be opened */
        struct error open_error;   /* why */
        unsigned roles;            /* sum of LANE_… */
        bool charged;              /* its calls cost money */
        char *identity;            /* lanes that share their state have the same */
        struct lane_limits limits; /* what the profile says; others may be in force */
        struct lane_state *state;  /* the provider thread gives and takes it; NULL: not yet */
};

struct lane_settings {
        const struct provider_config *config;
        const struct resilience_config *resilience;
        uint32_t dimensions; /* of the profile; 0: it does not embed */
        uint32_t batch_size;
};

/* Any thread: reads a secret, speaks to nobody.  -ENOMEM; a provider that cannot be opened is a
 * lane with an open_error. */
int lane_open(struct lane *lane, const struct lane_settings *settings, struct error *reterr);
void lane_done(struct lane *lane);
