/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants, what they use of their limits, and receipts. */
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

#define DAY_SIZE 11

static void finish(const struct ctl *ctl, struct table *table)
{
        table_print(table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(table);
}

const char *member_day(struct json_object *object, const char *key, char text[static DAY_SIZE])
{
        const char *time = member_text(object, key, NULL);

        (void) snprintf(text, DAY_SIZE, "%s", time ? time : "");
        return time ? text : NULL;
}

static const char *member_size(struct json_object *object, const char *key,
                               char text[static SCREEN_NUMBER_SIZE])
{
        return member(object, key) ? screen_bytes(member_double(object, key), text) : NULL;
}

/* ---- Lists ---------------------------------------------------------------------------------- */

static bool are_deleted(struct json_object *rows)
{
        return strcmp(member_text(json_object_array_get_idx(rows, 0), "state", ""),
                      "deleted") == 0;
}

/* Their names may be others' by now: the id tells them apart. */
static void print_deleted(const struct ctl *ctl, struct json_object *rows)
{
        static const char *const headers[] = { "NAME",     "DELETED", "KEPT UNTIL",
                                               ">ARCHIVE", "ID",      NULL };
        struct table table;

        table_init(&table, headers);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                struct json_object *archive = member(row, "archive");
                char since[DAY_SIZE], until[DAY_SIZE], size[SCREEN_NUMBER_SIZE];

                table_add_member(&table, row, "name");
                table_add(&table, member_day(row, "state_since", since));
                table_add(&table, member_day(archive, "kept_until", until));
                table_add(&table, member_size(archive, "size_bytes", size));
                table_add_member(&table, row, "id");
        }
        finish(ctl, &table);
}

static void print_live(const struct ctl *ctl, struct json_object *rows)
{
        static const char *const headers[] = { "NAME",      "STATE",        "SINCE",
                                               "CREATED", "LAST REQUEST", NULL };
        struct table table;

        table_init(&table, headers);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                char since[DAY_SIZE], created[DAY_SIZE];

                table_add_member(&table, row, "name");
                table_add_member(&table, row, "state");
                table_add(&table, member_day(row, "state_since", since));
                table_add(&table, member_day(row, "created_at", created));
                table_add_member(&table, row, "used_at");
        }
        finish(ctl, &table);
}

void print_tenants(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *rows = member(reply, "tenants");

        if (member_count(reply, "tenants") == 0)
                (void) fputs(words_bool(&ctl->words, "deleted")
                                     ? "no deleted tenant waits to be purged\n"
                                     : "no more tenants\n", stderr);
        else if (are_deleted(rows))
                print_deleted(ctl, rows);
        else
                print_live(ctl, rows);
}

/* ---- Limits --------------------------------------------------------------------------------- */

static void add_amount(struct table *table, const char *limit, struct json_object *row,
                       const char *key, const char *otherwise)
{
        char text[SCREEN_NUMBER_SIZE];

        if (!member(row, key))
                table_add(table, otherwise);
        else if (strncmp(limit, "usd", 3) == 0)
                table_add(table, screen_dollars(1e6 * member_double(row, key), text));
        else if (strstr(limit, "bytes"))
                table_add(table, screen_bytes(member_double(row, key), text));
        else
                table_add_member(table, row, key);
}

void print_limits(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "LIMIT", ">USED", ">OF", "SET BY", NULL };
        struct json_object *limits = member(reply, "limits");
        struct table table;

        table_init(&table, headers);
        json_object_object_foreach(limits, name, row)
        {
                bool limited = member(row, "limit") != NULL;
                bool own = json_object_get_boolean(member(row, "own"));

                table_add(&table, name);
                add_amount(&table, name, row, "used", NULL);
                add_amount(&table, name, row, "limit", "no limit");
                table_add(&table, own ? "the tenant" : limited ? "the profile" : NULL);
        }
        finish(ctl, &table);
}

/* ---- One ------------------------------------------------------------------------------------ */

static const char *state_colour(const struct ctl *ctl, const char *state)
{
        if (strcmp(state, "active") == 0)
                return ctl->out.green;
        return strcmp(state, "offloaded") == 0 ? ctl->out.cyan : ctl->out.yellow;
}

static void print_line(const struct ctl *ctl, const char *label, const char *text)
{
        if (text)
                (void) printf("%s%-12s%s  %s\n", ctl->out.dim, label, ctl->out.plain, text);
}

static void print_archive(const struct ctl *ctl, struct json_object *archive)
{
        char size[SCREEN_NUMBER_SIZE];

        if (!archive)
                return;
        print_line(ctl, "archive", member_text(archive, "path", NULL));
        print_line(ctl, "size", member_size(archive, "size_bytes", size));
        print_line(ctl, "kept until", member_text(archive, "kept_until", NULL));
}

