/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that need no daemon: what a profile says, and whether it may. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "client.h"
#include "config/diff.h"
#include "config/document.h"
#include "config/effective.h"
#include "config/load.h"
#include "print.h"
#include "profile.h"
#include "run.h"
#include "screen.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

#define LIVE_PATIENCE_SECONDS 1800 /* as long as the providers' timeouts together */

static void print_found(const struct config_diagnostics *diagnostics,
                              enum config_severity severity, FILE *file)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;

        config_diagnostics_format(diagnostics, severity, &text);
        screen_write(file, buf_text(&text), text.len, true);
}

static int print_verdict(const char *path, int exit_code,
                         const struct config_diagnostics *diagnostics)
{
        cleanup_json_ struct json_object *json = json_object_new_object();

        json_add_bool(json, "ok", exit_code == EXIT_OK);
        json_add_i64(json, "exit", exit_code);
        json_add_string(json, "profile", path);
        json_add(json, "diagnostics", config_diagnostics_json(diagnostics));
        (void) ctl_print_json(json);
        return exit_code;
}

/* Errors to `errors`, warnings to standard error. */
static int load(const struct ctl *ctl, const char *path, FILE *errors, struct config **ret)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct error error = { 0 };
        int r = config_load(path, NULL, ret, &diagnostics, &error);

        if (r < 0 && diagnostics.errors == 0)
                return ctl_fail(ctl, EXIT_INTERNAL, "%s", error_text(&error));
        print_found(&diagnostics, CONFIG_WARNING, stderr);
        print_found(&diagnostics, CONFIG_ERROR, errors);
        return r < 0 ? EXIT_INVALID : EXIT_OK;
}

/* What only the daemon can try. */
static int validate_live(struct ctl *ctl, const char *path)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        bool ok = false;
        int r, exit_code = EXIT_OK;

        json_add(parameters, "source", profile_source(ctl, path, &exit_code));
        if (exit_code != EXIT_OK)
                return exit_code;
        client = run_connect(ctl, &exit_code);
        if (!client) {
                (void) fputs("--live needs a ragd that runs; without it `ragctl validate` reads "
                             "the file alone\n", stderr);
                return exit_code;
        }
        client_set_patience(client, LIVE_PATIENCE_SECONDS);
        r = client_call(client, CONTROL_INTERFACE ".Validate", parameters, VARLINK_PLAIN, NULL,
                        NULL, &reply, &failure);
        if (r < 0)
                return run_refused(ctl, r, client, &failure);
        (void) json_get_bool(reply, "ok", &ok, NULL);
        exit_code = ok ? EXIT_OK : EXIT_INVALID;
        if (ctl->words.json) {
                json_add_i64(reply, "exit", exit_code);
                json_add_string(reply, "profile", path);
                (void) ctl_print_json(reply);
                return exit_code;
        }
        print_diagnostics(ctl, member(reply, "diagnostics"));
        if (ok)
                (void) printf("%s: %sOK%s, and it was tried\n", path, ctl->out.green,
                              ctl->out.plain);
        return exit_code;
}

int run_validate(struct ctl *ctl)
{
        const char *path = words_string(&ctl->words, "profile", "");
        cleanup_(config_free_cleanup) struct config *config = NULL;
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct error error = { 0 };
        int r;

        if (words_bool(&ctl->words, "live"))
                return validate_live(ctl, path);
        if (!ctl->words.json) {
                int exit_code = load(ctl, path, stdout, &config);

                if (exit_code == EXIT_OK)
                        (void) printf("%s: %sOK%s\n", path, ctl->out.green, ctl->out.plain);
                return exit_code;
        }
        r = config_load(path, NULL, &config, &diagnostics, &error);
        if (r < 0 && diagnostics.errors == 0)
                return ctl_fail(ctl, EXIT_INTERNAL, "%s", error_text(&error));
        return print_verdict(path, r < 0 ? EXIT_INVALID : EXIT_OK, &diagnostics);
}

/* ---- show ----------------------------------------------------------------------------------- */

static int show_running(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        r = client_call(client, CONTROL_INTERFACE ".ConfigShow", parameters, VARLINK_PLAIN, NULL,
                        NULL, &reply, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        print_text(ctl, reply);
        return EXIT_OK;
}

int run_config_show(struct ctl *ctl)
{
        const char *path = words_string(&ctl->words, "profile", NULL);
        bool effective = words_bool(&ctl->words, "effective");
        cleanup_(config_free_cleanup) struct config *config = NULL;
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        cleanup_json_ struct json_object *reply = NULL;
        int exit_code;

        if (!path)
                return show_running(ctl);
        exit_code = load(ctl, path, stderr, &config);
        if (exit_code != EXIT_OK)
                return exit_code;
        config_show(config, effective, words_bool(&ctl->words, "origin"), &text);
        if (buf_failed(&text))
                return ctl_fail(ctl, EXIT_INTERNAL, "out of memory");
        if (!ctl->words.json) {
                screen_write(stdout, buf_text(&text), text.len, true);
                return EXIT_OK;
        }
        reply = json_object_new_object();
        json_add_string(reply, "profile", path);
        json_add(reply, "keys", config_show_json(config, effective));
        return ctl_print_json(reply);
}

/* ---- diff and schema ------------------------------------------------------------------------ */

static void print_diff(const struct ctl *ctl, const struct config_diff *diff)
{
        static const char *const headers[] = { "KEY", "FROM", "TO", "IMPACT", NULL };
        struct table table;

        if (diff->count == 0) {
                (void) puts("no difference");
                return;
        }
        table_init(&table, headers);
        for (size_t i = 0; i < diff->count; i++) {
                const struct config_difference *item = &diff->items[i];

                table_add(&table, item->key);
                table_add(&table, item->before);
                table_add(&table, item->after);
                table_add(&table, config_impact_name(item->impact));
        }
        table_print(&table, stdout, ctl->out.bold, ctl->out.plain, 0);
        table_done(&table);
        for (size_t i = 0; i < diff->count; i++)
                if (diff->items[i].note)
                        (void) printf("%s%s: %s%s\n", ctl->out.dim, diff->items[i].key,
                                      diff->items[i].note, ctl->out.plain);
        (void) printf("\n%zu difference%s; together: %s%s%s\n", diff->count,
                      diff->count == 1 ? "" : "s", ctl->out.bold, config_impact_name(diff->impact),
                      ctl->out.plain);
}

int run_config_diff(struct ctl *ctl)
{
        cleanup_(config_free_cleanup) struct config *from = NULL;
        cleanup_(config_free_cleanup) struct config *to = NULL;
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;
        cleanup_json_ struct json_object *json = NULL;
        int exit_code = load(ctl, words_string(&ctl->words, "from", ""), stderr, &from);

        if (exit_code == EXIT_OK)
                exit_code = load(ctl, words_string(&ctl->words, "to", ""), stderr, &to);
        if (exit_code != EXIT_OK)
                return exit_code;
        if (config_diff(from, to, &diff) < 0)
                return ctl_fail(ctl, EXIT_INTERNAL, "out of memory");
        if (!ctl->words.json) {
                print_diff(ctl, &diff);
                return EXIT_OK;
        }
        json = json_object_new_object();
        json_add(json, "differences", config_diff_json(&diff));
        json_add_string(json, "impact", diff.count > 0 ? config_impact_name(diff.impact) : NULL);
        return ctl_print_json(json);
}

int run_config_schema(struct ctl *ctl)
{
        cleanup_json_ struct json_object *schema = config_schema_json();

        return schema ? ctl_print_json(schema) : ctl_fail(ctl, EXIT_INTERNAL, "out of memory");
}
