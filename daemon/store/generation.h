/* SPDX-License-Identifier: Apache-2.0 */
/* A generation: one complete index of one collection under one identity, in a folder gNNNN/.
 *
 *     MANIFEST      identity in words: fingerprint, chunking, tokenizer, index; never changes
 *     gen.db        chunks, the documents they belong to, live slots, applied_seq
 *     vectors.NNNN  segments of records {float32[dimensions], docver, ordinal, crc32c}, padded
 *                   to 64 bytes; append-only, mapped; one record per slot
 *     graph.NNNN, postings.NNNN   derived from these: see index/index.h and index/postings.h
 *
 * A writer stages the chunks of a version (vector tail fdatasync'ed, then gen.db committed) and
 * then publishes it: one transaction makes the new version live, the old one dead, and advances
 * applied_seq; after it a new view is published.  Slots are never reused, and docver never
 * decreases from slot to slot.  After a crash, staged chunks are found and kept; records behind
 * the last committed slot are cut off.
 *
 * One writer at a time (generation_lock()); any number of readers, each with a view. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "index/index.h"
#include "index/postings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collection;
struct generation;

#define GENERATION_IDENTITY_BYTES 32

/* What decides whether vectors can be compared, and the rest of the identity.  Strings are
 * borrowed; NULL is written as "". */
struct generation_spec {
        struct {
                const char *provider; /* kind: hashing, openai, … */
                const char *model;
                const char *query_prefix, *document_prefix;
                uint32_t dimensions;
                bool normalize;
                uint32_t version; /* of a built-in embedder's algorithm; 0: not built in */
        } fingerprint;
        struct {
                const char *strategy;
                uint32_t chunk_size, overlap, max_chunk_size, min_chunk_size;
        } chunking;
        struct {
                const char *backend, *metric, *quantization;
                uint32_t m, ef_construction;
        } index;
        const char *language; /* of stemming */
        uint32_t text_rule;   /* TEXT_RULE_VERSION */
};

/* BLAKE2b-256 over the canonical text of the spec. */
void generation_identity(const struct generation_spec *spec,
                         uint8_t ret_identity[static GENERATION_IDENTITY_BYTES]);
/* The fingerprint in words, for errors: "hashing v1, 384 dimensions, normalised".  → `text`. */
const char *generation_describe(const struct generation_spec *spec, char text[static 192]);

/* A copy that owns its strings: one block, for free().  NULL: no memory. */
struct generation_spec *generation_spec_copy(const struct generation_spec *spec);

enum generation_state {
        GENERATION_BUILDING, /* follows the log, has not caught up since it was made or woken */
        GENERATION_READY,    /* caught up once, and follows */
        GENERATION_RESTING,  /* is not followed, has no index open; deletes reach it */
        GENERATION_STATE_MAX,
        GENERATION_STATE_INVALID = -EINVAL,
};
const char *generation_state_name(enum generation_state state);

struct generation_info {
        uint32_t number; /* gNNNN */
        enum generation_state state;
        bool serving; /* collection_serving() finds it */
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        uint64_t applied_seq, documents, chunks_live, chunks_dead, bytes;
        uint64_t created_usec;
        uint32_t dimensions;
        char description[192];
        struct index_status index;
        struct postings_status words;
        bool words_complete;
        uint32_t damages; /* derived files that were set aside since it was opened */
};

const uint8_t *generation_get_identity(const struct generation *generation);
/* What its MANIFEST says; borrowed from the generation. */
const struct generation_spec *generation_get_spec(const struct generation *generation);
enum generation_state generation_get_state(const struct generation *generation);
uint32_t generation_number(const struct generation *generation);
uint32_t generation_dimensions(const struct generation *generation);
uint64_t generation_applied_seq(struct generation *generation);
int generation_get_info(struct generation *generation, struct generation_info *ret,
                        struct error *reterr);

/* ---- Reading ---------------------------------------------------------------------------- */

/* Everything a search may see, fixed until generation_view_unref().  A counted reference: taking
 * and releasing it holds a lock for a few instructions, a search in between holds none.  While
 * it is held its generation and collection stay open. */
struct generation_view {
        struct generation *generation;
        struct index_source source;   /* segments of vectors; dimensions and metric: the index's */
        const roaring_bitmap_t *live; /* slots that may be returned */
        uint32_t committed;           /* slots at or beyond this are not there yet */
        uint64_t applied_seq;
        uint64_t documents; /* live ones */
        struct index *index;
};
struct generation_view *generation_view_ref(struct generation *generation);
struct generation_view *generation_view_unref(struct generation_view *view);

/* The version a slot below `committed` belongs to and its place there. */
uint32_t generation_view_docver(const struct generation_view *view, uint32_t slot);
uint32_t generation_view_ordinal(const struct generation_view *view, uint32_t slot);
/* -EBADMSG: the slot's vector is damaged: its checksum is wrong.  For the few that are returned. */
int generation_view_check(const struct generation_view *view, uint32_t slot, struct error *reterr);
/* Slots of these versions, live or not; caller frees; NULL: no memory. */
roaring_bitmap_t *generation_view_slots(const struct generation_view *view,
                                        const roaring_bitmap_t *docvers);

struct chunk {
        uint32_t slot, docver, ordinal;
        uint32_t start, end; /* bytes in the document's extracted text */
        uint32_t tokens;
        char *text; /* heap */
        size_t text_len;
};
void chunk_done(struct chunk *chunk);
/* -ENOENT: there is no such slot, or its text was tidied away. */
int generation_get_chunk(struct generation *generation, uint32_t slot, struct chunk *ret,
                         struct error *reterr);
