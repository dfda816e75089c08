/* SPDX-License-Identifier: Apache-2.0 */
/* How an answer came about. */
#include "base/json.h"
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

static void finish(const struct ctl *ctl, struct table *table)
{
        table_print(table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(table);
}

static void print_list(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "TRACE", "AT", NULL };
        struct json_object *rows = member(reply, "traces");
        struct table table;

        if (member_count(reply, "traces") == 0) {
                (void) fputs("no traces; every answer leaves one\n", stderr);
                return;
        }
        table_init(&table, headers);
        for (size_t i = 0; i < member_count(reply, "traces"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "id");
                table_add_member(&table, row, "at");
        }
        finish(ctl, &table);
}

static void add_score(struct table *table, struct json_object *scores, const char *key)
{
        if (member(scores, key))
                table_add_format(table, "%.4f", member_double(scores, key));
        else
                table_add(table, NULL);
}

static void print_chunks_of(const struct ctl *ctl, struct json_object *trace)
{
        static const char *const headers[] = { "CHUNK", ">DENSE", ">BM25", ">FUSED", ">RERANK",
                                               NULL };
        struct json_object *rows = member(trace, "chunks");
        size_t n = member_count(trace, "chunks");
        struct table table;

        if (n == 0)
                return;
        (void) putchar('\n');
        table_init(&table, headers);
        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                struct json_object *scores = member(row, "scores");

                table_add_member(&table, row, "chunk_id");
                add_score(&table, scores, "dense");
                add_score(&table, scores, "bm25");
                add_score(&table, scores, "fused");
                add_score(&table, scores, "rerank");
        }
        finish(ctl, &table);
}

static void add_msec(struct table *table, struct json_object *row, const char *key)
{
        if (member(row, key))
                table_add_format(table, "%.1f ms", member_double(row, key));
        else
                table_add(table, NULL);
}

/* "rate_limit 429", or that it went well. */
static void add_result(struct table *table, struct json_object *row)
{
        const char *fault = member_text(row, "fault", NULL);
        uint64_t status = member_u64(row, "status");

        if (!fault)
                table_add(table, "ok");
        else if (status > 0)
                table_add_format(table, "%s %ju", fault, (uintmax_t) status);
        else
                table_add(table, fault);
}

static void print_attempts(const struct ctl *ctl, struct json_object *trace)
{
        static const char *const headers[] = { "PROVIDER", "MODEL",   "FOR",    ">TRY", "RESULT",
                                               ">AT",      ">WAITED", ">FIRST", ">TOOK", ">IN",
                                               ">OUT",     ">COST",   NULL };
        struct json_object *rows = member(trace, "attempts");
        size_t n = member_count(trace, "attempts");
        char dollars[SCREEN_NUMBER_SIZE];
        struct table table;

        if (n == 0)
                return;
        (void) putchar('\n');
        table_init(&table, headers);
        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "provider");
                table_add_member(&table, row, "model");
                table_add_member(&table, row, "kind");
                table_add_member(&table, row, "number");
                add_result(&table, row);
                add_msec(&table, row, "begin_ms");
                add_msec(&table, row, "waited_ms");
                add_msec(&table, row, "first_ms");
                add_msec(&table, row, "took_ms");
                table_add_member(&table, row, "input_tokens");
                table_add_member(&table, row, "output_tokens");
                table_add(&table, screen_dollars(member_double(row, "cost_microusd"), dollars));
        }
        finish(ctl, &table);
}

static struct json_object *collections_of(struct json_object *trace)
{
        struct json_object *rows = member(trace, "collections");
        struct json_object *names = json_object_new_array();

        for (size_t i = 0; i < member_count(trace, "collections"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                char text[128];

                (void) snprintf(text, sizeof text, "%s, generation %s",
                                member_text(row, "name", "?"), member_text(row, "generation", "?"));
                json_add_string(names, NULL, text);
        }
        return names;
}

/* What stands in the tables is left out above them. */
void print_trace(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *trace = member(reply, "trace");
        cleanup_json_ struct json_object *plain = json_object_new_object();

        if (!trace) {
                print_list(ctl, reply);
                return;
        }
        json_object_object_foreach(trace, key, value)
        {
                if (strcmp(key, "collections") == 0)
                        json_add(plain, key, collections_of(trace));
                else if (strcmp(key, "chunks") != 0 && strcmp(key, "attempts") != 0)
                        json_add(plain, key, value ? json_object_get(value) : NULL);
        }
        member_as_dollars(member(plain, "usage"), "cost_microusd", 1, "cost");
        print_object(ctl, plain);
        print_chunks_of(ctl, trace);
        print_attempts(ctl, trace);
}
