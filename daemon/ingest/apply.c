/* SPDX-License-Identifier: Apache-2.0 */
/* Applying the change log to a generation.
 *
 * Changes are taken in groups that are bounded in documents, chunks and bytes: all their chunks
 * are embedded in shared batches and published in one transaction.  A document too long for a
 * group goes alone: its chunks are staged part by part, each part durable, and it is published
 * with the last; after a restart it goes on behind what is staged. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/embed.h"
#include "ingest/inside.h"
#include "ingest/prepare.h"

#include <stdlib.h>

#define GROUP_CHANGES 256
#define GROUP_CHUNKS 512
#define GROUP_BYTES (4U << 20)
#define PART_CHUNKS 256    /* of a long document, staged together */
#define PARTS_PER_SLICE 4

struct long_document {
        struct prepared prepared;
        uint32_t generation; /* that it was cut for, by number */
};

struct long_document *long_document_free(struct long_document *document)
{
        if (document) {
                prepared_done(&document->prepared);
                free(document);
        }
        return NULL;
}

struct group {
        struct prepared items[GROUP_CHANGES];
        size_t n, chunks, bytes;
        float *vectors;
};

static void group_free(struct group *group)
{
        for (size_t i = 0; i < group->n; i++)
                prepared_done(&group->items[i]);
        free(group->vectors);
        free(group);
}
DEFINE_CLEANUP(struct group *, group_free)

/* ---- After a change is applied -------------------------------------------------------------- */

/* What the jobs hear of the chunks up to `end` that they have not heard of. */
static struct job_step count_chunks(struct ingest *ingest, const struct prepared *prepared,
                                    size_t end)
{
        struct job_step step = { .chunks = end - prepared->counted };

        for (size_t i = prepared->counted; i < end; i++)
                step.tokens += prepared->cuts[i].tokens;
        atomic_fetch_add(&ingest->chunks, step.chunks);
        atomic_fetch_add(&ingest->tokens, step.tokens);
        return step;
}

/* A part of a long document is durable: its job moves before the whole can be found. */
static void account_part(struct follower *follower, const struct target *target,
                         struct prepared *prepared, size_t end)
{
        struct job_step step = count_chunks(follower->ingest, prepared, end);

        prepared->counted = end;
        live_jobs_step(follower, target->jobs ? &prepared->change.job : NULL, target->rebuild,
                       &step);
}

static void account(struct follower *follower, const struct target *target,
                    const struct prepared *prepared)
{
        struct ingest *ingest = follower->ingest;
        struct pace_step pace_step = { 0 };
        struct job_step step = { 0 };
        bool rebuild = target->rebuild;

        switch (prepared->outcome) {
        case PREPARED_DELETE:
                return;
        case PREPARED_NOTHING:
                step.documents = 1;
                rebuild = false; /* the newer version counts */
                break;
        case PREPARED_FAIL:
                step.failed = 1;
                step.external_id = prepared->document.external_id;
                step.error = prepared->why;
                pace_step.failed = !prepared->failed_before;
                atomic_fetch_add(&ingest->documents_failed, 1);
                break;
        case PREPARED_APPLY:
                step = count_chunks(ingest, prepared, prepared->n_chunks);
                step.documents = 1;
                atomic_fetch_add(&ingest->documents_applied, 1);
                break;
        }
        live_jobs_step(follower, target->jobs ? &prepared->change.job : NULL, rebuild, &step);
        progress_count(follower, target->pace, &pace_step);
}

/* Only what serves says that a document has failed: elsewhere it goes on being what it was. */
static int note_failures(const struct target *target, const struct prepared *items, size_t n,
                         struct error *reterr)
{
        cleanup_free_ struct docs_failure *failures = calloc(n, sizeof *failures);
        size_t count = 0;

        if (!failures)
                return error_oom(reterr);
        for (size_t i = 0; target->jobs && i < n; i++)
                if (items[i].outcome == PREPARED_FAIL && !items[i].failed_before)
                        failures[count++] =
                                (struct docs_failure){ items[i].change.docver, items[i].why };
        return docs_set_failed_all(target->collection, failures, count, reterr);
}

static struct generation_change change_of(const struct prepared *prepared)
{
        struct generation_change change = { .doc_seq = prepared->change.doc_seq,
                                            .doc_no = prepared->change.doc_no };

