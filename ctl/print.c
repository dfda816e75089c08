/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

#define LABEL_SIZE 64

struct json_object *member(struct json_object *object, const char *key)
{
        struct json_object *value = NULL;

        if (json_object_is_type(object, json_type_object))
                (void) json_object_object_get_ex(object, key, &value);
        return value;
}

const char *member_text(struct json_object *object, const char *key, const char *otherwise)
{
        struct json_object *value = member(object, key);

        return value ? json_object_get_string(value) : otherwise;
}

uint64_t member_u64(struct json_object *object, const char *key)
{
        return json_object_get_uint64(member(object, key));
}

double member_double(struct json_object *object, const char *key)
{
        return json_object_get_double(member(object, key));
}

size_t member_count(struct json_object *object, const char *key)
{
        struct json_object *value = member(object, key);

        return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

void member_as_dollars(struct json_object *object, const char *key, double microusd,
                       const char *label)
{
        char text[SCREEN_NUMBER_SIZE];

        if (!member(object, key))
                return;
        (void) screen_dollars(member_double(object, key) * microusd, text);
        (void) json_object_object_add(object, label, json_object_new_string(text));
        json_object_object_del(object, key);
}

/* ---- Any object --------------------------------------------------------------------------- */

static bool is_shown(struct json_object *value)
{
        if (!value)
                return false;
        if (json_object_is_type(value, json_type_object))
                return json_object_object_length(value) > 0;
        return !json_object_is_type(value, json_type_array) || json_object_array_length(value) > 0;
}

static size_t label_width(struct json_object *object, size_t indent)
{
        size_t width = 0;

        json_object_object_foreach(object, key, value)
        {
                bool nested = json_object_is_type(value, json_type_object);
                size_t own = nested ? label_width(value, indent + 2) : indent + strlen(key);

                if (is_shown(value) && own > width)
                        width = own;
        }
        return width;
}

static void print_label(const struct ctl *ctl, const char *key, size_t indent, size_t width)
{
        char label[LABEL_SIZE];

        (void) snprintf(label, sizeof label, "%s", key);
        for (char *c = label; *c; c++)
                if (*c == '_')
                        *c = ' ';
        (void) printf("%*s%s", (int) indent, "", ctl->out.dim);
        screen_write_cell(stdout, label, width > indent ? width - indent : 0, false, true);
        (void) printf("%s", ctl->out.plain);
}

/* An item of a list: of an object what a line can say. */
static void print_item(struct json_object *item)
{
        const char *text = json_object_get_string(item);

        if (json_object_is_type(item, json_type_object) && member(item, "message")) {
                const char *id = member_text(item, "external_id", "");

                screen_write(stdout, id, strlen(id), false);
                (void) fputs(": ", stdout);
                text = member_text(item, "message", "");
        }
        screen_write(stdout, text ? text : "-", text ? strlen(text) : 1, false);
}

/* Lists of objects have commands of their own. */
static bool is_countable(struct json_object *value)
{
        struct json_object *first;

        if (!json_object_is_type(value, json_type_array))
                return false;
        first = json_object_array_get_idx(value, 0);
        return json_object_is_type(first, json_type_object) && !member(first, "message");
}

static void print_members(const struct ctl *ctl, struct json_object *object, size_t indent,
                          size_t width)
{
        json_object_object_foreach(object, key, value)
        {
                size_t n = json_object_is_type(value, json_type_array)
                                   ? json_object_array_length(value)
                                   : 1;

                if (!is_shown(value))
                        continue;
                if (is_countable(value)) {
                        print_label(ctl, key, indent, width);
                        (void) printf("  %zu\n", n);
                        continue;
                }
                if (json_object_is_type(value, json_type_object)) {
                        print_label(ctl, key, indent, indent + strlen(key));
                        (void) putchar('\n');
                        print_members(ctl, value, indent + 2, width);
                        continue;
                }
                for (size_t i = 0; i < n; i++) {
                        print_label(ctl, i == 0 ? key : "", indent, width);
                        (void) fputs("  ", stdout);
                        print_item(json_object_is_type(value, json_type_array)
                                           ? json_object_array_get_idx(value, i)
                                           : value);
                        (void) putchar('\n');
                }
        }
}

void print_object(const struct ctl *ctl, struct json_object *object)
{
        print_members(ctl, object, 0, label_width(object, 0));
}

void print_member(const struct ctl *ctl, struct json_object *reply)
{
        json_object_object_foreach(reply, key, value)
        {
                (void) key;
                if (json_object_is_type(value, json_type_object))
                        print_object(ctl, value);
        }
}

void print_done(const struct ctl *ctl, struct json_object *reply)
{
        const char *at = ctl->words.command->usage;

        (void) reply;
        for (;;) {
                struct usage_part part = usage_next(&at);
                const struct command_field *field;
                const char *text;

                if (part.kind == USAGE_END)
                        break;
                if (part.kind == USAGE_WORD) {
                        (void) printf("%.*s ", (int) part.len, part.name);
                        continue;
                }
                field = command_argument(ctl->words.command, &part);
                text = member_text(ctl->words.values, field->name, "");
                screen_write(stdout, text, strlen(text), false);
                (void) putchar(' ');
        }
        (void) printf("%sdone%s\n", ctl->out.green, ctl->out.plain);
}

/* ---- The daemon ----------------------------------------------------------------------------- */

static struct json_object *as_duration(struct json_object *value)
{
        char text[SCREEN_NUMBER_SIZE];

        return json_object_new_string(screen_duration(json_object_get_double(value), text));
}

static struct json_object *as_bytes(struct json_object *value)
{
        char text[SCREEN_NUMBER_SIZE];

        return json_object_new_string(screen_bytes(json_object_get_double(value), text));
}

/* Former releases that requests still hold. */
static void print_draining(const struct ctl *ctl, struct json_object *rows)
{
        char time[SCREEN_NUMBER_SIZE];

        for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                uint64_t references = member_u64(row, "references");

                (void) printf("  %srelease %s is held by %ju reference%s, %s after it served "
                              "last%s\n",
                              ctl->out.yellow, member_text(row, "release", "?"),
                              (uintmax_t) references, references == 1 ? "" : "s",
                              screen_duration(member_double(row, "seconds"), time),
                              ctl->out.plain);
        }
}

