/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl audit tail, search, export: lines of the audit log. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "client.h"
#include "print.h"
#include "run.h"
#include "screen.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define PAGE_LINES 5000
#define FOLLOW_SECONDS 2000000 /* as long as nobody writes a line: weeks */

/* ---- As people read them --------------------------------------------------------------------- */

static void print_part(const char *before, const char *text)
{
        if (!text)
                return;
        (void) fputs(before, stdout);
        screen_write(stdout, text, strlen(text), false);
}

/* "7  2026-01-31T12:00:00Z  denied  documents.put  collections/c  tenant acme, key 3k…" */
static void print_line(const struct ctl *ctl, struct json_object *line)
{
        static const struct {
                const char *member, *label;
        } told[] = { { "code", "" },       { "tenant", "tenant " },   { "key", "key " },
                     { "user", "user " },  { "uid", "uid " },         { "address", "from " },
                     { "listener", "on " }, { "request_id", "request " } };
        const char *outcome = member_text(line, "outcome", "?"), *between = "  ";
        bool good = strcmp(outcome, "ok") == 0 || strcmp(outcome, "begun") == 0;

        (void) printf("%8s  %.19sZ  %s%-6.20s%s  %.40s", member_text(line, "seq", "?"),
                      member_text(line, "time", "?"), good ? "" : ctl->out.red, outcome,
                      good ? "" : ctl->out.plain, member_text(line, "action", "?"));
        print_part("  ", member_text(line, "object", NULL));
        for (size_t i = 0; i < ELEMENTSOF(told); i++) {
                const char *text = member_text(line, told[i].member, NULL);

                if (!text)
                        continue;
                (void) fputs(between, stdout);
                print_part(told[i].label, text);
                between = ", ";
        }
        (void) putchar('\n');
}

/* A line as the object that it is; NULL: it is none. */
static struct json_object *parse_line(struct json_object *text)
{
        struct json_object *line = NULL;

        (void) json_parse(json_object_get_string(text),
                          (size_t) json_object_get_string_len(text), &line, NULL);
        return line;
}

static void print_lines(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *lines = member(reply, "lines");

        for (size_t i = 0; i < member_count(reply, "lines"); i++) {
                cleanup_json_ struct json_object *line =
                        parse_line(json_object_array_get_idx(lines, i));

                if (line)
                        print_line(ctl, line);
        }
        (void) fflush(stdout);
}

static int print_reply(const struct ctl *ctl, struct json_object *reply)
{
        cleanup_json_ struct json_object *json = NULL;
        struct json_object *lines = member(reply, "lines"), *parsed;

        if (!ctl->words.json) {
                print_lines(ctl, reply);
                if (member_count(reply, "lines") == 0)
                        (void) fputs("no line of the audit log matches\n", stderr);
                return EXIT_OK;
        }
        json = json_object_new_object();
        parsed = json_object_new_array();
        for (size_t i = 0; i < member_count(reply, "lines"); i++)
                json_add(parsed, NULL, parse_line(json_object_array_get_idx(lines, i)));
        json_add(json, "lines", parsed);
        return ctl_print_json(json);
}

/* ---- tail ------------------------------------------------------------------------------------ */

/* One after the other, as they come; as JSON, one a line. */
static int on_lines(void *data, struct json_object *parameters)
{
        const struct ctl *ctl = data;
        struct json_object *lines = member(parameters, "lines");

        if (!ctl->words.json) {
                print_lines(ctl, parameters);
                return 0;
        }
        for (size_t i = 0; i < member_count(parameters, "lines"); i++)
                (void) puts(json_object_get_string(json_object_array_get_idx(lines, i)));
        (void) fflush(stdout);
        return 0;
}

int run_audit_tail(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        bool follow = words_bool(&ctl->words, "follow");
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        if (follow) {
                interrupt_catch();
                client_set_patience(client, FOLLOW_SECONDS);
        }
        r = client_call(client, CONTROL_INTERFACE ".AuditTail", parameters,
                        follow ? VARLINK_MORE : VARLINK_PLAIN, on_lines, ctl, &reply, &failure);
        if (r == -EINTR)
                return EXIT_OK;
        if (r < 0)
                return run_failed(ctl, r, &failure);
        return follow ? on_lines(ctl, reply) : print_reply(ctl, reply);
}

/* ---- search ---------------------------------------------------------------------------------- */

int run_audit_search(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        r = client_call(client, CONTROL_INTERFACE ".AuditSearch", parameters, VARLINK_PLAIN, NULL,
                        NULL, &reply, &failure);
        return r < 0 ? run_failed(ctl, r, &failure) : print_reply(ctl, reply);
}

/* ---- export ---------------------------------------------------------------------------------- */

static int write_lines(int fd, struct json_object *reply)
{
        struct json_object *lines = member(reply, "lines");
        int r = 0;

        for (size_t i = 0; r == 0 && i < member_count(reply, "lines"); i++) {
                struct json_object *line = json_object_array_get_idx(lines, i);

                r = io_write_all(fd, json_object_get_string(line),
                                 (size_t) json_object_get_string_len(line));
                if (r == 0)
                        r = io_write_all(fd, "\n", 1);
        }
        return r;
}

/* Page by page, so that neither side holds the log in memory. */
static int export_lines(const struct ctl *ctl, struct client *client, int fd, uint64_t *ret_lines)
{
        uint64_t after = 0;
        bool more = true;

        *ret_lines = 0;
        while (more) {
                cleanup_json_ struct json_object *parameters = json_object_new_object();
                cleanup_json_ struct json_object *reply = NULL;
                struct client_failure failure = { 0 };
                int r;

                json_add_u64(parameters, "after", after);
                json_add_u64(parameters, "limit", PAGE_LINES);
                r = client_call(client, CONTROL_INTERFACE ".AuditSearch", parameters,
                                VARLINK_PLAIN, NULL, NULL, &reply, &failure);
                if (r < 0)
                        return run_failed(ctl, r, &failure);
                r = write_lines(fd, reply);
                if (r < 0)
                        return ctl_fail(ctl, EXIT_INTERNAL, "cannot write the lines: %s",
                                        strerror(-r));
                *ret_lines += member_count(reply, "lines");
                more = false;
                (void) json_get_bool(reply, "more", &more, NULL);
                more = more && member_u64(reply, "seq") > after;
                after = member_u64(reply, "seq");
        }
        return EXIT_OK;
}

int run_audit_export(struct ctl *ctl)
{
        const char *path = words_string(&ctl->words, "file", "");
        bool to_stdout = strcmp(path, "-") == 0;
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *json = NULL;
        cleanup_close_ int fd = -1;
        uint64_t lines = 0;
        int exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        fd = to_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                       : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
        if (fd < 0)
                return ctl_fail(ctl, EXIT_INVALID, "cannot write %s: %s", path, strerror(errno));
        exit_code = export_lines(ctl, client, fd, &lines);
        if (exit_code == EXIT_OK && !to_stdout && fsync(fd) < 0 && errno != EINVAL &&
            errno != EROFS)
                exit_code = ctl_fail(ctl, EXIT_INTERNAL, "cannot write %s: %s", path,
                                     strerror(errno));
        if (exit_code != EXIT_OK || to_stdout)
                return exit_code;
        if (!ctl->words.json) {
                (void) printf("%s: %ju lines\n", path, (uintmax_t) lines);
                return EXIT_OK;
        }
        json = json_object_new_object();
        json_add_string(json, "file", path);
        json_add_u64(json, "lines", lines);
        return ctl_print_json(json);
}
