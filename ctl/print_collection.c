/* SPDX-License-Identifier: Apache-2.0 */
/* Collections, documents, chunks and generations. */
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

/* A list, or one line that says how to have something to list. */
static struct json_object *rows_of(struct json_object *reply, const char *key, const char *empty)
{
        struct json_object *rows = member(reply, key);

        if (member_count(reply, key) > 0)
                return rows;
        (void) fprintf(stderr, "%s\n", empty);
        return NULL;
}

static void finish(const struct ctl *ctl, struct table *table)
{
        table_print(table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(table);
}

static void add_bytes(struct table *table, struct json_object *row, const char *key)
{
        char text[SCREEN_NUMBER_SIZE];

        table_add(table, member(row, key) ? screen_bytes(member_double(row, key), text) : NULL);
}

void print_collections(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "NAME", "LANGUAGE", ">GENERATION", "CREATED",
                                               "DESCRIPTION", NULL };
        struct json_object *rows =
                rows_of(reply, "collections",
                        "no collections; ragctl collection create NAME makes one");
        struct table table;

        if (!rows)
                return;
        table_init(&table, headers);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "name");
                table_add_member(&table, row, "language");
                table_add_member(&table, row, "serving_generation");
                table_add_member(&table, row, "created_at");
                table_add_member(&table, row, "description");
        }
        finish(ctl, &table);
}

void print_documents(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "EXTERNAL ID", "STATUS", ">VERSION", ">SIZE",
                                               "TITLE", NULL };
        struct json_object *rows = rows_of(reply, "documents", "no documents");
        struct table table;

        if (!rows)
                return;
        table_init(&table, headers);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "external_id");
                table_add_member(&table, row, "status");
                table_add_member(&table, row, "version");
                add_bytes(&table, row, "size_bytes");
                table_add_member(&table, row, "title");
        }
        finish(ctl, &table);
}

void print_chunks(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *rows = rows_of(reply, "chunks", "no chunks yet");

        for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *text = member_text(row, "text", "");

                (void) printf("%s%s%s", ctl->out.bold, member_text(row, "chunk_id", "?"),
                              ctl->out.plain);
                if (member(row, "tokens"))
                        (void) printf("  %s%s tokens%s", ctl->out.dim,
                                      member_text(row, "tokens", ""), ctl->out.plain);
                (void) putchar('\n');
                screen_write(stdout, text, strlen(text), true);
                (void) fputs("\n\n", stdout);
        }
}

void print_generations(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { ">NUMBER", "STATE", "SERVES", ">DOCUMENTS",
                                               ">CHUNKS", ">SIZE", "CREATED", "IDENTITY", NULL };
        struct json_object *rows = rows_of(reply, "generations", "no generations yet");
        struct table table;

        if (!rows)
                return;
        table_init(&table, headers);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                table_add_member(&table, row, "number");
                table_add_member(&table, row, "state");
                table_add(&table, json_object_get_boolean(json_object_object_get(row, "serving"))
                                          ? "yes"
                                          : NULL);
                table_add_member(&table, row, "documents");
                table_add_member(&table, row, "chunks_live");
                add_bytes(&table, row, "bytes");
                table_add_member(&table, row, "created_at");
                table_add_member(&table, row, "description");
        }
        finish(ctl, &table);
}
