/* SPDX-License-Identifier: Apache-2.0 */
/* Views: what one search sees, from beginning to end.
 *
 * A view is made by the writer, immutable, and published by swapping one pointer under a lock
 * that is held for a few instructions; taking a reference is the same.  The generation holds
 * one reference of the current view, so a count that has reached zero is never raised again.
 * Every reference that a reader holds is also one of the generation, and so of its collection:
 * mappings and bitmaps outlive the search. */
#include "store/generation_inside.h"
#include "store/registry.h"

#include <stdlib.h>

struct pinned_view {
        struct generation_view view; /* first: handed out as such */
        struct opened_index *opened;
        struct postings_view *postings;
        bool complete;               /* `postings` lack no committed slot */
        unsigned refs;               /* under view_lock */
        struct pinned_view *newer, *older;
        struct index_segment segments[];
};

static void free_view(struct pinned_view *pinned)
{
        roaring_bitmap_free((roaring_bitmap_t *) (uintptr_t) pinned->view.live);
        (void) postings_unref(pinned->postings);
        (void) opened_index_unref(pinned->opened);
        free(pinned);
}

/* Under view_lock; true: the caller frees it outside. */
static bool let_go(struct generation *generation, struct pinned_view *pinned)
{
        if (!pinned || --pinned->refs > 0)
                return false;
        if (pinned->newer)
                pinned->newer->older = pinned->older;
        else
                generation->views = pinned->older;
        if (pinned->older)
                pinned->older->newer = pinned->newer;
        return true;
}

static void swap_view(struct generation *generation, struct pinned_view *fresh)
{
        struct pinned_view *former;
        bool last;

        (void) pthread_mutex_lock(&generation->view_lock);
        former = generation->view;
        generation->view = fresh;
        if (fresh) {
                fresh->older = generation->views;
                if (fresh->older)
                        fresh->older->newer = fresh;
                generation->views = fresh;
        }
        last = let_go(generation, former);
        (void) pthread_mutex_unlock(&generation->view_lock);
        if (last)
                free_view(former);
}

int view_publish(struct generation *generation, const struct generation_facts *facts,
                 struct error *reterr)
{
        size_t n = segments_count(generation->segments, facts->committed);
        struct pinned_view *pinned = calloc(1, sizeof *pinned + n * sizeof *pinned->segments);

        if (!pinned)
                return error_oom(reterr);
        segments_describe(generation->segments, facts->committed, pinned->segments);
        pinned->refs = 1;
        pinned->view = (struct generation_view){
                .generation = generation,
                .source = { .segments = pinned->segments,
                            .segment_count = n,
                            .committed = facts->committed,
                            .unsettled = facts->committed - facts->settled },
                .live = roaring_bitmap_copy(facts->live),
                .committed = facts->committed,
                .applied_seq = facts->applied_seq,
                .documents = facts->documents,
                .index = generation->opened->index,
        };
        if (!pinned->view.live) {
                free(pinned);
                return error_oom(reterr);
        }
        pinned->opened = opened_index_ref(generation->opened);
        pinned->complete = postings_end(generation->postings) >= facts->committed;
        pinned->postings = postings_ref(generation->postings);
        if (generation->facts.live != facts->live)
                generation_facts_done(&generation->facts);
        generation->facts = *facts;
        atomic_store(&generation->live_unsaved, facts->unsaved);
        swap_view(generation, pinned);
        return 0;
}

int view_refresh(struct generation *generation, struct error *reterr)
{
        int r;

        generation_lock(generation);
        r = view_publish(generation, &generation->facts, reterr);
        generation_unlock(generation);
        return r;
}

void view_announce(struct generation *generation)
{
        const struct collection *collection = generation->collection;

        atomic_store(&generation->upkeep_due, true);
        store_tell(collection->store, collection->info.tenant, collection->id);
}

const struct postings_view *view_postings(const struct generation_view *view)
{
        return ((const struct pinned_view *) view)->postings;
}

bool generation_view_bm25_complete(const struct generation_view *view)
{
        return ((const struct pinned_view *) view)->complete &&
               !atomic_load(&view->generation->words_damaged);
}

