/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl gate run, golden import: golden questions, and what they show. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "beir.h"
#include "client.h"
#include "print.h"
#include "progress.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

static int on_progress(void *data, struct json_object *parameters)
{
        struct progress *progress = data;
        uint64_t done = member_u64(parameters, "done"), total = member_u64(parameters, "total");
        char detail[64];

        (void) snprintf(detail, sizeof detail, "%ju of %ju", (uintmax_t) done, (uintmax_t) total);
        progress_show(progress, member_text(parameters, "what", "asking"), done, total, detail);
        return 0;
}

static int exit_of_verdict(const char *verdict)
{
        return strcmp(verdict, "fail") == 0   ? EXIT_INVALID
               : strcmp(verdict, "hold") == 0 ? EXIT_PAUSED
                                              : EXIT_OK;
}

int run_gate(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        struct progress progress;
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        progress_begin(&progress, ctl);
        client_set_patience(client, 1800); /* one question may wait for many providers */
        r = client_call(client, CONTROL_INTERFACE ".GateRun", parameters, VARLINK_MORE,
                        on_progress, &progress, &reply, &failure);
        progress_end(&progress);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                (void) ctl_print_json(reply);
        else
                print_gate(ctl, reply);
        return exit_of_verdict(member_text(member(reply, "report"), "verdict", ""));
}

int run_golden_import(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        cleanup_(buf_done) struct buf golden = BUF_EMPTY;
        struct client_failure failure = { 0 };
        struct error error = { 0 };
        int r, exit_code = EXIT_OK;

        if (beir_read_golden(words_string(&ctl->words, "golden", ""), &golden, &error) < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s", error_text(&error));
        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        json_add_string(parameters, "golden", buf_text(&golden));
        r = client_call(client, CONTROL_INTERFACE ".GoldenImport", parameters, VARLINK_PLAIN, NULL,
                        NULL, &reply, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        print_receipt(ctl, reply);
        return EXIT_OK;
}
