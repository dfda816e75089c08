/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "base/json.h"
#include "client.h"
#include "print.h"
#include "screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LONG_SECONDS 1800

/* By the row's usage, so that rows of one method are told apart. */
static const struct {
        const char *usage;
        print_function print; /* of the reply to one call */
        int (*run)(struct ctl *ctl);
} runners[] = {
        { "status", NULL, run_status },
        { "log level", print_level, NULL },
        { "log level <level>", print_level, NULL },
        { "stop", print_done, NULL },
        { "validate <profile>", NULL, run_validate },
        { "config show [<profile>]", NULL, run_config_show },
        { "config diff <from> <to>", NULL, run_config_diff },
        { "config schema", NULL, run_config_schema },
        { "plan [<profile>]", NULL, run_plan },
        { "deploy [<profile>]", NULL, run_deploy },
        { "watch [<op>]", NULL, run_watch },
        { "confirm [<id>]", print_operation, NULL },
        { "cancel [<id>]", print_operation, NULL },
        { "extend <time> [<id>]", NULL, run_extend },
        { "rollback [<release>]", NULL, run_rollback },
        { "reload", NULL, run_reload },
        { "history", print_history, NULL },
        { "show <release>", print_release, NULL },
        { "diff <from> [<to>]", print_release_diff, NULL },
        { "drift", print_drift, NULL },
        { "gc", print_gc, NULL },
        { "override <code>", print_overrides, NULL },
        { "override list", print_overrides, NULL },
        { "gate run [<release>]", NULL, run_gate },
        { "golden add <collection> <query> <ids>...", print_receipt, NULL },
        { "golden list <collection>", print_golden, NULL },
        { "golden import <collection> <golden>", NULL, run_golden_import },
        { "golden remove <collection> [<query>]", print_receipt, NULL },
        { "release export <release> <file>", NULL, run_release_export },
        { "release import <file> [<profile>]", NULL, run_release_import },
        { "promote", NULL, run_promote },
        { "tenant create <name>", print_tenant_state, NULL },
        { "tenant list", print_tenants, NULL },
        { "tenant show <name>", print_tenant, NULL },
        { "tenant suspend <name>", print_tenant_state, NULL },
        { "tenant resume <name>", print_tenant_state, NULL },
        { "tenant offload <name>", print_tenant_state, NULL },
        { "tenant delete <name>", print_tenant_state, NULL },
        { "tenant purge <name>", NULL, run_tenant_purge },
        { "tenant quota set <name> <limits>...", print_limits, NULL },
        { "tenant quota show <name>", print_limits, NULL },
        { "key create <tenant>", print_new_key, NULL },
        { "key list <tenant>", print_key_list, NULL },
        { "key show <tenant> <key>", print_member, NULL },
        { "key revoke <tenant> <key>", print_done, NULL },
        { "collection create <name>", print_done, NULL },
        { "collection list", print_collections, NULL },
        { "collection show <name>", print_member, NULL },
        { "collection delete <name>", print_done, NULL },
        { "ingest <path>...", NULL, run_ingest },
        { "estimate <path>...", NULL, run_estimate },
        { "document list <collection>", print_documents, NULL },
        { "document show <collection> <external_id>", print_member, NULL },
        { "document chunks <collection> <external_id>", print_chunks, NULL },
        { "document delete <collection> <external_id>", print_done, NULL },
        { "search <query>...", NULL, run_search },
        { "ask <question>...", NULL, run_ask },
        { "eval <golden>", NULL, run_eval },
        { "job list", print_jobs, NULL },
        { "job show <id>", print_member, NULL },
        { "job watch <id>", NULL, run_job_watch },
        { "job cancel <id>", print_done, NULL },
        { "job retry <id>", print_done, NULL },
        { "generation list <collection>", print_generations, NULL },
        { "generation rebuild <collection>", NULL, run_rebuild },
        { "generation estimate <collection>", print_rebuild, NULL },
        { "generation remove <collection> <number>", print_done, NULL },
        { "index status [<collection>]", print_indexes, NULL },
        { "index tune <collection>", NULL, run_index_tune },
        { "provider list", print_providers, NULL },
        { "provider show <name>", print_provider, NULL },
        { "provider test <name>", print_trial, NULL },
        { "provider bench <a> <b>", NULL, run_provider_bench },
        { "provider record <name>", print_recording, NULL },
        { "usage", print_usage, NULL },
        { "trace [<id>]", print_trace, NULL },
        { "audit tail", NULL, run_audit_tail },
        { "audit search", NULL, run_audit_search },
        { "audit verify", NULL, run_audit_verify },
        { "audit export <file>", NULL, run_audit_export },
        { "audit seed take", NULL, run_audit_seed_take },
        { "completion", NULL, run_completion },
        { "help [<command>...]", NULL, run_help },
        { "version", NULL, run_version },
};

static size_t runner_of(const struct command *command)
{
        size_t i = 0;

        while (i < ELEMENTSOF(runners) && strcmp(runners[i].usage, command->usage) != 0)
                i++;
        return i;
}

bool run_knows(const struct command *command)
{
        return runner_of(command) < ELEMENTSOF(runners);
}

int ctl_fail(const struct ctl *ctl, int exit_code, const char *format, ...)
{
        char message[1024];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
        (void) fprintf(stderr, "%sragctl:%s %s\n", ctl->err.red, ctl->err.plain, message);
        if (ctl->words.json) {
                cleanup_json_ struct json_object *json = json_object_new_object();

                json_add_bool(json, "ok", false);
                json_add_i64(json, "exit", exit_code);
                json_add_string(json, "message", message);
                (void) ctl_print_json(json);
        }
        return exit_code;
}

