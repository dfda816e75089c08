/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "answer/trace.h"

#include "answer/inside.h"
#include "answer/prompt.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/collection.h"

#include <sodium.h>
#include <string.h>

static const char *const trace_outcome_names[TRACE_OUTCOME_MAX] = {
        [TRACE_GENERATED] = "generated",
        [TRACE_EXTRACTED] = "extracted",
        [TRACE_FAILED] = "failed",
        [TRACE_CANCELED] = "canceled",
};

const char *trace_outcome_name(enum trace_outcome outcome)
{
        return outcome >= 0 && outcome < TRACE_OUTCOME_MAX ? trace_outcome_names[outcome] : NULL;
}

void trace_begin(struct trace *trace, uint64_t wall_usec, uint64_t monotonic_usec)
{
        *trace = (struct trace){ .id = { id_random() },
                                 .wall_usec = wall_usec,
                                 .begin_usec = monotonic_usec };
}

void trace_done(struct trace *trace)
{
        free(trace->attempts);
        memset(trace, 0, sizeof *trace);
}

void trace_attempt(void *data, const struct gateway_attempt *attempt)
{
        struct trace *trace = data;

        if (trace->n_attempts == trace->room && trace->room < TRACE_ATTEMPTS_MAX) {
                size_t room = trace->room ? 2 * trace->room : 4;
                struct gateway_attempt *more = reallocarray(trace->attempts, room, sizeof *more);

                if (more) {
                        trace->attempts = more;
                        trace->room = room;
                }
        }
        if (trace->n_attempts < trace->room)
                trace->attempts[trace->n_attempts++] = *attempt;
        else
                trace->dropped++;
}

uint64_t trace_cost(const struct trace *trace, const struct gateway_answer *generated)
{
        uint64_t chats = 0, others = 0;

        for (size_t i = 0; i < trace->n_attempts; i++)
                if (trace->attempts[i].kind == CALL_CHAT)
                        chats += trace->attempts[i].cost_microusd;
                else
                        others += trace->attempts[i].cost_microusd;
        if (generated && generated->cost_microusd > chats)
                chats = generated->cost_microusd;
        return others + chats;
}

/* ---- Parts ----------------------------------------------------------------------------------- */

static void add_msec(struct json_object *object, const char *key, uint64_t usec)
{
        json_add_double(object, key, (double) usec / (double) USEC_PER_MSEC);
}

static void add_hash(struct json_object *object, const char *key, const uint8_t *hash)
{
        char text[2 * PROMPT_HASH_BYTES + 1];

        json_add_string(object, key,
                        hash ? sodium_bin2hex(text, sizeof text, hash, PROMPT_HASH_BYTES) : NULL);
}

static struct json_object *question_json(const char *question)
{
        struct json_object *object = json_object_new_object();
        uint8_t hash[PROMPT_HASH_BYTES];
        size_t len = question ? strlen(question) : 0;

        (void) crypto_generichash(hash, sizeof hash, (const unsigned char *) (len ? question : ""),
                                  len, NULL, 0);
        add_hash(object, "hash", hash);
        json_add_u64(object, "bytes", len);
        return object;
}

static struct json_object *collections_json(const struct search_response *response)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; response && i < response->n_pins; i++) {
                const struct pin *pin = &response->pins[i];
                struct json_object *object = json_object_new_object();

                json_add_string(object, "name", collection_get(pin->collection)->name);
                json_add_u64(object, "generation",
                             pin->generation ? generation_number(pin->generation) : 0);
                json_add_u64(object, "applied_seq", pin->view ? pin->view->applied_seq : 0);
                json_add(array, NULL, object);
        }
        return array;
}

static struct json_object *chunks_json(const struct search_response *response)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; response && i < response->n_rows; i++) {
                const struct row *row = &response->rows[i];
                struct json_object *object = json_object_new_object();
                struct json_object *scores = json_object_new_object();
                char text[CHUNK_ID_TEXT_SIZE];

                json_add_string(object, "chunk_id", row_chunk_id(response, row, text));
                json_add_float(scores, "dense", row->candidate.dense);
                json_add_float(scores, "bm25", row->candidate.bm25);
                json_add_float(scores, "fused", row->candidate.fused);
                json_add_float(scores, "rerank", row->candidate.rerank);
                json_add(object, "scores", scores);
                json_add(array, NULL, object);
        }
        return array;
}

