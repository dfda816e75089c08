/* SPDX-License-Identifier: Apache-2.0 */
/* Money: what was spent, what may be, and what something would cost. */
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

/* ---- usage ---------------------------------------------------------------------------------- */

static void add_row(struct table *table, struct json_object *row, const char *label)
{
        static const char *const numbers[] = { "requests", "errors", "input_tokens",
                                               "output_tokens", "estimated_tokens" };
        char dollars[SCREEN_NUMBER_SIZE];

        table_add(table, label);
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
                table_add_member(table, row, numbers[i]);
        table_add(table, screen_dollars(member_double(row, "cost_microusd"), dollars));
}

static void print_rows(const struct ctl *ctl, struct json_object *reply)
{
        static const struct {
                const char *by, *header;
        } groups[] = { { "day", "DAY" }, { "tenant", "TENANT" }, { "provider", "PROVIDER" },
                       { "kind", "KIND" } };
        const char *headers[] = { "DAY",   ">REQUESTS",  ">ERRORS", ">TOKENS IN",
                                  ">TOKENS OUT", ">ESTIMATED", ">COST",   NULL };
        const char *by = member_text(reply, "by", "day");
        struct json_object *rows = member(reply, "rows");
        size_t n = member_count(reply, "rows");
        struct table table;

        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
                if (strcmp(groups[i].by, by) == 0)
                        headers[0] = groups[i].header;
        table_init(&table, headers);
        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                add_row(&table, row, member_text(row, by, NULL));
        }
        if (n != 1)
                add_row(&table, member(reply, "total"), "total");
        table_print(&table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(&table);
}

static void print_budgets(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *budgets = member(reply, "budgets");

        for (size_t i = 0; i < member_count(reply, "budgets"); i++) {
                struct json_object *budget = json_object_array_get_idx(budgets, i);
                bool spent = json_object_get_boolean(member(budget, "spent"));
                bool alert = json_object_get_boolean(member(budget, "alert"));
                char used[SCREEN_NUMBER_SIZE], limit[SCREEN_NUMBER_SIZE];

                (void) printf("%sof this %s's budget %s of %s are spent (%.1f %%)%s",
                              spent ? ctl->out.red : alert ? ctl->out.yellow : "",
                              member_text(budget, "period", "?"),
                              screen_dollars(member_double(budget, "spent_microusd"), used),
                              screen_dollars(member_double(budget, "limit_microusd"), limit),
                              100 * member_double(budget, "used"),
                              spent || alert ? ctl->out.plain : "");
                if (spent)
                        (void) printf("; on_exceeded: %s", member_text(budget, "on_exceeded", "?"));
                (void) putchar('\n');
        }
}

void print_usage(const struct ctl *ctl, struct json_object *reply)
{
        char dollars[SCREEN_NUMBER_SIZE];

        (void) printf("%s to %s\n\n", member_text(reply, "first_day", "?"),
                      member_text(reply, "last_day", "?"));
        print_rows(ctl, reply);
        if (member_count(reply, "budgets") > 0 || member(reply, "projection_microusd"))
                (void) putchar('\n');
        print_budgets(ctl, reply);
        if (member(reply, "projection_microusd"))
                (void) printf("going on like this, the month comes to %s\n",
                              screen_dollars(member_double(reply, "projection_microusd"), dollars));
}

/* ---- estimate ------------------------------------------------------------------------------- */

static void print_embedding(const struct ctl *ctl, struct json_object *estimate)
{
        char dollars[SCREEN_NUMBER_SIZE];

        (void) printf("%s chunks with about %s tokens are to be embedded by %s: ",
                      member_text(estimate, "chunks", "0"), member_text(estimate, "tokens", "0"),
                      member_text(estimate, "embedder", "?"));
        if (member(estimate, "cost_microusd"))
                (void) printf("%s%s%s\n", ctl->out.bold,
                              screen_dollars(member_double(estimate, "cost_microusd"), dollars),
                              ctl->out.plain);
        else if (json_object_get_boolean(member(estimate, "remote")))
                (void) puts("at a price that the profile does not say (price_input_usd_per_mtok)");
        else
                (void) puts("free of charge");
}

void print_estimate(const struct ctl *ctl, struct json_object *summary)
{
        (void) printf("%s%s new, %s changed%s, %s unchanged, %ju refused",
                      ctl->out.green, member_text(summary, "new", "0"),
                      member_text(summary, "changed", "0"), ctl->out.plain,
                      member_text(summary, "unchanged", "0"),
                      (uintmax_t) (member_u64(summary, "refused") +
                                   member_u64(summary, "unreadable")));
        if (member_u64(summary, "skipped") > 0)
                (void) printf(", %s skipped", member_text(summary, "skipped", "0"));
        (void) putchar('\n');
        print_embedding(ctl, summary);
}

void print_rebuild(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *estimate = member(reply, "estimate");

        (void) printf("%s documents\n", member_text(estimate, "documents", "0"));
        print_embedding(ctl, estimate);
}
