/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl ingest: files become lines of JSON, one document each, sent behind one call; then the
 * job is followed until the documents can be found.  ragctl estimate sends the same, and the
 * daemon keeps nothing of it. */
#include "config.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "beir.h"
#include "client.h"
#include "files.h"
#include "print.h"
#include "progress.h"
#include "run.h"
#include "screen.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define DOCUMENT_MAX ((size_t) 256 * 1024 * 1024) /* the daemon's own limit is told by it */
#define ERRORS_SHOWN 10

struct upload {
        struct ctl *ctl;
        struct client *client;
        bool estimate;
        struct source_files files;
        uint64_t *first_lines; /* of each file, counted from 1 over all that is sent */
        uint64_t lines, read_bytes;
        size_t bad_files;
        struct progress progress;
        struct json_object *summary; /* the daemon's last word */
        struct json_object *failure;
        char job[32];
};

static void upload_done(struct upload *upload)
{
        (void) client_close(upload->client);
        source_files_done(&upload->files);
        free(upload->first_lines);
        json_object_put(upload->summary);
        json_object_put(upload->failure);
}

static int on_line(void *data, struct json_object *line)
{
        struct upload *upload = data;
        struct json_object *progress = member(line, "progress");

        if (progress)
                (void) snprintf(upload->job, sizeof upload->job, "%s",
                                member_text(progress, "job_id", ""));
        if (member(line, "summary"))
                upload->summary = json_object_get(member(line, "summary"));
        if (member(line, "error"))
                upload->failure = json_object_get(member(line, "error"));
        return 0;
}

static int send_line(struct upload *upload, const char *text, size_t len)
{
        char detail[SCREEN_NUMBER_SIZE + 64], bytes[SCREEN_NUMBER_SIZE];
        int r = client_send(upload->client, text, len, on_line, upload);

        upload->lines++;
        (void) snprintf(detail, sizeof detail, "%ju documents, %s", (uintmax_t) upload->lines,
                        screen_bytes((double) upload->read_bytes, bytes));
        progress_show(&upload->progress, "sending", upload->read_bytes, upload->files.size_bytes,
                      detail);
        return r;
}

/* ---- One document in a file ------------------------------------------------------------------ */

static void say_bad(struct upload *upload, const struct source_file *file, const char *why)
{
        progress_end(&upload->progress);
        upload->bad_files++;
        (void) fprintf(stderr, "%s", upload->ctl->err.red);
        screen_write(stderr, file->path, strlen(file->path), false);
        (void) fprintf(stderr, "%s: %s\n", upload->ctl->err.plain, why);
}

static int send_document(struct upload *upload, const struct source_file *file)
{
        cleanup_free_ char *text = NULL;
        cleanup_(buf_done) struct buf line = BUF_EMPTY;
        struct error error = { 0 };
        size_t len, start = 0;

        if (io_read_file(AT_FDCWD, file->path, DOCUMENT_MAX, &text, &len, &error) < 0) {
                say_bad(upload, file, error_text(&error));
                return 0;
        }
        upload->read_bytes += len;
        if (utf8_valid_prefix(text, len) < len) {
                say_bad(upload, file, "not UTF-8");
                return 0;
        }
        if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                start = 3; /* a byte order mark is no text */
        buf_append_text(&line, "{\"external_id\":");
        buf_append_json_string(&line, file->external_id, strlen(file->external_id));
        buf_append_format(&line, ",\"mime\":\"%s\",\"text\":", file->mime);
        buf_append_json_string(&line, text + start, len - start);
        buf_append_text(&line, "}\n");
        return buf_failed(&line) ? -ENOMEM : send_line(upload, line.data, line.len);
}

/* ---- A document on each line ---------------------------------------------------------------- */

/* A line of BEIR's corpus is turned into ours; every other one goes as it is, and what is wrong
 * with it the daemon says. */
static int send_json_line(struct upload *upload, char *text, size_t len)
{
        cleanup_json_ struct json_object *json = NULL;
        cleanup_json_ struct json_object *document = NULL;
        cleanup_(buf_done) struct buf line = BUF_EMPTY;
        const char *out = text;
        size_t out_len = len;

        if (memmem(text, len, "\"_id\"", 5) && json_parse(text, len, &json, NULL) >= 0) {
                document = beir_document(json);
                out = document ? json_text(document, &out_len) : NULL;
        }
        if (!out)
                return -ENOMEM;
        buf_append(&line, out, out_len);
        if (out_len == 0 || out[out_len - 1] != '\n')
                buf_append_char(&line, '\n');
        return buf_failed(&line) ? -ENOMEM : send_line(upload, line.data, line.len);
}

