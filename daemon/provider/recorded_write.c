/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/recorded.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "config/values.h"
#include "provider/wire.h"

#include <endian.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- Keys ------------------------------------------------------------------------------------ */

/* Each part with its length before it, so that no two requests read alike. */
static void add(crypto_generichash_state *state, const char *bytes, size_t len)
{
        uint64_t size = htole64(len);

        (void) crypto_generichash_update(state, (const unsigned char *) &size, sizeof size);
        (void) crypto_generichash_update(state, (const unsigned char *) bytes, len);
}

static void add_number(crypto_generichash_state *state, double number)
{
        char text[40];

        add(state, text, (size_t) snprintf(text, sizeof text, "%.9g", number));
}

static void begin(crypto_generichash_state *state, enum call_kind kind)
{
        const char *name = call_kind_name(kind);

        (void) crypto_generichash_init(state, NULL, 0, RECORDED_KEY_BYTES);
        add(state, name, strlen(name));
}

void recorded_key_embed(enum embed_purpose purpose, const char *text, size_t len,
                        unsigned char ret[static RECORDED_KEY_BYTES])
{
        crypto_generichash_state state;

        begin(&state, CALL_EMBED);
        add_number(&state, purpose);
        add(&state, text, len);
        (void) crypto_generichash_final(&state, ret, RECORDED_KEY_BYTES);
}

void recorded_key_chat(const struct chat_request *request,
                       unsigned char ret[static RECORDED_KEY_BYTES])
{
        crypto_generichash_state state;
        const char *system = request->system ? request->system : "";

        begin(&state, CALL_CHAT);
        add(&state, system, strlen(system));
        add_number(&state, (double) request->n_messages);
        for (size_t i = 0; i < request->n_messages; i++) {
                add_number(&state, request->messages[i].role);
                add(&state, request->messages[i].text, strlen(request->messages[i].text));
        }
        add_number(&state, request->max_tokens);
        add_number(&state, request->temperature);
        add_number(&state, request->top_p);
        for (size_t i = 0; i < request->n_stops; i++)
                add(&state, request->stops[i], strlen(request->stops[i]));
        (void) crypto_generichash_final(&state, ret, RECORDED_KEY_BYTES);
}