/* What a person should know of the release that serves: nothing, mostly. */
static void print_release_state(const struct ctl *ctl, struct json_object *releases)
{
        struct json_object *operation = member(releases, "operation");
        struct json_object *keys = member(releases, "pending_restart");
        const char *degraded = member_text(releases, "degraded", NULL);
        bool drift = false;

        if (degraded)
                (void) printf("  %sdegraded: %s%s\n", ctl->out.red, degraded, ctl->out.plain);
        if (operation)
                (void) printf("  %s%s of release %s: %s%s (ragctl watch)\n", ctl->out.yellow,
                              member_text(operation, "kind", "operation"),
                              member_text(operation, "release", "?"),
                              member_text(operation, "phase", "?"), ctl->out.plain);
        if (member(releases, "pending"))
                (void) printf("  %sunconfirmed: ragctl confirm, until %s; else %s returns%s\n",
                              ctl->out.yellow,
                              member_text(member(releases, "pending"), "deadline", "?"),
                              member_text(releases, "base", "?"), ctl->out.plain);
        for (size_t i = 0; i < member_count(releases, "pending_restart"); i++)
                (void) printf("  %swaits for the next start: %s%s\n", ctl->out.yellow,
                              json_object_get_string(json_object_array_get_idx(keys, i)),
                              ctl->out.plain);
        print_draining(ctl, member(releases, "draining"));
        if (json_get_bool(releases, "drift", &drift, NULL) >= 0 && drift)
                (void) printf("  %sthe profile on disk is another one: ragctl drift%s\n",
                              ctl->out.yellow, ctl->out.plain);
}

void print_status(const struct ctl *ctl, struct json_object *reply)
{
        /* Members that are told in the first lines, or otherwise than they come. */
        static const struct {
                const char *key, *label; /* label NULL: not in the list */
                struct json_object *(*show)(struct json_object *value);
        } special[] = {
                { "version", NULL, NULL },
                { "stage", NULL, NULL },
                { "release", NULL, NULL },
                { "line", NULL, NULL },
                { "releases", NULL, NULL },
                { "uptime_sec", "uptime", as_duration },
                { "free_bytes", "free space", as_bytes },
                { "index_bytes", "index memory", as_bytes },
                { "index_limit_bytes", "index memory limit", as_bytes },
        };
        struct json_object *shown = json_object_new_object();
        struct json_object *releases = member(reply, "releases");
        const char *line = member_text(reply, "line", NULL);

        (void) printf("%s●%s %sragd %s%s, stage %s%s%s, release %s%s%s\n",
                      member(releases, "degraded") ? ctl->out.red : ctl->out.green,
                      ctl->out.plain, ctl->out.bold, member_text(reply, "version", "?"),
                      ctl->out.plain, ctl->out.cyan, member_text(reply, "stage", "?"),
                      ctl->out.plain, member_text(reply, "release", "?"),
                      releases ? ", " : "", member_text(releases, "state", ""));
        if (line)
                (void) printf("  %s\n", line);
        print_release_state(ctl, releases);
        (void) putchar('\n');
        json_object_object_foreach(reply, key, value)
        {
                size_t i = 0;

                while (i < ELEMENTSOF(special) && strcmp(special[i].key, key) != 0)
                        i++;
                if (i == ELEMENTSOF(special))
                        (void) json_object_object_add(shown, key, json_object_get(value));
                else if (special[i].label)
                        (void) json_object_object_add(shown, special[i].label,
                                                      special[i].show(value));
        }
        print_object(ctl, shown);
        json_object_put(shown);
}

void print_level(const struct ctl *ctl, struct json_object *reply)
{
        (void) ctl;
        (void) puts(member_text(reply, "level", "?"));
}

void print_text(const struct ctl *ctl, struct json_object *reply)
{
        const char *text = member_text(reply, "text", "");

        (void) ctl;
        screen_write(stdout, text, strlen(text), true);
}

void print_modes(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "MODE",    ">nDCG@10", ">RECALL@100", ">QUESTIONS",
                                               ">MISSING", ">P50",     ">P99",        NULL };
        struct json_object *rows = member(reply, "modes");
        struct table table;

        table_init(&table, headers);
        for (size_t i = 0; i < member_count(reply, "modes"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "mode");
                table_add_format(&table, "%.4f", member_double(row, "ndcg_at_10"));
                table_add_format(&table, "%.4f", member_double(row, "recall_at_100"));
                table_add_member(&table, row, "questions");
                table_add_member(&table, row, "missing");
                table_add_format(&table, "%.2f ms", member_double(row, "p50_usec") / 1000);
                table_add_format(&table, "%.2f ms", member_double(row, "p99_usec") / 1000);
        }
        table_print(&table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(&table);
}
