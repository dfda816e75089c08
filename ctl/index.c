/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl index tune: a measurement that takes a while. */
#include "base/cleanup.h"
#include "base/json.h"
#include "client.h"
#include "print.h"
#include "progress.h"
#include "run.h"

#include <stdio.h>

static int on_progress(void *data, struct json_object *parameters)
{
        struct progress *progress = data;
        uint64_t done = member_u64(parameters, "done"), total = member_u64(parameters, "total");
        char detail[64];

        (void) snprintf(detail, sizeof detail, "%ju of %ju queries", (uintmax_t) done,
                        (uintmax_t) total);
        progress_show(progress, member_text(parameters, "what", "measuring"), done, total, detail);
        return 0;
}

int run_index_tune(struct ctl *ctl)
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
        r = client_call(client, CONTROL_INTERFACE ".IndexTune", parameters, VARLINK_MORE,
                        on_progress, &progress, &reply, &failure);
        progress_end(&progress);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        print_tuning(ctl, reply);
        return EXIT_OK;
}
