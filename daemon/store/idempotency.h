/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys (draft-ietf-httpapi-idempotency-key-header-07): key, hash of the request
 * and the stored response, per tenant, for 24 hours.  Durable with the registry. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

struct store;

struct idempotent_response {
        int status;
        char *location; /* heap or NULL */
        char *body;     /* heap */
        size_t body_len;
};

void idempotent_response_done(struct idempotent_response *response);

/* Claims the key for a request that begins now.
 *   0            claimed: carry out the request, then finish() or abandon()
 *   1            done before with the same body: *ret_response holds the answer to replay
 *   -EINPROGRESS the same key is being carried out now
 *   -EEXIST      the key was used with another body
 * Claims of a daemon that died are forgotten when the store is opened. */
int idempotency_begin(struct store *store, struct tenant_id tenant, const char *key,
                      const uint8_t body_hash[static 32], uint64_t now_wall_usec,
                      struct idempotent_response *ret_response, struct error *reterr);
int idempotency_finish(struct store *store, struct tenant_id tenant, const char *key,
                       const struct idempotent_response *response, struct error *reterr);
void idempotency_abandon(struct store *store, struct tenant_id tenant, const char *key);
