/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes and what was measured of them. */
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>

static void finish(const struct ctl *ctl, struct table *table)
{
        table_print(table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(table);
}

static bool is_true(struct json_object *row, const char *key)
{
        return json_object_get_boolean(member(row, key));
}

/* How a search goes there, in a word. */
static const char *served_by(struct json_object *row)
{
        if (!is_true(row, "serving_graph"))
                return "scan";
        return member_u64(row, "unindexed") > 0 ? "graph+scan" : "graph";
}

void print_indexes(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "COLLECTION", ">GEN",    "STATE",  "ENGINE",
                                               "SERVED BY",  ">NODES",  ">BUILT", ">BESIDE",
                                               ">DEAD",      ">MEMORY", ">FILE",  ">GRAPH",
                                               ">WORDS OF",  ">FILES",  "NOTES",  NULL };
        struct json_object *rows = member(reply, "indexes");
        size_t n = member_count(reply, "indexes");
        char bytes[SCREEN_NUMBER_SIZE];
        struct table table;

        if (n == 0) {
                (void) fputs("no indexes yet\n", stderr);
                return;
        }
        table_init(&table, headers);
        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                uint64_t damages = member_u64(row, "damages");

                table_add_member(&table, row, "collection");
                table_add_member(&table, row, "generation");
                table_add_member(&table, row, "state");
                table_add_member(&table, row, "engine");
                table_add(&table, served_by(row));
                table_add_member(&table, row, "nodes");
                table_add_format(&table, "%.1f%%", 100 * member_double(row, "built"));
                table_add_member(&table, row, "unindexed");
                table_add_member(&table, row, "dead");
                table_add(&table, screen_bytes(member_double(row, "hot_bytes"), bytes));
                table_add(&table, screen_bytes(member_double(row, "file_bytes"), bytes));
                table_add_member(&table, row, "file_number");
                table_add_member(&table, member(row, "words"), "documents");
                table_add(&table, screen_bytes(member_double(member(row, "words"), "file_bytes"),
                                               bytes));
                if (damages > 0)
                        table_add_format(&table, "%s%ju damaged file%s set aside",
                                         is_true(row, "at_limit") ? "at its limit; " : "",
                                         (uintmax_t) damages, damages == 1 ? "" : "s");
                else
                        table_add(&table, is_true(row, "at_limit") ? "at its limit" : NULL);
        }
        finish(ctl, &table);
}

static void add_rung(struct table *table, struct json_object *rung, const char *ef,
                     const char *note)
{
        double recall = member_double(rung, "recall");

        table_add(table, ef);
        /* One result of many missing is not all of them. */
        table_add_format(table, "%.4f", recall < 1 && recall > 0.9999 ? 0.9999 : recall);
        table_add_format(table, "%.3f ms", member_double(rung, "p50_usec") / 1000);
        table_add_format(table, "%.3f ms", member_double(rung, "p99_usec") / 1000);
        table_add(table, note);
}

static void print_proposal(const struct ctl *ctl, struct json_object *report)
{
        uint64_t proposed = member_u64(report, "proposed"), unindexed = member_u64(report, "unindexed");

        if (unindexed > 0)
                (void) printf("%s%ju vectors stand beside the graph and are scanned: measure again "
                              "when it is built.%s\n", ctl->out.yellow, (uintmax_t) unindexed,
                              ctl->out.plain);
        if (proposed == 0)
                (void) printf("%sNo ef_search reaches recall %g:%s raise m and ef_construction.\n",
                              ctl->out.yellow, member_double(report, "recall"), ctl->out.plain);
        else if (proposed == member_u64(report, "present"))
                (void) printf("The profile's ef_search is the smallest that reaches recall %g.\n",
                              member_double(report, "recall"));
        else
                (void) printf("For recall %g put into the profile:\n\n"
                              "    [rag.vector_storage.hnsw]\n    ef_search = %ju\n",
                              member_double(report, "recall"), (uintmax_t) proposed);
}

void print_tuning(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { ">EF_SEARCH", ">RECALL", ">P50", ">P99", "NOTE",
                                               NULL };
        struct json_object *report = member(reply, "report"), *rungs = member(report, "rungs");
        struct table table;

        (void) printf("%s: recall@%s of %s queries over %s vectors\n\n",
                      member_text(report, "collection", "?"), member_text(report, "k", "?"),
                      member_text(report, "samples", "?"), member_text(report, "vectors", "?"));
        table_init(&table, headers);
        for (size_t i = 0; i < member_count(report, "rungs"); i++) {
                struct json_object *rung = json_object_array_get_idx(rungs, i);
                uint64_t ef = member_u64(rung, "ef_search");
                bool proposed = ef == member_u64(report, "proposed");

                add_rung(&table, rung, member_text(rung, "ef_search", "?"),
                         ef == member_u64(report, "present")
                                 ? proposed ? "the profile's, proposed" : "the profile's"
                         : proposed ? "proposed" : NULL);
        }
        add_rung(&table, member(report, "exact"), "exact", "every vector compared");
        finish(ctl, &table);
        (void) putchar('\n');
        print_proposal(ctl, report);
}
