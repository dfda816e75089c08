/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl search, ask and eval. */
#include "base/cleanup.h"
#include "base/json.h"
#include "beir.h"
#include "client.h"
#include "print.h"
#include "progress.h"
#include "run.h"
#include "screen.h"

#include <stdio.h>
#include <string.h>

int run_search(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        /* Where the terms stand decides which part of a passage is shown. */
        json_add_bool(parameters, "highlight", true);
        r = client_call(client, CONTROL_INTERFACE ".Search", parameters, VARLINK_PLAIN, NULL, NULL,
                        &reply, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        print_results(ctl, reply);
        return EXIT_OK;
}

/* ---- ask ------------------------------------------------------------------------------------ */

static int on_part(void *data, struct json_object *parameters)
{
        const struct ctl *ctl = data;
        const char *text;

        if (ctl->words.json || strcmp(member_text(parameters, "event", ""), "delta") != 0)
                return 0;
        text = member_text(member(parameters, "data"), "text", "");
        screen_write(stdout, text, strlen(text), true);
        (void) fflush(stdout);
        return 0;
}

int run_ask(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        r = client_call(client, CONTROL_INTERFACE ".Ask", parameters, VARLINK_MORE, on_part, ctl,
                        &reply, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                return ctl_print_json(member(reply, "data"));
        (void) putchar('\n');
        print_citations(ctl, member(reply, "data"));
        return EXIT_OK;
}

/* ---- eval ----------------------------------------------------------------------------------- */

static int on_progress(void *data, struct json_object *parameters)
{
        struct progress *progress = data;
        uint64_t done = member_u64(parameters, "done"), total = member_u64(parameters, "total");
        char detail[64];

        (void) snprintf(detail, sizeof detail, "%ju of %ju questions", (uintmax_t) done,
                        (uintmax_t) total);
        progress_show(progress, member_text(parameters, "mode", "asking"), done, total, detail);
        return 0;
}

int run_eval(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        cleanup_(buf_done) struct buf golden = BUF_EMPTY;
        const char *path = words_string(&ctl->words, "golden", "");
        struct client_failure failure = { 0 };
        struct error error = { 0 };
        struct progress progress;
        int r, exit_code = EXIT_OK;

        if (beir_read_golden(path, &golden, &error) < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s", error_text(&error));
        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        json_add_string(parameters, "golden", buf_text(&golden));
        progress_begin(&progress, ctl);
        r = client_call(client, CONTROL_INTERFACE ".Eval", parameters, VARLINK_MORE, on_progress,
                        &progress, &reply, &failure);
        progress_end(&progress);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        print_modes(ctl, reply);
        return EXIT_OK;
}
