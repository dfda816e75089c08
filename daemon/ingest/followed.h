/* SPDX-License-Identifier: Apache-2.0 */
/* The list of releases that are followed.  Inside ingest/. */
#pragma once
#include "base/cleanup.h"
#include "ingest/ingest.h"

#include <stdatomic.h>

struct followed {
        atomic_uint refs;
        size_t n, serves; /* how many; which of them serves */
        struct followed_release {
                struct ingest_release release; /* with a spec of its own */
                uint8_t key[GENERATION_IDENTITY_BYTES]; /* ingest_release_key() */
                size_t first; /* of those that share a generation with this one: it embeds */
        } at[INGEST_RELEASES_MAX];
};

/* NULL: none is followed yet. */
struct followed *followed_ref(struct ingest *ingest);
/* Without locks of ingest: the last one calls the owners. */
struct followed *followed_unref(struct followed *followed);
DEFINE_CLEANUP(struct followed *, followed_unref)

/* NULL, -EAGAIN: none is followed yet. */
const struct ingest_release *followed_serving(const struct followed *followed,
                                              struct error *reterr);
/* What it asks of this collection's generation. */
struct generation_spec ingest_release_spec(const struct ingest_release *release,
                                           const struct collection_info *info);
/* The generation of the release that serves by this list, counted; or NULL. */
struct generation *followed_find_serving(const struct followed *followed,
                                         struct collection *collection);
/* The identity without a language: what tells releases apart. */
void ingest_release_key(const struct generation_spec *spec,
                        uint8_t ret_key[static GENERATION_IDENTITY_BYTES]);
