/* SPDX-License-Identifier: Apache-2.0 */
/* Plays a recording: the table's endpoint is the path of its file, which is read whole at open. */
#include "provider/recorded.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "config/values.h"
#include "provider/kinds.h"
#include "provider/wire.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define RECORDED_VERSION 1
#define FILE_MAX_BYTES ((size_t) 1 << 30)

struct entry {
        unsigned char key[RECORDED_KEY_BYTES];
        struct json_object *line; /* as it was recorded */
};

struct recorded {
        struct provider provider;
        struct entry *entries; /* open addressing; a line of NULL is an empty place */
        size_t n, capacity;    /* a power of two, at most half full */
};

/* ---- The table ------------------------------------------------------------------------------- */

static struct entry *find(struct entry *entries, size_t capacity, const unsigned char *key)
{
        size_t at;

        memcpy(&at, key, sizeof at);
        for (at &= capacity - 1; entries[at].line; at = (at + 1) & (capacity - 1))
                if (memcmp(entries[at].key, key, RECORDED_KEY_BYTES) == 0)
                        break;
        return &entries[at];
}

static int grow(struct recorded *recorded)
{
        size_t capacity = recorded->capacity ? recorded->capacity * 2 : 64;
        struct entry *entries = calloc(capacity, sizeof *entries);

        if (!entries)
                return -ENOMEM;
        for (size_t i = 0; i < recorded->capacity; i++)
                if (recorded->entries[i].line)
                        *find(entries, capacity, recorded->entries[i].key) = recorded->entries[i];
        free(recorded->entries);
        recorded->entries = entries;
        recorded->capacity = capacity;
        return 0;
}

static int put(struct recorded *recorded, const unsigned char *key, struct json_object *takes_line)
{
        struct entry *entry;

        if (recorded->n * 2 >= recorded->capacity && grow(recorded) < 0) {
                json_object_put(takes_line);
                return -ENOMEM;
        }
        entry = find(recorded->entries, recorded->capacity, key);
        recorded->n += entry->line == NULL;
        json_object_put(entry->line);
        memcpy(entry->key, key, RECORDED_KEY_BYTES);
        entry->line = takes_line;
        return 0;
}

static struct json_object *get(struct recorded *recorded, const unsigned char *key)
{
        return recorded->n > 0 ? find(recorded->entries, recorded->capacity, key)->line : NULL;
}

/* ---- The file -------------------------------------------------------------------------------- */

static int read_key(struct json_object *line, unsigned char *ret)
{
        const char *kind = wire_string(line, "kind"), *hex = wire_string(line, "key");
        struct json_object *text = wire_member(line, "text");
        const char *purpose = wire_string(line, "purpose");
        size_t len = 0;

        if (kind && strcmp(kind, call_kind_name(CALL_EMBED)) == 0) {
                if (!json_object_is_type(text, json_type_string))
                        return -EINVAL;
                recorded_key_embed(purpose && strcmp(purpose, "query") == 0 ? EMBED_QUERY
                                                                            : EMBED_DOCUMENT,
                                   json_object_get_string(text),
                                   (size_t) json_object_get_string_len(text), ret);
                return 0;
        }
        if (!kind || !hex ||
            sodium_hex2bin(ret, RECORDED_KEY_BYTES, hex, strlen(hex), NULL, &len, NULL) < 0)
                return -EINVAL;
        return len == RECORDED_KEY_BYTES ? 0 : -EINVAL;
}

/* Vectors of another model than the table's would be taken for its own. */
static int check_model(const struct provider_config *config, struct json_object *line,
                       struct error *reterr)
{
        const char *model = wire_string(line, "model");

        if (!wire_member(line, "vector_base64") || !model || !config->model ||
            strcmp(model, config->model) == 0)
                return 0;
        return error_set(reterr, -EINVAL, "recorded with model %.80s, and model is %.80s", model,
                         config->model);
}

static int read_line(struct recorded *recorded, const struct provider_config *config,
                     const char *text, size_t len, struct error *reterr)
{
        cleanup_json_ struct json_object *line = NULL;
        unsigned char key[RECORDED_KEY_BYTES];
        int r;

        if (len == strspn(text, " \t\r"))
                return 0;
        r = json_parse(text, len, &line, reterr);
        if (r == 0)
                r = check_model(config, line, reterr);
        if (r < 0)
                return r;
        if (read_key(line, key) < 0)
                return error_set(reterr, -EBADMSG, "not a line of a recording");
        return put(recorded, key, take_ptr(line)) < 0 ? error_oom(reterr) : 0;
}

static int read_file(struct recorded *recorded, const struct provider_config *config,
                     struct error *reterr)
{
        cleanup_free_ char *text = NULL;
        size_t len = 0, number = 0;
        int r = io_read_file(AT_FDCWD, config->endpoint, FILE_MAX_BYTES, &text, &len, reterr);

        if (r < 0)
                return r;
        for (const char *at = text, *end = text + len; at < end;) {
                const char *stop = memchr(at, '\n', (size_t) (end - at));

                stop = stop ? stop : end;
                text[stop - text] = '\0';
                number++;
                r = read_line(recorded, config, at, (size_t) (stop - at), reterr);
                if (r < 0)
                        return error_prefix(reterr, r, "%.100s:%zu", config->endpoint, number);
                at = stop + 1;
        }
        return 0;
}

