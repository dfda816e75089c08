/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of JSON Lines as one job.  Lines are put together from whatever pieces come, parsed,
 * and committed in groups bounded in number and bytes: memory does not grow with the stream.
 *
 * Where the tenant may store only so much, and the stream does not surely fit, it is spooled and
 * counted first (spool.h): the job is begun when room for all of it is held. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "ingest/quota.h"
#include "ingest/spool.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_DOCUMENTS 256
#define GROUP_BYTES (4U << 20)
#define ERRORS_MAX 100
#define LINE_MIN 16     /* of one that holds a document, at least */
#define ROOM_SHARE 8    /* what surely fits takes no more than one part of so many */

struct line_document {
        struct json_object *json;
        struct ingest_document document;
        uint64_t line;
};

struct ingest_batch {
        struct ingest *ingest;
        struct collection *collection; /* NULL: an estimate without one */
        struct ingest_batch_summary summary;
        struct buf line; /* the beginning of a line that has not ended yet */
        uint64_t line_number;
        size_t line_max;
        bool too_long; /* the line is being skipped */
        bool over;     /* nothing more is taken */
        bool begun;    /* there is a job whose intake is open */
        bool estimate; /* there is no job, and nothing is kept */
        bool limited;  /* room has to be held before the job is begun */
        struct spool *spool;    /* the stream goes there first; or NULL */
        struct spool *counting; /* of an estimate: whose stream it counts; or NULL */
        struct text_analyzer *analyzer;
        struct quota_hold hold;
        struct tenant_amounts added; /* by what was committed */
        bool added_unknown;

        struct line_document waiting[GROUP_DOCUMENTS];
        size_t n_waiting, waiting_bytes;
};

static struct collection_id collection_of(const struct ingest_batch *batch)
{
        return collection_get(batch->collection)->id;
}

/* Room is held before there is a job. */
static int begin(struct ingest_batch *batch, const struct tenant_amounts *amounts,
                 struct error *reterr)
{
        const struct collection_info *info = collection_get(batch->collection);
        int r = quota_hold(batch->ingest, info->tenant, amounts, &batch->hold, reterr);

        if (r == 0)
                r = live_job_begin(batch->ingest, info, JOB_INGEST, &batch->summary.job, reterr);
        batch->begun = r == 0;
        batch->limited = r != 0;
        return r;
}

/* What tells an estimate from a stream that is kept comes last. */
static int begin_or_wait(struct ingest_batch *batch, struct tenant_id tenant, struct error *reterr)
{
        struct tenants *tenants = batch->ingest->settings.tenants;

        batch->limited = !batch->estimate && tenants && tenant_has_data_limits(tenants, tenant);
        return batch->estimate || batch->limited
                       ? 0 : begin(batch, &(struct tenant_amounts){ 0 }, reterr);
}

static int open_batch(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                      bool estimate, struct ingest_batch **ret, struct error *reterr)
{
        struct ingest_batch *batch = calloc(1, sizeof *batch);
        int r;

        if (!batch)
                return error_oom(reterr);
        *batch = (struct ingest_batch){ .ingest = ingest, .estimate = estimate };
        batch->line_max = ingest->settings.max_document_bytes * 2 +
                          ingest->settings.max_input_bytes * 2 + 4096;
        batch->summary.errors = json_object_new_array();
        r = batch->summary.errors ? 0 : error_oom(reterr);
        if (r == 0 && !estimate)
                r = ingest_check_space(ingest, reterr);
        if (r == 0 && collection)
                r = collection_open(ingest->settings.store, tenant, collection, &batch->collection,
                                    reterr);
        if (r == 0)
                r = text_analyzer_new("none", &batch->analyzer, reterr);
        if (r == 0)
                r = begin_or_wait(batch, tenant, reterr);
        if (r < 0) {
                (void) ingest_batch_free(batch);
                return r;
        }
        *ret = batch;
        return 0;
}

int ingest_batch_count(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                       struct spool *spool, struct ingest_batch **ret, struct error *reterr)
{
        int r = open_batch(ingest, tenant, collection, true, ret, reterr);

        if (r == 0)
                (*ret)->counting = spool;
        return r;
}

