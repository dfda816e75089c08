/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

#define ERRORS_SHOWN 10

static const char *status_colour(const struct style *style, const char *status)
{
        if (strcmp(status, "succeeded") == 0)
                return style->green;
        if (strcmp(status, "failed") == 0)
                return style->red;
        return strcmp(status, "partial") == 0 || strcmp(status, "canceled") == 0 ? style->yellow
                                                                                 : style->cyan;
}

void print_jobs(const struct ctl *ctl, struct json_object *reply)
{
        static const char *const headers[] = { "ID",       "TYPE",     "STATUS",  ">DONE",
                                               ">OF",      ">FAILED",  "CREATED", NULL };
        struct json_object *rows = member(reply, "jobs");
        struct table table;

        if (member_count(reply, "jobs") == 0) {
                (void) fputs("no jobs\n", stderr);
                return;
        }
        table_init(&table, headers);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                struct json_object *progress = member(row, "progress");

                table_add_member(&table, row, "id");
                table_add_member(&table, row, "type");
                table_add_member(&table, row, "status");
                table_add_member(&table, progress, "documents_done");
                table_add_member(&table, progress, "documents_total");
                table_add_member(&table, progress, "documents_failed");
                table_add_member(&table, row, "created_at");
        }
        table_print(&table, stdout, ctl->out.bold, ctl->out.plain, ctl->tty ? ctl->width : 0);
        table_done(&table);
}

static void print_errors(const struct ctl *ctl, struct json_object *job)
{
        struct json_object *errors = member(job, "errors");
        size_t n = member_count(job, "errors");

        for (size_t i = 0; i < n && i < ERRORS_SHOWN; i++) {
                struct json_object *error = json_object_array_get_idx(errors, i);
                const char *id = member_text(error, "external_id", "?");
                const char *message = member_text(error, "message", "?");

                (void) fprintf(stderr, "%s", ctl->err.red);
                screen_write(stderr, id, strlen(id), false);
                (void) fprintf(stderr, "%s: ", ctl->err.plain);
                screen_write(stderr, message, strlen(message), false);
                (void) fputc('\n', stderr);
        }
        if (n > ERRORS_SHOWN)
                (void) fprintf(stderr, "… and %zu more: ragctl job show ID --json\n",
                               n - ERRORS_SHOWN);
}

void print_job_end(const struct ctl *ctl, struct json_object *job, bool errors)
{
        struct json_object *progress = member(job, "progress");
        const char *status = member_text(job, "status", "?");

        if (errors)
                print_errors(ctl, job);
        (void) printf("job %s %s%s%s: %ju of %ju documents, %ju chunks, %ju tokens\n",
                      member_text(job, "id", "?"), status_colour(&ctl->out, status), status,
                      ctl->out.plain, (uintmax_t) member_u64(progress, "documents_done"),
                      (uintmax_t) member_u64(progress, "documents_total"),
                      (uintmax_t) member_u64(progress, "chunks_done"),
                      (uintmax_t) member_u64(progress, "tokens"));
}
