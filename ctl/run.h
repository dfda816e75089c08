/* SPDX-License-Identifier: Apache-2.0 */
/* What each command does.  A row whose method is called once and printed needs no code here but
 * a line in the table of run.c. */
#pragma once
#include "ctl.h"

#include <json-c/json.h>
#include <stdbool.h>

struct client;
struct client_failure;

/* Runs the command of the words; an exit code. */
int run(struct ctl *ctl);
/* Whether run() knows what to do for the row. */
bool run_knows(const struct command *command);

/* Connects as the words say; NULL: *ret_exit is the exit code, and the reason was told. */
struct client *run_connect(const struct ctl *ctl, int *ret_exit);
/* Tells why a call failed; an exit code. */
int run_failed(const struct ctl *ctl, int code, const struct client_failure *failure);

/* The same with what the client's last error said about it: a profile's faults, a cost. */
int run_refused(const struct ctl *ctl, int code, const struct client *client,
                const struct client_failure *failure);

int run_ask(struct ctl *ctl);
int run_audit_export(struct ctl *ctl);
int run_audit_search(struct ctl *ctl);
int run_audit_seed_take(struct ctl *ctl);
int run_audit_tail(struct ctl *ctl);
int run_audit_verify(struct ctl *ctl);
int run_completion(struct ctl *ctl);
int run_config_diff(struct ctl *ctl);
int run_config_schema(struct ctl *ctl);
int run_config_show(struct ctl *ctl);
int run_deploy(struct ctl *ctl);
int run_estimate(struct ctl *ctl);
int run_eval(struct ctl *ctl);
int run_extend(struct ctl *ctl);
int run_gate(struct ctl *ctl);
int run_golden_import(struct ctl *ctl);
int run_help(struct ctl *ctl);
int run_index_tune(struct ctl *ctl);
int run_ingest(struct ctl *ctl);
int run_job_watch(struct ctl *ctl);
int run_plan(struct ctl *ctl);
int run_promote(struct ctl *ctl);
int run_provider_bench(struct ctl *ctl);
int run_rebuild(struct ctl *ctl);
int run_release_export(struct ctl *ctl);
int run_release_import(struct ctl *ctl);
int run_reload(struct ctl *ctl);
int run_rollback(struct ctl *ctl);
int run_search(struct ctl *ctl);
int run_status(struct ctl *ctl);
int run_tenant_purge(struct ctl *ctl);
int run_validate(struct ctl *ctl);
int run_version(struct ctl *ctl);
int run_watch(struct ctl *ctl);

/* " --tenant NAME" for hints, where the words name one, else "". */
#define TENANT_WORDS_SIZE 96
const char *run_tenant_words(const struct ctl *ctl, char text[static TENANT_WORDS_SIZE]);

/* Follows a job of the words' tenant with a progress bar until it ends; Ctrl-C detaches.
 * *ret_job: as it was told last (a new reference, or NULL).  Returns an exit code. */
int run_wait(const struct ctl *ctl, struct client *client, const char *id,
             struct json_object **ret_job);