/* What is held while the stream comes is taken from others: it may be little only. */
int ingest_batch_expect(struct ingest_batch *batch, uint64_t bytes, struct error *reterr)
{
        const struct tenant_amounts most = { .documents = (int64_t) (bytes / LINE_MIN + 1),
                                             .bytes = (int64_t) bytes,
                                             .vectors = (int64_t) bytes };
        struct tenant_amounts room = { 0 };
        int r;

        if (!batch->limited || batch->spool || bytes > INT64_MAX / ROOM_SHARE)
                return 0;
        r = tenant_get_room(batch->ingest->settings.tenants,
                            collection_get(batch->collection)->tenant, &room, reterr);
        if (r < 0 || most.documents > room.documents / ROOM_SHARE ||
            most.bytes > room.bytes / ROOM_SHARE || most.vectors > room.vectors / ROOM_SHARE)
                return r;
        r = begin(batch, &most, reterr);
        return r == -EDQUOT ? 0 : r; /* others were faster: it is counted, then */
}

int ingest_batch_open(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                      struct ingest_batch **ret, struct error *reterr)
{
        return open_batch(ingest, tenant, collection, false, ret, reterr);
}

int ingest_batch_estimate(struct ingest *ingest, struct tenant_id tenant,
                          const char *collection_or_null, struct ingest_batch **ret,
                          struct error *reterr)
{
        return open_batch(ingest, tenant, collection_or_null, true, ret, reterr);
}

/* ---- One line ------------------------------------------------------------------------------- */

static void refuse(struct ingest_batch *batch, uint64_t line, const char *external_id,
                   const char *message)
{
        batch->summary.refused++;
        if (json_object_array_length(batch->summary.errors) < ERRORS_MAX)
                json_add(batch->summary.errors, NULL, job_error_json(line, external_id, message));
        if (!batch->estimate)
                live_job_refuse(batch->ingest, collection_of(batch), batch->summary.job, line,
                                external_id, message);
}

static void release(struct line_document *waiting)
{
        ingest_document_done(&waiting->document);
        json_object_put(waiting->json);
        *waiting = (struct line_document){ 0 };
}

static const char *name_of(const struct line_document *waiting)
{
        const char *external_id = NULL;

        if (json_object_is_type(waiting->json, json_type_object))
                (void) json_get_string(waiting->json, "external_id", &external_id, NULL);
        return external_id;
}

static void take_line(struct ingest_batch *batch, const char *text, size_t len)
{
        struct line_document *waiting = &batch->waiting[batch->n_waiting];
        struct error why = { 0 };
        int r;

        waiting->line = ++batch->line_number;
        if (strspn(text, " \t\r") >= len) /* every line ends in '\n' or NUL */
                return;
        r = json_parse(text, len, &waiting->json, &why);
        if (r == 0)
                r = ingest_document_parse(waiting->json, NULL, &waiting->document, &why);
        if (r == 0)
                r = ingest_check_input(batch->ingest, &waiting->document.input, &why);
        if (r == 0 && (!batch->estimate || batch->counting))
                r = quota_count_chunks(batch->ingest, batch->analyzer, &waiting->document.input,
                                       &waiting->document.input.chunks, &why);
        if (r < 0) {
                refuse(batch, waiting->line, name_of(waiting), error_text(&why));
                release(waiting);
                return;
        }
        batch->waiting_bytes += len;
        batch->n_waiting++;
}

/* ---- One group ------------------------------------------------------------------------------ */

static void take_in(struct ingest_batch *batch, const struct line_document *lines,
                    const struct docs_receipt *receipts, size_t n)
{
        struct job_intake intake = { 0 };

        for (size_t i = 0; i < n; i++) {
                intake.unchanged += receipts[i].unchanged;
                if (!receipts[i].unchanged && receipts[i].doc_seq > intake.last_seq)
                        intake.last_seq = receipts[i].doc_seq;
        }
        intake.accepted = n - intake.unchanged;
        batch->summary.accepted += intake.accepted;
        batch->summary.unchanged += intake.unchanged;
        for (size_t i = 0; i < n; i++) {
                batch->summary.bytes += lines[i].document.input.body_len;
                quota_add(&batch->added, &receipts[i].delta);
        }
        live_job_take_in(batch->ingest, collection_of(batch), batch->summary.job, &intake);
        follower_post(batch->ingest, collection_get(batch->collection)->tenant,
                      collection_of(batch));
}

/* Others changed documents of these meanwhile, so that they add more than was counted. */
static int hold_more(struct ingest_batch *batch, const struct document_input *inputs, size_t n,
                     struct error *reterr)
{
        struct tenant_amounts more = { 0 };

