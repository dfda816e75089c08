/* SPDX-License-Identifier: Apache-2.0 */
/* Provider tables that need not be written because their name says enough.  Private. */
#pragma once
#include "config/values.h"

struct provider_implied {
        const char *name;
        enum provider_kind kind;
        const char *model;   /* that embeds; NULL: none to choose */
        const char *api_key; /* reference; NULL: none needed */
};

const struct provider_implied *provider_implied_find(const char *name);
const char *provider_implied_name(size_t at); /* NULL from the end on */
