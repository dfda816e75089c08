/* SPDX-License-Identifier: Apache-2.0 */
/* Documents, one at a time, and the comparison with a client's manifest. */
#include "base/cleanup.h"
#include "base/json.h"
#include "http/routes.h"
#include "ingest/ingest.h"
#include "store/collection.h"
#include "store/docs.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIME_MAX 128

DEFINE_CLEANUP(struct collection *, collection_unref)
DEFINE_CLEANUP(struct generation *, generation_unref)

static int open_collection(struct request *request, struct collection **ret)
{
        const struct http_services *services = &request->door->services;
        struct error error = { 0 };
        int r = collection_open(services->store, request->tenant, request->parameters[0], ret,
                                &error);

        if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        return r;
}

static uint64_t applied_seq(struct collection *collection)
{
        cleanup_(generation_unref_cleanup) struct generation *serving =
                collection_serving(collection);

        return serving ? generation_applied_seq(serving) : 0;
}

/* ---- One document -------------------------------------------------------------------------- */

/* The media type without its parameters. */
static int media_type(const struct request *request, char mime[static MIME_MAX])
{
        const struct header *type = request_header(request, "Content-Type");
        size_t len = 0;

        if (!type)
                return -EMEDIUMTYPE;
        while (len < type->value_len && !strchr("; \t", type->value[len]))
                len++;
        if (len == 0 || len >= MIME_MAX)
                return -EMEDIUMTYPE;
        for (size_t i = 0; i < len; i++)
                mime[i] = (char) (type->value[i] >= 'A' && type->value[i] <= 'Z'
                                          ? type->value[i] + ('a' - 'A')
                                          : type->value[i]);
        mime[len] = '\0';
        return 0;
}

/* *ret_json holds what the document borrows from. */
static int parse_document(struct request *request, struct json_object **ret_json,
                          struct ingest_document *ret)
{
        const char *external_id = request->parameters[1];
        char mime[MIME_MAX];
        struct error error = { 0 };
        int r = media_type(request, mime);

        if (r < 0) {
                problem_set(request, PROBLEM_MEDIA_TYPE,
                            "send Content-Type: application/json, text/plain or text/markdown");
                return r;
        }
        if (strcmp(mime, "application/json") != 0) {
                r = ingest_document_from_body(external_id, mime, buf_text(&request->body),
                                              request->body.len, ret, &error);
        } else {
                r = request_json(request, ret_json);
                if (r < 0)
                        return r;
                r = ingest_document_parse(*ret_json, external_id, ret, &error);
        }
        if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
        return r;
}

static struct json_object *accepted_json(const struct request *request,
                                         const struct ingest_receipt *receipt)
{
        cleanup_json_ struct json_object *json = json_object_new_object();
        struct json_object *document = json_object_new_object();
        char text[ID_TEXT_SIZE], hash[2 * sizeof receipt->document.sha256 + 1];

        if (!json || !document) {
                json_object_put(document);
                return NULL;
        }
        json_add_string(document, "id", id_format(receipt->document.id.id, text));
        json_add_string(document, "external_id", request->parameters[1]);
        json_add_u64(document, "version", receipt->document.version);
        json_add_string(document, "sha256",
                        sodium_bin2hex(hash, sizeof hash, receipt->document.sha256,
                                       sizeof receipt->document.sha256));
        json_add_string(document, "status", document_status_name(DOCUMENT_PENDING));
        json_add(json, "document", document);
        json_add_bool(json, "unchanged", false);
        json_add_string(json, "job_id", id_format(receipt->job.id, text));
        return take_ptr(json);
}

