/* SPDX-License-Identifier: Apache-2.0 */
/* The books: what calls to providers used and cost, one row of registry.db for each day (UTC),
 * tenant, provider and kind of call.  Integers only; money in millionths of a dollar. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

#define LEDGER_PROVIDER_MAX 128 /* bytes of a provider's name; longer ones are cut */

struct ledger_entry {
        uint32_t day; /* days since 1970-01-01 */
        struct tenant_id tenant;
        char provider[LEDGER_PROVIDER_MAX];
        char kind[16]; /* chat, embed, rerank */
        /* Each at most INT64_MAX, where sums stay. */
        uint64_t requests; /* sent, successful or not */
        uint64_t errors;
        uint64_t input_tokens, output_tokens;
        uint64_t estimated_tokens; /* those of both that were not counted by the provider */
        uint64_t cost_microusd;
};

/* Adds to the rows, in one transaction that is durable on return. */
int ledger_add(struct store *store, const struct ledger_entry *entries, size_t n,
               struct error *reterr);

enum ledger_by {
        LEDGER_BY_DAY = 1,
        LEDGER_BY_TENANT = 2,
        LEDGER_BY_PROVIDER = 4,
        LEDGER_BY_KIND = 8,
};

struct ledger_query {
        uint32_t first_day, last_day;   /* inclusive */
        const struct tenant_id *tenant; /* or NULL: all */
        const char *provider;           /* or NULL */
        unsigned by;                    /* sum of LEDGER_BY_…; fields not grouped by stay zero */
};
/* Sums, ordered by what they are grouped by.  Heap array; nothing used: none, also where it is
 * grouped by nothing. */
int ledger_sum(struct store *store, const struct ledger_query *query, struct ledger_entry **ret,
               size_t *ret_n, struct error *reterr);

uint32_t ledger_day(uint64_t wall_usec);
/* The first day of the month that `day` belongs to. */
uint32_t ledger_month_begin(uint32_t day);
/* How many days that month has. */
uint32_t ledger_month_days(uint32_t day);
/* "2026-11-21"; -EINVAL from the parser: no such day since 1970. */
#define LEDGER_DAY_TEXT_SIZE 16
const char *ledger_day_format(uint32_t day, char text[static LEDGER_DAY_TEXT_SIZE]);
int ledger_day_parse(const char *text, uint32_t *ret_day);