void view_retire(struct generation *generation)
{
        swap_view(generation, NULL);
}

struct generation_view *generation_view_ref(struct generation *generation)
{
        struct pinned_view *pinned;

        (void) generation_ref(generation);
        (void) pthread_mutex_lock(&generation->view_lock);
        pinned = generation->view;
        pinned->refs++;
        (void) pthread_mutex_unlock(&generation->view_lock);
        return &pinned->view;
}

struct generation_view *generation_view_unref(struct generation_view *view)
{
        struct pinned_view *pinned = (struct pinned_view *) view;
        struct generation *generation;
        bool last;

        if (!view)
                return NULL;
        generation = view->generation;
        (void) pthread_mutex_lock(&generation->view_lock);
        last = let_go(generation, pinned);
        (void) pthread_mutex_unlock(&generation->view_lock);
        if (last)
                free_view(pinned);
        (void) generation_unref(generation);
        return NULL;
}

bool view_shows(struct generation *generation, uint32_t slot)
{
        bool shown = false;

        (void) pthread_mutex_lock(&generation->view_lock);
        for (struct pinned_view *at = generation->views; at && !shown; at = at->older)
                shown = roaring_bitmap_contains(at->view.live, slot);
        (void) pthread_mutex_unlock(&generation->view_lock);
        return shown;
}

uint64_t view_oldest_seq(struct generation *generation)
{
        uint64_t oldest = UINT64_MAX;

        (void) pthread_mutex_lock(&generation->view_lock);
        for (struct pinned_view *at = generation->views; at; at = at->older)
                oldest = at->view.applied_seq < oldest ? at->view.applied_seq : oldest;
        (void) pthread_mutex_unlock(&generation->view_lock);
        return oldest;
}

/* ---- Slots ------------------------------------------------------------------------------ */

uint32_t generation_view_docver(const struct generation_view *view, uint32_t slot)
{
        return segments_docver(view->generation->segments, view->source.segments, slot);
}

uint32_t generation_view_ordinal(const struct generation_view *view, uint32_t slot)
{
        return segments_ordinal(view->generation->segments, view->source.segments, slot);
}

int generation_view_check(const struct generation_view *view, uint32_t slot, struct error *reterr)
{
        return segments_check(view->generation->segments, view->source.segments, slot, reterr);
}

/* The first slot from `from` on whose docver is not below `docver`.  The docver never falls from
 * slot to slot; the next one wanted is mostly near, so the step doubles before it halves. */
static uint32_t seek(const struct generation_view *view, uint32_t from, uint32_t docver)
{
        uint32_t low = from, high = view->committed, step = 1;

        while (low < high && generation_view_docver(view, low) < docver) {
                uint32_t next = high - low > step ? low + step : high;

                if (next == high || generation_view_docver(view, next) >= docver) {
                        low++;
                        high = next;
                        while (low < high) {
                                uint32_t middle = low + (high - low) / 2;

                                if (generation_view_docver(view, middle) < docver)
                                        low = middle + 1;
                                else
                                        high = middle;
                        }
                        return low;
                }
                low = next;
                step = step < (1U << 30) ? step * 2 : step;
        }
        return low;
}

roaring_bitmap_t *generation_view_slots(const struct generation_view *view,
                                        const roaring_bitmap_t *docvers)
{
        roaring_bitmap_t *slots = roaring_bitmap_create();
        roaring_uint32_iterator_t at;
        uint32_t slot = 0;

        if (!slots)
                return NULL;
        roaring_init_iterator(docvers, &at);
        while (at.has_value && slot < view->committed) {
                uint32_t docver, end;

                slot = seek(view, slot, at.current_value);
                if (slot == view->committed)
                        break;
                docver = generation_view_docver(view, slot);
                if (docver != at.current_value) { /* leave out what no slot belongs to */
                        (void) roaring_move_uint32_iterator_equalorlarger(&at, docver);
                        continue;
                }
                end = docver == UINT32_MAX ? view->committed : seek(view, slot, docver + 1);
                roaring_bitmap_add_range(slots, slot, end);
                slot = end;
                (void) roaring_advance_uint32_iterator(&at);
        }
        return slots;
}