static struct json_object *attempt_json(const struct gateway_attempt *attempt)
{
        struct json_object *object = json_object_new_object();

        json_add_string(object, "provider", attempt->provider);
        json_add_string(object, "model", attempt->model[0] ? attempt->model : NULL);
        json_add_string(object, "kind", call_kind_name(attempt->kind));
        json_add_string(object, "fault",
                        attempt->fault == FAULT_CLASS_MAX ? NULL
                                                          : fault_class_name(attempt->fault));
        json_add_u64(object, "status", attempt->status > 0 ? (uint64_t) attempt->status : 0);
        json_add_u64(object, "number", attempt->number);
        add_msec(object, "begin_ms", attempt->begin_usec);
        add_msec(object, "waited_ms", attempt->waited_usec);
        add_msec(object, "took_ms", attempt->took_usec);
        if (attempt->first_usec)
                add_msec(object, "first_ms", attempt->first_usec);
        json_add_u64(object, "input_tokens", attempt->input_tokens);
        json_add_u64(object, "output_tokens", attempt->output_tokens);
        json_add_bool(object, "estimated", attempt->estimated);
        json_add_u64(object, "cost_microusd", attempt->cost_microusd);
        json_add_string(object, "request_id", attempt->request_id[0] ? attempt->request_id : NULL);
        return object;
}

static struct json_object *attempts_json(const struct trace *trace)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; i < trace->n_attempts; i++)
                json_add(array, NULL, attempt_json(&trace->attempts[i]));
        return array;
}

static struct json_object *provider_json(const struct gateway_answer *generated)
{
        struct json_object *object;

        if (!generated)
                return NULL;
        object = json_object_new_object();
        json_add_string(object, "name", generated->provider);
        json_add_string(object, "kind", generated->kind);
        json_add_string(object, "model", generated->model);
        json_add_string(object, "fallback_from", generated->fallback_from);
        json_add_string(object, "finish", chat_finish_name(generated->finish));
        return object;
}

static struct json_object *usage_json(const struct trace_facts *facts)
{
        const struct gateway_answer *generated = facts->generated;
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "embedding_tokens", facts->embedding_tokens);
        json_add_u64(object, "input_tokens", generated ? generated->input_tokens : 0);
        json_add_u64(object, "output_tokens", generated ? generated->output_tokens : 0);
        json_add_bool(object, "estimated", generated && generated->estimated);
        json_add_bool(object, "cached", generated && generated->cached);
        json_add_u64(object, "cost_microusd", facts->cost_microusd);
        return object;
}

static struct json_object *timings_json(const struct trace *trace,
                                        const struct trace_facts *facts)
{
        struct json_object *object = json_object_new_object();

        add_msec(object, "search", facts->search_usec);
        add_msec(object, "generation", facts->generation_usec);
        if (facts->first_usec)
                add_msec(object, "first", facts->first_usec);
        add_msec(object, "total", facts->now_usec - trace->begin_usec);
        return object;
}

struct json_object *trace_json(const struct trace *trace, const struct trace_facts *facts)
{
        struct json_object *object = json_object_new_object();
        char id[ID_TEXT_SIZE];

        json_add_string(object, "id", id_format(trace->id.id, id));
        json_add_time(object, "at", trace->wall_usec);
        json_add_string(object, "outcome", trace_outcome_name(facts->outcome));
        json_add_string(object, "error", facts->code < 0 ? strerrorname_np(-facts->code) : NULL);
        json_add_u64(object, "release", facts->release);
        json_add_string(object, "stage", facts->stage);
        json_add(object, "question", question_json(facts->question));
        json_add(object, "collections", collections_json(facts->response));
        json_add(object, "chunks", chunks_json(facts->response));
        add_hash(object, "prompt_hash", facts->prompt_hash);
        json_add_u64(object, "passages", facts->n_passages);
        json_add_u64(object, "citations", facts->n_citations);
        json_add_bool(object, "grounded", facts->grounded);
        json_add(object, "provider", provider_json(facts->generated));
        json_add(object, "attempts", attempts_json(trace));
        json_add_u64(object, "attempts_dropped", trace->dropped);
        json_add(object, "usage", usage_json(facts));
        json_add(object, "timings_ms", timings_json(trace, facts));
        return object;
}