        if (prepared->outcome == PREPARED_APPLY)
                change.docver = prepared->change.docver;
        change.keep_old = prepared->outcome == PREPARED_FAIL ||
                          prepared->outcome == PREPARED_NOTHING;
        return change;
}

static void describe_chunks(const struct prepared *prepared, size_t first, size_t n,
                            const float *vectors, uint32_t dimensions,
                            struct generation_chunk *ret)
{
        for (size_t i = 0; i < n; i++) {
                const struct chunk_cut *cut = &prepared->cuts[first + i];

                ret[i] = (struct generation_chunk){
                        .docver = prepared->change.docver,
                        .doc_no = prepared->change.doc_no,
                        .ordinal = (uint32_t) (first + i),
                        .start = cut->start,
                        .end = cut->end,
                        .tokens = cut->tokens,
                        .title = prepared->document.title,
                        .vector = vectors + i * dimensions,
                };
                ret[i].text = prepared_chunk(prepared, first + i, &ret[i].text_len);
        }
}

/* ---- One document alone --------------------------------------------------------------------- */

/* Publishes the log's step over a change that brings no chunks. */
static int pass_over(struct follower *follower, const struct target *target,
                     const struct prepared *prepared, struct error *reterr)
{
        struct generation_change change = change_of(prepared);
        int r = note_failures(target, prepared, 1, reterr);

        if (r == 0)
                r = generation_publish(target->generation, NULL, 0, &change, 1, reterr);
        if (r == 0)
                account(follower, target, prepared);
        return r;
}

/* Whole requests to the provider. */
static size_t part_of(const struct target *target)
{
        size_t batch = target->release->batch_size;

        return batch == 0 || batch > PART_CHUNKS ? PART_CHUNKS : PART_CHUNKS / batch * batch;
}

/* Embeds and stages the next part; publishes with the last one.  1: more parts are left. */
static int stage_part(struct follower *follower, const struct target *target,
                      struct prepared *prepared, size_t staged, size_t n, struct error *reterr)
{
        struct generation *generation = target->generation;
        uint32_t dimensions = generation_dimensions(generation);
        cleanup_free_ float *vectors = calloc(n * dimensions + 1, sizeof *vectors);
        cleanup_free_ struct generation_chunk *chunks = calloc(n + 1, sizeof *chunks);
        struct generation_change change = change_of(prepared);
        bool last = staged + n == prepared->n_chunks;
        int r;

        if (!vectors || !chunks)
                return error_oom(reterr);
        r = embed_chunks(follower, target, prepared, staged, n, vectors, reterr);
        if (r == 0 && prepared->outcome == PREPARED_APPLY) {
                describe_chunks(prepared, staged, n, vectors, dimensions, chunks);
                r = last ? generation_publish(generation, chunks, n, &change, 1, reterr)
                         : generation_stage(generation, chunks, n, reterr);
                if (r == 0)
                        r = !last;
        }
        return r;
}

/* 0: it is through (applied, failed or passed over), 1: more is to be done. */
static int apply_alone(struct follower *follower, const struct target *target,
                       struct prepared *prepared, struct error *reterr)
{
        struct error why = { 0 };
        int r = 1;

        for (int part = 0; r == 1 && part < PARTS_PER_SLICE; part++) {
                uint32_t staged = 0;
                size_t n;

                if (prepared->outcome == PREPARED_APPLY &&
                    change_was_canceled(follower, target, &prepared->change))
                        prepared_fail(prepared, "its job was canceled");
                if (prepared->outcome != PREPARED_APPLY)
                        return pass_over(follower, target, prepared, reterr);
                if (workers_stopping(follower->ingest->settings.workers) ||
                    follower->ingest->stopping)
                        return 1;
                r = generation_staged(target->generation, prepared->change.docver, &staged, reterr);
                if (r < 0)
                        return r;
                if (staged > prepared->n_chunks)
                        staged = (uint32_t) prepared->n_chunks;
                if (prepared->counted < staged)
                        prepared->counted = staged; /* before a restart */
                n = prepared->n_chunks - staged < part_of(target) ? prepared->n_chunks - staged
                                                                  : part_of(target);
                r = stage_part(follower, target, prepared, staged, n, &why);
                if (r == 1)
                        account_part(follower, target, prepared, staged + n);
                if (r == 0 && prepared->outcome != PREPARED_APPLY)
                        r = 1; /* the provider refused it */
        }
        if (r == -ESTALE) { /* deleted meanwhile: the log says so further on */
                prepared->outcome = PREPARED_NOTHING;
                return pass_over(follower, target, prepared, reterr);
        }
        if (r == -EINVAL || r == -EDQUOT) {
                prepared_fail(prepared, error_text(&why));
                return pass_over(follower, target, prepared, reterr);
        }
        if (r == 0)
                account(follower, target, prepared);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int apply_long(struct follower *follower, const struct target *target,
                      struct error *reterr)
{
        struct pace *pace = target->pace;
        int r = apply_alone(follower, target, &pace->long_document->prepared, reterr);

