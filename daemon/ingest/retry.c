/* SPDX-License-Identifier: Apache-2.0 */
/* Trying again what failed: the failed documents of a job are put once more, under the job. */
#include "base/cleanup.h"
#include "ingest/inside.h"
#include "ingest/quota.h"

#include <string.h>

#define PAGE 256

DEFINE_CLEANUP(struct collection *, collection_unref)

/* Failed documents of one job, page by page through the collection. */
struct failed_walk {
        struct collection *collection;
        struct job_id job;
        struct tenant_amounts added; /* by all that were put: nothing, or less */
        struct document *page;
        size_t n, at;
        char after[DOCUMENT_EXTERNAL_ID_MAX + 1];
        bool over;
};

static void walk_done(struct failed_walk *walk)
{
        walk->page = documents_free(walk->page, walk->n);
        walk->n = 0;
}

/* 1: *ret is the next one, borrowed until the next call; 0: no more. */
static int walk_next(struct failed_walk *walk, const struct document **ret, struct error *reterr)
{
        for (;;) {
                while (walk->at < walk->n) {
                        const struct document *document = &walk->page[walk->at++];

                        if (document->failed && id_equal(document->job.id, walk->job.id)) {
                                *ret = document;
                                return 1;
                        }
                }
                if (walk->over)
                        return 0;
                if (walk->n > 0)
                        (void) strncpy(walk->after, walk->page[walk->n - 1].external_id,
                                       sizeof walk->after - 1);
                walk_done(walk);
                walk->at = 0;
                int r = docs_list(walk->collection, walk->after[0] ? walk->after : NULL, PAGE,
                                  &walk->page, &walk->n, reterr);
                if (r < 0)
                        return r;
                walk->over = walk->n < PAGE;
        }
}

static int put_again(struct failed_walk *walk, const struct document *failed,
                     struct job_intake *intake, struct error *reterr)
{
        struct document document = { 0 };
        struct document_vector *vectors = NULL;
        struct docs_receipt receipt;
        size_t n = 0;
        int r = docs_get_body(walk->collection, failed->docver, &document, reterr);

        if (r == -ENOENT) /* replaced or deleted meanwhile */
                return 0;
        if (r == 0)
                r = docs_get_vectors(walk->collection, failed->docver, &vectors, &n, reterr);
        if (r == 0) {
                const struct document_input input = {
                        .external_id = document.external_id,
                        .mime = document.mime,
                        .title = document.title,
                        .source_url = document.source_url,
                        .metadata = document.metadata,
                        .chunking = document.chunking,
                        .body = document.body,
                        .body_len = document.body_len,
                        .vectors = vectors,
                        .n_vectors = n,
                        .chunks = document.chunks,
                };
                const struct docs_delta nothing = { 0 };

                r = docs_put_within(walk->collection, &input, 1, walk->job, &nothing, &receipt,
                                    reterr);
        }
        if (r == 0) {
                intake->accepted++;
                intake->last_seq = receipt.doc_seq;
                quota_add(&walk->added, &receipt.delta);
        }
        (void) docs_vectors_free(vectors, n);
        document_done(&document);
        return r == -ESTALE ? 0 : r; /* replaced or deleted meanwhile */
}

static int put_failed_again(struct ingest *ingest, struct collection *collection,
                            struct job_id job, struct error *reterr)
{
        cleanup_(walk_done) struct failed_walk walk = { .collection = collection, .job = job };
        cleanup_(quota_give_back) struct quota_hold hold = { 0 };
        struct job_intake intake = { 0 };
        const struct document *failed;
        struct error why = { 0 };
        int r = quota_hold(ingest, collection_get(collection)->tenant, &walk.added, &hold, &why);

        while (r == 0 && (r = walk_next(&walk, &failed, &why)) > 0) {
                r = put_again(&walk, failed, &intake, &why);
                if (r < 0)
                        break;
        }
        quota_settle(&hold, r == 0 || quota_is_clean(r) ? &walk.added : NULL);
        live_job_take_in(ingest, collection_get(collection)->id, job, &intake);
        live_job_close(ingest, collection_get(collection)->id, job,
                       r < 0 ? error_text(&why) : NULL);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int count_failed(struct collection *collection, struct job_id job, uint64_t *ret,
                        struct error *reterr)
{
        cleanup_(walk_done) struct failed_walk walk = { .collection = collection, .job = job };
        const struct document *failed;
        int r;

        *ret = 0;
        while ((r = walk_next(&walk, &failed, reterr)) > 0)
                ++*ret;
        return r;
}

static int retry(struct ingest *ingest, struct job *row, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        uint64_t failed = 0;
        int r = collection_open_by_id(ingest->settings.store, row->tenant, row->collection,
                                      &collection, reterr);

        if (r == 0 && row->type == JOB_INGEST)
                r = count_failed(collection, row->id, &failed, reterr);
        if (r < 0)
                return r;
        if (row->type == JOB_INGEST && failed == 0)
                return error_set(reterr, -EALREADY, "no document of this job is failed");
        job_done(row);
        row->status = JOB_QUEUED;
        row->attempts++;
        row->finished_usec = 0;
        row->progress.documents_failed -= failed < row->progress.documents_failed
                                                  ? failed
                                                  : row->progress.documents_failed;
        row->progress.documents_total -= failed < row->progress.documents_total
                                                 ? failed
                                                 : row->progress.documents_total;
        r = jobs_update(ingest->settings.store, row, reterr);
        if (r == 0)
                r = live_job_again(ingest, row, reterr);
        if (r < 0)
                return r;
        if (row->type == JOB_INGEST)
                r = put_failed_again(ingest, collection, row->id, reterr);
        follower_post_now(ingest, row->tenant, row->collection);
        return r;
}

int ingest_job_retry(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                     struct error *reterr)
{
        struct job row = { 0 };
        int r = ingest_job_get(ingest, tenant, id, &row, reterr);

        if (r < 0)
                return r;
        if (row.status != JOB_PARTIAL && row.status != JOB_FAILED)
                r = error_set(reterr, -EALREADY, "the job is %s: nothing failed",
                              job_status_name(row.status));
        else
                r = retry(ingest, &row, reterr);
        job_done(&row);
        return r;
}
