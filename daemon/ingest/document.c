/* SPDX-License-Identifier: Apache-2.0 */
/* A document as it comes through a door: JSON, or a raw body. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "ingest/chunk.h"
#include "ingest/extract.h"
#include "ingest/ingest.h"
#include "ingest/vector_json.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_BYTES_MAX 512  /* of one that is found in the text */
#define CHUNKS_MAX 65536     /* that a client may bring with one document */

static int refuse(struct error *reterr, int code, const char *key, const char *rule)
{
        (void) error_set(reterr, code, "\"%s\" %s", key, rule);
        error_set_origin(reterr, NULL, key, 0, 0);
        return code;
}

void ingest_document_done(struct ingest_document *document)
{
        free(document->body);
        free(document->title);
        free(document->floats);
        free(document->vectors);
        json_object_put(document->json);
        *document = (struct ingest_document){ 0 };
}

/* ---- Vectors and chunks --------------------------------------------------------------------- */

/* The floats move while they are read, so pointers into them are set at the end. */
static int adopt_vectors(struct ingest_document *document, struct buf *floats, size_t n,
                         struct error *reterr)
{
        size_t at = 0;

        document->floats = buf_take(floats);
        if (!document->floats)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                document->vectors[i].values =
                        (const float *) (const void *) (document->floats + at);
                at += document->vectors[i].dimensions * sizeof(float);
        }
        document->input.vectors = document->vectors;
        document->input.n_vectors = n;
        return 0;
}

static int read_chunk(struct json_object *chunk, struct buf *floats, struct document_vector *ret,
                      struct error *reterr)
{
        static const char *const known[] = { "text", "vector", "vector_base64", NULL };
        int r;

        if (!json_object_is_type(chunk, json_type_object))
                return error_set(reterr, -EINVAL, "a chunk must be an object");
        r = json_refuse_unknown(chunk, known, reterr);
        if (r == 0)
                r = json_get_string(chunk, "text", &ret->text, reterr);
        if (r >= 0)
                r = vector_json_read(chunk, floats, &ret->dimensions, reterr);
        if (r < 0)
                return r;
        if (!ret->text || ret->dimensions == 0)
                return error_set(reterr, -EINVAL, "a chunk needs \"text\" and a vector");
        return extract_check(ret->text, strlen(ret->text), reterr);
}

/* Without a text of its own the document is its chunks, with a blank line between them. */
static int join_chunks(struct ingest_document *document, struct error *reterr)
{
        struct buf body = BUF_EMPTY;

        for (size_t i = 0; i < document->input.n_vectors; i++) {
                if (i > 0)
                        buf_append_text(&body, "\n\n");
                buf_append_text(&body, document->vectors[i].text);
        }
        document->input.body_len = body.len;
        document->input.body = document->body = buf_take(&body);
        return document->body ? 0 : error_oom(reterr);
}

static int parse_chunks(struct json_object *array, struct ingest_document *document,
                        struct error *reterr)
{
        cleanup_(buf_done) struct buf floats = BUF_EMPTY;
        size_t n = json_object_array_length(array);

        if (n == 0 || n > CHUNKS_MAX)
                return refuse(reterr, -EINVAL, "chunks", "must hold 1 to 65536 chunks");
        document->vectors = calloc(n, sizeof *document->vectors);
        if (!document->vectors)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                int r = read_chunk(json_object_array_get_idx(array, i), &floats,
                                   &document->vectors[i], reterr);

                if (r < 0) {
                        char pointer[32];

                        (void) snprintf(pointer, sizeof pointer, "chunks/%zu", i);
                        (void) error_prefix(reterr, r, "%s", pointer);
                        error_set_origin(reterr, NULL, pointer, 0, 0);
                        return r;
                }
        }
        return adopt_vectors(document, &floats, n, reterr);
}

static int parse_vector(struct json_object *json, struct ingest_document *document,
                        struct error *reterr)
{
        cleanup_(buf_done) struct buf floats = BUF_EMPTY;
        uint32_t dimensions = 0;
        int r = vector_json_read(json, &floats, &dimensions, reterr);

        if (r < 0 || dimensions == 0)
                return r;
        document->vectors = calloc(1, sizeof *document->vectors);
        if (!document->vectors)
                return error_oom(reterr);
        document->vectors[0].dimensions = dimensions;
        return adopt_vectors(document, &floats, 1, reterr);
}

/* ---- The body ------------------------------------------------------------------------------- */

static int decode_content(const char *base64, struct ingest_document *document,
                          struct error *reterr)
{
        size_t len = strlen(base64), room = len / 4 * 3 + 3, used = 0;

