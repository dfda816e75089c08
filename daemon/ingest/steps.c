/* SPDX-License-Identifier: Apache-2.0 */
/* What a follower does next.
 *
 *     a generation is missing, or rests   make it, wake it
 *     one is not wanted any more          it rests, or goes if it was to replace another one
 *     one has caught up                   it is ready
 *     changes are to be applied           a group of them, to one generation
 *
 * To which: no change is visible in the serving one before it is in those that were level with it.
 * One that is behind, because it is new, or was paused, or rested, gets two turns of three, and
 * all of them over the last stretch: the serving one stands still meanwhile, so that it ends,
 * however much is written.  One that waits for something of its own holds nobody up.
 *
 * A generation is ready when it has applied all that the serving one has; the serving one itself,
 * when it has applied what was there when it began. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <string.h>

#define LAST_STRETCH 1024 /* changes */
#define TURNS 3           /* of which the serving one gets one, while another one is behind */
#define REPORT_USEC (USEC_PER_SEC / 2)

/* One generation that is followed. */
struct course {
        struct pace *pace;
        const struct ingest_release *release;
        struct generation_spec spec; /* in the collection's language */
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation *generation; /* a reference; NULL: there is none */
        enum generation_state state;
        uint64_t applied;
        bool waits;
};

struct slice {
        struct follower *follower;
        struct collection *collection;
        struct course courses[INGEST_RELEASES_MAX + 1];
        size_t n;
        struct course *serving; /* one of them */
        struct course *anew;    /* the last, where the serving one is built anew; or NULL */
        uint64_t last;          /* of the log */
};

static void slice_done(struct slice *slice)
{
        for (size_t i = 0; i < slice->n; i++)
                (void) generation_unref(slice->courses[i].generation);
}

/* ---- What there is -------------------------------------------------------------------------- */

/* Its generation is still to be looked for. */
static struct course *add_course(struct slice *slice, const struct ingest_release *release,
                                 struct pace *pace)
{
        struct course *course = &slice->courses[slice->n++];

        *course = (struct course){
                .pace = pace,
                .release = release,
                .spec = ingest_release_spec(release, collection_get(slice->collection)),
                .waits = pace_waits(slice->follower, pace),
        };
        generation_identity(&course->spec, course->identity);
        return course;
}

/* Takes the generation, or NULL. */
static void set_generation(struct course *course, struct generation *takes_generation)
{
        course->generation = takes_generation;
        if (!takes_generation)
                return;
        course->state = generation_get_state(takes_generation);
        course->applied = generation_applied_seq(takes_generation);
}

/* Another one of this identity, that is being built. */
static struct generation *find_anew(struct collection *collection,
                                    const struct generation *serving)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX], *found = NULL;
        size_t n = collection_list_generations(collection, all);

        for (size_t i = 0; i < n; i++)
                if (!found && serving && all[i] != serving &&
                    generation_get_state(all[i]) == GENERATION_BUILDING &&
                    memcmp(generation_get_identity(all[i]), generation_get_identity(serving),
                           GENERATION_IDENTITY_BYTES) == 0)
                        found = all[i];
                else
                        (void) generation_unref(all[i]);
        return found;
}

struct generation *ingest_find_building(struct collection *collection)
{
        struct generation *serving = collection_serving(collection);
        struct generation *anew = find_anew(collection, serving);

        if (anew || !serving || generation_get_state(serving) != GENERATION_BUILDING)
                serving = generation_unref(serving);
        return anew ? anew : serving;
}

static bool has_content(struct collection *collection, const struct generation *but_not)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);
        bool content = false;

        for (size_t i = 0; i < n; i++) {
                struct generation_view *view = generation_view_ref(all[i]);

                content |= all[i] != but_not && view->documents > 0;
                (void) generation_view_unref(view);
                (void) generation_unref(all[i]);
        }
        return content;
}

static void look_around(struct slice *slice, const struct followed *followed)
{
        struct follower *follower = slice->follower;
        struct collection *collection = slice->collection;
        struct generation *anew;

        slice->last = docs_last_seq(collection);
        for (size_t i = 0; i < followed->n; i++) {
                const struct followed_release *at = &followed->at[i];
                struct course *course;

                if (at->first != i)
                        continue;
                course = add_course(slice, &at->release, pace_find(follower, at->key));
                set_generation(course, collection_find_generation(collection, course->identity));
                if (followed->at[followed->serves].first == i)
                        slice->serving = course;
        }
        anew = find_anew(collection, slice->serving->generation);
        if (!anew)
                return;
        slice->anew = add_course(slice, slice->serving->release, &follower->anew);
        set_generation(slice->anew, anew);
}

/* ---- Making, waking, resting ---------------------------------------------------------------- */

/* 1: done; 0: it waits now. */
static int settle(struct slice *slice, struct course *course, int r, const struct error *why)
{
        if (r < 0) {
                pace_pause(slice->follower, course->pace, why);
                course->waits = true;
                return 0;
        }
        pace_unpause(slice->follower, course->pace);
        return 1;
}