        if (r <= 0)
                pace->long_document = long_document_free(pace->long_document);
        return r < 0 ? r : 1;
}

/* ---- Groups --------------------------------------------------------------------------------- */

/* Takes the prepared change over, so that its cutting is kept from slice to slice. */
static int begin_long(const struct target *target, struct prepared *takes_prepared,
                      struct error *reterr)
{
        struct long_document *document = malloc(sizeof *document);

        if (!document)
                return error_oom(reterr);
        *document = (struct long_document){ *takes_prepared,
                                            generation_number(target->generation) };
        target->pace->long_document = document;
        *takes_prepared = (struct prepared){ 0 };
        return 0;
}

/* Chunks for which there is no room are not embedded: their document fails.  A rebuild is given
 * up instead, for what it lacks can be found as long as the other one serves. */
static int check_room(const struct target *target, struct prepared *prepared, int64_t *pending,
                      struct error *reterr)
{
        struct error why = { 0 };
        int r;

        if (prepared->outcome != PREPARED_APPLY)
                return 0;
        r = generation_check_room(target->generation, prepared->change.doc_no,
                                  prepared->change.docver, prepared->n_chunks, pending, &why);
        if (r == -EDQUOT && target->beside)
                return error_set(reterr, -ECANCELED, "%s", error_text(&why));
        if (r == -EDQUOT) {
                prepared_fail(prepared, error_text(&why));
                return 0;
        }
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

/* Fills the group up to its bounds.  A document too long for it ends the group; at its head it
 * becomes the pace's long document, and the group stays empty. */
static int fill(struct follower *follower, const struct target *target,
                const struct docs_change *changes, size_t n, struct group *group,
                struct error *reterr)
{
        int64_t pending = 0;

