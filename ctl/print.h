/* SPDX-License-Identifier: Apache-2.0 */
/* Replies as people read them, on standard output. */
#pragma once
#include "ctl.h"

#include <json-c/json.h>

typedef void (*print_function)(const struct ctl *ctl, struct json_object *reply);

/* An object's members, one a line, objects within it indented by their names. */
void print_object(const struct ctl *ctl, struct json_object *object);
/* The one member of the reply, as print_object() does. */
void print_member(const struct ctl *ctl, struct json_object *reply);
/* What was done, from the command's words: "collection create notes: done". */
void print_done(const struct ctl *ctl, struct json_object *reply);

void print_status(const struct ctl *ctl, struct json_object *reply);
void print_level(const struct ctl *ctl, struct json_object *reply);
void print_text(const struct ctl *ctl, struct json_object *reply);
void print_collections(const struct ctl *ctl, struct json_object *reply);
void print_documents(const struct ctl *ctl, struct json_object *reply);
void print_chunks(const struct ctl *ctl, struct json_object *reply);
void print_generations(const struct ctl *ctl, struct json_object *reply);
void print_indexes(const struct ctl *ctl, struct json_object *reply);
void print_tuning(const struct ctl *ctl, struct json_object *reply);
void print_jobs(const struct ctl *ctl, struct json_object *reply);
void print_results(const struct ctl *ctl, struct json_object *reply);
void print_modes(const struct ctl *ctl, struct json_object *reply);
void print_providers(const struct ctl *ctl, struct json_object *reply);
void print_provider(const struct ctl *ctl, struct json_object *reply);
void print_recording(const struct ctl *ctl, struct json_object *reply);
void print_trial(const struct ctl *ctl, struct json_object *reply);
void print_comparison(const struct ctl *ctl, struct json_object *report);
void print_estimate(const struct ctl *ctl, struct json_object *summary);
void print_rebuild(const struct ctl *ctl, struct json_object *reply);
void print_usage(const struct ctl *ctl, struct json_object *reply);
void print_trace(const struct ctl *ctl, struct json_object *reply);

void print_tenants(const struct ctl *ctl, struct json_object *reply);
void print_tenant(const struct ctl *ctl, struct json_object *reply);
/* What a tenant is now, and where its data lies. */
void print_tenant_state(const struct ctl *ctl, struct json_object *reply);
void print_limits(const struct ctl *ctl, struct json_object *reply);
/* The receipt of a purge. */
void print_erasure(const struct ctl *ctl, struct json_object *reply);
void print_key_list(const struct ctl *ctl, struct json_object *reply);
void print_new_key(const struct ctl *ctl, struct json_object *reply);

void print_operation(const struct ctl *ctl, struct json_object *reply);
void print_plan(const struct ctl *ctl, struct json_object *plan);
/* Without the command that deploys it.  False: it is refused. */
bool print_plan_alone(const struct ctl *ctl, struct json_object *plan);
void print_history(const struct ctl *ctl, struct json_object *reply);
void print_release(const struct ctl *ctl, struct json_object *reply);
void print_release_diff(const struct ctl *ctl, struct json_object *reply);
void print_drift(const struct ctl *ctl, struct json_object *reply);
void print_gc(const struct ctl *ctl, struct json_object *reply);
void print_overrides(const struct ctl *ctl, struct json_object *reply);
void print_gate(const struct ctl *ctl, struct json_object *reply);
/* The report of the gates. */
void print_gates(const struct ctl *ctl, struct json_object *report);
void print_golden(const struct ctl *ctl, struct json_object *reply);
void print_receipt(const struct ctl *ctl, struct json_object *reply);

/* A table of {key, old, new, impact, note}. */
void print_changes(const struct ctl *ctl, struct json_object *changes);
/* What work takes: {documents, chunks, tokens, copied, bytes, usec, cost_microusd}; NULL: nothing
 * is printed. */
void print_cost(const struct ctl *ctl, struct json_object *cost);
/* On standard error, as `validate` does. */
void print_diagnostics(const struct ctl *ctl, struct json_object *diagnostics);

/* The numbered citations and the last line of an answer. */
void print_citations(const struct ctl *ctl, struct json_object *answer);
/* One line on how a job ended, before it the job's errors on standard error. */
void print_job_end(const struct ctl *ctl, struct json_object *job, bool errors);

/* Puts "$0.0042" under `label` in place of the member, whose unit is so many millionths of a
 * dollar; what is absent stays so. */
void member_as_dollars(struct json_object *object, const char *key, double microusd,
                       const char *label);

/* What printing needs of JSON: a member, or what stands for its absence. */
struct json_object *member(struct json_object *object, const char *key);
const char *member_text(struct json_object *object, const char *key, const char *otherwise);
uint64_t member_u64(struct json_object *object, const char *key);
double member_double(struct json_object *object, const char *key);
/* The day of a member that is a time; NULL: it is absent. */
const char *member_day(struct json_object *object, const char *key, char text[static 11]);
/* Of a member that is an array; 0 for anything else. */
size_t member_count(struct json_object *object, const char *key);
