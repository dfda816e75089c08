/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency-Key at this door: what dispatch.c does around a handler, over
 * store/idempotency.h.  All do nothing for requests without a key. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct request;

/* Reads and checks the header; begins the hash. */
void idempotent_begin(struct request *request);
void idempotent_hash(struct request *request, const char *bytes, size_t len);

/* Claims the key; where it was used before, settles with the stored answer or the problem. */
bool idempotent_claim(struct request *request);

/* For bodies that are read as they come: claims before the first piece (later calls do
 * nothing).  False: settled.  A stored answer waits until the body has been compared. */
bool idempotent_claim_lines(struct request *request);
bool idempotent_is_replay(const struct request *request);
void idempotent_replay_lines(struct request *request);

/* Stores the answer of the settled request, or gives the key back where it is the kind of
 * failure after which a repetition should be carried out (5xx, 429). */
void idempotent_end(struct request *request);
void idempotent_abandon(struct request *request);