        for (size_t i = 0; i < n; i++) {
                struct docs_receipt receipt;

                (void) ingest_compare(batch->collection, &inputs[i], &receipt);
                more.documents += receipt.delta.documents;
                more.bytes += receipt.delta.bytes > 0 ? receipt.delta.bytes : 0;
                more.vectors += receipt.delta.vectors > 0 ? receipt.delta.vectors : 0;
        }
        return quota_hold_more(&batch->hold, &more, reterr);
}

static int put(struct ingest_batch *batch, const struct document_input *inputs, size_t n,
               struct docs_receipt *ret_receipts, struct error *reterr)
{
        struct docs_delta left;
        int r;

        do {
                r = docs_put_within(batch->collection, inputs, n, batch->summary.job,
                                    quota_left(&batch->hold, &batch->added, &left), ret_receipts,
                                    reterr);
        } while (r == -ESTALE && (r = hold_more(batch, inputs, n, reterr)) == 0);
        if (r < 0 && !quota_is_clean(r))
                batch->added_unknown = true;
        return r;
}

/* One of the group is refused by the store: which one shows when each goes alone. */
static int put_each(struct ingest_batch *batch, struct error *reterr)
{
        for (size_t i = 0; i < batch->n_waiting; i++) {
                struct document_input *input = &batch->waiting[i].document.input;
                struct docs_receipt receipt;
                struct error why = { 0 };
                int r = put(batch, input, 1, &receipt, &why);

                if (r == 0) {
                        take_in(batch, &batch->waiting[i], &receipt, 1);
                } else if (r == -EINVAL) {
                        refuse(batch, batch->waiting[i].line, input->external_id,
                               error_text(&why));
                } else {
                        if (reterr)
                                *reterr = why;
                        return r;
                }
        }
        return 0;
}

static int put_group(struct ingest_batch *batch, struct error *reterr)
{
        struct document_input inputs[GROUP_DOCUMENTS];
        struct docs_receipt receipts[GROUP_DOCUMENTS];
        struct error why = { 0 };
        int r;

        for (size_t i = 0; i < batch->n_waiting; i++)
                inputs[i] = batch->waiting[i].document.input;
        r = put(batch, inputs, batch->n_waiting, receipts, &why);
        if (r == -EINVAL)
                return put_each(batch, reterr);
        if (r == 0)
                take_in(batch, batch->waiting, receipts, batch->n_waiting);
        else if (reterr)
                *reterr = why;
        return r;
}

static int estimate_document(struct ingest_batch *batch, const struct document_input *input,
                             struct error *reterr)
{
        return batch->counting
                       ? spool_count(batch->counting, batch->collection, input, reterr)
                       : ingest_estimate_document(batch->ingest, batch->collection,
                                                  batch->analyzer, input,
                                                  &batch->summary.estimate, reterr);
}

static int estimate_group(struct ingest_batch *batch, struct error *reterr)
{
        for (size_t i = 0; i < batch->n_waiting; i++) {
                const struct line_document *waiting = &batch->waiting[i];
                const struct document_input *input = &waiting->document.input;
                struct error why = { 0 };
                int r = estimate_document(batch, input, &why);

                if (r == -ENOMEM || (r < 0 && batch->counting)) {
                        if (reterr)
                                *reterr = why;
                        return r;
                }
                if (r < 0)
                        refuse(batch, waiting->line, input->external_id, error_text(&why));
                else
                        batch->summary.bytes += input->body_len;
        }
        if (batch->counting)
                spool_end_group(batch->counting);
        return 0;
}

static int keep_group(struct ingest_batch *batch, struct error *reterr)
{
        int r;

        if (live_job_was_canceled(batch->ingest, collection_of(batch), batch->summary.job))
                return error_set(reterr, -ECANCELED, "the job was canceled");
        if (batch->n_waiting == 0)
                return 0;
        r = ingest_check_space(batch->ingest, reterr);
        return r == 0 ? put_group(batch, reterr) : r;
}

static int commit(struct ingest_batch *batch, struct error *reterr)
{
        int r = batch->estimate ? estimate_group(batch, reterr) : keep_group(batch, reterr);

        if (r == -ECANCELED)
                return r;
        for (size_t i = 0; i < batch->n_waiting; i++)
                release(&batch->waiting[i]);
        batch->n_waiting = 0;
        batch->waiting_bytes = 0;
        return r;
}

