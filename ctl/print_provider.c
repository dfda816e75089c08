/* SPDX-License-Identifier: Apache-2.0 */
/* Models: what is known of them, a try, a comparison. */
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

#define MODEL_MAX 64

static void finish(const struct ctl *ctl, struct table *table)
{
        table_print(table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(table);
}

/* ---- list ----------------------------------------------------------------------------------- */

static void add_roles(struct table *table, struct json_object *row)
{
        struct json_object *roles = member(row, "roles");
        char text[96] = "";
        size_t len = 0;

        for (size_t i = 0; i < member_count(row, "roles") && len < sizeof text; i++)
                len += (size_t) snprintf(
                        text + len, sizeof text - len, "%s%s", len > 0 ? ", " : "",
                        json_object_get_string(json_object_array_get_idx(roles, i)));
        table_add(table, text);
}

/* "12/60" where there is a limit. */
static void add_used(struct table *table, struct json_object *limits, const char *used,
                     const char *limit)
{
        const char *of = member_text(limits, limit, NULL);

        table_add_format(table, "%s%s%s", member_text(limits, used, "0"), of ? "/" : "",
                         of ? of : "");
}

static void add_note(struct table *table, struct json_object *row)
{
        struct json_object *present = member(row, "key_present");
        const char *unusable = member_text(row, "unusable", NULL);

        if (unusable)
                table_add(table, unusable);
        else if (present && !json_object_get_boolean(present))
                table_add_format(table, "its key %s is not there", member_text(row, "key", ""));
        else
                table_add_member(table, member(row, "breaker"), "reason");
}

static void print_cache(const struct ctl *ctl, struct json_object *cache)
{
        const char *notice = member_text(cache, "notice", NULL);
        double hits = member_double(cache, "memory_hits") + member_double(cache, "disk_hits");
        double all = hits + member_double(cache, "misses");

        if (!cache)
                return;
        (void) printf("\nembedding cache: %s vectors", member_text(cache, "entries", "0"));
        if (all > 0)
                (void) printf(", %.1f %% of %.0f texts were there", 100 * hits / all, all);
        (void) putchar('\n');
        if (notice) {
                (void) fputs(ctl->out.yellow, stdout);
                screen_write(stdout, notice, strlen(notice), false);
                (void) printf("%s\n", ctl->out.plain);
        }
}

void print_providers(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "NAME",     "KIND",      "MODEL",  "ROLES",
                                               "BREAKER",  ">LAST MIN", ">TODAY", ">ERRORS",
                                               ">TOKENS",  ">COST",     "NOTES",  NULL };
        struct json_object *rows = member(reply, "providers");
        char dollars[SCREEN_NUMBER_SIZE];
        struct table table;

        table_init(&table, headers);
        for (size_t i = 0; i < member_count(reply, "providers"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                struct json_object *limits = member(row, "limits"), *today = member(row, "today");

                table_add_member(&table, row, "name");
                table_add_member(&table, row, "kind");
                table_add_member(&table, row, "model");
                add_roles(&table, row);
                table_add_member(&table, member(row, "breaker"), "state");
                add_used(&table, limits, "requests_last_minute", "requests_per_minute");
                add_used(&table, limits, "requests_today", "requests_per_day");
                table_add_member(&table, today, "errors");
                table_add_u64(&table, member_u64(today, "input_tokens") +
                                              member_u64(today, "output_tokens"));
                table_add(&table, screen_dollars(member_double(today, "cost_microusd"), dollars));
                add_note(&table, row);
        }
        finish(ctl, &table);
        print_cache(ctl, member(reply, "embedding_cache"));
}

void print_provider(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *provider = member(reply, "provider");
        struct json_object *prices = member(provider, "prices");

        member_as_dollars(member(provider, "today"), "cost_microusd", 1, "cost");
        member_as_dollars(prices, "input_usd_per_mtok", 1e6, "a million tokens in");
        member_as_dollars(prices, "output_usd_per_mtok", 1e6, "a million tokens out");
        print_object(ctl, provider);
}

/* ---- test and record ------------------------------------------------------------------------ */

static void print_text_member(struct json_object *object, const char *key)
{
        const char *text = member_text(object, key, "");

        screen_write(stdout, text, strlen(text), false);
}

void print_trial(const struct ctl *ctl, struct json_object *reply)
{
        char dollars[SCREEN_NUMBER_SIZE];

        (void) printf("%s●%s %s: it is there%s (%.1f ms)\n", ctl->out.green, ctl->out.plain,
                      member_text(reply, "provider", "?"),
                      json_object_get_boolean(member(reply, "model_listed"))
                              ? " and has the model"
                              : "; which models it has it does not say",
                      member_double(reply, "probe_usec") / 1000);
        if (member(reply, "call_usec")) {
                (void) printf("  one call: %.1f ms", member_double(reply, "call_usec") / 1000);
                if (member(reply, "width"))
                        (void) printf(", a vector of %s numbers", member_text(reply, "width", "?"));
                (void) printf(", %s tokens in, %s out, %s\n",
                              member_text(reply, "input_tokens", "0"),
                              member_text(reply, "output_tokens", "0"),
                              screen_dollars(member_double(reply, "cost_microusd"), dollars));
        }
        if (member(reply, "model")) {
                (void) fputs("  it calls itself ", stdout);
                print_text_member(reply, "model");
                (void) putchar('\n');
        }
        if (member(reply, "text")) {
                (void) fputs("  it says: ", stdout);
                print_text_member(reply, "text");
                (void) putchar('\n');
        }
}

void print_recording(const struct ctl *ctl, struct json_object *reply)
{
        bool on = json_object_get_boolean(member(reply, "recording"));

        (void) ctl;
        (void) printf("%s answers of %s: ", on ? "recording" : "no longer recording",
                      member_text(reply, "provider", "?"));
        print_text_member(reply, "path");
        (void) putchar('\n');
}

/* ---- bench ---------------------------------------------------------------------------------- */

static void add_msec(struct table *table, struct json_object *row, const char *key)
{
        if (member(row, key))
                table_add_format(table, "%.1f ms", member_double(row, key) / 1000);
        else
                table_add(table, NULL);
}

static void print_failures(const struct ctl *ctl, struct json_object *rows, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *error = member_text(row, "error", NULL);

                if (!error)
                        continue;
                (void) printf("%s%s:%s ", ctl->out.red, member_text(row, "provider", "?"),
                              ctl->out.plain);
                screen_write(stdout, error, strlen(error), false);
                (void) putchar('\n');
        }
}