/* All chunks of a version, by ordinal; heap array for chunks_free(). */
int generation_get_chunks(struct generation *generation, uint32_t docver, struct chunk **ret,
                          size_t *ret_n, struct error *reterr);
struct chunk *chunks_free(struct chunk *chunks, size_t n);

/* ---- What other generations may take over ----------------------------------------------- */

struct generation_span {
        uint32_t start, end; /* as of struct chunk */
};
/* Copies the vectors, in the form in which they are compared, of the `n` chunks of a version from
 * ordinal `first` on.  -ENOENT: the version is not there with just `count` chunks, or `spans` (of
 * these n) are not where they stand; -EBADMSG: one of them is damaged. */
int generation_copy_vectors(struct generation *generation, uint32_t docver, uint32_t count,
                            uint32_t first, uint32_t n, const struct generation_span *spans,
                            float *ret_vectors, struct error *reterr);
/* How many chunks there are of a version that is live.  -ENOENT. */
int generation_count_chunks(struct generation *generation, uint32_t docver, uint32_t *ret,
                            struct error *reterr);
/* How many documents that `shown` shows are not there, or in an older version.  Reads a row per
 * document of both. */
int generation_count_missing(struct generation *generation, struct generation *shown,
                             uint64_t *ret, struct error *reterr);

/* BM25 over the view: as postings_search() of index/postings.h.  Where words are damaged it
 * finds nothing, and generation_view_bm25_complete() says why. */
int generation_bm25(const struct generation_view *view, const char *query, uint32_t k,
                    const roaring_bitmap_t *filter, const struct index_check *check_or_null,
                    struct index_hit *ret_hits, uint32_t *ret_n, struct error *reterr);

/* Whether every word is there: false while postings that were lost are made from the texts
 * again; what is there already is found. */
bool generation_view_bm25_complete(const struct generation_view *view);

/* ---- Writing ---------------------------------------------------------------------------- */

struct generation_chunk { /* what the follower stages */
        uint32_t docver, doc_no, ordinal;
        uint32_t start, end, tokens;
        const char *title; /* indexed beside the text; or NULL; the same for all of a version */
        const char *text;
        size_t text_len;
        const float *vector; /* as wide as the generation; brought to unit length for cosine */
};

/* Each call below takes the lock by itself; holding it around several makes them one, as far as
 * other writers go (it is recursive).  Never hold it while waiting for a provider: deletes wait
 * for it. */
void generation_lock(struct generation *generation);
void generation_unlock(struct generation *generation);

/* How many chunks of this version are staged already: where to go on after a restart. */
int generation_staged(struct generation *generation, uint32_t docver, uint32_t *ret_count,
                      struct error *reterr);
/* Whether a version of `chunks` chunks finds room beside what is there and `*pending` others on
 * their way (may be negative), to which it is added.  What it replaces makes room, and what is
 * staged of it counts once.  -EDQUOT: no, max_elements of the limits is in the way, with the
 * remedy in words. */
int generation_check_room(struct generation *generation, uint32_t doc_no, uint32_t docver,
                          uint64_t chunks, int64_t *pending, struct error *reterr);
/* Appends and commits.  -EDQUOT: as generation_check_room(); -EINVAL: docver is below that of the
 * last staged slot, or vector_check() refuses the vector; -ESTALE: the chunk does not follow what
 * is staged of its version, mostly because that was deleted meanwhile: leave it. */
int generation_stage(struct generation *generation, const struct generation_chunk *chunks,
                     size_t n, struct error *reterr);

/* One change applied: docver becomes the live version of doc_no (0: the document is gone, or
 * failed: its old version stays when `keep_old`). */
struct generation_change {
        uint64_t doc_seq;
        uint32_t doc_no, docver;
        bool keep_old;
};
/* In one transaction: the changes, and applied_seq = the last change's doc_seq.  Then a new
 * view is published.  May be combined with staging: `chunks` are appended first.  A docver that
 * is no longer current in docs.db does not go live.  Chunks staged for versions up to
 * applied_seq that did not go live are dead. */
int generation_publish(struct generation *generation, const struct generation_chunk *chunks,
                       size_t n_chunks, const struct generation_change *changes, size_t n_changes,
                       struct error *reterr);
/* A delete ahead of the log: dead at once, applied_seq unchanged.  Durable. */
int generation_forget(struct generation *generation, uint32_t doc_no, struct error *reterr);
/* Removes the texts of dead slots that no pinned view can see, then rows of docs.db
 * about versions that no retained generation shows; bounded work. */
int generation_tidy(struct generation *generation, bool *ret_more, struct error *reterr);

/* ---- Upkeep ----------------------------------------------------------------------------- */

/* One bounded step of index_maintain() and one of postings_maintain() on the current view,
 * beside searches and writers; one call at a time, others wait.  Returns what these return, but
 * damage: that is noted, and there is more to do.  With a RESTING generation there is nothing. */
int generation_maintain(struct generation *generation, const struct index_check *check,
                        enum index_step *ret, struct error *reterr);
/* How many derived files were found damaged and set aside since the last call, at opening or by
 * upkeep; *ret in words for the log (heap; NULL where there are none, or no memory). */
uint32_t generation_take_damage(struct generation *generation, char **ret);

/* Reads every vector record and compares checksums: -EBADMSG names the first damaged slot. */
int generation_scrub(struct generation *generation, struct error *reterr);