int ctl_print_json(struct json_object *json)
{
        (void) puts(json_object_to_json_string_ext(
                json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                              JSON_C_TO_STRING_NOSLASHESCAPE));
        return EXIT_OK;
}

struct client *run_connect(const struct ctl *ctl, int *ret_exit)
{
        struct client *client = NULL;
        struct error error = { 0 };
        int r = client_open(ctl->words.socket, ctl->words.state, &client, &error);

        if (r < 0)
                *ret_exit = ctl_fail(ctl, r == -EACCES ? EXIT_DENIED : EXIT_UNREACHABLE, "%s",
                                     error_text(&error));
        return client;
}

int run_failed(const struct ctl *ctl, int code, const struct client_failure *failure)
{
        if (code == -EINTR)
                return EXIT_INTERRUPTED;
        return ctl_fail(ctl, failure->exit_code, "%s", failure->message);
}

/* "file:line:col: error: path: message (hint)". */
static void print_diagnostic(const struct ctl *ctl, struct json_object *diagnostic)
{
        bool error = strcmp(member_text(diagnostic, "severity", ""), "error") == 0;
        const char *file = member_text(diagnostic, "file", ""), *hint;
        const char *path = member_text(diagnostic, "path", NULL);

        screen_write(stderr, file, strlen(file), false);
        if (member_u64(diagnostic, "line") > 0)
                (void) fprintf(stderr, ":%ju:%ju", (uintmax_t) member_u64(diagnostic, "line"),
                               (uintmax_t) member_u64(diagnostic, "col"));
        (void) fprintf(stderr, "%s%s%s%s: ", *file ? ": " : "",
                       error ? ctl->err.red : ctl->err.yellow, error ? "error" : "warning",
                       ctl->err.plain);
        if (path)
                (void) fprintf(stderr, "%s: ", path);
        path = member_text(diagnostic, "message", "");
        screen_write(stderr, path, strlen(path), false);
        hint = member_text(diagnostic, "hint", NULL);
        if (hint) {
                (void) fputs(" (", stderr);
                screen_write(stderr, hint, strlen(hint), false);
                (void) fputc(')', stderr);
        }
        (void) fputc('\n', stderr);
}

void print_diagnostics(const struct ctl *ctl, struct json_object *diagnostics)
{
        for (size_t i = 0; diagnostics && i < json_object_array_length(diagnostics); i++)
                print_diagnostic(ctl, json_object_array_get_idx(diagnostics, i));
}

/* What to do about an error of a release. */
static void print_hint(const struct client_failure *failure, struct json_object *about)
{
        static const struct {
                const char *error, *member, *hint; /* with this member, or NULL */
        } hints[] = {
                { ".StalePlan", NULL,
                  "what runs, or the profile, has changed: make a new plan with `ragctl plan`" },
                { ".ConfirmPending", NULL,
                  "`ragctl confirm` keeps what serves, `ragctl cancel` takes it back" },
                { ".Busy", "op", "`ragctl watch` follows it" },
                { ".CostNotAccepted", NULL, "with --accept-cost it is done" },
        };

        for (size_t i = 0; i < ELEMENTSOF(hints); i++) {
                const char *dot = strrchr(failure->name, '.');

                if (dot && strcmp(dot, hints[i].error) == 0 &&
                    (!hints[i].member || member(about, hints[i].member)))
                        (void) fprintf(stderr, "        %s\n", hints[i].hint);
        }
}

int run_refused(const struct ctl *ctl, int code, const struct client *client,
                const struct client_failure *failure)
{
        struct json_object *about = client_about(client);
        cleanup_json_ struct json_object *json = NULL;

        if (code == -EINTR || !about)
                return run_failed(ctl, code, failure);
        if (!ctl->words.json) {
                print_diagnostics(ctl, member(about, "diagnostics"));
                print_cost(ctl, member(about, "cost"));
                (void) fflush(stdout);
                (void) run_failed(ctl, code, failure);
                print_hint(failure, about);
                return failure->exit_code;
        }
        json = json_object_new_object();
        json_add_bool(json, "ok", false);
        json_add_i64(json, "exit", failure->exit_code);
        json_object_object_foreach(about, key, value)
                json_add(json, key, json_object_get(value));
        (void) fprintf(stderr, "ragctl: %s\n", failure->message);
        print_hint(failure, about);
        (void) ctl_print_json(json);
        return failure->exit_code;
}

/* A tenant may have to be packed, or brought back from its archive. */
static bool may_take_long(const struct words *words)
{
        return strncmp(words->command->usage, "tenant ", 7) == 0 ||
               (command_has_tenant(words->command) && words_string(words, "tenant", NULL));
}

/* One call, one reply, printed. */
static int run_call(struct ctl *ctl, print_function print)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        char method[128];
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        (void) snprintf(method, sizeof method, "%s.%s", ctl->words.command->interface,
                        ctl->words.command->method);
        if (may_take_long(&ctl->words))
                client_set_patience(client, LONG_SECONDS);
        r = client_call(client, method, parameters, VARLINK_PLAIN, NULL, NULL, &reply, &failure);
        if (r < 0)
                return run_refused(ctl, r, client, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        print(ctl, reply);
        return EXIT_OK;
}

int run(struct ctl *ctl)
{
        size_t i = runner_of(ctl->words.command);

        if (i == ELEMENTSOF(runners))
                return ctl_fail(ctl, EXIT_INTERNAL, "\"%s\" is a command without a runner",
                                ctl->words.command->usage);
        return runners[i].run ? runners[i].run(ctl) : run_call(ctl, runners[i].print);
}