static int make_or_wake(struct slice *slice, struct error *reterr)
{
        (void) reterr;
        for (size_t i = 0; i < slice->n; i++) {
                struct course *course = &slice->courses[i];
                struct generation *made = NULL;
                struct error why = { 0 };
                int r;

                if (course->waits ||
                    (course->generation && course->state != GENERATION_RESTING))
                        continue;
                r = course->generation
                            ? collection_wake_generation(slice->collection,
                                                         generation_number(course->generation),
                                                         &why)
                            : collection_new_generation(slice->collection, &course->spec, &made,
                                                        &why);
                (void) generation_unref(made);
                if (settle(slice, course, r, &why) == 0)
                        continue;
                course->pace->mark = 0;
                return 1;
        }
        return 0;
}

static bool same_identity(const uint8_t *identity, const struct generation *generation)
{
        return memcmp(identity, generation_get_identity(generation), GENERATION_IDENTITY_BYTES) == 0;
}

static bool is_wanted(const struct slice *slice, const struct generation *generation)
{
        for (size_t i = 0; i < slice->n; i++)
                if (same_identity(slice->courses[i].identity, generation))
                        return true;
        return false;
}

/* It was built anew for a release that served then; the one before it is whole. */
static bool is_left_over(const struct slice *slice, struct generation *const *all, size_t n,
                         const struct generation *generation)
{
        bool twin = false;

        for (size_t i = 0; i < slice->n; i++)
                if (slice->courses[i].generation == generation)
                        return false;
        for (size_t i = 0; i < n; i++)
                twin |= all[i] != generation &&
                        same_identity(generation_get_identity(all[i]), generation);
        return twin && generation_get_state(generation) == GENERATION_BUILDING;
}

static int let_rest(struct slice *slice, struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(slice->collection, all);
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                uint32_t number = generation_number(all[i]);

                if (is_left_over(slice, all, n, all[i]))
                        r = collection_remove_generation(slice->collection, number, reterr);
                else if (!is_wanted(slice, all[i]) &&
                         generation_get_state(all[i]) != GENERATION_RESTING)
                        r = collection_rest_generation(slice->collection, number, reterr);
                else
                        continue;
                r = r == 0 ? 1 : r;
        }
        for (size_t i = 0; i < n; i++)
                (void) generation_unref(all[i]);
        return r;
}

/* ---- The serving one anew ------------------------------------------------------------------- */

static int begin_anew(struct slice *slice)
{
        struct follower *follower = slice->follower;
        struct generation *made = NULL;
        struct error why = { 0 };
        int r;

        if (pace_waits(follower, &follower->anew))
                return 0;
        r = collection_new_generation(slice->collection, &slice->serving->spec, &made, &why);
        (void) generation_unref(made);
        if (r < 0)
                pace_pause(follower, &follower->anew, &why);
        else
                pace_unpause(follower, &follower->anew);
        return r < 0 ? 0 : 1;
}

/* Begun where a rebuild wants it, given up where none does any more. */
static int keep_anew(struct slice *slice, struct error *reterr)
{
        struct follower *follower = slice->follower;
        struct job_id rebuild;
        bool wanted = live_rebuild_find(follower, &rebuild);
        int r;

        if (wanted && !slice->anew && slice->serving->generation &&
            slice->serving->state == GENERATION_READY)
                return begin_anew(slice);
        if (wanted)
                return 0;
        pace_reset(follower, &follower->anew);
        if (!slice->anew)
                return 0;
        r = collection_remove_generation(slice->collection,
                                         generation_number(slice->anew->generation), reterr);
        return r < 0 ? r : 1;
}

/* ---- Ready ---------------------------------------------------------------------------------- */

static bool has_caught_up(struct slice *slice, struct course *course)
{
        if (!course->generation || course->state != GENERATION_BUILDING)
                return false;
        if (course->pace->mark == 0)
                course->pace->mark = slice->last;
        if (course != slice->serving && slice->serving->state == GENERATION_READY)
                return course->applied >= slice->serving->applied;
        return course->applied >= course->pace->mark && course->applied >= slice->serving->applied;
}

