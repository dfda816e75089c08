/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and what he may do: key, tenant, user, limits, scopes, collections.
 *
 * The key alone decides the tenant; nothing in path, query or body is ever taken for a key.  Where
 * no key is needed a request without one is the default tenant's and may do everything but
 * administer tenants and keys.  What is not his is answered exactly as what is not there.
 *
 * Order: the key, before anything is said about the path; the tenant's state; how many, how often;
 * then scope and collection.  Any thread; reads the registry at most. */
#pragma once
#include "base/error.h"
#include "store/collection.h"

#include <stdbool.h>
#include <stddef.h>

struct request;
struct search_request;

/* After the head was found sound and route_find() was asked, whose verdict is not told yet.
 * False: the problem is set. */
bool caller_admit(struct request *request);
/* After the route was found: scope, and the collection in the path.  False: the problem is set. */
bool caller_may(struct request *request);

/* Whether a key is for some collections only; whether this one is among them. */
bool caller_is_limited(const struct request *request);
bool caller_may_use(const struct request *request, const char *collection);
/* Every collection that a search names, or means by naming none.  False: the problem is set. */
bool caller_may_search(struct request *request, const struct search_request *search);
/* Has the scope operator, or no key is needed here. */
bool caller_is_operator(const struct request *request);

/* The ids of the collections that the key is for (heap; free() it): what jobs are compared with.
 * Names that are none any more are left out. */
int caller_collections(const struct request *request, struct collection_id **ret, size_t *ret_n,
                       struct error *reterr);

/* Bytes of a body that came without a length.  False: the problem is set. */
bool caller_take_bytes(struct request *request, size_t bytes);
