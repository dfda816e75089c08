/* SPDX-License-Identifier: Apache-2.0 */
/* Golden sets, kept with the collection: questions, and the documents that answer each with a
 * gain.  They are what gates ask of two releases; see release/gate.h and answer/eval.h.
 *
 * They lie in docs.db and go where it goes.  A set names documents that exist when it is written;
 * one that is deleted later stays in the set and counts as missing.  Any thread. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collection;

#define GOLDEN_SET_USUAL "default" /* where no set is named */
#define GOLDEN_GAIN_MAX 30
#define GOLDEN_QUERY_MAX_BYTES 16384
#define GOLDEN_QUESTIONS_MAX 100000 /* of one set */

struct golden_question {
        char *query;
        char *set;        /* that it belongs to; or NULL: not kept anywhere */
        char *collection; /* that it is asked of; or NULL: whoever asks decides */
        struct golden_gain {
                char *external_id;
                uint32_t gain; /* 0: judged and not relevant */
        } *relevant;
        size_t n_relevant;
};

struct golden_set {
        struct golden_question *questions;
        size_t n_questions;
};
void golden_set_done(struct golden_set *set); /* empty and usable again */

struct golden_receipt {
        uint64_t added, changed, removed; /* questions */
};

/* All take the set's name, as those of collections; NULL: GOLDEN_SET_USUAL.  Writes are one
 * transaction and durable when they return 0. */

/* Puts questions into the set, in their order; one that is there already takes the new documents.
 * `replace`: all others of the set go.  -EINVAL: a question is empty or too long, has no document
 * of a gain above 0, or names another collection; a document is unknown (the first is named, and
 * how many there are); -E2BIG: more than GOLDEN_QUESTIONS_MAX. */
int golden_import(struct collection *collection, const char *name, const struct golden_set *set,
                  bool replace, struct golden_receipt *ret, struct error *reterr);
/* The same for one. */
int golden_add(struct collection *collection, const char *name,
               const struct golden_question *question, struct golden_receipt *ret,
               struct error *reterr);

/* The questions of a set, or of all sets (NULL), in the order in which they came.  None is no
 * error. */
int golden_list(struct collection *collection, const char *name_or_null, struct golden_set *ret,
                struct error *reterr);
/* `query` NULL: the whole set.  -ENOENT: there is no such question, or no such set. */
int golden_remove(struct collection *collection, const char *name, const char *query_or_null,
                  uint64_t *ret_removed, struct error *reterr);
