/* SPDX-License-Identifier: Apache-2.0 */
/* Documents over the control socket: one reply, then lines of JSON from the client, each a
 * document as documents:batch of the HTTP API takes it.  The client ends them by closing its
 * side.  About once a second the daemon writes {"progress": {…}}, and at the end, when
 * everything accepted is durable, {"summary": {…}} or {"error": {…}}.  An estimate goes the
 * same way, and nothing of it is kept. */
#include "ingest/ingest.h"

#include "base/clock.h"
#include "control/handlers.h"
#include "gateway/gateway.h"
#include "release/snapshot.h"

#include <string.h>

#define UPLOAD_BYTES ((size_t) 256 * 1024)
#define READS_PER_STEP 16
#define PROGRESS_USEC USEC_PER_SEC
#define SILENCE_USEC (UINT64_C(600) * USEC_PER_SEC) /* then the client has gone astray */

struct upload {
        struct ingest_batch *batch;
        bool estimate;
        uint64_t told_usec, heard_usec;
        char bytes[UPLOAD_BYTES];
};

static void upload_free(void *state)
{
        struct upload *upload = state;

        if (upload->batch)
                (void) ingest_batch_free(upload->batch);
        free(upload);
}

static void add_errors(struct json_object *object, const struct ingest_batch_summary *summary)
{
        json_add(object, "errors",
                 summary->errors ? json_object_get(summary->errors) : json_object_new_array());
}

static struct json_object *summary_json(const struct ingest_batch_summary *summary, bool final)
{
        struct json_object *object = json_object_new_object();
        char id[ID_TEXT_SIZE];

        json_add_string(object, "job_id", id_format(summary->job.id, id));
        json_add_u64(object, "accepted", summary->accepted);
        json_add_u64(object, "unchanged", summary->unchanged);
        json_add_u64(object, "refused", summary->refused);
        json_add_u64(object, "bytes", summary->bytes);
        if (final)
                add_errors(object, summary);
        return object;
}

/* Without a price there is no cost: what computes here is free, of others it is not known. */
void add_embedding_price(struct json_object *object, const struct gateway *gateway,
                         uint64_t tokens)
{
        uint64_t cost_microusd;

        json_add_string(object, "embedder", gateway_embedder(gateway)->kind);
        json_add_bool(object, "remote", gateway_embeds_remotely(gateway));
        if (gateway_price_embedding(gateway, tokens, &cost_microusd) == 0)
                json_add_u64(object, "cost_microusd", cost_microusd);
}

static struct json_object *estimate_json(const struct gateway *gateway,
                                         const struct ingest_batch_summary *summary, bool final)
{
        const struct ingest_estimate *estimate = &summary->estimate;
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "documents", estimate->new_documents + estimate->changed_documents +
                                                  estimate->unchanged_documents);
        json_add_u64(object, "new", estimate->new_documents);
        json_add_u64(object, "changed", estimate->changed_documents);
        json_add_u64(object, "unchanged", estimate->unchanged_documents);
        json_add_u64(object, "refused", summary->refused);
        json_add_u64(object, "bytes", summary->bytes);
        json_add_u64(object, "chunks", estimate->chunks);
        json_add_u64(object, "tokens", estimate->tokens);
        if (!final)
                return object;
        add_embedding_price(object, gateway, estimate->tokens);
        add_errors(object, summary);
        return object;
}

static struct json_object *told_json(struct call *call, const struct upload *upload,
                                     const struct ingest_batch_summary *summary, bool final)
{
        return upload->estimate ? estimate_json(call_release(call)->gateway, summary, final)
                                : summary_json(summary, final);
}

static void write_line(struct call *call, const char *key, struct json_object *takes_value)
{
        struct json_object *line = json_object_new_object();

        json_add(line, key, takes_value);
        call_write(call, line);
}

