/* SPDX-License-Identifier: Apache-2.0 */
/* docs.db, the truth of one collection: documents, their versions, attributes, and the change
 * log that every generation follows.
 *
 * `doc_seq` is the number of a change and only grows.  A version is immutable, and its number
 * `docver` is the doc_seq of the put that made it.  A put appends (version, attributes, log row)
 * in one transaction and is the document's current version from then on; the version that a
 * generation serves changes only when the generation has applied the put.  Bodies of superseded
 * versions are dropped at once, their rows when no retained generation can still serve them.
 */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collection;

#define DOCUMENT_EXTERNAL_ID_MAX 512
#define DOCUMENT_ATTRIBUTES_MAX 16
#define DOCUMENT_ATTRIBUTE_KEY_MAX 64
#define DOCUMENT_ATTRIBUTE_TEXT_MAX 4096 /* characters; a filter compares with up to 512 */

/* One chunk that a client brought with its own vector (provider kind "client"). */
struct document_vector {
        const char *text;    /* NULL: the whole document is this one chunk */
        const float *values;
        uint32_t dimensions; /* of `values`; 0 on the way in: as wide as the collection's
                                serving generation, or where there is none its newest */
};

/* What a door hands in; everything borrowed for the call. */
struct document_input {
        const char *external_id; /* UTF-8, 1 to 512 bytes, no control characters */
        const char *mime;        /* text/plain, text/markdown, application/json */
        const char *title;       /* or NULL */
        const char *source_url;  /* or NULL */
        const char *metadata;    /* JSON object of at most 16 scalar members, or NULL */
        const char *chunking;    /* JSON {strategy, max_tokens, overlap}, or NULL: the profile's */
        const void *body;        /* UTF-8 text */
        size_t body_len;
        const struct document_vector *vectors; /* or NULL */
        size_t n_vectors;
        uint32_t chunks; /* how many it is cut into, for the totals; with vectors: their number */
};

/* What a change adds to the totals of current versions, or, negative, takes away. */
struct docs_delta {
        int64_t documents, bytes, vectors;
};

enum document_status {
        DOCUMENT_PENDING, /* its newest version is not yet visible */
        DOCUMENT_READY,
        DOCUMENT_FAILED, /* the newest version could not be processed: see error */
        DOCUMENT_STATUS_MAX,
        DOCUMENT_STATUS_INVALID = -EINVAL,
};
const char *document_status_name(enum document_status status);

struct document {
        struct document_id id;
        uint32_t doc_no;  /* stays in the house */
        uint32_t docver;  /* stays in the house */
        uint32_t version; /* 1, 2, … as the user sees it */
        uint64_t doc_seq;
        struct job_id job;
        char *external_id, *mime, *title, *source_url, *metadata, *chunking; /* heap or NULL */
        char *error;   /* why it failed, or NULL */
        bool failed;
        uint8_t sha256[32]; /* of the body */
        uint64_t size_bytes;
        uint32_t chunks; /* as it was cut when it was put */
        uint64_t created_usec, updated_usec;
        char *body; /* only from docs_get_body(); NUL-terminated */
        size_t body_len;
};
void document_done(struct document *document);

struct docs_receipt {
        struct document_id id;
        uint32_t version;
        uint64_t doc_seq;
        uint8_t sha256[32];
        bool unchanged; /* body, title, url, metadata, chunking and vectors all the same */
        struct docs_delta delta;
};

/* Durable when it returns 0 (group commit).  A batch is one transaction; receipts has n.  A
 * document whose newest version failed is never `unchanged`: putting it again tries again.
 * -EINVAL: an input outside the limits above, the error's origin.key names the member. */
int docs_put(struct collection *collection, const struct document_input *inputs, size_t n,
             struct job_id job, struct docs_receipt *ret_receipts, struct error *reterr);
/* The same where all of it together adds no more than `most` to any of the totals.  -ESTALE: it
 * would, since others changed these documents meanwhile; nothing was written. */
