/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about documents; how they come in is in ingest.c. */
#include "control/handlers.h"
#include "ingest/ingest.h"
#include "store/collection.h"
#include "store/docs.h"

#define LIST_MAX 1000

static void collection_cleanup(struct collection **collection)
{
        if (*collection)
                (void) collection_unref(*collection);
}

static void generation_cleanup(struct generation **generation)
{
        if (*generation)
                (void) generation_unref(*generation);
}

static uint64_t applied_seq(struct collection *collection)
{
        cleanup_(generation_cleanup) struct generation *serving = collection_serving(collection);

        return serving ? generation_applied_seq(serving) : 0;
}

void on_document_list(struct call *call)
{
        cleanup_(collection_cleanup) struct collection *collection = NULL;
        struct json_object *array;
        struct document *documents;
        struct error error = { 0 };
        uint64_t limit, applied;
        size_t n;
        int r;

        if (!read_number(call, "limit", 1, LIST_MAX, LIST_MAX, &limit) ||
            !open_collection(call, "collection", &collection))
                return;
        applied = applied_seq(collection);
        r = docs_list(collection, call_string(call, "after", NULL), limit, &documents, &n, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_add(array, NULL, ingest_document_json(&documents[i], applied));
        (void) documents_free(documents, n);
        reply_with(call, "documents", array);
}

void on_document_show(struct call *call)
{
        cleanup_(collection_cleanup) struct collection *collection = NULL;
        cleanup_(document_done) struct document document = { 0 };
        struct error error = { 0 };
        int r;

        if (!open_collection(call, "collection", &collection))
                return;
        r = docs_get(collection, call_string(call, "external_id", ""), &document, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "document",
                           ingest_document_json(&document, applied_seq(collection)));
}

/* Those of the version that the serving generation holds. */
static int read_chunks(struct collection *collection, const char *external_id,
                       struct json_object *array, struct error *reterr)
{
        cleanup_(document_done) struct document document = { 0 };
        cleanup_(generation_cleanup) struct generation *serving = NULL;
        struct chunk *chunks;
        size_t n;
        int r = docs_get(collection, external_id, &document, reterr);

        if (r < 0)
                return r;
        serving = collection_serving(collection);
        if (!serving)
                return 0;
        r = generation_get_chunks(serving, document.docver, &chunks, &n, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                char id[CHUNK_ID_SIZE];

                (void) ingest_chunk_id(document.id, document.version,
                                       generation_get_identity(serving), chunks[i].ordinal, id);
                json_add(array, NULL, ingest_chunk_json(&chunks[i], id));
        }
        (void) chunks_free(chunks, n);
        return 0;
}

void on_document_chunks(struct call *call)
{
        cleanup_(collection_cleanup) struct collection *collection = NULL;
        cleanup_json_ struct json_object *array = json_object_new_array();
        struct error error = { 0 };
        int r;

        if (!open_collection(call, "collection", &collection))
                return;
        r = read_chunks(collection, call_string(call, "external_id", ""), array, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "chunks", take_ptr(array));
}

void on_document_delete(struct call *call)
{
        const struct control_services *services = call_services(call);
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = ingest_delete(services->ingest, tenant, call_string(call, "collection", ""),
                                  call_string(call, "external_id", ""), &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_done(call);
}
