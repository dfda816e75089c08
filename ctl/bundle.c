/* SPDX-License-Identifier: Apache-2.0 */
/* Releases as files: from one ragd, to another one. */
#include "config.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "client.h"
#include "operation.h"
#include "print.h"
#include "profile.h"
#include "progress.h"
#include "run.h"
#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEND_BYTES ((size_t) 256 * 1024)
#define PATIENCE_SECONDS 1800 /* vectors are gathered, documents counted */

struct moving {
        struct progress progress;
        const char *what;
        struct json_object *plan, *failure; /* lines of an import */
};

static void show_moved(void *data, uint64_t done, uint64_t total)
{
        struct moving *moving = data;
        char detail[SCREEN_NUMBER_SIZE];

        progress_show(&moving->progress, moving->what, done, total,
                      screen_bytes((double) done, detail));
}

/* ---- Export --------------------------------------------------------------------------------- */

static int receive(const struct ctl *ctl, struct client *client, uint64_t size, int fd)
{
        struct moving moving = { .what = "receiving" };
        int r;

        progress_begin(&moving.progress, ctl);
        r = client_receive(client, size, fd, show_moved, &moving);
        progress_end(&moving.progress);
        if (r == -EINTR)
                return EXIT_INTERRUPTED;
        if (r == -ECONNRESET)
                return ctl_fail(ctl, EXIT_UNREACHABLE, "ragd sent only a part of the release");
        return r < 0 ? ctl_fail(ctl, EXIT_INTERNAL, "cannot write the release: %s", strerror(-r))
                     : EXIT_OK;
}

static int export_to(const struct ctl *ctl, struct client *client, uint64_t release, bool vectors,
                     int fd, uint64_t *ret_size)
{
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r;

        json_add_u64(parameters, "release", release);
        if (vectors)
                json_add_bool(parameters, "with_vectors", true);
        client_set_patience(client, PATIENCE_SECONDS);
        r = client_call(client, CONTROL_INTERFACE ".ReleaseExport", parameters, VARLINK_UPGRADE,
                        NULL, NULL, &reply, &failure);
        if (r < 0)
                return run_refused(ctl, r, client, &failure);
        *ret_size = member_u64(reply, "size");
        return receive(ctl, client, *ret_size, fd);
}

/* Beside its name, then in one step. */
static int export_file(struct ctl *ctl, const char *path, const char *partial, uint64_t *ret_size)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_close_ int fd = -1;
        uint64_t release = member_u64(ctl->words.values, "release");
        int exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s: %s", partial, strerror(errno));
        exit_code = export_to(ctl, client, release, words_bool(&ctl->words, "with_vectors"), fd,
                              ret_size);
        if (exit_code == EXIT_OK && (fsync(fd) < 0 || rename(partial, path) < 0))
                exit_code = ctl_fail(ctl, EXIT_INTERNAL, "%s: %s", path, strerror(errno));
        if (exit_code != EXIT_OK)
                (void) unlink(partial);
        return exit_code;
}

int run_release_export(struct ctl *ctl)
{
        const char *path = words_string(&ctl->words, "file", "");
        cleanup_free_ char *partial = NULL;
        cleanup_json_ struct json_object *json = NULL;
        char text[SCREEN_NUMBER_SIZE];
        uint64_t size = 0;
        int exit_code;

        if (asprintf(&partial, "%s.partial", path) < 0) {
                partial = NULL;
                return ctl_fail(ctl, EXIT_INTERNAL, "out of memory");
        }
        interrupt_catch();
        exit_code = export_file(ctl, path, partial, &size);
        if (exit_code != EXIT_OK)
                return exit_code;
        if (!ctl->words.json) {
                (void) printf("release %ju is in %s, %s\n",
                              (uintmax_t) member_u64(ctl->words.values, "release"), path,
                              screen_bytes((double) size, text));
                return EXIT_OK;
        }
        json = json_object_new_object();
        json_add_string(json, "file", path);
        json_add_u64(json, "size", size);
        return ctl_print_json(json);
}

/* ---- Import --------------------------------------------------------------------------------- */

static int on_line(void *data, struct json_object *line)
{
        struct moving *moving = data;

        if (member(line, "plan") && !moving->plan)
                moving->plan = json_object_get(member(line, "plan"));
        if (member(line, "error") && !moving->failure)
                moving->failure = json_object_get(member(line, "error"));
        return 0;
}

static int send_file(struct client *client, struct moving *moving, int fd)
{
        static char bytes[SEND_BYTES];
        struct stat st;
        uint64_t done = 0;
        ssize_t n;

        if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        while ((n = read(fd, bytes, sizeof bytes)) > 0) {
                int r = client_send(client, bytes, (size_t) n, on_line, moving);

                if (r < 0)
                        return r;
                done += (uint64_t) n;
                show_moved(moving, done, (uint64_t) st.st_size);
        }
        return n < 0 ? -errno : 0;
}

static int import_failed(const struct ctl *ctl, struct json_object *failure)
{
        char name[96];

        (void) snprintf(name, sizeof name, CONTROL_INTERFACE ".%s",
                        member_text(failure, "name", "Failed"));
        if (!ctl->words.json)
                print_diagnostics(ctl, member(failure, "diagnostics"));
        return ctl_fail(ctl, command_exit_code(name), "%s", member_text(failure, "message", "?"));
}

