/* SPDX-License-Identifier: Apache-2.0 */
/* The work behind a generation's searches: what is derived from its vectors is brought up to
 * date step by step, beside searches and writers. */
#include "store/generation_inside.h"

#include "base/buf.h"
#include "base/clock.h"
#include "store/registry.h"

#include <stdlib.h>
#include <string.h>

/* ---- Damage ----------------------------------------------------------------------------- */

void generation_note_damage(struct generation *generation, char *damage)
{
        struct buf both = BUF_EMPTY;

        if (!damage)
                return;
        (void) pthread_mutex_lock(&generation->view_lock);
        (void) atomic_fetch_add(&generation->damages, 1);
        if (generation->damage)
                buf_append_format(&both, "%s; ", generation->damage);
        buf_append_text(&both, damage);
        free(generation->damage);
        generation->damage = buf_take(&both); /* without memory the count tells */
        (void) pthread_mutex_unlock(&generation->view_lock);
        free(damage);
}

uint32_t generation_take_damage(struct generation *generation, char **ret)
{
        uint32_t n;

        (void) pthread_mutex_lock(&generation->view_lock);
        n = atomic_load(&generation->damages) - generation->damages_taken;
        generation->damages_taken += n;
        *ret = generation->damage;
        generation->damage = NULL;
        (void) pthread_mutex_unlock(&generation->view_lock);
        return n;
}

/* ---- Steps ------------------------------------------------------------------------------ */

static int maintain_index(struct generation *generation, const struct index_check *check,
                          struct error *reterr)
{
        struct generation_view *view = generation_view_ref(generation);
        struct error why = { 0 };
        int r = index_maintain(view->index, &view->source, view->live, check, &why);

        (void) generation_view_unref(view);
        if (r == -EBADMSG) {
                generation_note_damage(generation, strdup(error_text(&why)));
                return INDEX_AGAIN;
        }
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

/* A failure of one leg does not keep the other from its step. */
static int step(struct generation *generation, const struct index_check *check,
                struct error *reterr)
{
        struct error why = { 0 };
        int words = generation_maintain_postings(generation, check, reterr);
        int vectors = maintain_index(generation, check, words < 0 ? &why : reterr);

        if (words < 0 || vectors < 0)
                return words < 0 ? words : vectors;
        return words == INDEX_AGAIN || vectors == INDEX_REST ? words : vectors;
}

int generation_maintain(struct generation *generation, const struct index_check *check,
                        enum index_step *ret, struct error *reterr)
{
        int r = 0;

        (void) pthread_mutex_lock(&generation->upkeep_lock);
        atomic_store(&generation->upkeep_due, false); /* what comes meanwhile sets it again */
        if (atomic_load(&generation->live_unsaved))
                r = generation_save_live(generation, reterr);
        if (r == 0 && atomic_load(&generation->state) != GENERATION_RESTING)
                r = step(generation, check, reterr);
        if (r != INDEX_REST)
                atomic_store(&generation->upkeep_due, true);
        (void) pthread_mutex_unlock(&generation->upkeep_lock);
        if (r < 0)
                return r;
        *ret = (enum index_step) r;
        return 0;
}

bool generation_is_at_rest(const struct generation *generation)
{
        return !atomic_load(&generation->upkeep_due);
}

static bool may_save(const struct generation *generation)
{
        uint64_t until = generation->collection->store->save_until_usec;

        return !atomic_load(&generation->doomed) &&
               atomic_load(&generation->state) != GENERATION_RESTING &&
               (until == 0 || clock_monotonic_usec() < until);
}

/* What can't be saved is linked, or added, again next time. */
void generation_save(struct generation *generation)
{
        if (generation->postings && may_save(generation))
                (void) postings_save(generation->postings, NULL);
        if (generation->opened && may_save(generation))
                (void) index_save(generation->opened->index, NULL);
}
