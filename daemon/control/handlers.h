/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that the rows of commands.inc.h name, and what several of them share.  Each runs
 * on a worker thread; see call.h. */
#pragma once
#include "base/json.h"
#include "control/call.h"

struct collection;
struct gateway;

/* Replies with an object of one member, whose value it takes; NULL: out of memory. */
void reply_with(struct call *call, const char *key, struct json_object *takes_value);
/* Who embeds so many tokens, and at which price. */
void add_embedding_price(struct json_object *object, const struct gateway *gateway,
                         uint64_t tokens);
/* Replies with an empty object. */
void reply_done(struct call *call);

/* The whole number `name`, or `otherwise`; false: it was out of range and the call has failed. */
bool read_number(struct call *call, const char *name, uint64_t min, uint64_t max,
                 uint64_t otherwise, uint64_t *ret);

/* Whose data the call works on, see call_tenant(); false: the call has failed. */
bool read_tenant(struct call *call, struct tenant_id *ret);

/* Opens the tenant's collection that the parameter `name` names ("default" where it is left out);
 * false: the call has failed. */
bool open_collection(struct call *call, const char *name, struct collection **ret);

/* Calls `each` with every word of a list of words, where commas part words, too: "read,write".
 * What `each` returns below 0 ends it.  The parameter may be absent. */
int each_word(struct call *call, const char *name,
              int (*each)(void *data, const char *word, struct error *reterr), void *data,
              struct error *reterr);

/* Whether the gateway has a provider of this name; false: the call has failed. */
bool find_provider(struct call *call, const char *name);

void on_daemon_status(struct call *call);
void on_daemon_log_level(struct call *call);
void on_daemon_set_log_level(struct call *call);
void on_daemon_stop(struct call *call);
void on_service_ping(struct call *call);
void on_service_set_log_level(struct call *call);
void on_service_reload(struct call *call);
void on_release_validate(struct call *call);
void on_release_plan(struct call *call);
void on_release_history(struct call *call);
void on_release_show(struct call *call);
void on_release_diff(struct call *call);
void on_release_drift(struct call *call);
void on_release_gc(struct call *call);
void on_release_override(struct call *call);
void on_release_override_list(struct call *call);
void on_release_gate(struct call *call);
void on_operation_deploy(struct call *call);
void on_operation_rollback(struct call *call);
void on_operation_reload(struct call *call);
void on_operation_watch(struct call *call);
void on_operation_confirm(struct call *call);
void on_operation_cancel(struct call *call);
void on_operation_extend(struct call *call);
void on_golden_add(struct call *call);
void on_golden_import(struct call *call);
void on_golden_list(struct call *call);
void on_golden_remove(struct call *call);
void on_bundle_export(struct call *call);
void on_bundle_import(struct call *call);
void on_config_show(struct call *call);
void on_tenant_create(struct call *call);
void on_tenant_list(struct call *call);
void on_tenant_show(struct call *call);
void on_tenant_suspend(struct call *call);
void on_tenant_resume(struct call *call);
void on_tenant_offload(struct call *call);
void on_tenant_delete(struct call *call);
void on_tenant_purge(struct call *call);
void on_tenant_quota_set(struct call *call);
void on_tenant_quota_show(struct call *call);
void on_key_create(struct call *call);
void on_key_list(struct call *call);
void on_key_show(struct call *call);
void on_key_revoke(struct call *call);
void on_collection_create(struct call *call);
void on_collection_list(struct call *call);
void on_collection_show(struct call *call);
void on_collection_delete(struct call *call);
void on_document_ingest(struct call *call);
void on_document_estimate(struct call *call);
void on_document_list(struct call *call);
void on_document_show(struct call *call);
void on_document_chunks(struct call *call);
void on_document_delete(struct call *call);
void on_search_search(struct call *call);
void on_search_ask(struct call *call);
void on_search_eval(struct call *call);
void on_job_list(struct call *call);
void on_job_show(struct call *call);
void on_job_watch(struct call *call);
void on_job_cancel(struct call *call);
void on_job_retry(struct call *call);
void on_generation_list(struct call *call);
void on_generation_rebuild(struct call *call);
void on_generation_estimate(struct call *call);
void on_generation_remove(struct call *call);
void on_index_status(struct call *call);
void on_index_tune(struct call *call);
void on_provider_list(struct call *call);
void on_provider_show(struct call *call);
void on_provider_test(struct call *call);
void on_provider_bench(struct call *call);
void on_provider_record(struct call *call);
void on_usage(struct call *call);
void on_trace(struct call *call);
void on_audit_tail(struct call *call);
void on_audit_search(struct call *call);
void on_audit_verify(struct call *call);
void on_audit_seed_take(struct call *call);