/* The document as it is: it may be visible already, still on its way, or have failed. */
static void reply_unchanged(struct request *request)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_json_ struct json_object *json = json_object_new_object();
        struct document document = { 0 };
        struct error error = { 0 };

        if (open_collection(request, &collection) < 0)
                return;
        if (docs_get(collection, request->parameters[1], &document, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        if (json) {
                json_add(json, "document",
                         ingest_document_json(&document, applied_seq(collection)));
                json_add_bool(json, "unchanged", true);
                json_add_string(json, "job_id", NULL);
        }
        document_done(&document);
        request_reply_json(request, 200, take_ptr(json));
}

void documents_put(struct request *request)
{
        const struct http_services *services = &request->door->services;
        cleanup_json_ struct json_object *json = NULL;
        struct ingest_document document = { 0 };
        struct ingest_receipt receipt;
        struct error error = { 0 };
        char text[ID_TEXT_SIZE];
        int r;

        if (parse_document(request, &json, &document) < 0)
                return;
        r = ingest_put(services->ingest, request->tenant, request->parameters[0],
                       &document.input, &receipt, &error);
        ingest_document_done(&document);
        if (r < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        if (receipt.document.unchanged) {
                reply_unchanged(request);
                return;
        }
        request_set_location(request, "/api/v1/jobs/%s", id_format(receipt.job.id, text));
        request_reply_json(request, 202, accepted_json(request, &receipt));
}

void documents_get(struct request *request)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        struct document document = { 0 };
        struct error error = { 0 };

        if (open_collection(request, &collection) < 0)
                return;
        if (docs_get(collection, request->parameters[1], &document, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        request_reply_json(request, 200, ingest_document_json(&document, applied_seq(collection)));
        document_done(&document);
}

void documents_delete(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct error error = { 0 };

        if (ingest_delete(services->ingest, request->tenant, request->parameters[0],
                          request->parameters[1], &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_empty(request, 204);
}

/* ---- Lists ------------------------------------------------------------------------------- */

void documents_list(struct request *request)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        struct document *documents = NULL;
        struct json_object *array;
        char after[DOCUMENT_EXTERNAL_ID_MAX + 1];
        struct error error = { 0 };
        size_t limit, n = 0;
        uint64_t applied;

        if (request_page(request, &limit, after, sizeof after) < 0 ||
            open_collection(request, &collection) < 0)
                return;
        if (docs_list(collection, after[0] ? after : NULL, limit + 1, &documents, &n, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        applied = applied_seq(collection);
        array = json_object_new_array();
        for (size_t i = 0; array && i < n && i < limit; i++)
                json_add(array, NULL, ingest_document_json(&documents[i], applied));
        request_reply_page(request, "documents", array,
                           n > limit ? documents[limit - 1].external_id : NULL);
        (void) documents_free(documents, n);
}

static void reply_chunks(struct request *request, struct generation *generation,
                         const struct document *document, const struct chunk *chunks, size_t n,
                         size_t limit, size_t start)
{
        struct json_object *array = json_object_new_array();
        size_t end = n - start > limit ? start + limit : n;
        char text[CHUNK_ID_SIZE], last[32];

        for (size_t i = start; array && i < end; i++)
                json_add(array, NULL,
                         ingest_chunk_json(&chunks[i],
                                           ingest_chunk_id(document->id, document->version,
                                                           generation_get_identity(generation),
                                                           chunks[i].ordinal, text)));
        (void) snprintf(last, sizeof last, "%zu", end);
        request_reply_page(request, "chunks", array, end < n ? last : NULL);
}

/* Cursors here are ordinals: a document's chunks are numbered without gaps. */
void documents_chunks(struct request *request)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(generation_unref_cleanup) struct generation *serving = NULL;
        struct document document = { 0 };
        struct chunk *chunks = NULL;
        struct error error = { 0 };
        size_t limit, n = 0, start;
        char after[32];
        int r;

        if (request_page(request, &limit, after, sizeof after) < 0 ||
            open_collection(request, &collection) < 0)
                return;
        start = (size_t) strtoull(after, NULL, 10);
        r = docs_get(collection, request->parameters[1], &document, &error);
        serving = r < 0 ? NULL : collection_serving(collection);
        if (serving)
                r = generation_get_chunks(serving, document.docver, &chunks, &n, &error);
        if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                reply_chunks(request, serving, &document, chunks, n, limit, start < n ? start : n);
        (void) chunks_free(chunks, n);
        document_done(&document);
}

/* ---- Sync ------------------------------------------------------------------------------- */

void documents_sync(struct request *request)
{
        static const char *const members[] = { "manifest", "delete_missing", "max_delete_ratio",
                                               "dry_run", NULL };
        const struct http_services *services = &request->door->services;
        struct ingest_sync_request sync = { .max_delete_ratio = 0.5 };
        cleanup_json_ struct json_object *json = NULL;
        struct json_object *result = NULL;
        struct error error = { 0 };

        if (request_json(request, &json) < 0)
                return;
        if (json_refuse_unknown(json, members, &error) < 0 ||
            json_get_array(json, "manifest", &sync.manifest, &error) < 0 ||
            json_get_bool(json, "delete_missing", &sync.delete_missing, &error) < 0 ||
            json_get_bool(json, "dry_run", &sync.dry_run, &error) < 0 ||
            json_get_double(json, "max_delete_ratio", 0, 1, &sync.max_delete_ratio, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        if (!sync.manifest) {
                (void) error_set(&error, -EINVAL, "\"manifest\" is missing");
                error_set_origin(&error, NULL, "manifest", 0, 0);
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        if (ingest_sync(services->ingest, request->tenant, request->parameters[0], &sync, &result,
                        &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_json(request, 200, result);
}
