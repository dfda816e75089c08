/* SPDX-License-Identifier: Apache-2.0 */
/* Best passages by their words: Okapi BM25 (Robertson and Zaragoza 2009, "The Probabilistic
 * Relevance Framework") over the terms of base/text.h, on postings of our own.
 *
 *     score = sum over terms of  idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average))
 *     idf   = ln(1 + (N - n + 0.5) / (n + 0.5))            which is never negative
 *
 * with k1 = 1.5 and b = 0.75, where tf counts a word of the title twice, and length is that of
 * title and text in terms.  A word that the question repeats counts once: measured on Cranfield,
 * repeating it tells less.
 *
 * Postings are derived from the texts, which the store keeps: what is lost or damaged is added
 * again.  They lie in immutable segments, each over a range of slots: small ones in memory for
 * what is fresh, larger ones in files postings.NNNN of the generation's folder, merged so that
 * each is at least twice as large as the next.  A slot's terms never change.  A dead slot stays
 * in N, n and the average until a merge drops it; no segment keeps more than a tenth of dead
 * slots for long, which bounds what that does to scores.
 *
 * Threads: one adds (postings_add), one maintains (postings_maintain,
 * postings_save), both may run beside each other and beside any number of searches.  A search
 * runs on a snapshot and takes no lock. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "index/index.h"

#include <roaring/roaring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BM25_QUERY_TERMS_MAX 64 /* distinct terms of a question that are looked up */

struct bm25_query {
        const char *text;
        size_t len;
        uint32_t k;                     /* 1 to INDEX_K_MAX */
        uint32_t committed;             /* slots from here on are ignored */
        const roaring_bitmap_t *filter; /* NULL: every slot */
        const roaring_bitmap_t *live;   /* NULL: every slot */
        struct index_check check;
};

struct postings;
struct postings_view;

/* Maps what was saved in the generation's folder, in constant time: headers are checked, the
 * rest by the first calls of postings_maintain().  `dirfd` is copied; -1: nothing is kept.
 * `language` is what text_analyzer_new() takes.  A file that is damaged, or of another byte
 * order, language or TEXT_RULE_VERSION, is set aside as postings.NNNN.damaged; one of a newer
 * format is left alone; both are opened without, and *ret_damage, where wanted, is then a text
 * for the log (heap; else NULL).  -EINVAL: unknown language; or why the folder cannot be read. */
int postings_open(int dirfd, const char *language, struct postings **ret, char **ret_damage,
                  struct error *reterr);
/* No snapshot is held and nothing runs any more.  What was not saved is added again next time. */
void postings_free(struct postings *postings);
DEFINE_CLEANUP(struct postings *, postings_free)

/* ---- Adding ----------------------------------------------------------------------------- */

struct postings_text {
        uint32_t slot;
        const char *title; /* may be NULL */
        size_t title_len;
        const char *text;
        size_t text_len;
};

/* Slots below are taken in, or have no text: whoever adds goes on here.  It falls back where a
 * damaged segment was set aside, and jumps over what is still there when that gap is filled. */
uint32_t postings_end(struct postings *postings);

/* Takes in all texts that there are of the slots from `first` to before `end`, by ascending slot;
 * all or none of them.  They are found by snapshots taken from now on.  A slot that is in already
 * is passed over; n may be 0.  Where `first` is above postings_end(), what lies between is still
 * missing.  -EINVAL: the slots do not ascend within the range; -ENOMEM; -EFBIG: a text of 4 GiB. */
int postings_add(struct postings *postings, uint32_t first, uint32_t end,
                 const struct postings_text *texts, size_t n, struct error *reterr);

/* ---- Searching -------------------------------------------------------------------------- */

/* What has been taken in by now, fixed until postings_unref().  Both hold a lock for a few
 * instructions. */
struct postings_view *postings_ref(struct postings *postings);
struct postings_view *postings_unref(struct postings_view *view);
DEFINE_CLEANUP(struct postings_view *, postings_unref)

/* The best k slots that hold any of the question's words, stop words set aside unless there is
 * nothing else: sorted by falling score (always above 0), ties by rising slot.  A slot that is
 * not live, not committed or not in the filter is left out before the best k are chosen.  A
 * single CJK character stands for the terms that begin with it.  `ret_hits` has room for k.  A
 * question without words finds nothing and is no error.  In *ret_stats `candidates` are slots
 * whose score was worked out.  -EINVAL: k out of range; -ENOMEM; -EBADMSG: a segment is damaged,
 * which the next postings_maintain() sets aside; or what the check returned. */
int postings_search(const struct postings_view *view, const struct bm25_query *query,
                    struct index_hit *ret_hits, size_t *ret_count, struct index_stats *ret_stats,
                    struct error *reterr);

/* ---- Behind the searches ---------------------------------------------------------------- */

/* What a merge may drop for good: slots below `settled` that are not live.  Those from there on
 * may yet become live: staged ones, and what is added while the merge runs. */
struct postings_keep {
        const roaring_bitmap_t *live;
        uint32_t settled;
};

/* One bounded step: verify what was opened, write what is fresh to a file once it is
 * POSTINGS_TAIL slots, merge.  `keep` may be NULL: nothing is dropped.
 *
 * Returns enum index_step, or -errno: what the check returned, -ENOMEM, -ENOSPC and what else
 * the disk says, all of which leave everything as it was; -EBADMSG: a segment turned out
 * damaged and was set aside: postings_end() is where it began, and the texts from there on are
 * to be added again. */
int postings_maintain(struct postings *postings, const struct postings_keep *keep,
                      const struct index_check *check, struct error *reterr);

/* Slots that are in memory only and wait for a file, where postings_maintain() is called. */
#define POSTINGS_TAIL 4096

/* Writes all that is fresh, durably: before a stop.  Not beside postings_maintain(). */
int postings_save(struct postings *postings, struct error *reterr);

struct postings_status {
        uint32_t segments, memory_segments; /* all, and those that no file holds */
        uint32_t end;
        uint64_t documents;      /* slots with a text */
        uint64_t dead;           /* of those, not live */
        uint64_t memory_bytes, file_bytes;
};
/* `live` may be NULL. */
void postings_get_status(struct postings *postings, const roaring_bitmap_t *live,
                         struct postings_status *ret);
