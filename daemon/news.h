/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway and the engine of releases do by themselves, told to the operator: a line in the
 * log and a figure each, and, of what a release went through, a line in the audit log. */
#pragma once
#include "base/error.h"

struct gateway_event;
struct metrics;
struct release_event;
struct store;
struct tenancy;

struct news {
        struct metrics *metrics; /* NULL until there are some */
        const struct tenancy *tenancy; /* has the audit log */
};

/* struct gateway_settings.news; `data` is the struct above.  The provider thread. */
void news_of_gateway(void *data, const struct gateway_event *event);

/* struct releases_settings.news; `data` is the struct above.  Any thread. */
void news_of_release(void *data, const struct release_event *event);

/* At the end: what providers were used for today and this month, a line for each. */
void news_usage(struct store *store);
