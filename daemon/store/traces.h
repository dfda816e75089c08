/* SPDX-License-Identifier: Apache-2.0 */
/* Traces of answers: how each came about, as JSON without texts of questions or documents.  One
 * file traces.db for each tenant, beside its collections.
 *
 * A trace is a record for people, not data that was acknowledged: writes are collected and made
 * durable together a little later. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

struct store;

struct trace_id {
        struct id id;
};

/* Remembers a trace; written within a second.  Any thread, does not wait for the disk.  Beyond a
 * bounded number of waiting ones the oldest are dropped and counted. */
int traces_put(struct store *store, struct tenant_id tenant, struct trace_id id,
               uint64_t wall_usec, const char *json, size_t len, struct error *reterr);

/* -ENOENT: no such trace, or no longer.  Waiting ones are found, too.  Heap text. */
int traces_get(struct store *store, struct tenant_id tenant, struct trace_id id, char **ret_json,
               size_t *ret_len, struct error *reterr);

struct trace_info {
        struct trace_id id;
        uint64_t wall_usec;
};
/* The newest first.  Heap array of at most `limit`. */
int traces_list(struct store *store, struct tenant_id tenant, size_t limit,
                struct trace_info **ret, size_t *ret_n, struct error *reterr);

/* Removes those from before, of every tenant.  Returns how many in *ret_n. */
int traces_expire(struct store *store, uint64_t before_wall_usec, uint64_t *ret_n,
                  struct error *reterr);
/* Writes what waits. */
int traces_flush(struct store *store, struct error *reterr);
uint64_t traces_dropped(struct store *store);