/* ---- The stream ----------------------------------------------------------------------------- */

/* Ends intake; what was committed stays and is followed. */
static void close_intake(struct ingest_batch *batch, const char *failure)
{
        if (batch->begun)
                live_job_close(batch->ingest, collection_of(batch), batch->summary.job, failure);
        quota_settle(&batch->hold, batch->added_unknown ? NULL : &batch->added);
        batch->begun = false;
        batch->over = true;
        batch->spool = spool_free(batch->spool);
}

static int end_line(struct ingest_batch *batch, struct error *reterr)
{
        if (batch->too_long) {
                refuse(batch, ++batch->line_number, NULL, "the line is too long for a document");
        } else if (buf_failed(&batch->line)) {
                return error_oom(reterr);
        } else {
                take_line(batch, buf_text(&batch->line), batch->line.len);
        }
        batch->too_long = false;
        buf_clear(&batch->line);
        if (batch->n_waiting < GROUP_DOCUMENTS && batch->waiting_bytes < GROUP_BYTES)
                return 0;
        return commit(batch, reterr);
}

static int take_bytes(struct ingest_batch *batch, const char *bytes, size_t len,
                      struct error *reterr)
{
        int r = 0;

        while (r == 0 && len > 0) {
                const char *end = memchr(bytes, '\n', len);
                size_t piece = end ? (size_t) (end - bytes) : len;

                if (batch->line.len + piece > batch->line_max)
                        batch->too_long = true;
                if (!batch->too_long)
                        buf_append(&batch->line, bytes, piece);
                if (end)
                        r = end_line(batch, reterr);
                piece += end != NULL;
                bytes += piece;
                len -= piece;
        }
        return r;
}

int ingest_batch_feed(struct ingest_batch *batch, const char *bytes, size_t len,
                      struct error *reterr)
{
        struct error why = { 0 };
        int r = 0;

        if (batch->over)
                return error_set(reterr, -EPIPE, "the stream is over");
        if (batch->limited && !batch->spool)
                r = spool_new(batch->ingest, collection_get(batch->collection)->tenant,
                              collection_get(batch->collection)->name, &batch->spool, &why);
        if (r == 0)
                r = batch->limited ? spool_feed(batch->spool, bytes, len, &why)
                                   : take_bytes(batch, bytes, len, &why);
        if (r < 0) {
                close_intake(batch, error_text(&why));
                if (reterr)
                        *reterr = why;
        }
        return r;
}

void ingest_batch_summary(struct ingest_batch *batch, struct ingest_batch_summary *ret)
{
        *ret = batch->summary;
}

/* The stream is known as a whole: it goes in, or nothing of it does. */
static int unspool(struct ingest_batch *batch, struct error *reterr)
{
        struct tenant_amounts amounts = { 0 };
        struct spool *spool = batch->spool;
        int r = spool ? spool_end(spool, &amounts, reterr) : 0;

        if (r == 0)
                r = begin(batch, &amounts, reterr);
        return r == 0 && spool ? spool_replay(spool, batch, reterr) : r;
}

int ingest_batch_finish(struct ingest_batch *batch, struct ingest_batch_summary *ret,
                        struct error *reterr)
{
        struct error why = { 0 };
        int r = 0;

        if (batch->over)
                return error_set(reterr, -EPIPE, "the stream is over");
        if (batch->limited)
                r = unspool(batch, &why);
        if (r == 0 && (batch->line.len > 0 || batch->too_long))
                r = end_line(batch, &why);
        if (r == 0)
                r = commit(batch, &why);
        close_intake(batch, r < 0 ? error_text(&why) : NULL);
        if (r < 0) {
                if (reterr)
                        *reterr = why;
                return r;
        }
        *ret = batch->summary;
        return 0;
}

struct ingest_batch *ingest_batch_free(struct ingest_batch *batch)
{
        if (!batch)
                return NULL;
        close_intake(batch, "the stream broke off");
        for (size_t i = 0; i < batch->n_waiting; i++)
                release(&batch->waiting[i]);
        buf_done(&batch->line);
        text_analyzer_free(batch->analyzer);
        json_object_put(batch->summary.errors);
        (void) collection_unref(batch->collection);
        free(batch);
        return NULL;
}