/* *ret_plan is a new reference. */
static int import_from(const struct ctl *ctl, struct client *client, int fd,
                       struct json_object *parameters, struct json_object **ret_plan)
{
        struct moving moving = { .what = "sending" };
        struct client_failure failure = { 0 };
        int r = client_call(client, CONTROL_INTERFACE ".ReleaseImport", parameters,
                            VARLINK_UPGRADE, NULL, NULL, NULL, &failure), exit_code;

        if (r < 0)
                return run_refused(ctl, r, client, &failure);
        progress_begin(&moving.progress, ctl);
        r = send_file(client, &moving, fd);
        if (r >= 0 || r == -EPIPE) /* where it takes no more, it says why */
                r = client_finish(client, on_line, &moving);
        progress_end(&moving.progress);
        if (r == -EINTR)
                exit_code = EXIT_INTERRUPTED;
        else if (moving.failure)
                exit_code = import_failed(ctl, moving.failure);
        else if (!moving.plan)
                exit_code = ctl_fail(ctl, EXIT_UNREACHABLE, "ragd closed the connection");
        else
                exit_code = EXIT_OK;
        json_object_put(moving.failure);
        if (exit_code == EXIT_OK)
                *ret_plan = moving.plan;
        else
                json_object_put(moving.plan);
        return exit_code;
}

int run_release_import(struct ctl *ctl)
{
        const char *path = words_string(&ctl->words, "file", "");
        const char *profile = words_string(&ctl->words, "profile", NULL);
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        cleanup_json_ struct json_object *plan = NULL;
        cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        int exit_code = EXIT_OK;

        if (fd < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s: %s", path, strerror(errno));
        if (profile)
                json_add(parameters, "source", profile_source(ctl, profile, &exit_code));
        if (exit_code != EXIT_OK)
                return exit_code;
        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        interrupt_catch();
        exit_code = import_from(ctl, client, fd, parameters, &plan);
        if (exit_code != EXIT_OK)
                return exit_code;
        if (ctl->words.json)
                return ctl_print_json(plan);
        print_plan(ctl, plan);
        return EXIT_OK;
}

/* ---- Promote -------------------------------------------------------------------------------- */

/* A stage's name, a control socket, or a state folder. */
static struct client *connect_to_stage(const struct ctl *ctl, const char *name, int *ret_exit)
{
        struct client *client = NULL;
        struct error error = { 0 };
        char path[4096];
        struct stat st;
        bool named = strchr(name, '/') == NULL, folder;
        int r;

        if (named && strcmp(name, "development") == 0)
                (void) snprintf(path, sizeof path, "%s", RUN_DIR);
        else
                (void) snprintf(path, sizeof path, "%s%s", named ? RUN_DIR "-" : "", name);
        folder = named || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
        r = client_open(folder ? NULL : path, folder ? path : NULL, &client, &error);
        if (r < 0)
                *ret_exit = ctl_fail(ctl, r == -EACCES ? EXIT_DENIED : EXIT_UNREACHABLE, "%s: %s",
                                     name, error_text(&error));
        return client;
}

static int ask_status(const struct ctl *ctl, struct client *client, struct json_object **ret)
{
        struct client_failure failure = { 0 };
        int r = client_call(client, CONTROL_INTERFACE ".Status", NULL, VARLINK_PLAIN, NULL, NULL,
                            ret, &failure);

        return r < 0 ? run_failed(ctl, r, &failure) : EXIT_OK;
}

/* The release that serves there, in an unnamed file. */
static int fetch(const struct ctl *ctl, const char *from, FILE *file)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *status = NULL;
        uint64_t release, size = 0;
        int exit_code = EXIT_OK;

        client = connect_to_stage(ctl, from, &exit_code);
        if (!client)
                return exit_code;
        exit_code = ask_status(ctl, client, &status);
        if (exit_code != EXIT_OK)
                return exit_code;
        release = member_u64(member(status, "releases"), "serving");
        exit_code = export_to(ctl, client, release, words_bool(&ctl->words, "with_vectors"),
                              fileno(file), &size);
        if (exit_code == EXIT_OK && !ctl->words.json)
                (void) printf("release %ju of %s\n\n", (uintmax_t) release,
                              member_text(status, "stage", from));
        return exit_code;
}

static int carry(const struct ctl *ctl, FILE *file)
{
        cleanup_(client_close_cleanup) struct client *sender = NULL;
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *plan = NULL;
        const char *to = words_string(&ctl->words, "to", "");
        int exit_code = fetch(ctl, words_string(&ctl->words, "from", ""), file);

        if (exit_code != EXIT_OK)
                return exit_code;
        sender = connect_to_stage(ctl, to, &exit_code);
        if (!sender)
                return exit_code;
        exit_code = import_from(ctl, sender, fileno(file), NULL, &plan);
        if (exit_code != EXIT_OK)
                return exit_code;
        client = connect_to_stage(ctl, to, &exit_code); /* the other one ended with its stream */
        return client ? deploy_shown(ctl, client, plan) : exit_code;
}

int run_promote(struct ctl *ctl)
{
        cleanup_json_ struct json_object *unused = json_object_new_object();
        int exit_code = deploy_parameters(ctl, unused);
        FILE *file;

        if (exit_code != EXIT_OK)
                return exit_code;
        file = tmpfile();
        if (!file)
                return ctl_fail(ctl, EXIT_INTERNAL, "a temporary file: %s", strerror(errno));
        interrupt_catch();
        exit_code = carry(ctl, file);
        (void) fclose(file);
        return exit_code;
}
