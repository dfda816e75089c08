/* SPDX-License-Identifier: Apache-2.0 */
/* Searches repeated on a candidate that answers nobody (rag.canary.shadow).
 *
 * The request is answered by the base and waits for nothing: a copy of its body goes into a
 * bounded queue, which one task of the door's workers empties, one search at a time.  What finds
 * no room is dropped and counted, and what still waits when the step ends is forgotten.  The
 * candidate reads the request with its own defaults; its result is counted, never shown.
 *
 * Any thread. */
#pragma once
#include "base/error.h"

#include <json-c/json.h>

struct http_services;
struct replay;
struct request;
struct search_response;
struct shadow;
struct workers;

/* Copies of bodies that wait: at most so many, each at most so large. */
#define SHADOW_WAITING_MAX 32
#define SHADOW_BODY_BYTES_MAX ((size_t) 128 * 1024)

int shadow_new(struct workers *workers, const struct http_services *services, struct shadow **ret,
               struct error *reterr);
/* Ends what runs, forgets what waits; nothing is taken any more.  Before the workers end. */
void shadow_stop(struct shadow *shadow);
struct shadow *shadow_free(struct shadow *shadow);

enum replay_kind { REPLAY_SEARCH, REPLAY_ANSWER };
/* Of a request with a shadow.  `options`: those of a search whose body is a vector, or NULL (a
 * reference is taken); `response`: what the base found, or NULL; only read.  NULL: dropped, and
 * that is counted. */
struct replay *replay_new(const struct request *request, enum replay_kind kind,
                          struct json_object *options, const struct search_response *response);
/* It waits for its turn from now on.  Takes it; NULL: nothing. */
void replay_submit(struct replay *takes_replay);