void recorded_key_rerank(const struct rerank_request *request,
                         unsigned char ret[static RECORDED_KEY_BYTES])
{
        crypto_generichash_state state;

        begin(&state, CALL_RERANK);
        add(&state, request->query, strlen(request->query));
        add_number(&state, (double) request->top_n);
        for (size_t i = 0; i < request->n; i++)
                add(&state, request->documents[i].text, request->documents[i].len);
        (void) crypto_generichash_final(&state, ret, RECORDED_KEY_BYTES);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void add_key(struct buf *line, const unsigned char *key)
{
        char hex[RECORDED_KEY_BYTES * 2 + 1];

        wire_add_string(line, "key", sodium_bin2hex(hex, sizeof hex, key, RECORDED_KEY_BYTES));
}

static void begin_line(struct buf *line, enum call_kind kind)
{
        buf_append_char(line, '{');
        wire_add_string(line, "kind", call_kind_name(kind));
}

/* The table's model, whatever it calls itself: by that the vectors of an index are told apart. */
static const char *model_of(const struct provider *provider, const struct call_result *result)
{
        return provider->config->model ? provider->config->model : result->model;
}

static void add_vector(struct buf *line, const float *vector, size_t width)
{
        size_t size = sodium_base64_ENCODED_LEN(width * 4, sodium_base64_VARIANT_ORIGINAL);
        cleanup_free_ uint32_t *bits = calloc(width + 1, sizeof *bits);
        cleanup_free_ char *text = malloc(size);

        if (!bits || !text) {
                line->failed = true;
                return;
        }
        memcpy(bits, vector, width * 4);
        for (size_t i = 0; i < width; i++)
                bits[i] = htole32(bits[i]);
        (void) sodium_bin2base64(text, size, (const unsigned char *) bits, width * 4,
                                 sodium_base64_VARIANT_ORIGINAL);
        wire_add_string(line, "vector_base64", text);
}

static void write_embed(const struct provider *provider, const struct embed_request *request,
                        const struct call_result *result, struct buf *lines)
{
        for (size_t i = 0; i < request->n; i++) {
                uint64_t share = result->input_tokens / request->n +
                                 (i < result->input_tokens % request->n);
                struct buf line = BUF_EMPTY;

                begin_line(&line, CALL_EMBED);
                wire_add_string(&line, "model", model_of(provider, result));
                wire_add_string(&line, "purpose",
                                request->purpose == EMBED_QUERY ? "query" : "document");
                wire_add_name(&line, "text");
                buf_append_json_string(&line, request->texts[i].text, request->texts[i].len);
                add_vector(&line, result->vectors + i * provider->dimensions,
                           provider->dimensions);
                wire_add_number(&line, "tokens", (double) share);
                buf_append_text(&line, "}\n");
                lines->failed |= buf_failed(&line);
                buf_append(lines, buf_text(&line), line.len);
                buf_done(&line);
        }
}

static void write_chat(const struct chat_request *request, const struct call_result *result,
                       struct buf *line)
{
        unsigned char key[RECORDED_KEY_BYTES];
        struct buf answer = BUF_EMPTY;

        recorded_key_chat(request, key);
        begin_line(line, CALL_CHAT);
        add_key(line, key);
        if (request->system)
                wire_add_string(line, "system", request->system);
        wire_add_messages(line, request, false, false);
        wire_add_number(line, "max_tokens", request->max_tokens);
        wire_add_number(line, "temperature", request->temperature);
        wire_add_number(line, "top_p", request->top_p);
        wire_add_stops(line, "stop", request);

        buf_append_char(&answer, '{');
        wire_add_name(&answer, "text");
        buf_append_json_string(&answer, buf_text(&result->text), result->text.len);
        wire_add_string(&answer, "finish", chat_finish_name(result->finish));
        wire_add_number(&answer, "input_tokens", (double) result->input_tokens);
        wire_add_number(&answer, "output_tokens", (double) result->output_tokens);
        wire_add_string(&answer, "model", result->model);
        buf_append_char(&answer, '}');
        wire_add_name(line, "answer");
        buf_append(line, buf_text(&answer), answer.len);
        line->failed |= buf_failed(&answer);
        buf_done(&answer);
        buf_append_text(line, "}\n");
}

static void write_rerank(const struct provider *provider, const struct rerank_request *request,
                         const struct call_result *result, struct buf *line)
{
        unsigned char key[RECORDED_KEY_BYTES];

        recorded_key_rerank(request, key);
        begin_line(line, CALL_RERANK);
        add_key(line, key);
        wire_add_string(line, "query", request->query);
        wire_add_texts(line, "documents", request->documents, request->n);
        wire_add_number(line, "top_n", (double) request->top_n);
        wire_add_string(line, "model", model_of(provider, result));
        wire_add_number(line, "tokens", (double) result->input_tokens);
        wire_add_name(line, "scores");
        for (size_t i = 0; i < result->n_scores; i++)
                buf_append_format(line, "%s{\"index\":%zu,\"score\":%.9g}", i > 0 ? "," : "[",
                                  result->scores[i].index, (double) result->scores[i].score);
        buf_append_text(line, "]}\n");
}

void recorded_write(const struct provider *provider, const struct call_request *request,
                    const struct call_result *result, struct buf *ret_lines)
{
        struct buf line = BUF_EMPTY;

        if (request->kind == CALL_EMBED)
                write_embed(provider, &request->embed, result, ret_lines);
        else if (request->kind == CALL_CHAT)
                write_chat(&request->chat, result, &line);
        else if (request->kind == CALL_RERANK)
                write_rerank(provider, &request->rerank, result, &line);
        ret_lines->failed |= buf_failed(&line);
        buf_append(ret_lines, buf_text(&line), line.len);
        buf_done(&line);
}

int recorded_append(const char *path, const struct provider *provider,
                    const struct call_request *request, const struct call_result *result,
                    struct error *reterr)
{
        cleanup_(buf_done) struct buf lines = BUF_EMPTY;
        cleanup_close_ int fd = -1;
        int r;

        recorded_write(provider, request, result, &lines);
        if (buf_failed(&lines))
                return error_oom(reterr);
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "recording %s", path);
        r = io_write_all(fd, buf_text(&lines), lines.len);
        return r < 0 ? error_set_errno(reterr, r, "recording %s", path) : 0;
}
