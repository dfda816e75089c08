/* SPDX-License-Identifier: Apache-2.0 */
/* The response of a search as JSON text, written straight: no tree, one buffer. */
#include "answer/inside.h"

#include "answer/floats.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- Pieces ---------------------------------------------------------------------------------- */

/* Long stretches without anything to escape are copied whole. */
static void append_string(struct buf *out, const char *text, size_t len)
{
        size_t from = 0;

        if (utf8_valid_prefix(text, len) < len) {
                buf_append_json_string(out, text, len);
                return;
        }
        buf_append_char(out, '"');
        for (size_t at = 0; at < len; at++) {
                unsigned char c = (unsigned char) text[at];

                if (c >= 0x20 && c != '"' && c != '\\')
                        continue;
                buf_append(out, text + from, at - from);
                from = at + 1;
                if (c == '\n')
                        buf_append(out, "\\n", 2);
                else if (c < 0x20)
                        buf_append_format(out, "\\u%04x", c);
                else {
                        buf_append_char(out, '\\');
                        buf_append_char(out, (char) c);
                }
        }
        buf_append(out, text + from, len - from);
        buf_append_char(out, '"');
}

static void append_text(struct buf *out, const char *text)
{
        if (text)
                append_string(out, text, strlen(text));
        else
                buf_append(out, "null", 4);
}

#define NUMBER_SIZE 20

/* To the end of `text`; returns where it begins. */
static const char *format_number(uint64_t number, char text[static NUMBER_SIZE])
{
        size_t at = NUMBER_SIZE;

        do
                text[--at] = (char) ('0' + number % 10);
        while ((number /= 10) > 0);
        return text + at;
}

static void append_number(struct buf *out, uint64_t number)
{
        char text[NUMBER_SIZE];
        const char *from = format_number(number, text);

        buf_append(out, from, (size_t) (text + NUMBER_SIZE - from));
}

static void append_float(struct buf *out, float value)
{
        char text[FLOAT_TEXT_SIZE];
        size_t len = float_format(value, text);

        buf_append(out, text, len);
}

static void append_msec(struct buf *out, uint64_t usec)
{
        append_number(out, usec / 1000);
        buf_append_format(out, ".%03u", (unsigned int) (usec % 1000));
}

static void append_bool(struct buf *out, bool value)
{
        buf_append_text(out, value ? "true" : "false");
}

/* ---- One result ------------------------------------------------------------------------------ */

/* A point and a number. */
static char *put_number(char *at, uint32_t number)
{
        char text[NUMBER_SIZE];
        const char *from = format_number(number, text);
        size_t len = (size_t) (text + NUMBER_SIZE - from);

        *at++ = '.';
        memcpy(at, from, len);
        return at + len;
}

const char *row_chunk_id(const struct search_response *response, const struct row *row,
                         char text[static CHUNK_ID_TEXT_SIZE])
{
        static const char hex[] = "0123456789abcdef";
        const uint8_t *identity =
                generation_get_identity(response->pins[row->candidate.pin].generation);
        char *at = text + ID_TEXT_SIZE - 1;

        (void) id_format(row->document->id.id, text);
        at = put_number(at, row->document->version);
        *at++ = '.';
        for (int i = 0; i < 4; i++) {
                *at++ = hex[identity[i] >> 4U];
                *at++ = hex[identity[i] & 15U];
        }
        at = put_number(at, row->chunk.ordinal);
        *at = '\0';
        return text;
}

static void append_scores(struct buf *out, const struct candidate *candidate)
{
        buf_append_text(out, ",\"scores\":{\"dense\":");
        append_float(out, candidate->dense);
        buf_append_text(out, ",\"bm25\":");
        append_float(out, candidate->bm25);
        buf_append_text(out, ",\"fused\":");
        append_float(out, candidate->fused);
        buf_append_text(out, ",\"rerank\":");
        append_float(out, candidate->rerank);
        buf_append_char(out, '}');
}

