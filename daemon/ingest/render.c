/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as JSON: one shape for every door. */
#include "base/cleanup.h"
#include "base/json.h"
#include "ingest/ingest.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void add_id(struct json_object *object, const char *key, struct id id)
{
        char text[ID_TEXT_SIZE];

        json_add_string(object, key, id_format(id, text));
}

static void add_hex(struct json_object *object, const char *key, const uint8_t bytes[static 32])
{
        char text[65];

        json_add_string(object, key, sodium_bin2hex(text, sizeof text, bytes, 32));
}

/* JSON that the store keeps as text; `otherwise` where there is none. */
static void add_parsed(struct json_object *object, const char *key, const char *text,
                       struct json_object *otherwise)
{
        struct json_object *value = text ? json_tokener_parse(text) : NULL;

        if (value)
                json_object_put(otherwise);
        json_add(object, key, value ? value : otherwise);
}

static struct json_object *progress_json(const struct job_progress *progress)
{
        struct json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        json_add_u64(object, "documents_total", progress->documents_total);
        json_add_u64(object, "documents_done", progress->documents_done);
        json_add_u64(object, "documents_failed", progress->documents_failed);
        json_add_u64(object, "documents_unchanged", progress->documents_unchanged);
        json_add_u64(object, "chunks_done", progress->chunks_done);
        json_add_u64(object, "tokens", progress->tokens);
        return object;
}

struct json_object *ingest_job_json(const struct job *job)
{
        struct json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        add_id(object, "id", job->id.id);
        json_add_string(object, "type", job_type_name(job->type));
        json_add_string(object, "status", job_status_name(job->status));
        add_id(object, "collection_id", job->collection.id);
        json_add(object, "progress", progress_json(&job->progress));
        json_add_string(object, "pause_reason", *job->pause_reason ? job->pause_reason : NULL);
        json_add_u64(object, "attempts", job->attempts);
        add_parsed(object, "errors", job->errors_json, json_object_new_array());
        json_add_time(object, "created_at", job->created_usec);
        json_add_time(object, "started_at", job->started_usec);
        json_add_time(object, "finished_at", job->finished_usec);
        return object;
}

static enum document_status status_of(const struct document *document, uint64_t applied_seq)
{
        if (document->failed)
                return DOCUMENT_FAILED;
        return document->doc_seq <= applied_seq ? DOCUMENT_READY : DOCUMENT_PENDING;
}

struct json_object *ingest_document_json(const struct document *document, uint64_t applied_seq)
{
        struct json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        add_id(object, "id", document->id.id);
        json_add_string(object, "external_id", document->external_id);
        json_add_u64(object, "version", document->version);
        add_hex(object, "sha256", document->sha256);
        json_add_string(object, "status", document_status_name(status_of(document, applied_seq)));
        json_add_string(object, "error", document->error);
        json_add_string(object, "mime", document->mime);
        json_add_string(object, "title", document->title);
        json_add_string(object, "source_url", document->source_url);
        add_parsed(object, "metadata", document->metadata, json_object_new_object());
        add_parsed(object, "chunking", document->chunking, NULL);
        json_add_u64(object, "size_bytes", document->size_bytes);
        add_id(object, "job_id", document->job.id);
        json_add_time(object, "created_at", document->created_usec);
        json_add_time(object, "updated_at", document->updated_usec);
        return object;
}

struct json_object *ingest_collection_json(const struct collection_info *info)
{
        struct json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        add_id(object, "id", info->id.id);
        json_add_string(object, "name", info->name);
        json_add_string(object, "language", info->language);
        json_add_string(object, "description", info->description);
        if (info->serving_generation > 0)
                json_add_u64(object, "serving_generation", info->serving_generation);
        else
                json_add(object, "serving_generation", NULL);
        json_add_time(object, "created_at", info->created_usec);
        return object;
}

struct json_object *ingest_generation_json(const struct generation_info *info)
{
        struct json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        json_add_u64(object, "number", info->number);
        json_add_string(object, "state", generation_state_name(info->state));
        json_add_bool(object, "serving", info->serving);
        add_hex(object, "identity", info->identity);
        json_add_string(object, "description", info->description);
        json_add_u64(object, "dimensions", info->dimensions);
        json_add_u64(object, "applied_seq", info->applied_seq);
        json_add_u64(object, "documents", info->documents);
        json_add_u64(object, "chunks_live", info->chunks_live);
        json_add_u64(object, "chunks_dead", info->chunks_dead);
        json_add_u64(object, "bytes", info->bytes);
        json_add_time(object, "created_at", info->created_usec);
        return object;
}

struct json_object *ingest_chunk_json(const struct chunk *chunk, const char *chunk_id)
{
        struct json_object *object = json_object_new_object();
        struct json_object *position = json_object_new_object();

        if (!object || !position) {
                json_object_put(object);
                json_object_put(position);
                return NULL;
        }
        json_add_string(object, "chunk_id", chunk_id);
        json_add_u64(object, "ordinal", chunk->ordinal);
        json_add(object, "text",
                 json_object_new_string_len(chunk->text, (int) chunk->text_len));
        json_add_u64(object, "tokens", chunk->tokens);
        json_add_u64(position, "start", chunk->start);
        json_add_u64(position, "end", chunk->end);
        json_add(object, "position", position);
        return object;
}

const char *ingest_chunk_id(struct document_id document, uint32_t version,
                            const uint8_t identity[static GENERATION_IDENTITY_BYTES],
                            uint32_t ordinal, char text[static CHUNK_ID_SIZE])
{
        char id[ID_TEXT_SIZE];

        (void) snprintf(text, CHUNK_ID_SIZE, "%s.%u.%02x%02x%02x%02x.%u",
                        id_format(document.id, id), version, identity[0], identity[1], identity[2],
                        identity[3], ordinal);
        return text;
}
