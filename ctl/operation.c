/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that begin, follow and end operations; and plan, which comes before them. */
#include "base/cleanup.h"
#include "base/json.h"
#include "client.h"
#include "follow.h"
#include "operation.h"
#include "print.h"
#include "profile.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLAN_PATIENCE_SECONDS 1800 /* documents are counted, providers tried */

/* ---- Plans ---------------------------------------------------------------------------------- */

static bool has_changes(struct json_object *plan)
{
        bool same = true;

        (void) json_get_bool(plan, "same_generations", &same, NULL);
        return member_count(plan, "changes") > 0 || !same;
}

bool plan_is_refused(struct json_object *plan)
{
        struct json_object *refusals = member(plan, "refusals");

        for (size_t i = 0; i < member_count(plan, "refusals"); i++)
                if (!member(json_object_array_get_idx(refusals, i), "overridden_until"))
                        return true;
        return false;
}

/* *ret_plan is a new reference. */
static int ask_plan(const struct ctl *ctl, struct client *client, struct json_object **ret_plan)
{
        const char *path = words_string(&ctl->words, "profile", NULL);
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        if (path)
                json_add(parameters, "source", profile_source(ctl, path, &exit_code));
        if (exit_code != EXIT_OK)
                return exit_code;
        client_set_patience(client, PLAN_PATIENCE_SECONDS);
        r = client_call(client, CONTROL_INTERFACE ".Plan", parameters, VARLINK_PLAIN, NULL, NULL,
                        &reply, &failure);
        if (r < 0)
                return run_refused(ctl, r, client, &failure);
        *ret_plan = json_object_get(member(reply, "plan"));
        return EXIT_OK;
}

int run_plan(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *plan = NULL;
        int exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        exit_code = ask_plan(ctl, client, &plan);
        if (exit_code != EXIT_OK)
                return exit_code;
        if (ctl->words.json)
                (void) ctl_print_json(plan);
        else
                print_plan(ctl, plan);
        return words_bool(&ctl->words, "detailed_exitcode") && has_changes(plan) ? EXIT_CHANGES
                                                                                 : EXIT_OK;
}

/* ---- Deploy --------------------------------------------------------------------------------- */

/* Only a person at a terminal is asked. */
static bool is_agreed(const struct ctl *ctl)
{
        char answer[16];

        if (words_bool(&ctl->words, "yes") || ctl->words.json || isatty(STDIN_FILENO) != 1 ||
            isatty(STDERR_FILENO) != 1)
                return true;
        (void) fprintf(stderr, "%sDeploy this?%s [y/N] ", ctl->err.bold, ctl->err.plain);
        (void) fflush(stderr);
        if (!fgets(answer, sizeof answer, stdin))
                return false;
        return strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0;
}

int deploy_plan(const struct ctl *ctl, struct client *client, const char *plan_id)
{
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        int exit_code = deploy_parameters(ctl, parameters);

        if (exit_code != EXIT_OK)
                return exit_code;
        json_add_string(parameters, "plan_id", plan_id);
        json_add_string(parameters, "reason", words_string(&ctl->words, "reason", ""));
        return follow_call(ctl, client, CONTROL_INTERFACE ".Deploy", parameters, FOLLOW_SERVING,
                           words_bool(&ctl->words, "detach"));
}

int deploy_shown(const struct ctl *ctl, struct client *client, struct json_object *plan)
{
        if (!ctl->words.json)
                (void) print_plan_alone(ctl, plan);
        if (plan_is_refused(plan))
                return ctl_fail(ctl, EXIT_DENIED, "the plan is refused");
        (void) fflush(stdout);
        if (!is_agreed(ctl))
                return ctl_fail(ctl, EXIT_INTERRUPTED, "nothing was changed");
        return deploy_plan(ctl, client, member_text(plan, "plan_id", ""));
}

int run_deploy(struct ctl *ctl)
{
        const char *plan_id = words_string(&ctl->words, "plan_id", NULL);
        bool has_profile = words_string(&ctl->words, "profile", NULL) != NULL;
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *unused = json_object_new_object();
        cleanup_json_ struct json_object *plan = NULL;
        int exit_code = deploy_parameters(ctl, unused);

        if (exit_code != EXIT_OK)
                return exit_code;
        if (has_profile == (plan_id != NULL))
                return ctl_fail(ctl, EXIT_USAGE,
                                "name either a profile or, with --plan, the plan of one");
        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        if (plan_id)
                return deploy_plan(ctl, client, plan_id);
        exit_code = ask_plan(ctl, client, &plan);
        return exit_code != EXIT_OK ? exit_code : deploy_shown(ctl, client, plan);
}

/* ---- The others ----------------------------------------------------------------------------- */

/* With the words' parameters and a request id. */
static int run_followed(struct ctl *ctl, const char *method, bool id, enum follow_until until,
                        bool detach)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        int exit_code = EXIT_OK;

        if (id)
                add_request_id(parameters);
        client = run_connect(ctl, &exit_code);
        return client ? follow_call(ctl, client, method, parameters, until, detach) : exit_code;
}

int run_rollback(struct ctl *ctl)
{
        return run_followed(ctl, CONTROL_INTERFACE ".Rollback", true, FOLLOW_RETURN,
                            words_bool(&ctl->words, "detach"));
}

int run_reload(struct ctl *ctl)
{
        return run_followed(ctl, CONTROL_INTERFACE ".Reload", true, FOLLOW_SERVING,
                            !words_bool(&ctl->words, "wait"));
}

int run_watch(struct ctl *ctl)
{
        return run_followed(ctl, CONTROL_INTERFACE ".Watch", false, FOLLOW_END, false);
}

/* Both orders are understood: `extend 5m c7` and `extend c7 5m`. */
int run_extend(struct ctl *ctl)
{
        const char *time = words_string(&ctl->words, "time", "");
        const char *id = words_string(&ctl->words, "id", NULL);
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        uint64_t seconds = 0;
        int r, exit_code = EXIT_OK;

        if (duration_parse(time, &seconds) < 0 && id && duration_parse(id, &seconds) == 0)
                id = time;
        if (seconds == 0)
                return ctl_fail(ctl, EXIT_USAGE, "how much longer?  Write it as 5m, 90s or 1h");
        json_add_u64(parameters, "seconds", seconds);
        if (id)
                json_add_string(parameters, "id", id);
        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        r = client_call(client, CONTROL_INTERFACE ".Extend", parameters, VARLINK_PLAIN, NULL, NULL,
                        &reply, &failure);
        if (r < 0)
                return run_refused(ctl, r, client, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        print_operation(ctl, reply);
        return EXIT_OK;
}

/* What runs, what the disk says, and what is told are one; else this is exit 9. */
int run_status(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        r = client_call(client, CONTROL_INTERFACE ".Status", NULL, VARLINK_PLAIN, NULL, NULL,
                        &reply, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                (void) ctl_print_json(reply);
        else
                print_status(ctl, reply);
        return member(member(reply, "releases"), "degraded") ? EXIT_DEGRADED : EXIT_OK;
}