static int finish(struct slice *slice, struct error *reterr)
{
        for (size_t i = 0; i < slice->n; i++) {
                struct course *course = &slice->courses[i];
                int r;

                if (!has_caught_up(slice, course))
                        continue;
                r = collection_finish_generation(slice->collection,
                                                 generation_number(course->generation), reterr);
                if (r == 0 && (course == slice->serving || course == slice->anew))
                        r = live_rebuild_finish(slice->follower, reterr);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* ---- Applying ------------------------------------------------------------------------------- */

/* What the others allow: the one that goes, or NULL; up to where. */
static struct course *choose(struct slice *slice, uint64_t *ret_up_to)
{
        struct course *serving = slice->serving, *level = NULL, *behind = NULL, *front;
        uint64_t bound = slice->last;

        *ret_up_to = slice->last;
        for (size_t i = 0; i < slice->n; i++) {
                struct course *course = &slice->courses[i];

                if (course == serving || !course->generation || course->waits)
                        continue;
                if (course->applied < serving->applied) {
                        if (!behind || course->applied > behind->applied)
                                behind = course;
                        continue;
                }
                bound = course->applied < bound ? course->applied : bound;
                if (course->applied < slice->last && (!level || course->applied < level->applied))
                        level = course;
        }
        if (behind && serving->applied - behind->applied <= LAST_STRETCH)
                return behind;
        front = serving->generation && !serving->waits && serving->applied < bound ? serving
                                                                                   : level;
        if (behind && (!front || slice->follower->turn++ % TURNS != 0))
                return behind;
        if (front == serving)
                *ret_up_to = bound;
        return front;
}

/* Another one is given up: a rebuild with its job, a release's one until it is followed anew. */
static int give_up(struct slice *slice, struct course *course, const struct error *why,
                   struct error *reterr)
{
        struct ingest *ingest = slice->follower->ingest;
        int r;

        if (course == slice->anew || course == slice->serving) {
                r = live_jobs_fail(slice->follower, JOB_REBUILD, error_text(why), reterr);
                if (r == 0 && course == slice->serving) /* the next release may do better */
                        (void) settle(slice, course, -ECANCELED, why);
                return r < 0 ? r : 1;
        }
        pthread_mutex_lock(&ingest->lock);
        course->pace->hopeless = true;
        (void) snprintf(course->pace->wait.why, sizeof course->pace->wait.why, "%s",
                        error_text(why));
        pthread_mutex_unlock(&ingest->lock);
        r = collection_remove_generation(slice->collection, generation_number(course->generation),
                                         reterr);
        ingest_note_change(ingest);
        return r < 0 ? r : 1;
}

/* Before something is visible that these do not have: nobody switches to them any more. */
static void leave_behind(struct slice *slice, uint64_t up_to)
{
        struct ingest *ingest = slice->follower->ingest;

        pthread_mutex_lock(&ingest->lock);
        for (size_t i = 0; i < slice->n; i++)
                if (&slice->courses[i] != slice->serving && slice->courses[i].applied < up_to)
                        slice->courses[i].pace->report.ready = false;
        pthread_mutex_unlock(&ingest->lock);
}

static int apply(struct slice *slice, struct error *reterr)
{
        uint64_t up_to;
        struct course *course = choose(slice, &up_to);
        struct target target;
        struct error why = { 0 };
        int r;

        if (!course)
                return 0;
        target = (struct target){
                .collection = slice->collection,
                .generation = course->generation,
                .release = course->release,
                .pace = course->pace,
                .jobs = course == slice->serving,
                .rebuild = course == slice->anew ||
                           (course == slice->serving && course->state == GENERATION_BUILDING),
                .beside = course != slice->serving,
                .may_give_up = course->applied == 0 && course->state == GENERATION_BUILDING &&
                               has_content(slice->collection, course->generation),
        };
        if (target.jobs)
                leave_behind(slice, up_to);
        r = follower_apply(slice->follower, &target, up_to, &why);
        if (r == -ECANCELED)
                return give_up(slice, course, &why, reterr);
        if (r < 0) {
                course->pace->long_document = long_document_free(course->pace->long_document);
                (void) settle(slice, course, r, &why);
                return 1; /* others may go on */
        }
        pace_unpause(slice->follower, course->pace);
        return r;
}

/* ---- A step --------------------------------------------------------------------------------- */

static int report(struct slice *slice, struct error *reterr)
{
        struct generation *serving = slice->serving->generation;
        int r = 0;

        slice->follower->report_usec = clock_monotonic_usec();
        for (size_t i = 0; r == 0 && i < slice->n; i++)
                if (&slice->courses[i] != slice->anew)
                        r = progress_note(slice->follower, slice->collection,
                                          slice->courses[i].pace, slice->courses[i].generation,
                                          serving, reterr);
        return r;
}

int follower_step(struct follower *follower, struct collection *collection,
                  const struct followed *followed, struct error *reterr)
{
        static int (*const steps[])(struct slice *slice, struct error *reterr) = {
                make_or_wake, let_rest, keep_anew, finish, apply,
        };
        cleanup_(slice_done) struct slice slice = { .follower = follower,
                                                    .collection = collection };
        int r = 0;

        look_around(&slice, followed);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(steps); i++)
                r = steps[i](&slice, reterr);
        if (r == 0 || (r > 0 && clock_monotonic_usec() - follower->report_usec >= REPORT_USEC)) {
                int reported = report(&slice, reterr);

                r = reported < 0 ? reported : r;
        }
        return r;
}
