/* SPDX-License-Identifier: Apache-2.0 */
/* What changes from one config to another, and what the change costs. */
#pragma once
#include "config/schema.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;

struct config_difference {
        char *key;
        char *before, *after; /* as TOML; the bare word unset: no value, or no such provider */
        bool had, has;        /* whether there was and is a value */
        enum config_impact impact;
        const struct config_row *row;
        const char *note; /* what is often expected wrongly of this change; NULL: nothing */
};

struct config_diff {
        size_t count;
        struct config_difference *items; /* in the schema's order */
        enum config_impact impact;       /* the costliest; meaningless without differences */
};

#define CONFIG_DIFF_EMPTY ((struct config_diff){ 0 })

/* -ENOMEM.  *ret is written in any case and wants config_diff_done(). */
int config_diff(const struct config *from, const struct config *to, struct config_diff *ret);
void config_diff_done(struct config_diff *diff); /* empty and usable again */

/* Array of {key, old, new, impact, note}, null for no value; NULL: out of memory. */
struct json_object *config_diff_json(const struct config_diff *diff);
