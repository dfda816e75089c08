/* SPDX-License-Identifier: Apache-2.0 */
/* Keys. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "print.h"
#include "table.h"

#include <stdio.h>

#define DAY_SIZE 11

static void add_words(struct table *table, struct json_object *row, const char *key,
                      const char *otherwise)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        struct json_object *words = member(row, key);

        for (size_t i = 0; i < member_count(row, key); i++)
                buf_append_format(&text, "%s%s", i > 0 ? "," : "",
                                  json_object_get_string(json_object_array_get_idx(words, i)));
        table_add(table, text.len > 0 ? buf_text(&text) : otherwise);
}

void print_key_list(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "ID",      "NAME",      "STATE",       "SCOPES",
                                               "EXPIRES", "LAST USED", "WITHIN",    NULL };
        struct json_object *rows = member(reply, "keys");
        struct table table;

        if (member_count(reply, "keys") == 0) {
                (void) fprintf(stderr,
                               "no keys; ragctl key create %s --name NAME makes one\n",
                               words_string(&ctl->words, "tenant", "TENANT"));
                return;
        }
        table_init(&table, headers);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                char expires[DAY_SIZE], used[DAY_SIZE];

                table_add_member(&table, row, "id");
                table_add_member(&table, row, "name");
                table_add_member(&table, row, "state");
                add_words(&table, row, "scopes", NULL);
                table_add(&table, member(row, "expires_at")
                                          ? member_day(row, "expires_at", expires)
                                          : "never");
                table_add(&table, member(row, "used_at") ? member_day(row, "used_at", used)
                                                         : "never");
                add_words(&table, row, "collections", "all");
        }
        table_print(&table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(&table);
}

static void print_words(FILE *file, struct json_object *row, const char *key)
{
        struct json_object *words = member(row, key);

        for (size_t i = 0; i < member_count(row, key); i++)
                (void) fprintf(file, "%s%s", i > 0 ? ", " : "",
                               json_object_get_string(json_object_array_get_idx(words, i)));
}

/* The key alone on standard output, so that a script can keep it. */
void print_new_key(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *key = member(reply, "key");
        const char *expires = member_text(key, "expires_at", NULL);

        (void) fprintf(stderr, "key %s%s%s of tenant %s may ", ctl->err.bold,
                       member_text(key, "id", "?"), ctl->err.plain,
                       member_text(key, "tenant", "?"));
        print_words(stderr, key, "scopes");
        if (member_count(key, "collections") > 0)
                (void) fputs(" in ", stderr);
        print_words(stderr, key, "collections");
        (void) fprintf(stderr, "%s%s\n%sit is shown this once: keep it where secrets are kept%s\n",
                       expires ? " until " : ", for ever", expires ? expires : "",
                       ctl->err.yellow, ctl->err.plain);
        (void) puts(member_text(reply, "token", ""));
}