void print_comparison(const struct ctl *ctl, struct json_object *report)
{
        static const char *const headers[] = { "PROVIDER", "MODEL",   ">ANSWERS", ">ERRORS",
                                               ">AVG",     ">MEDIAN", ">MIN",     ">MAX",
                                               ">STDDEV",  ">P95",    ">IN",      ">OUT",
                                               ">COST",    NULL };
        static const char *const times[] = { "avg_usec", "median_usec", "min_usec",
                                             "max_usec", "stddev_usec", "p95_usec" };
        struct json_object *rows = member(report, "providers");
        size_t n = member_count(report, "providers");
        char dollars[SCREEN_NUMBER_SIZE];
        struct table table;

        (void) printf("%s questions, %s times each\n\n", member_text(report, "questions", "?"),
                      member_text(report, "rounds", "?"));
        table_init(&table, headers);
        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "provider");
                table_add_member(&table, row, "model");
                table_add_member(&table, row, "answers");
                table_add_member(&table, row, "errors");
                for (size_t j = 0; j < sizeof times / sizeof *times; j++)
                        add_msec(&table, row, times[j]);
                table_add_member(&table, row, "input_tokens");
                table_add_member(&table, row, "output_tokens");
                table_add(&table, screen_dollars(member_double(row, "cost_microusd"), dollars));
        }
        finish(ctl, &table);
        print_failures(ctl, rows, n);
}