static void fail(struct call *call, int code, const struct error *error)
{
        struct json_object *about = json_object_new_object();

        json_add_string(about, "name", command_error_of(code)->name);
        json_add_string(about, "message", error_text(error));
        call_outcome(call, code, NULL);
        write_line(call, "error", about);
        call_end(call, code, NULL);
}

static void tell_progress(struct call *call, struct upload *upload, uint64_t now_usec)
{
        struct ingest_batch_summary summary;

        if (now_usec - upload->told_usec < PROGRESS_USEC)
                return;
        upload->told_usec = now_usec;
        ingest_batch_summary(upload->batch, &summary);
        write_line(call, "progress", told_json(call, upload, &summary, false));
}

static void finish(struct call *call, struct upload *upload)
{
        struct ingest_batch_summary summary = { 0 };
        struct error error = { 0 };
        int r = ingest_batch_finish(upload->batch, &summary, &error);

        if (r < 0) {
                fail(call, r, &error);
        } else {
                call_outcome(call, 0, "ok");
                write_line(call, "summary", told_json(call, upload, &summary, true));
                call_end(call, 0, "ok");
        }
        upload->batch = ingest_batch_free(upload->batch);
}

static bool begin(struct call *call, bool estimate, struct upload **ret)
{
        const struct control_services *services = call_services(call);
        const char *collection = call_string(call, "collection", "default");
        struct upload *upload = calloc(1, sizeof *upload);
        struct json_object *reply;
        struct tenant_id tenant;
        struct error error = { 0 };
        int r;

        if (!upload) {
                call_fail(call, -ENOMEM, NULL);
                return false;
        }
        call_keep(call, upload, upload_free);
        upload->estimate = estimate;
        if (!read_tenant(call, &tenant))
                return false;
        r = (estimate ? ingest_batch_estimate : ingest_batch_open)(
                services->ingest, tenant, collection, &upload->batch, &error);
        /* Who asks before there is any collection, and names none, is asked for none. */
        if (r == -ENOENT && estimate && !call_string(call, "collection", NULL))
                r = ingest_batch_estimate(services->ingest, tenant, NULL, &upload->batch, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return false;
        }
        reply = json_object_new_object();
        json_add_string(reply, "collection", collection);
        call_upgrade(call, reply);
        upload->told_usec = upload->heard_usec = clock_monotonic_usec();
        *ret = upload;
        return true;
}

/* Returns false when the call has ended. */
static bool take_bytes(struct call *call, struct upload *upload, bool *ret_more)
{
        struct error error = { 0 };
        ssize_t n = call_read(call, upload->bytes, sizeof upload->bytes);
        int r;

        *ret_more = n != -EAGAIN && n != -EWOULDBLOCK;
        if (!*ret_more)
                return true;
        if (n == 0) {
                finish(call, upload);
                return false;
        }
        r = n < 0 ? error_set_errno(&error, (int) n, "read from the client")
                  : ingest_batch_feed(upload->batch, upload->bytes, (size_t) n, &error);
        if (r < 0) {
                fail(call, r, &error);
                return false;
        }
        upload->heard_usec = clock_monotonic_usec();
        return true;
}

static void take_stream(struct call *call, bool estimate)
{
        struct upload *upload = call_kept(call);
        bool more = true;

        if (!upload && !begin(call, estimate, &upload))
                return;
        for (int i = 0; i < READS_PER_STEP && more && !call_gone(call); i++)
                if (!take_bytes(call, upload, &more))
                        return;

        uint64_t now_usec = clock_monotonic_usec();

        if (now_usec - upload->heard_usec > SILENCE_USEC) {
                struct error error = { 0 };

                fail(call, error_set(&error, -EINVAL, "the client sent nothing for %d minutes",
                                     (int) (SILENCE_USEC / USEC_PER_SEC / 60)), &error);
                return;
        }
        tell_progress(call, upload, now_usec);
        call_again_readable(call, PROGRESS_USEC);
}

void on_document_ingest(struct call *call)
{
        take_stream(call, false);
}

void on_document_estimate(struct call *call)
{
        take_stream(call, true);
}
