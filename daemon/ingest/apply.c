/* SPDX-License-Identifier: Apache-2.0 */
/* Applying the change log to a generation.
 *
 * Changes are taken in groups that are bounded in documents, chunks and bytes: all their chunks
 * are embedded in shared batches and published in one transaction.  A document too long for a
 * group goes alone: its chunks are staged part by part, each part durable, and it is published
 * with the last; after a restart it goes on behind what is staged. */
#include "base/cleanup.h"
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
static void account_part(struct follower *follower, struct prepared *prepared, size_t end,
                         struct counting counting)
{
        struct job_step step = count_chunks(follower->ingest, prepared, end);

        prepared->counted = end;
        live_jobs_step(follower, counting.jobs ? &prepared->change.job : NULL, counting.rebuild,
                       &step);
}

static void account(struct follower *follower, const struct prepared *prepared,
                    struct counting counting)
{
        struct ingest *ingest = follower->ingest;
        struct job_step step = { 0 };
        bool rebuild = counting.rebuild;

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
                atomic_fetch_add(&ingest->documents_failed, 1);
                break;
        case PREPARED_APPLY:
                step = count_chunks(ingest, prepared, prepared->n_chunks);
                step.documents = 1;
                atomic_fetch_add(&ingest->documents_applied, 1);
                break;
        }
        live_jobs_step(follower, counting.jobs ? &prepared->change.job : NULL, rebuild, &step);
}

static int note_failures(struct collection *collection, const struct prepared *items, size_t n,
                         struct error *reterr)
{
        cleanup_free_ struct docs_failure *failures = calloc(n, sizeof *failures);
        size_t count = 0;

        if (!failures)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                if (items[i].outcome == PREPARED_FAIL && !items[i].failed_before)
                        failures[count++] =
                                (struct docs_failure){ items[i].change.docver, items[i].why };
        return docs_set_failed_all(collection, failures, count, reterr);
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
static int pass_over(struct follower *follower, struct collection *collection,
                     struct generation *generation, const struct prepared *prepared,
                     struct counting counting, struct error *reterr)
{
        struct generation_change change = change_of(prepared);
        int r = note_failures(collection, prepared, 1, reterr);