static int send_lines(struct upload *upload, const struct source_file *file)
{
        FILE *stream = file->kind == FILE_STDIN ? stdin : fopen(file->path, "re");
        cleanup_free_ char *text = NULL;
        size_t capacity = 0;
        ssize_t len;
        int r = 0;

        if (!stream) {
                say_bad(upload, file, strerror(errno));
                return 0;
        }
        while (r >= 0 && !interrupted && (len = getline(&text, &capacity, stream)) > 0) {
                upload->read_bytes += (size_t) len;
                r = send_json_line(upload, text, (size_t) len);
        }
        if (r >= 0 && ferror(stream) && !interrupted)
                say_bad(upload, file, strerror(errno));
        if (stream != stdin)
                (void) fclose(stream);
        return interrupted ? -EINTR : r;
}

/* ---- All of them ---------------------------------------------------------------------------- */

static int collect(struct upload *upload)
{
        struct json_object *paths = member(upload->ctl->words.values, "path");
        struct error error = { 0 };

        for (size_t i = 0; i < json_object_array_length(paths); i++) {
                const char *path = json_object_get_string(json_object_array_get_idx(paths, i));

                if (source_files_add(&upload->files, path, &error) < 0)
                        return ctl_fail(upload->ctl, EXIT_INVALID, "%s", error_text(&error));
        }
        if (upload->files.n == 0)
                return ctl_fail(upload->ctl, EXIT_INVALID, "nothing to %s",
                                upload->estimate ? "estimate" : "ingest");
        upload->first_lines = calloc(upload->files.n, sizeof *upload->first_lines);
        return upload->first_lines ? EXIT_OK
                                   : ctl_fail(upload->ctl, EXIT_INTERNAL, "out of memory");
}

static int send_all(struct upload *upload)
{
        int r = 0;

        progress_begin(&upload->progress, upload->ctl);
        for (size_t i = 0; r >= 0 && i < upload->files.n; i++) {
                const struct source_file *file = &upload->files.items[i];

                upload->first_lines[i] = upload->lines + 1;
                r = file->kind == FILE_DOCUMENT ? send_document(upload, file)
                                                : send_lines(upload, file);
        }
        /* Where the daemon takes no more, it has said why. */
        if (r >= 0 || r == -EPIPE || r == -ECONNRESET)
                r = client_finish(upload->client, on_line, upload);
        progress_end(&upload->progress);
        return r;
}

/* Where a line that was refused came from. */
static void print_refused(const struct upload *upload, struct json_object *error)
{
        uint64_t line = member_u64(error, "line");
        const char *message = member_text(error, "message", "?");
        size_t i = 0;

        while (i + 1 < upload->files.n && upload->first_lines[i + 1] <= line)
                i++;
        (void) fputs(upload->ctl->err.red, stderr);
        screen_write(stderr, upload->files.items[i].path, strlen(upload->files.items[i].path),
                     false);
        if (upload->files.items[i].kind != FILE_DOCUMENT)
                (void) fprintf(stderr, ":%ju", (uintmax_t) (line - upload->first_lines[i] + 1));
        (void) fprintf(stderr, "%s: ", upload->ctl->err.plain);
        screen_write(stderr, message, strlen(message), false);
        (void) fputc('\n', stderr);
}

static void print_errors(const struct upload *upload)
{
        struct json_object *errors = member(upload->summary, "errors");
        size_t n = member_count(upload->summary, "errors");

        for (size_t i = 0; i < n && i < ERRORS_SHOWN; i++)
                print_refused(upload, json_object_array_get_idx(errors, i));
        if (n > ERRORS_SHOWN)
                (void) fprintf(stderr, "… and %zu more\n", n - ERRORS_SHOWN);
}

static void print_summary(const struct upload *upload)
{
        print_errors(upload);
        if (upload->ctl->words.json)
                return;
        (void) printf("%s%ju accepted%s, %ju unchanged, %ju refused", upload->ctl->out.green,
                      (uintmax_t) member_u64(upload->summary, "accepted"), upload->ctl->out.plain,
                      (uintmax_t) member_u64(upload->summary, "unchanged"),
                      (uintmax_t) member_u64(upload->summary, "refused") + upload->bad_files);
        if (upload->files.n_skipped > 0)
                (void) printf(", %zu file%s skipped", upload->files.n_skipped,
                              upload->files.n_skipped == 1 ? "" : "s");
        (void) putchar('\n');
        (void) fflush(stdout);
}

