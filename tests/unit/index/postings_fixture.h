/* SPDX-License-Identifier: Apache-2.0 */
/* Postings of random texts, and beside them the reference, which must always say the same. */
#pragma once
#include "index/postings.h"
#include "tests/lib/bm25_fts5.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define FIXTURE_SLOTS 60000

struct fixture {
        char folder[64];
        int dirfd;
        uint64_t random;
        struct postings *postings;
        struct bm25_fts5 *reference;
        uint32_t next;                             /* slot */
        struct postings_text texts[FIXTURE_SLOTS]; /* text NULL: the slot has none */
        bool in_reference[FIXTURE_SLOTS];
        roaring_bitmap_t *live;
};

struct fixture *fixture_new(uint64_t seed);
/* With so many short texts in one file. */
struct fixture *fixture_with_file(uint64_t seed, uint32_t n);
void fixture_free(struct fixture *f);

uint32_t fixture_chance(struct fixture *f, uint32_t n); /* 0 to n - 1 */

/* Makes up the texts of so many slots more, of about `words` words each; the word "u<slot>x" is
 * in no other.  One in ten slots has no text where `gaps`. */
void fixture_invent(struct fixture *f, uint32_t n, uint32_t words, bool gaps);
/* postings_add() of the texts of [first, end). */
int fixture_add(struct fixture *f, uint32_t first, uint32_t end, struct error *reterr);
/* Adds in batches what the postings lack. */
void fixture_catch_up(struct fixture *f);

/* Opens what is in the folder; returns the text about damage: heap or NULL. */
char *fixture_reopen(struct fixture *f);
/* postings_maintain() until it rests, keeping what is live (NULL: all); the number of steps. */
unsigned fixture_maintain(struct fixture *f, const roaring_bitmap_t *live);

/* Deletes from the reference what a merge has dropped. */
void fixture_follow_drops(struct fixture *f);
/* Asks both so many random questions, with and without filters, and compares. */
void fixture_compare(struct fixture *f, unsigned questions);
bool fixture_finds(struct fixture *f, uint32_t slot); /* by its own word, live or not */

/* Names in the folder that begin with `prefix` and end with `end`. */
unsigned fixture_count_files(const struct fixture *f, const char *prefix, const char *end);