        for (size_t i = 0; i < n && group->chunks < GROUP_CHUNKS && group->bytes < GROUP_BYTES;
             i++) {
                struct prepared prepared;
                int r = prepare_change(follower, target, &changes[i], &prepared, reterr);

                if (r == 0) {
                        r = check_room(target, &prepared, &pending, reterr);
                        if (r < 0)
                                prepared_done(&prepared);
                }
                if (r < 0)
                        return r;
                if (prepared.outcome == PREPARED_APPLY && prepared.n_chunks > GROUP_CHUNKS) {
                        if (group->n == 0)
                                r = begin_long(target, &prepared, reterr);
                        prepared_done(&prepared);
                        return r;
                }
                prepared.first = group->chunks;
                group->items[group->n++] = prepared;
                group->bytes += prepared.document.body_len;
                if (prepared.outcome == PREPARED_APPLY)
                        group->chunks += prepared.n_chunks;
        }
        return 0;
}

static int publish_group(struct generation *generation, const struct group *group,
                         struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(generation);
        cleanup_free_ struct generation_chunk *chunks = calloc(group->chunks + 1, sizeof *chunks);
        struct generation_change changes[GROUP_CHANGES];
        size_t n = 0;

        if (!chunks)
                return error_oom(reterr);
        for (size_t i = 0; i < group->n; i++) {
                const struct prepared *item = &group->items[i];

                changes[i] = change_of(item);
                if (item->outcome != PREPARED_APPLY)
                        continue;
                describe_chunks(item, 0, item->n_chunks, group->vectors + item->first * dimensions,
                                dimensions, chunks + n);
                n += item->n_chunks;
        }
        return generation_publish(generation, chunks, n, changes, group->n, reterr);
}

static int apply_each(struct follower *follower, const struct target *target, struct group *group,
                      struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < group->n; i++)
                do
                        r = apply_alone(follower, target, &group->items[i], reterr);
                while (r == 1 && !follower->ingest->stopping &&
                       !workers_stopping(follower->ingest->settings.workers));
        return r < 0 ? r : 0;
}

/* Whether a rebuild begins with nothing but failures: then the profile is at fault, not the
 * documents, and the generation that serves is better.  -> the first reason, or NULL. */
static const char *find_hopeless(const struct target *target, const struct group *group)
{
        const char *why = NULL;

        for (size_t i = 0; i < group->n; i++) {
                const struct prepared *item = &group->items[i];

                if (item->outcome == PREPARED_APPLY)
                        return NULL;
                if (item->outcome == PREPARED_FAIL && !item->failed_before && !why)
                        why = item->why;
        }
        return target->may_give_up ? why : NULL;
}

static int apply_group(struct follower *follower, const struct target *target,
                       struct group *group, struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(target->generation);
        struct error why = { 0 };
        const char *hopeless;
        int r;

        group->vectors = calloc(group->chunks * dimensions + 1, sizeof *group->vectors);
        if (!group->vectors)
                return error_oom(reterr);
        r = embed_documents(follower, target, group->items, group->n, group->vectors, reterr);
        hopeless = r == 0 ? find_hopeless(target, group) : NULL;
        if (hopeless)
                return error_set(reterr, -ECANCELED, "no document can be taken over: %s", hopeless);
        if (r == 0)
                r = note_failures(target, group->items, group->n, reterr);
        if (r < 0)
                return r;
        r = publish_group(target->generation, group, &why);
        if (r == -EINVAL || r == -ESTALE || r == -EDQUOT) /* by whose fault: each goes alone */
                return apply_each(follower, target, group, reterr);
        if (r < 0) {
                if (reterr)
                        *reterr = why;
                return r;
        }
        for (size_t i = 0; i < group->n; i++)
                account(follower, target, &group->items[i]);
        return 0;
}

/* The next changes, none behind `up_to`. */
static int next_changes(const struct target *target, uint64_t up_to, struct docs_change **ret,
                        size_t *ret_n, struct error *reterr)
{
        uint64_t applied = generation_applied_seq(target->generation);
        int r = docs_changes(target->collection, applied, GROUP_CHANGES, ret, ret_n, reterr);

        while (r == 0 && *ret_n > 0 && (*ret)[*ret_n - 1].doc_seq > up_to)
                --*ret_n;
        return r;
}

static int apply_next(struct follower *follower, const struct target *target, uint64_t up_to,
                      size_t *ret_n, struct error *reterr)
{
        cleanup_(group_free_cleanup) struct group *group = NULL;
        cleanup_free_ struct docs_change *changes = NULL;
        struct pace *pace = target->pace;
        size_t n = 0;
        int r;

        if (pace->long_document &&
            pace->long_document->generation == generation_number(target->generation))
                return apply_long(follower, target, reterr);
        pace->long_document = long_document_free(pace->long_document);
        r = next_changes(target, up_to, &changes, &n, reterr);
        if (r < 0 || n == 0)
                return r;
        group = calloc(1, sizeof *group);
        if (!group)
                return error_oom(reterr);
        r = fill(follower, target, changes, n, group, reterr);
        if (r == 0 && pace->long_document)
                return apply_long(follower, target, reterr);
        if (r == 0)
                r = apply_group(follower, target, group, reterr);
        for (size_t i = 0; i < group->n; i++)
                *ret_n += group->items[i].outcome == PREPARED_APPLY;
        return r < 0 ? r : 1;
}

int follower_apply(struct follower *follower, const struct target *target, uint64_t up_to,
                   struct error *reterr)
{
        uint64_t began_usec = clock_monotonic_usec(), vectors_usec = follower->vectors_usec;
        size_t n = 0;
        int r = apply_next(follower, target, up_to, &n, reterr);

        vectors_usec = follower->vectors_usec - vectors_usec; /* which have rates of their own */
        if (r > 0)
                ingest_note_rate(follower->ingest, RATE_APPLY, n,
                                 clock_monotonic_usec() - began_usec - vectors_usec);
        return r;
}
