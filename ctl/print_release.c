/* SPDX-License-Identifier: Apache-2.0 */
/* Releases, plans and gates as people read them. */
#include "base/json.h"
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

static void print_text_line(const char *text)
{
        screen_write(stdout, text, strlen(text), false);
        (void) putchar('\n');
}

static void print_table(const struct ctl *ctl, struct table *table)
{
        table_print(table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(table);
}

/* "2026-11-21T21:16:13.123456Z" → "2026-11-21 21:16:13". */
static const char *short_time(const char *text, char out[static 32])
{
        (void) snprintf(out, 32, "%.19s", text);
        for (char *c = out; *c; c++)
                if (*c == 'T')
                        *c = ' ';
        return out;
}

/* ---- Changes and what they take ------------------------------------------------------------- */

void print_changes(const struct ctl *ctl, struct json_object *changes)
{
        static const char *const headers[] = { "KEY", "OLD", "NEW", "IMPACT", NULL };
        size_t n = changes ? json_object_array_length(changes) : 0;
        struct table table;

        table_init(&table, headers);
        for (size_t i = 0; i < n; i++) {
                struct json_object *change = json_object_array_get_idx(changes, i);

                table_add_member(&table, change, "key");
                table_add(&table, member_text(change, "old", "unset"));
                table_add(&table, member_text(change, "new", "unset"));
                table_add_member(&table, change, "impact");
        }
        print_table(ctl, &table);
        for (size_t i = 0; i < n; i++) {
                struct json_object *change = json_object_array_get_idx(changes, i);
                const char *note = member_text(change, "note", NULL);

                if (note)
                        (void) printf("%s%s: %s%s\n", ctl->out.dim, member_text(change, "key", ""),
                                      note, ctl->out.plain);
        }
}

void print_cost(const struct ctl *ctl, struct json_object *cost)
{
        char bytes[SCREEN_NUMBER_SIZE], time[SCREEN_NUMBER_SIZE], price[SCREEN_NUMBER_SIZE];
        uint64_t documents = member_u64(cost, "documents");

        if (!cost)
                return;
        if (documents == 0) {
                (void) printf("%scost%s      nothing is embedded or built\n", ctl->out.dim,
                              ctl->out.plain);
                return;
        }
        (void) printf("%scost%s      %ju document%s in %ju collection%s: %ju chunks, %ju tokens to "
                      "embed with %s; %ju chunks copied\n",
                      ctl->out.dim, ctl->out.plain, (uintmax_t) documents,
                      documents == 1 ? "" : "s",
                      (uintmax_t) member_u64(cost, "collections"),
                      member_u64(cost, "collections") == 1 ? "" : "s",
                      (uintmax_t) member_u64(cost, "chunks"),
                      (uintmax_t) member_u64(cost, "tokens"),
                      member_text(cost, "embedder", "?"), (uintmax_t) member_u64(cost, "copied"));
        (void) printf("          %s, %s, about %s\n",
                      member(cost, "cost_microusd")
                              ? screen_dollars(member_double(cost, "cost_microusd"), price)
                              : "no price is known",
                      screen_bytes(member_double(cost, "bytes"), bytes),
                      member_u64(cost, "usec") > 0
                              ? screen_duration(member_double(cost, "usec") / 1e6, time)
                              : "as long as it takes: nothing was measured yet");
}

/* Those that came with a bundle. */
static void print_vectors(const struct ctl *ctl, struct json_object *vectors)
{
        uintmax_t count = member_u64(vectors, "count");
        uintmax_t passed_over = member_u64(vectors, "passed_over");
        const char *why = member_text(vectors, "why", NULL);

        if (!vectors)
                return;
        if (why)
                (void) printf("%svectors%s   %ju came along and are not used: %s\n", ctl->out.dim,
                              ctl->out.plain, count + passed_over, why);
        else
                (void) printf("%svectors%s   %ju came along: their texts are not embedded anew, "
                              "which the cost does not count\n",
                              ctl->out.dim, ctl->out.plain, count);
        if (!why && passed_over > 0)
                (void) printf("          %ju more are of tenants that are not known here\n",
                              passed_over);
}

static void print_keys(const struct ctl *ctl, const char *label, struct json_object *keys)
{
        for (size_t i = 0; keys && i < json_object_array_length(keys); i++)
                (void) printf("%s%-9s%s %s\n", ctl->out.dim, i == 0 ? label : "", ctl->out.plain,
                              json_object_get_string(json_object_array_get_idx(keys, i)));
}

static bool print_refusals(const struct ctl *ctl, struct json_object *plan)
{
        struct json_object *refusals = member(plan, "refusals");
        bool refused = false;

        for (size_t i = 0; i < member_count(plan, "refusals"); i++) {
                struct json_object *refusal = json_object_array_get_idx(refusals, i);
                const char *until = member_text(refusal, "overridden_until", NULL);
                const char *hint = member_text(refusal, "hint", NULL);
                char time[32];

                refused |= !until;
                (void) printf("%s%s%s %s: ", until ? ctl->out.yellow : ctl->out.red,
                              until ? "allowed" : "refused", ctl->out.plain,
                              member_text(refusal, "code", "?"));
                print_text_line(member_text(refusal, "message", ""));
                if (until)
                        (void) printf("          by an override until %s\n",
                                      short_time(until, time));
                else if (hint)
                        (void) printf("          %s; or: ragctl override %s --until DATE "
                                      "--reason WHY\n",
                                      hint, member_text(refusal, "code", ""));
        }
        return refused;
}

bool print_plan_alone(const struct ctl *ctl, struct json_object *plan)
{
        bool refused;

        (void) printf("%splan%s      %s%s%s on release %s\n", ctl->out.dim, ctl->out.plain,
                      ctl->out.bold, member_text(plan, "plan_id", "?"), ctl->out.plain,
                      member_text(plan, "base", "?"));
        if (member_count(plan, "changes") == 0) {
                (void) printf("%schanges%s   none\n", ctl->out.dim, ctl->out.plain);
        } else {
                (void) putchar('\n');
                print_changes(ctl, member(plan, "changes"));
                (void) putchar('\n');
        }
        print_cost(ctl, member(plan, "cost"));
        print_vectors(ctl, member(plan, "vectors"));
        print_keys(ctl, "restart", member(plan, "pending_restart"));
        refused = print_refusals(ctl, plan);
        (void) fflush(stdout);
        print_diagnostics(ctl, member(plan, "diagnostics"));
        return !refused;
}

void print_plan(const struct ctl *ctl, struct json_object *plan)
{
        if (print_plan_alone(ctl, plan))
                (void) printf("\nragctl deploy --plan %s --reason \"…\"\n",
                              member_text(plan, "plan_id", "?"));
}

/* ---- What was ------------------------------------------------------------------------------- */

static const char *state_colour(const struct ctl *ctl, const char *state)
{
        static const struct {
                const char *state;
                size_t colour; /* of struct style */
        } colours[] = {
                { "stable", offsetof(struct style, green) },
                { "provisional", offsetof(struct style, yellow) },
                { "canary", offsetof(struct style, yellow) },
                { "building", offsetof(struct style, cyan) },
                { "reverted", offsetof(struct style, red) },
                { "rejected", offsetof(struct style, red) },
                { "aborted", offsetof(struct style, red) },
        };

        for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
                if (strcmp(colours[i].state, state) == 0)
                        return *(const char *const *) (const void *) ((const char *) &ctl->out +
                                                                      colours[i].colour);
        return ctl->out.plain;
}

void print_history(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { ">RELEASE", "STATE", "CREATED", "BY", "FROM",
                                               "REASON", NULL };
        struct json_object *rows = member(reply, "releases");
        struct table table;
        char time[32];

        table_init(&table, headers);
        for (size_t i = 0; i < member_count(reply, "releases"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *returned = member_text(row, "rolled_back_to", NULL);

                table_add_member(&table, row, "number");
                table_add_member(&table, row, "state");
                table_add(&table, short_time(member_text(row, "created_at", "-"), time));
                table_add_format(&table, "%s, uid %s", member_text(row, "via", "?"),
                                 member_text(row, "uid", "?"));
                table_add_format(&table, "%s%s%s", member_text(row, "parent", "-"),
                                 returned ? ", returns " : "", returned ? returned : "");
                table_add_member(&table, row, "reason");
        }
        print_table(ctl, &table);
        if (member_u64(reply, "damaged") > 0)
                (void) fprintf(stderr, "%s%s damaged%s\n", ctl->err.red,
                               member_text(reply, "damaged", "?"), ctl->err.plain);
}

static void print_states(const struct ctl *ctl, struct json_object *release)
{
        struct json_object *states = member(release, "states");
        char time[32];

        for (size_t i = 0; i < member_count(release, "states"); i++) {
                struct json_object *row = json_object_array_get_idx(states, i);
                const char *name = member_text(row, "state", "?");
                const char *why = member_text(row, "why", "");

                (void) printf("  %s  %s%-12s%s ", short_time(member_text(row, "since", "-"), time),
                              state_colour(ctl, name), name, ctl->out.plain);
                print_text_line(why);
        }
}

/* Everything else that an object tells, apart from what was printed already. */
static void print_rest(const struct ctl *ctl, struct json_object *object,
                       const char *const *without)
{
        struct json_object *rest = json_object_new_object();

        json_object_object_foreach(object, key, value)
        {
                size_t i = 0;

                while (without[i] && strcmp(without[i], key) != 0)
                        i++;
                if (!without[i])
                        json_add(rest, key, json_object_get(value));
        }
        print_object(ctl, rest);
        json_object_put(rest);
}

void print_release(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const apart[] = { "plan",  "evidence", "states",
                                             "files", "inputs",   NULL };
        static const char *const gates[] = { "gate", NULL };
        struct json_object *release = member(reply, "release");
        struct json_object *plan = member(release, "plan"), *evidence = member(release, "evidence");

        print_rest(ctl, release, apart);
        if (member_count(release, "states") > 0) {
                (void) printf("\n%sstates%s\n", ctl->out.bold, ctl->out.plain);
                print_states(ctl, release);
        }
        if (member_count(plan, "changes") > 0) {
                (void) printf("\n%splan%s\n", ctl->out.bold, ctl->out.plain);
                print_changes(ctl, member(plan, "changes"));
                print_cost(ctl, member(plan, "cost"));
        }
        if (member(evidence, "gate")) {
                (void) printf("\n%sgates%s\n", ctl->out.bold, ctl->out.plain);
                print_gates(ctl, member(evidence, "gate"));
        }
        if (evidence && json_object_object_length(evidence) > (member(evidence, "gate") ? 1 : 0)) {
                (void) printf("\n%sevidence%s\n", ctl->out.bold, ctl->out.plain);
                print_rest(ctl, evidence, gates);
        }
}

void print_release_diff(const struct ctl *ctl, struct json_object *reply)
{
        (void) printf("release %s → %s\n", member_text(reply, "from", "?"),
                      member_text(reply, "to", "?"));
        if (member_count(reply, "changes") == 0)
                (void) puts("no difference");
        else
                print_changes(ctl, member(reply, "changes"));
}

void print_drift(const struct ctl *ctl, struct json_object *reply)
{
        bool drift = false;

        (void) json_get_bool(reply, "drift", &drift, NULL);
        (void) printf("%s: %s%s%s\n", member_text(reply, "profile", "?"),
                      drift ? ctl->out.yellow : ctl->out.green,
                      drift ? "differs from what serves" : "as what serves", ctl->out.plain);
        if (member_count(reply, "changes") > 0)
                print_changes(ctl, member(reply, "changes"));
        (void) fflush(stdout);
        print_diagnostics(ctl, member(reply, "diagnostics"));
}

void print_gc(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *removed = member(reply, "removed");
        size_t n = member_count(reply, "removed");
        bool dry = words_bool(&ctl->words, "dry_run");
        char bytes[SCREEN_NUMBER_SIZE];

        (void) printf("%zu release%s and %s generation%s, %s%s", n, n == 1 ? "" : "s",
                      member_text(reply, "generations", "0"),
                      member_u64(reply, "generations") == 1 ? "" : "s",
                      screen_bytes(member_double(reply, "bytes"), bytes),
                      dry ? ", would be removed" : " removed");
        for (size_t i = 0; i < n; i++)
                (void) printf("%s %s", i == 0 ? ":" : ",",
                              json_object_get_string(json_object_array_get_idx(removed, i)));
        (void) putchar('\n');
}

void print_overrides(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "CODE", "UNTIL", "BY", "REASON", NULL };
        struct json_object *rows = member(reply, "overrides");
        struct table table;
        char time[32];

        if (member_count(reply, "overrides") == 0) {
                (void) puts("no override is in force");
                return;
        }
        table_init(&table, headers);
        for (size_t i = 0; i < member_count(reply, "overrides"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "code");
                table_add(&table, short_time(member_text(row, "until", "-"), time));
                table_add_format(&table, "uid %s", member_text(row, "uid", "?"));
                table_add_member(&table, row, "reason");
        }
        print_table(ctl, &table);
}

/* ---- Gates and golden questions ------------------------------------------------------------- */

static void add_figure(struct table *table, struct json_object *row, const char *key)
{
        if (member(row, key))
                table_add_format(table, "%.4g", member_double(row, key));
        else
                table_add(table, NULL);
}

void print_gates(const struct ctl *ctl, struct json_object *report)
{
        static const char *const headers[] = { "GATE",   ">OLD",  ">NEW", ">PASS",
                                               ">FAIL", "VERDICT", "NOTE", NULL };
        struct json_object *rows = member(report, "rows");
        const char *verdict = member_text(report, "verdict", "?");
        const char *colour = strcmp(verdict, "pass") == 0   ? ctl->out.green
                             : strcmp(verdict, "fail") == 0 ? ctl->out.red
                                                            : ctl->out.yellow;
        struct table table;

        table_init(&table, headers);
        for (size_t i = 0; i < member_count(report, "rows"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "gate");
                add_figure(&table, row, "base");
                add_figure(&table, row, "candidate");
                add_figure(&table, row, "pass");
                add_figure(&table, row, "fail");
                table_add_member(&table, row, "verdict");
                table_add(&table, member_text(row, "note", ""));
        }
        print_table(ctl, &table);
        (void) printf("%s%s%s: %s question%s of %zu golden set%s\n", colour, verdict,
                      ctl->out.plain, member_text(report, "questions", "0"),
                      member_u64(report, "questions") == 1 ? "" : "s",
                      member_count(report, "collections"),
                      member_count(report, "collections") == 1 ? "" : "s");
}

void print_gate(const struct ctl *ctl, struct json_object *reply)
{
        print_gates(ctl, member(reply, "report"));
}

void print_golden(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "SET", "QUESTION", "RELEVANT", NULL };
        struct json_object *rows = member(reply, "questions");
        struct table table;

        table_init(&table, headers);
        for (size_t i = 0; i < member_count(reply, "questions"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                char text[256] = "";
                size_t used = 0;

                json_object_object_foreach(member(row, "relevant"), id, gain)
                {
                        if (used < sizeof text)
                                used += (size_t) snprintf(text + used, sizeof text - used, "%s%s=%s",
                                                          used ? ", " : "", id,
                                                          json_object_get_string(gain));
                }
                table_add_member(&table, row, "set");
                table_add_member(&table, row, "query");
                table_add(&table, text);
        }
        print_table(ctl, &table);
}

void print_receipt(const struct ctl *ctl, struct json_object *reply)
{
        (void) printf("%s%ju added%s, %ju changed, %ju removed\n", ctl->out.green,
                      (uintmax_t) member_u64(reply, "added"), ctl->out.plain,
                      (uintmax_t) member_u64(reply, "changed"),
                      (uintmax_t) member_u64(reply, "removed"));
}