static void print_keys_count(const struct ctl *ctl, struct json_object *keys)
{
        static const char *const kinds[] = { "live", "expired", "revoked" };

        (void) printf("%s%-12s%s  ", ctl->out.dim, "keys", ctl->out.plain);
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                if (i == 0 || member_u64(keys, kinds[i]) > 0)
                        (void) printf("%s%ju %s", i > 0 ? ", " : "",
                                      (uintmax_t) member_u64(keys, kinds[i]), kinds[i]);
        (void) putchar('\n');
}

void print_tenant(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *tenant = member(reply, "tenant");
        const char *state = member_text(tenant, "state", "?");

        (void) printf("%s●%s %s%s%s, %s since %s\n", state_colour(ctl, state), ctl->out.plain,
                      ctl->out.bold, member_text(tenant, "name", "?"), ctl->out.plain, state,
                      member_text(tenant, "state_since", "?"));
        print_line(ctl, "id", member_text(tenant, "id", NULL));
        print_line(ctl, "created", member_text(tenant, "created_at", NULL));
        print_line(ctl, "last request", member_text(tenant, "used_at", NULL));
        print_archive(ctl, member(tenant, "archive"));
        if (member(tenant, "keys"))
                print_keys_count(ctl, member(tenant, "keys"));
        if (member(tenant, "limits")) {
                (void) putchar('\n');
                print_limits(ctl, tenant);
        }
}

/* ---- What was done with one ----------------------------------------------------------------- */

void print_tenant_state(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *tenant = member(reply, "tenant"), *archive = member(tenant, "archive");
        const char *name = member_text(tenant, "name", "?");
        const char *state = member_text(tenant, "state", "?");
        char size[SCREEN_NUMBER_SIZE];

        (void) printf("tenant %s is %s%s%s\n", name, state_colour(ctl, state), state,
                      ctl->out.plain);
        if (strcmp(ctl->words.command->method, "TenantCreate") == 0)
                (void) fprintf(stderr, "ragctl key create %s --name NAME makes a key for it\n",
                               name);
        if (archive) {
                const char *bytes = member_size(archive, "size_bytes", size);

                (void) printf("its data lies in %s%s%s%s\n", member_text(archive, "path", "?"),
                              bytes ? " (" : "", bytes ? bytes : "", bytes ? ")" : "");
        }
        if (archive && member(archive, "kept_until"))
                (void) printf("which is kept until %s, or until\n"
                              "ragctl tenant purge %s --yes-purge %s\n",
                              member_text(archive, "kept_until", "?"), name, name);
}

static void print_removed(const struct ctl *ctl, struct json_object *receipt)
{
        struct json_object *rows = member(receipt, "removed");

        (void) printf("%sRemoved%s\n", ctl->out.bold, ctl->out.plain);
        for (size_t i = 0; i < member_count(receipt, "removed"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *path = member_text(row, "path", NULL);
                char size[SCREEN_NUMBER_SIZE];

                (void) printf("  %s", member_text(row, "what", "?"));
                if (member(row, "bytes"))
                        (void) printf(", %s", member_size(row, "bytes", size));
                if (member(row, "rows"))
                        (void) printf(", %s rows", member_text(row, "rows", "?"));
                (void) putchar('\n');
                if (path)
                        (void) printf("    %s%s%s\n", ctl->out.dim, path, ctl->out.plain);
        }
}

static void print_whys(const struct ctl *ctl, struct json_object *receipt, const char *key,
                       const char *name, const char *title)
{
        struct json_object *rows = member(receipt, key);

        if (member_count(receipt, key) == 0)
                return;
        (void) printf("\n%s%s%s\n", ctl->out.bold, title, ctl->out.plain);
        for (size_t i = 0; i < member_count(receipt, key); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *what = member_text(row, name, "?");

                (void) fputs("  ", stdout);
                screen_write(stdout, what, strlen(what), false);
                (void) printf("\n    %s%s%s\n", ctl->out.dim, member_text(row, "why", ""),
                              ctl->out.plain);
        }
}

void print_erasure(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *receipt = member(reply, "receipt");
        struct json_object *tenant = member(receipt, "tenant");

        (void) printf("receipt %s%s%s: tenant %s, purged at %s\n\n", ctl->out.bold,
                      member_text(receipt, "receipt", "?"), ctl->out.plain,
                      member_text(tenant, "name", "?"), member_text(receipt, "purged_at", "?"));
        if (member_count(receipt, "removed") > 0)
                print_removed(ctl, receipt);
        else
                (void) puts("nothing was left to remove");
        print_whys(ctl, receipt, "backups", "path", "Copies that may still hold it");
        print_whys(ctl, receipt, "remembered_by", "what", "What stays by design");
        (void) printf("\n%sdigest  %s%s\n", ctl->out.dim, member_text(receipt, "digest", "?"),
                      ctl->out.plain);
}