/* What became of the bytes, once the connection is over; EXIT_OK: there is a summary. */
static int verdict(struct upload *upload, int code)
{
        char words[TENANT_WORDS_SIZE];

        if (code == -EINTR && upload->estimate)
                return EXIT_INTERRUPTED;
        if (code == -EINTR) {
                (void) fprintf(stderr, "stopped; what the daemon has accepted stays%s%s%s\n",
                               upload->job[0] ? ": ragctl job show " : "", upload->job,
                               upload->job[0] ? run_tenant_words(upload->ctl, words) : "");
                return EXIT_INTERRUPTED;
        }
        if (upload->failure) {
                char name[96];

                (void) snprintf(name, sizeof name, CONTROL_INTERFACE ".%s",
                                member_text(upload->failure, "name", "Failed"));
                return ctl_fail(upload->ctl, command_exit_code(name), "%s",
                                member_text(upload->failure, "message", "?"));
        }
        if (!upload->summary)
                return ctl_fail(upload->ctl, EXIT_UNREACHABLE, "ragd closed the connection%s",
                                upload->estimate ? "" : "; what it has accepted stays");
        return EXIT_OK;
}

/* A connection of its own: the first one ended with the stream. */
static int wait_visible(struct upload *upload, struct json_object **ret_job)
{
        const char *id = member_text(upload->summary, "job_id", "");
        cleanup_(client_close_cleanup) struct client *client = NULL;
        char words[TENANT_WORDS_SIZE];
        int exit_code = EXIT_OK;

        if (member_u64(upload->summary, "accepted") == 0)
                return EXIT_OK;
        if (words_bool(&upload->ctl->words, "detach")) {
                if (!upload->ctl->words.json)
                        (void) printf("job %s indexes them: ragctl job watch %s%s\n", id, id,
                                      run_tenant_words(upload->ctl, words));
                return EXIT_OK;
        }
        client = run_connect(upload->ctl, &exit_code);
        return client ? run_wait(upload->ctl, client, id, ret_job) : exit_code;
}

/* A document that was not taken is a failure, though the others were. */
static int exit_of(const struct upload *upload)
{
        return member_u64(upload->summary, "refused") > 0 || upload->bad_files > 0 ? EXIT_INVALID
                                                                                   : EXIT_OK;
}

static int report(struct upload *upload)
{
        cleanup_json_ struct json_object *all = json_object_new_object();
        struct json_object *job = NULL;
        int exit_code;

        print_summary(upload);
        exit_code = wait_visible(upload, &job);
        if (job && !upload->ctl->words.json && exit_code != EXIT_INTERRUPTED)
                print_job_end(upload->ctl, job,
                              member_count(job, "errors") >
                                      member_count(upload->summary, "errors"));
        if (upload->ctl->words.json) {
                json_add(all, "summary", json_object_get(upload->summary));
                json_add_u64(all, "skipped", upload->files.n_skipped);
                json_add_u64(all, "unreadable", upload->bad_files);
                json_add(all, "job", job ? json_object_get(job) : NULL);
                (void) ctl_print_json(all);
        }
        json_object_put(job);
        return exit_code == EXIT_OK ? exit_of(upload) : exit_code;
}

static int report_estimate(struct upload *upload)
{
        print_errors(upload);
        json_add_u64(upload->summary, "skipped", upload->files.n_skipped);
        json_add_u64(upload->summary, "unreadable", upload->bad_files);
        if (upload->ctl->words.json)
                (void) ctl_print_json(upload->summary);
        else
                print_estimate(upload->ctl, upload->summary);
        return exit_of(upload);
}

static int run_upload(struct ctl *ctl, bool estimate)
{
        cleanup_(upload_done) struct upload upload = { .ctl = ctl, .estimate = estimate };
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        struct client_failure failure = { 0 };
        int r, exit_code = collect(&upload);

        if (exit_code != EXIT_OK)
                return exit_code;
        upload.client = run_connect(ctl, &exit_code);
        if (!upload.client)
                return exit_code;
        interrupt_catch();
        r = client_call(upload.client,
                        estimate ? CONTROL_INTERFACE ".Estimate" : CONTROL_INTERFACE ".Ingest",
                        parameters, VARLINK_UPGRADE, NULL, NULL, NULL, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        r = send_all(&upload);
        exit_code = verdict(&upload, r);
        if (exit_code != EXIT_OK)
                return exit_code;
        return estimate ? report_estimate(&upload) : report(&upload);
}

int run_ingest(struct ctl *ctl)
{
        return run_upload(ctl, false);
}

int run_estimate(struct ctl *ctl)
{
        return run_upload(ctl, true);
}