static void recorded_free(struct provider *provider)
{
        struct recorded *recorded = (struct recorded *) provider;

        for (size_t i = 0; i < recorded->capacity; i++)
                json_object_put(recorded->entries[i].line);
        free(recorded->entries);
        free(recorded);
}

static int recorded_open(const struct provider_config *config, uint32_t dimensions,
                         struct provider **ret, struct error *reterr)
{
        struct recorded *recorded;
        int r;

        (void) dimensions;
        if (!config->endpoint)
                return error_set(reterr, -EINVAL, "endpoint names no file to play");
        recorded = calloc(1, sizeof *recorded);
        if (!recorded)
                return error_oom(reterr);
        r = read_file(recorded, config, reterr);
        if (r < 0) {
                recorded_free(&recorded->provider);
                return r;
        }
        *ret = &recorded->provider;
        return 0;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static int missing(const char *what, size_t len, struct error *reterr)
{
        return error_set(reterr, -ENOENT,
                         "not recorded: \"%.*s\"; record it with ragctl provider record NAME",
                         (int) utf8_cut(what, len, 60), what);
}

static int spoiled(struct error *reterr, const char *what)
{
        return error_set(reterr, -EBADMSG, "the recording's %s", what);
}

static uint64_t count(struct json_object *object, const char *name)
{
        uint64_t value = 0;
        bool has = false;

        wire_take_count(object, name, &value, &has);
        return value;
}

static void copy_model(struct json_object *object, struct call_result *ret)
{
        const char *model = wire_string(object, "model");

        if (model)
                (void) snprintf(ret->model, sizeof ret->model, "%s", model);
}

static int recorded_embed(struct provider *provider, enum embed_purpose purpose,
                          const struct embed_text *texts, size_t n, float *ret_vectors,
                          struct embed_usage *ret_usage, struct error *reterr)
{
        size_t bytes = (size_t) provider->dimensions * 4, len;

        *ret_usage = (struct embed_usage){ 0 };
        for (size_t i = 0; i < n; i++) {
                unsigned char key[RECORDED_KEY_BYTES];
                float *vector = ret_vectors + i * provider->dimensions;
                struct json_object *line;
                const char *base64;

                recorded_key_embed(purpose, texts[i].text, texts[i].len, key);
                line = get((struct recorded *) provider, key);
                if (!line)
                        return missing(texts[i].text, texts[i].len, reterr);
                base64 = wire_string(line, "vector_base64");
                if (!base64 ||
                    sodium_base642bin((unsigned char *) vector, bytes, base64, strlen(base64), NULL,
                                      &len, NULL, sodium_base64_VARIANT_ORIGINAL) < 0 ||
                    len != bytes)
                        return spoiled(reterr, "vector has another width than the profile's");
                for (size_t j = 0; j < provider->dimensions; j++) {
                        uint32_t bits;

                        memcpy(&bits, &vector[j], sizeof bits);
                        bits = le32toh(bits);
                        memcpy(&vector[j], &bits, sizeof bits);
                }
                ret_usage->tokens += count(line, "tokens");
        }
        return 0;
}

static int recorded_chat(struct provider *provider, const struct chat_request *request,
                         struct call_result *ret, struct error *reterr)
{
        unsigned char key[RECORDED_KEY_BYTES];
        struct json_object *line, *answer, *text;
        const char *question, *finish;

        recorded_key_chat(request, key);
        line = get((struct recorded *) provider, key);
        if (!line) {
                question = request->n_messages ? request->messages[request->n_messages - 1].text
                                               : "";
                return missing(question, strlen(question), reterr);
        }
        answer = wire_member(line, "answer");
        text = wire_member(answer, "text");
        if (!json_object_is_type(text, json_type_string))
                return spoiled(reterr, "line holds no answer");
        buf_append(&ret->text, json_object_get_string(text),
                   (size_t) json_object_get_string_len(text));
        if (buf_failed(&ret->text))
                return error_oom(reterr);
        finish = wire_string(answer, "finish");
        for (int i = 0; finish && i < CHAT_FINISH_MAX; i++)
                if (strcmp(chat_finish_name((enum chat_finish) i), finish) == 0)
                        ret->finish = (enum chat_finish) i;
        ret->input_tokens = count(answer, "input_tokens");
        ret->output_tokens = count(answer, "output_tokens");
        copy_model(answer, ret);
        return 0;
}

static int recorded_rerank(struct provider *provider, const struct rerank_request *request,
                           struct call_result *ret, struct error *reterr)
{
        const struct call_request whole = { .kind = CALL_RERANK, .rerank = *request };
        struct wire_answer answer = { .provider = provider, .request = &whole, .result = ret };
        unsigned char key[RECORDED_KEY_BYTES];
        struct json_object *line;

        recorded_key_rerank(request, key);
        line = get((struct recorded *) provider, key);
        if (!line)
                return missing(request->query, strlen(request->query), reterr);
        ret->input_tokens = count(line, "tokens");
        copy_model(line, ret);
        return wire_take_scores(&answer, wire_member(line, "scores"), reterr);
}

const struct provider_ops recorded_ops = {
        .kind = "recorded",
        .algorithm = RECORDED_VERSION,
        .open = recorded_open,
        .embed = recorded_embed,
        .chat = recorded_chat,
        .rerank = recorded_rerank,
        .free = recorded_free,
};