        document->body = malloc(room + 1);
        if (!document->body)
                return error_oom(reterr);
        if (sodium_base642bin((unsigned char *) document->body, room, base64, len, "\r\n", &used,
                              NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
                return refuse(reterr, -EINVAL, "content_base64", "is not base64 (RFC 4648)");
        document->body[used] = '\0';
        document->input.body = document->body;
        document->input.body_len = used;
        return 0;
}

static int parse_body(struct json_object *json, struct ingest_document *document,
                      struct error *reterr)
{
        struct json_object *chunks = NULL;
        const char *text = NULL, *base64 = NULL;
        int r = json_get_string(json, "text", &text, reterr);

        if (r >= 0)
                r = json_get_string(json, "content_base64", &base64, reterr);
        if (r >= 0)
                r = json_get_array(json, "chunks", &chunks, reterr);
        if (r < 0)
                return r;
        if (text && base64)
                return refuse(reterr, -EINVAL, "text",
                              "and \"content_base64\" exclude each other");
        if (!text && !base64 && !chunks)
                return refuse(reterr, -EINVAL, "text",
                              "is missing: send \"text\", \"content_base64\" or \"chunks\"");
        r = chunks ? parse_chunks(chunks, document, reterr) : parse_vector(json, document, reterr);
        if (r < 0)
                return r;
        if (chunks && json_object_object_get_ex(json, "vector", NULL))
                return refuse(reterr, -EINVAL, "vector", "belongs into each of the chunks");
        if (base64)
                return decode_content(base64, document, reterr);
        if (!text)
                return join_chunks(document, reterr);
        document->input.body = text;
        document->input.body_len = strlen(text);
        return 0;
}

/* ---- The rest ------------------------------------------------------------------------------- */

static int set_mime(struct document_input *input, const char *mime, struct error *reterr)
{
        input->mime = extract_mime(mime);
        if (input->mime)
                return 0;
        (void) error_set(reterr, -EMEDIUMTYPE, "\"%s\" is not read; these are, in UTF-8: %s", mime,
                         extract_mimes());
        error_set_origin(reterr, NULL, "mime", 0, 0);
        return -EMEDIUMTYPE;
}

/* What the text itself tells: that it is one, and its title. */
static int examine(struct ingest_document *document, struct error *reterr)
{
        struct document_input *input = &document->input;
        int r = extract_check(input->body, input->body_len, reterr);

        if (r < 0)
                return r;
        if (input->title)
                return 0;
        document->title = extract_title(input->mime, input->body, input->body_len);
        if (document->title)
                document->title[utf8_cut(document->title, strlen(document->title),
                                         TITLE_BYTES_MAX)] = '\0';
        input->title = document->title;
        return 0;
}

static int parse_members(struct json_object *json, struct ingest_document *document,
                         struct error *reterr)
{
        struct document_input *input = &document->input;
        struct json_object *metadata = NULL, *chunking = NULL;
        const char *mime = "text/plain";
        int r = json_get_string(json, "title", &input->title, reterr);

        if (r >= 0)
                r = json_get_string(json, "source_url", &input->source_url, reterr);
        if (r >= 0)
                r = json_get_string(json, "mime", &mime, reterr);
        if (r >= 0)
                r = json_get_object(json, "metadata", &metadata, reterr);
        if (r >= 0)
                r = json_get_object(json, "chunking", &chunking, reterr);
        if (r >= 0)
                r = set_mime(input, mime, reterr);
        if (r < 0)
                return r;
        if (metadata)
                input->metadata = json_text(metadata, NULL);
        if (chunking)
                input->chunking = json_text(chunking, NULL);
        return 0;
}

static int parse(struct json_object *json, const char *external_id,
                 struct ingest_document *document, struct error *reterr)
{
        static const char *const known[] = {
                "external_id", "text",     "content_base64", "mime",          "title",
                "source_url",  "metadata", "chunking",       "vector",        "vector_base64",
                "chunks",      "url",      NULL,
        };
        const char *own_id = NULL;
        int r;

        if (!json_object_is_type(json, json_type_object))
                return error_set(reterr, -EINVAL, "a document must be a JSON object");
        r = json_refuse_unknown(json, known, reterr);
        if (r == 0 && json_object_object_get_ex(json, "url", NULL))
                return refuse(reterr, -EINVAL, "url",
                              "is not fetched: send the text, and name its origin in "
                              "\"source_url\"");
        if (r == 0)
                r = json_get_string(json, "external_id", &own_id, reterr);
        if (r < 0)
                return r;
        if (external_id && own_id && strcmp(external_id, own_id) != 0)
                return refuse(reterr, -EINVAL, "external_id", "differs from that of the request");
        document->input.external_id = external_id ? external_id : own_id;
        if (!document->input.external_id)
                return refuse(reterr, -EINVAL, "external_id", "is missing");
        r = parse_members(json, document, reterr);
        if (r == 0)
                r = parse_body(json, document, reterr);
        return r < 0 ? r : examine(document, reterr);
}

int ingest_document_parse(struct json_object *json, const char *external_id_or_null,
                          struct ingest_document *ret, struct error *reterr)
{
        cleanup_(ingest_document_done) struct ingest_document document = { 0 };
        int r = parse(json, external_id_or_null, &document, reterr);

        if (r < 0)
                return r;
        *ret = document;
        document = (struct ingest_document){ 0 };
        return 0;
}

int ingest_document_from_body(const char *external_id, const char *mime, const void *body,
                              size_t len, struct ingest_document *ret, struct error *reterr)
{
        cleanup_(ingest_document_done) struct ingest_document document = { 0 };
        int r = set_mime(&document.input, mime, reterr);

        if (r < 0)
                return r;
        if (strcmp(document.input.mime, "application/json") == 0) {
                r = json_parse(body, len, &document.json, reterr);
                if (r == 0)
                        r = parse(document.json, external_id, &document, reterr);
        } else {
                document.input.external_id = external_id;
                document.input.body = body;
                document.input.body_len = len;
                r = examine(&document, reterr);
        }
        if (r < 0)
                return r;
        *ret = document;
        document = (struct ingest_document){ 0 };
        return 0;
}
