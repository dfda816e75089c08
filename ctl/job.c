/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that follow a job. */
#include "base/json.h"
#include "client.h"
#include "print.h"
#include "progress.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#define RATE_AFTER_SECONDS 0.5 /* earlier, what was done before distorts it */

struct waiting {
        struct progress progress;
        struct json_object *job; /* as it was told last */
};

static void show(struct waiting *waiting)
{
        struct json_object *progress = member(waiting->job, "progress");
        uint64_t done = member_u64(progress, "documents_done");
        uint64_t total = member_u64(progress, "documents_total");
        double seconds = progress_seconds(&waiting->progress);
        char detail[160], rate[32] = "";

        if (seconds >= RATE_AFTER_SECONDS)
                (void) snprintf(rate, sizeof rate, ", %.0f/s", (double) done / seconds);
        (void) snprintf(detail, sizeof detail, "%ju of %ju documents, %ju chunks%s  %s",
                        (uintmax_t) done, (uintmax_t) total,
                        (uintmax_t) member_u64(progress, "chunks_done"), rate,
                        member_text(waiting->job, "pause_reason", ""));
        progress_show(&waiting->progress, "indexing", done, total, detail);
}

static int on_job(void *data, struct json_object *parameters)
{
        struct waiting *waiting = data;
        struct json_object *job = member(parameters, "job");

        if (!job)
                return 0;
        json_object_put(waiting->job);
        waiting->job = json_object_get(job);
        show(waiting);
        return 0;
}

static int exit_of(struct json_object *job)
{
        const char *status = member_text(job, "status", "failed");

        if (strcmp(status, "succeeded") == 0)
                return EXIT_OK;
        return strcmp(status, "partial") == 0 ? EXIT_INVALID : EXIT_INTERNAL;
}

const char *run_tenant_words(const struct ctl *ctl, char text[static TENANT_WORDS_SIZE])
{
        const char *tenant = words_string(&ctl->words, "tenant", NULL);

        (void) snprintf(text, TENANT_WORDS_SIZE, "%s%.70s", tenant ? " --tenant " : "",
                        tenant ? tenant : "");
        return text;
}

int run_wait(const struct ctl *ctl, struct client *client, const char *id,
             struct json_object **ret_job)
{
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        cleanup_json_ struct json_object *reply = NULL;
        struct waiting waiting = { 0 };
        struct client_failure failure = { 0 };
        char words[TENANT_WORDS_SIZE];
        int r;

        json_add_string(parameters, "id", id);
        if (words_string(&ctl->words, "tenant", NULL))
                json_add_string(parameters, "tenant", words_string(&ctl->words, "tenant", NULL));
        interrupt_catch();
        progress_begin(&waiting.progress, ctl);
        r = client_call(client, CONTROL_INTERFACE ".JobWatch", parameters, VARLINK_MORE, on_job,
                        &waiting, &reply, &failure);
        if (r >= 0)
                (void) on_job(&waiting, reply);
        progress_end(&waiting.progress);
        *ret_job = waiting.job;
        if (r == -EINTR)
                (void) fprintf(stderr, "detached; the job goes on: ragctl job watch %s%s\n", id,
                               run_tenant_words(ctl, words));
        return r < 0 ? run_failed(ctl, r, &failure) : exit_of(waiting.job);
}

static int finish(const struct ctl *ctl, int exit_code, struct json_object *takes_job)
{
        cleanup_json_ struct json_object *reply = json_object_new_object();

        if (!takes_job)
                return exit_code;
        if (!ctl->words.json && exit_code != EXIT_INTERRUPTED)
                print_job_end(ctl, takes_job, true);
        json_add(reply, "job", takes_job);
        if (ctl->words.json)
                (void) ctl_print_json(reply);
        return exit_code;
}

int run_job_watch(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        struct json_object *job = NULL;
        int exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        exit_code = run_wait(ctl, client, words_string(&ctl->words, "id", ""), &job);
        return finish(ctl, exit_code, job);
}

int run_rebuild(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct json_object *job = NULL;
        struct client_failure failure = { 0 };
        char words[TENANT_WORDS_SIZE];
        const char *id;
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        r = client_call(client, CONTROL_INTERFACE ".GenerationRebuild", parameters, VARLINK_PLAIN,
                        NULL, NULL, &reply, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        id = member_text(member(reply, "job"), "id", "");
        if (words_bool(&ctl->words, "detach")) {
                if (ctl->words.json)
                        return ctl_print_json(reply);
                (void) printf("job %s builds it: ragctl job watch %s%s\n", id, id,
                              run_tenant_words(ctl, words));
                return EXIT_OK;
        }
        exit_code = run_wait(ctl, client, id, &job);
        return finish(ctl, exit_code, job);
}