        if (r == 0)
                r = generation_publish(generation, NULL, 0, &change, 1, reterr);
        if (r == 0)
                account(follower, prepared, counting);
        return r;
}

/* Embeds and stages the next part; publishes with the last one.  1: more parts are left. */
static int stage_part(struct follower *follower, struct generation *generation,
                      struct prepared *prepared, size_t staged, size_t n, struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(generation);
        cleanup_free_ float *vectors = calloc(n * dimensions + 1, sizeof *vectors);
        cleanup_free_ struct generation_chunk *chunks = calloc(n + 1, sizeof *chunks);
        struct generation_change change = change_of(prepared);
        bool last = staged + n == prepared->n_chunks;
        int r;

        if (!vectors || !chunks)
                return error_oom(reterr);
        r = embed_chunks(follower, generation, prepared, staged, n, vectors, reterr);
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
static int apply_alone(struct follower *follower, struct collection *collection,
                       struct generation *generation, struct prepared *prepared,
                       struct counting counting, struct error *reterr)
{
        struct error why = { 0 };
        int r = 1;

        for (int part = 0; r == 1 && part < PARTS_PER_SLICE; part++) {
                uint32_t staged = 0;
                size_t n;

                if (prepared->outcome == PREPARED_APPLY &&
                    live_job_is_canceled(follower, prepared->change.job))
                        prepared_fail(prepared, "its job was canceled");
                if (prepared->outcome != PREPARED_APPLY)
                        return pass_over(follower, collection, generation, prepared, counting,
                                         reterr);
                if (workers_stopping(follower->ingest->settings.workers) ||
                    follower->ingest->stopping)
                        return 1;
                r = generation_staged(generation, prepared->change.docver, &staged, reterr);
                if (r < 0)
                        return r;
                if (staged > prepared->n_chunks)
                        staged = (uint32_t) prepared->n_chunks;
                if (prepared->counted < staged)
                        prepared->counted = staged; /* before a restart */
                n = prepared->n_chunks - staged < PART_CHUNKS ? prepared->n_chunks - staged
                                                              : PART_CHUNKS;
                r = stage_part(follower, generation, prepared, staged, n, &why);
                if (r == 1)
                        account_part(follower, prepared, staged + n, counting);
                if (r == 0 && prepared->outcome != PREPARED_APPLY)
                        r = 1; /* the provider refused it */
        }
        if (r == -ESTALE) { /* deleted meanwhile: the log says so further on */
                prepared->outcome = PREPARED_NOTHING;
                return pass_over(follower, collection, generation, prepared, counting, reterr);
        }
        if (r == -EINVAL || r == -EDQUOT) {
                prepared_fail(prepared, error_text(&why));
                return pass_over(follower, collection, generation, prepared, counting, reterr);
        }
        if (r == 0)
                account(follower, prepared, counting);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int apply_long(struct follower *follower, struct collection *collection,
                      struct generation *generation, struct counting counting, struct error *reterr)
{
        int r = apply_alone(follower, collection, generation, &follower->long_document->prepared,
                            counting, reterr);

        if (r <= 0)
                follower->long_document = long_document_free(follower->long_document);
        return r < 0 ? r : 1;
}

/* ---- Groups --------------------------------------------------------------------------------- */

/* Takes the prepared change over, so that its cutting is kept from slice to slice. */
static int begin_long(struct follower *follower, const struct generation *generation,
                      struct prepared *takes_prepared, struct error *reterr)
{
        follower->long_document = malloc(sizeof *follower->long_document);
        if (!follower->long_document)
                return error_oom(reterr);
        *follower->long_document =
                (struct long_document){ *takes_prepared, generation_number(generation) };
        *takes_prepared = (struct prepared){ 0 };
        return 0;
}

/* Chunks for which there is no room are not embedded: their document fails.  A rebuild is given
 * up instead, for what it lacks can be found as long as the other one serves. */
static int check_room(struct generation *generation, struct prepared *prepared,
                      struct counting counting, int64_t *pending, struct error *reterr)
{
        struct error why = { 0 };
        int r;

        if (prepared->outcome != PREPARED_APPLY)
                return 0;
        r = generation_check_room(generation, prepared->change.doc_no, prepared->change.docver,
                                  prepared->n_chunks, pending, &why);
        if (r == -EDQUOT && counting.beside)
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
 * becomes the follower's long document, and the group stays empty. */
static int fill(struct follower *follower, struct collection *collection,
                struct generation *generation, const struct docs_change *changes, size_t n,
                struct counting counting, struct group *group, struct error *reterr)
{
        int64_t pending = 0;

        for (size_t i = 0; i < n && group->chunks < GROUP_CHUNKS && group->bytes < GROUP_BYTES;
             i++) {
                struct prepared prepared;
                int r = prepare_change(follower, collection, generation, &changes[i], counting.jobs,
                                       &prepared, reterr);

                if (r == 0) {
                        r = check_room(generation, &prepared, counting, &pending, reterr);
                        if (r < 0)
                                prepared_done(&prepared);
                }
                if (r < 0)
                        return r;
                if (prepared.outcome == PREPARED_APPLY && prepared.n_chunks > GROUP_CHUNKS) {
                        if (group->n == 0)
                                r = begin_long(follower, generation, &prepared, reterr);
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

static int apply_each(struct follower *follower, struct collection *collection,
                      struct generation *generation, struct group *group, struct counting counting,
                      struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < group->n; i++)
                do
                        r = apply_alone(follower, collection, generation, &group->items[i],
                                        counting, reterr);
                while (r == 1 && !follower->ingest->stopping &&
                       !workers_stopping(follower->ingest->settings.workers));
        return r < 0 ? r : 0;
}

/* Whether a rebuild begins with nothing but failures: then the profile is at fault, not the
 * documents, and the generation that serves is better.  -> the first reason, or NULL. */
static const char *find_hopeless(const struct group *group, struct counting counting)
{
        const char *why = NULL;

        for (size_t i = 0; i < group->n; i++) {
                const struct prepared *item = &group->items[i];

                if (item->outcome == PREPARED_APPLY)
                        return NULL;
                if (item->outcome == PREPARED_FAIL && !item->failed_before && !why)
                        why = item->why;
        }
        return counting.may_give_up ? why : NULL;
}

static int apply_group(struct follower *follower, struct collection *collection,
                       struct generation *generation, struct group *group, struct counting counting,
                       struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(generation);
        struct error why = { 0 };
        const char *hopeless;
        int r;

        group->vectors = calloc(group->chunks * dimensions + 1, sizeof *group->vectors);
        if (!group->vectors)
                return error_oom(reterr);
        r = embed_documents(follower, generation, group->items, group->n, group->vectors,
                            reterr);
        hopeless = r == 0 ? find_hopeless(group, counting) : NULL;
        if (hopeless)
                return error_set(reterr, -ECANCELED, "no document can be taken over: %s", hopeless);
        if (r == 0)
                r = note_failures(collection, group->items, group->n, reterr);
        if (r < 0)
                return r;
        r = publish_group(generation, group, &why);
        if (r == -EINVAL || r == -ESTALE || r == -EDQUOT) /* by whose fault: each goes alone */
                return apply_each(follower, collection, generation, group, counting, reterr);
        if (r < 0) {
                if (reterr)
                        *reterr = why;
                return r;
        }
        for (size_t i = 0; i < group->n; i++)
                account(follower, &group->items[i], counting);
        return 0;
}

int follower_apply(struct follower *follower, struct collection *collection,
                   struct generation *generation, struct counting counting, struct error *reterr)
{
        cleanup_(group_free_cleanup) struct group *group = NULL;
        cleanup_free_ struct docs_change *changes = NULL;
        size_t n = 0;
        int r;

        if (follower->long_document &&
            follower->long_document->generation == generation_number(generation))
                return apply_long(follower, collection, generation, counting, reterr);
        r = docs_changes(collection, generation_applied_seq(generation), GROUP_CHANGES, &changes,
                         &n, reterr);
        if (r < 0 || n == 0)
                return r;
        group = calloc(1, sizeof *group);
        if (!group)
                return error_oom(reterr);
        follower->long_document = long_document_free(follower->long_document);
        r = fill(follower, collection, generation, changes, n, counting, group, reterr);
        if (r == 0 && follower->long_document)
                return apply_long(follower, collection, generation, counting, reterr);
        if (r == 0)
                r = apply_group(follower, collection, generation, group, counting, reterr);
        return r < 0 ? r : 1;
}