static void append_leg(struct buf *out, const char *name, uint32_t rank, float score)
{
        buf_append_format(out, "\"%s\":", name);
        if (rank == 0) {
                buf_append_text(out, "null");
                return;
        }
        buf_append_format(out, "{\"rank\":%u,\"score\":", rank);
        append_float(out, score);
        buf_append_char(out, '}');
}

static void append_explanation(struct buf *out, const struct candidate *candidate)
{
        buf_append_text(out, ",\"explain\":{");
        append_leg(out, "dense", candidate->dense_rank, candidate->dense);
        buf_append_char(out, ',');
        append_leg(out, "bm25", candidate->bm25_rank, candidate->bm25);
        buf_append_char(out, '}');
}

static void append_highlights(struct buf *out, const struct row *row)
{
        buf_append_text(out, ",\"highlights\":[");
        for (size_t i = 0; i < row->n_highlights; i++) {
                buf_append_text(out, i ? ",{\"start\":" : "{\"start\":");
                append_number(out, row->highlights[i].start);
                buf_append_text(out, ",\"end\":");
                append_number(out, row->highlights[i].end);
                buf_append_char(out, '}');
        }
        buf_append_char(out, ']');
}

static void append_row(struct buf *out, const struct search_response *response,
                       const struct row *row)
{
        const struct document *document = row->document;
        char chunk_id[CHUNK_ID_TEXT_SIZE];

        buf_append_text(out, "{\"chunk_id\":\"");
        buf_append_text(out, row_chunk_id(response, row, chunk_id));
        buf_append_text(out, "\",\"document_id\":\"");
        buf_append(out, chunk_id, ID_TEXT_SIZE - 1); /* it begins with it */
        buf_append_text(out, "\",\"external_id\":");
        append_text(out, document->external_id);
        buf_append_text(out, ",\"title\":");
        append_text(out, document->title);
        buf_append_text(out, ",\"url\":");
        append_text(out, document->source_url);
        if (response->asked.text) {
                buf_append_text(out, ",\"text\":");
                append_string(out, row->chunk.text ? row->chunk.text : "", row->chunk.text_len);
        }
        if (response->asked.metadata) {
                buf_append_text(out, ",\"metadata\":");
                buf_append_text(out, document->metadata ? document->metadata : "{}");
        }
        if (response->asked.position) {
                buf_append_text(out, ",\"position\":{\"start\":");
                append_number(out, row->chunk.start);
                buf_append_text(out, ",\"end\":");
                append_number(out, row->chunk.end);
                buf_append_text(out, ",\"page\":null}");
        }
        append_scores(out, &row->candidate);
        if (response->asked.highlight)
                append_highlights(out, row);
        if (response->asked.explain)
                append_explanation(out, &row->candidate);
        buf_append_char(out, '}');
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The legs that served decide the mode: a search without words is a dense one. */
static enum search_mode mode_of(const struct search_response *response)
{
        if (response->dense && response->bm25)
                return SEARCH_HYBRID;
        return response->dense ? SEARCH_DENSE
               : response->bm25 ? SEARCH_BM25
                                : response->asked.mode;
}

static void append_plan(struct buf *out, const struct search_response *response)
{
        buf_append_text(out, "\"plan\":{\"mode\":\"");
        buf_append_text(out, search_mode_name(mode_of(response)));
        buf_append_text(out, "\",\"index\":");
        append_text(out, response->plan == INDEX_PLAN_INVALID ? NULL
                                                             : index_plan_name(response->plan));
        buf_append_text(out, ",\"exact\":");
        append_bool(out, response->exact);
        buf_append_text(out, ",\"candidates\":");
        append_number(out, response->candidates.n);
        buf_append_text(out, ",\"exhausted\":");
        append_bool(out, response->exhausted);
        buf_append_text(out, ",\"filter_matches\":");
        if (response->has_filter_matches)
                append_number(out, response->filter_matches);
        else
                buf_append_text(out, "null");
        buf_append_char(out, '}');
}

static void append_degraded(struct buf *out, const struct search_response *response)
{
        const struct {
                const char *leg;
                bool down;
        } legs[] = { { "dense", response->degraded_dense },
                     { "bm25", response->degraded_bm25 },
                     { "rerank", response->degraded_rerank } };
        const char *before = "";

        buf_append_text(out, ",\"degraded\":[");
        for (size_t i = 0; i < ELEMENTSOF(legs); i++)
                if (legs[i].down) {
                        buf_append_format(out, "%s\"%s\"", before, legs[i].leg);
                        before = ",";
                }
        buf_append_char(out, ']');
}

static void append_summary(struct buf *out, const struct search_response *response)
{
        static const char *const phases[PHASE_MAX] = {
                [PHASE_PIN] = "pin",     [PHASE_FILTER] = "filter", [PHASE_EMBED] = "embed",
                [PHASE_DENSE] = "dense", [PHASE_BM25] = "bm25",     [PHASE_FUSE] = "fuse",
                [PHASE_RERANK] = "rerank", [PHASE_FETCH] = "fetch",
        };

        buf_append_format(out, ",\"explain\":{\"fusion\":{\"method\":\"%s\",\"k\":%u,"
                               "\"weights\":{\"dense\":%g,\"bm25\":%g}},\"compared\":%llu,"
                               "\"ef_search\":%u,\"timings_ms\":{",
                          search_fusion_name(response->asked.fusion), response->asked.rrf_k,
                          response->asked.weight_dense, response->asked.weight_bm25,
                          (unsigned long long) response->compared, response->ef_search);
        for (size_t i = 0; i < PHASE_MAX; i++) {
                buf_append_format(out, "%s\"%s\":", i ? "," : "", phases[i]);
                append_msec(out, response->phase_usec[i]);
        }
        buf_append_text(out, "}}");
}

/* Room for everything at once, so that the buffer grows but rarely. */
static size_t expected_bytes(const struct search_response *response)
{
        size_t bytes = 1024;

        for (size_t i = 0; i < response->n_rows; i++)
                bytes += 640 + response->rows[i].chunk.text_len +
                         response->rows[i].chunk.text_len / 16;
        return bytes;
}

/* What is degraded now may be whole the next time. */
static void keep(const struct search_response *response, const char *text, size_t len)
{
        if (response->remember && text && !response->degraded_dense && !response->degraded_bm25 &&
            !response->degraded_rerank)
                remembered_put(response->remembered_in, &response->key, text, len,
                               response->n_rows, clock_monotonic_usec());
}

static char *copy_remembered(const struct search_response *response, size_t *ret_len)
{
        const char *text = remembered_text(response->remembered, ret_len);
        char *copy = malloc(*ret_len + 1);

        if (copy)
                memcpy(copy, text, *ret_len + 1);
        return copy;
}

char *search_response_text(const struct search_response *response, size_t *ret_len)
{
        struct buf out = BUF_EMPTY;
        char *text;

        if (response->remembered)
                return copy_remembered(response, ret_len);
        (void) buf_reserve(&out, expected_bytes(response));
        buf_append_text(&out, "{\"results\":[");
        for (size_t i = 0; i < response->n_rows; i++) {
                if (i > 0)
                        buf_append_char(&out, ',');
                append_row(&out, response, &response->rows[i]);
        }
        buf_append_text(&out, "],");
        append_plan(&out, response);
        append_degraded(&out, response);
        buf_append_text(&out, ",\"index\":{\"fingerprint\":");
        append_text(&out, response->fingerprint);
        buf_append_text(&out, ",\"unindexed\":");
        append_number(&out, response->unindexed);
        buf_append_text(&out, "},\"took_ms\":");
        append_msec(&out, response->took_usec);
        if (response->asked.explain)
                append_summary(&out, response);
        buf_append_text(&out, ",\"next_cursor\":");
        append_text(&out, response->next_cursor[0] ? response->next_cursor : NULL);
        buf_append_char(&out, '}');
        *ret_len = out.len;
        text = buf_take(&out);
        keep(response, text, *ret_len);
        return text;
}
