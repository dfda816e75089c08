/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a tenant's traces, for traces.c.  Writing and expiring: one thread at a time. */
#pragma once
#include "store/traces.h"

#include <stdbool.h>

struct trace_waiting {
        struct trace_waiting *next;
        struct tenant_id tenant;
        struct trace_id id;
        uint64_t wall_usec;
        size_t len;
        bool seen_to; /* written, or tried */
        char json[];
};

/* Writes those of the first one's tenant from there to the end of the list, in one transaction,
 * and marks them, also on failure.  *ret_n: how many they are. */
int trace_file_write(struct store *store, struct trace_waiting *first, size_t *ret_n,
                     struct error *reterr);

/* As those of traces.h, of what was written. */
int trace_file_get(const struct store *store, struct tenant_id tenant, struct trace_id id,
                   char **ret_json, size_t *ret_len, struct error *reterr);
int trace_file_list(const struct store *store, struct tenant_id tenant, size_t limit,
                    struct trace_info *ret, size_t *ret_n, struct error *reterr);
int trace_files_expire(struct store *store, uint64_t before_wall_usec, uint64_t *ret_n,
                       struct error *reterr);