int docs_put_within(struct collection *collection, const struct document_input *inputs, size_t n,
                    struct job_id job, const struct docs_delta *most,
                    struct docs_receipt *ret_receipts, struct error *reterr);
/* -ENOENT: no such document.  Durable; the caller then makes every generation forget it. */
int docs_delete(struct collection *collection, const char *external_id, uint32_t *ret_doc_no,
                uint64_t *ret_seq, struct docs_delta *ret_delta, struct error *reterr);

int docs_get(struct collection *collection, const char *external_id, struct document *ret,
             struct error *reterr); /* -ENOENT */
int docs_get_by_id(struct collection *collection, struct document_id id, struct document *ret,
                   struct error *reterr);
/* By the version a chunk belongs to: for results; without a body.  -ENOENT: deleted since the
 * view was pinned; such a hit is left out. */
int docs_get_version(struct collection *collection, uint32_t docver, struct document *ret,
                     struct error *reterr);
/* The same for many in one transaction: ret[i] is that of docvers[i], all zero where it was
 * deleted. */
int docs_get_versions(struct collection *collection, const uint32_t *docvers, size_t n,
                      struct document *ret, struct error *reterr);
/* By external_id, ascending, after `after` (NULL: from the start). */
int docs_list(struct collection *collection, const char *after, size_t limit,
              struct document **ret, size_t *ret_n, struct error *reterr);
struct document *documents_free(struct document *documents, size_t n);

/* -EINVAL naming the member: not a string, number or boolean, too many, too long.  NULL is good. */
int docs_check_metadata(const char *metadata, struct error *reterr);

/* The change log, for followers. */
struct docs_change {
        uint64_t doc_seq;
        uint32_t doc_no;
        uint32_t docver; /* 0: a delete */
        struct job_id job;
        bool superseded; /* a later change of the same document exists: nothing to do */
};
int docs_changes(struct collection *collection, uint64_t after_seq, size_t limit,
                 struct docs_change **ret, size_t *ret_n, struct error *reterr);
uint64_t docs_last_seq(struct collection *collection);
/* The version with its body and, where the client brought them, its chunks' vectors.  -ENOENT:
 * superseded or deleted meanwhile. */
int docs_get_body(struct collection *collection, uint32_t docver, struct document *ret,
                  struct error *reterr);
int docs_get_vectors(struct collection *collection, uint32_t docver, struct document_vector **ret,
                     size_t *ret_n, struct error *reterr); /* heap; docs_vectors_free() */
struct document_vector *docs_vectors_free(struct document_vector *vectors, size_t n);
/* Marks the version as failed, with the reason; one that is superseded is left alone. */
int docs_set_failed(struct collection *collection, uint32_t docver, const char *why,
                    struct error *reterr);
/* The same for many in one transaction. */
struct docs_failure {
        uint32_t docver;
        const char *why;
};
int docs_set_failed_all(struct collection *collection, const struct docs_failure *failures,
                        size_t n, struct error *reterr);

struct docs_counts {
        uint64_t documents, bytes; /* current versions */
        uint64_t pending;          /* not yet in the serving generation, and not failed */
        uint64_t failed;
};
int docs_count(struct collection *collection, struct docs_counts *ret, struct error *reterr);
/* Current versions, failed ones left out, that are newer than `applied_seq`. */
int docs_count_pending(struct collection *collection, uint64_t applied_seq, uint64_t *ret,
                       struct error *reterr);
/* How the log rows of one job stand: total, and the greatest doc_seq among them. */
int docs_job_extent(struct collection *collection, struct job_id job, uint64_t *ret_total,
                    uint64_t *ret_last_seq, uint64_t *ret_failed, struct error *reterr);

/* The documents that match a filter, as docver numbers (see index/filter.h); the caller frees
 * the bitmap.  Attributes are indexed in memory on first use and then kept up to date. */
struct filter;
typedef struct roaring_bitmap_s roaring_bitmap_t;
int docs_filter(struct collection *collection, const struct filter *filter,
                roaring_bitmap_t **ret_docvers, struct error *reterr);
