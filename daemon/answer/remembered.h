/* SPDX-License-Identifier: Apache-2.0 */
/* Responses of searches as they were sent, for the same search over the same data.
 *
 * The key holds all that decides a response: the tenant, the release, the request's bytes, and
 * of each collection that it looks into its generation and how far that was written.  So nothing
 * is invalidated: after a write, a delete or a switch the same request has another key, and what
 * lies under the former one leaves as the least recently used, or when its time is over.
 *
 * Items are counted references, so that one may be copied from while it leaves.  Any thread; a
 * look-up holds one lock for some instructions. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct remembered;
struct remembered_item;

#define REMEMBERED_KEY_BYTES 32

struct remembered_key {
        uint8_t bytes[REMEMBERED_KEY_BYTES]; /* a cryptographic hash */
};

/* Bytes of one response; longer ones are not kept, and all together have entries times this. */
#define REMEMBERED_BYTES_MAX ((size_t) 64 * 1024)
#define REMEMBERED_BYTES_EACH ((size_t) 16 * 1024)

/* `entries` 0: *ret is NULL, which the functions below take for one that keeps nothing. */
int remembered_new(size_t entries, uint64_t ttl_usec, struct remembered **ret,
                   struct error *reterr);
struct remembered *remembered_free(struct remembered *remembered);

/* A reference, or NULL: unknown, or its time is over at `now_usec` (monotonic). */
struct remembered_item *remembered_get(struct remembered *remembered,
                                       const struct remembered_key *key, uint64_t now_usec);
/* Keeps a copy of the text, where that is possible; `n_results` is kept with it. */
void remembered_put(struct remembered *remembered, const struct remembered_key *key,
                    const char *text, size_t len, size_t n_results, uint64_t now_usec);

const char *remembered_text(const struct remembered_item *item, size_t *ret_len);
size_t remembered_results(const struct remembered_item *item);
struct remembered_item *remembered_unref(struct remembered_item *item);

/* All of it goes. */
void remembered_clear(struct remembered *remembered);

struct remembered_figures {
        uint64_t hits, misses, bytes, entries;
};
void remembered_get_figures(struct remembered *remembered, struct remembered_figures *ret);
