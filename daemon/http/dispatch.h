/* SPDX-License-Identifier: Apache-2.0 */
/* A request from its head to its reply.
 *
 *   dispatch_head()    once the head is there: refuse, route, check; never waits
 *   dispatch_take()    for each piece of the body; never waits
 *   dispatch_piece()   while dispatch_wants_piece(): hands lines on; may wait for a disk
 *   dispatch_finish()  once the body is there: carries out; waits unless the route is inline
 *   dispatch_resume()  while dispatch_is_later(): the rest of it, when it was woken
 *   dispatch_done()    afterwards, always, and also when the client vanished half-way
 *
 * After dispatch_finish() the request is settled, or it is later.  Settled before: the body is
 * taken and thrown away, so that the client can read the reply.
 *
 * Idempotency-Key.  The key is bound to method, target and body by BLAKE2b.  Bodies that are
 * read as they come can't be hashed before the key is claimed: there the claim covers method
 * and target, the body's hash is stored with the answer, and a repetition is read to its end
 * and compared before it gets the stored answer. */
#pragma once
#include "http/request.h"

#include <stdbool.h>

void dispatch_head(struct request *request);
void dispatch_take(struct request *request, const char *bytes, size_t len);
bool dispatch_wants_piece(const struct request *request);
void dispatch_piece(struct request *request);
bool dispatch_is_inline(const struct request *request);
void dispatch_finish(struct request *request);
bool dispatch_is_later(const struct request *request);
void dispatch_resume(struct request *request, int why);
void dispatch_done(struct request *request);

/* Counts the settled request. */
void dispatch_account(const struct request *request, uint64_t now_usec);
