/* SPDX-License-Identifier: Apache-2.0 */
/* ROUTE(name, method, path, handler, body, scopes, flags, query,
 *       summary, request schema, status, response schema)                                  */
#define COLLECTION "/api/v1/collections/{collection}"
#define TENANT "/api/v1/tenants/{tenant}"
#define WRITES (ROUTE_KEY | ROUTE_CHANGE)

ROUTE("collections.create", METHOD_POST, "/api/v1/collections", collections_create, BODY_JSON,
      KEY_WRITE, WRITES | ROUTE_EVERY, "", "Make a collection.", "NewCollection", 201, "Collection")
ROUTE("collections.list", METHOD_GET, "/api/v1/collections", collections_list, BODY_NONE, KEY_READ,
      ROUTE_INLINE | ROUTE_READ, "limit,cursor", "List the collections by name.", NULL, 200,
      "CollectionPage")
ROUTE("collections.get", METHOD_GET, COLLECTION, collections_get, BODY_NONE, KEY_READ, ROUTE_READ,
      "", "One collection with its counts.", NULL, 200, "Collection")
ROUTE("collections.delete", METHOD_DELETE, COLLECTION, collections_delete, BODY_NONE, KEY_WRITE,
      WRITES, "", "Delete a collection and all its documents.", NULL, 204, NULL)

ROUTE("generations.list", METHOD_GET, COLLECTION "/generations", generations_list, BODY_NONE,
      KEY_READ, ROUTE_READ, "", "The indexes kept for a collection.", NULL, 200, "GenerationList")
ROUTE("generations.rebuild", METHOD_POST, COLLECTION "/generations:rebuild", generations_rebuild,
      BODY_NONE, KEY_WRITE, WRITES, "",
      "Build an index of the present configuration beside the serving one, then switch to it.",
      NULL, 202, "JobReference")

ROUTE("documents.batch", METHOD_POST, COLLECTION "/documents:batch", batch_finish, BODY_LINES,
      KEY_WRITE, WRITES, "", "Put many documents, one JSON object a line, as one job.",
      "DocumentLine", 202, "BatchReceipt")
ROUTE("documents.sync", METHOD_POST, COLLECTION "/sync", documents_sync, BODY_JSON, KEY_WRITE,
      WRITES, "", "Compare a manifest with the collection: what to send, what to delete.",
      "SyncRequest", 200, "SyncResult")
ROUTE("documents.list", METHOD_GET, COLLECTION "/documents", documents_list, BODY_NONE, KEY_READ,
      ROUTE_READ, "limit,cursor", "List the documents by external_id.", NULL, 200, "DocumentPage")
ROUTE("documents.chunks", METHOD_GET, COLLECTION "/documents/{external_id+}/chunks",
      documents_chunks, BODY_NONE, KEY_READ, ROUTE_READ, "limit,cursor",
      "The chunks that serve for a document.", NULL, 200, "ChunkPage")
ROUTE("documents.put", METHOD_PUT, COLLECTION "/documents/{external_id+}", documents_put,
      BODY_DOCUMENT, KEY_WRITE, WRITES, "",
      "Put a document: durable when answered, visible when its job has succeeded; 200 when "
      "nothing changed.", "Document", 202, "DocumentReceipt")
ROUTE("documents.get", METHOD_GET, COLLECTION "/documents/{external_id+}", documents_get, BODY_NONE,
      KEY_READ, ROUTE_READ, "", "One document without its text.", NULL, 200, "DocumentInfo")
ROUTE("documents.delete", METHOD_DELETE, COLLECTION "/documents/{external_id+}", documents_delete,
      BODY_NONE, KEY_WRITE, WRITES, "",
      "Delete a document: found nowhere any more when answered.", NULL, 204, NULL)

ROUTE("jobs.list", METHOD_GET, "/api/v1/jobs", jobs_list_page, BODY_NONE, KEY_READ, ROUTE_READ,
      "limit,cursor", "List the jobs, newest first.", NULL, 200, "JobPage")
ROUTE("jobs.events", METHOD_GET, "/api/v1/jobs/{job}/events", jobs_events, BODY_NONE, KEY_READ,
      ROUTE_EVENTS | ROUTE_READ, "",
      "The job's progress as server-sent events, until it is over.", NULL, 200, "Job")
ROUTE("jobs.cancel", METHOD_POST, "/api/v1/jobs/{job}:cancel", jobs_cancel, BODY_NONE, KEY_WRITE,
      WRITES, "", "Cancel a job; what it made visible stays.", NULL, 200, "Job")
ROUTE("jobs.retry", METHOD_POST, "/api/v1/jobs/{job}:retry", jobs_retry, BODY_NONE, KEY_WRITE,
      WRITES, "", "Try the failed documents of a job again.", NULL, 200, "Job")
ROUTE("jobs.get", METHOD_GET, "/api/v1/jobs/{job}", jobs_get_one, BODY_NONE, KEY_READ, ROUTE_READ,
      "", "One job with its progress.", NULL, 200, "Job")

ROUTE("search", METHOD_POST, "/api/v1/search", search_post, BODY_SEARCH, KEY_READ,
      ROUTE_INLINE | ROUTE_REMOTE | ROUTE_READ,
      "collections,limit,cursor,ef_search,exact,explain,filter,include",
      "Search collections.  The query parameters are for a body that is a vector alone: with "
      "JSON, the same members stand in the body.", "SearchRequest", 200, "SearchResponse")
ROUTE("answer", METHOD_POST, "/api/v1/answer", answer_post, BODY_JSON, KEY_READ,
      ROUTE_EVENTS | ROUTE_READ, "",
      "Answer a question with citations, at once or as server-sent events.", "AnswerRequest", 200,
      "Answer")

ROUTE("tenants.list", METHOD_GET, "/api/v1/tenants", tenants_list_page, BODY_NONE, KEY_OPERATOR,
      ROUTE_ADMIN, "limit,cursor", "List the tenants by name.", NULL, 200, "TenantPage")
ROUTE("tenants.create", METHOD_POST, "/api/v1/tenants", tenants_create, BODY_JSON, KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_CHANGE, "", "Make a tenant.", "NewTenant", 201, "Tenant")
ROUTE("tenants.suspend", METHOD_POST, TENANT ":suspend", tenants_suspend, BODY_NONE, KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_CHANGE, "", "Refuse every request of a tenant; its data stays.", NULL,
      200, "Tenant")
ROUTE("tenants.resume", METHOD_POST, TENANT ":resume", tenants_resume, BODY_NONE, KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_CHANGE, "", "Serve a tenant again that was suspended or offloaded.", NULL,
      200, "Tenant")
ROUTE("tenants.quota", METHOD_PUT, TENANT "/quota", tenants_put_quota, BODY_JSON, KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_CHANGE, "",
      "Set limits of a tenant's own: a number, \"unlimited\", or null for the profile's.",
      "Quotas", 200, "Tenant")
ROUTE("keys.list", METHOD_GET, TENANT "/keys", keys_list, BODY_NONE, KEY_ADMIN | KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_EVERY, "", "List the keys of a tenant, without their secrets.", NULL, 200,
      "KeyList")
ROUTE("keys.create", METHOD_POST, TENANT "/keys", keys_create, BODY_JSON, KEY_ADMIN | KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_CHANGE | ROUTE_EVERY, "",
      "Make a key; its text is shown this once.", "NewKey", 201, "KeyWithSecret")
ROUTE("keys.revoke", METHOD_DELETE, TENANT "/keys/{key}", keys_revoke, BODY_NONE,
      KEY_ADMIN | KEY_OPERATOR, ROUTE_ADMIN | ROUTE_CHANGE | ROUTE_EVERY, "",
      "Revoke a key: the next request with it is refused.", NULL, 204, NULL)
ROUTE("tenants.get", METHOD_GET, TENANT, tenants_get_one, BODY_NONE, KEY_ADMIN | KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_EVERY, "", "One tenant with its limits and what it has used.", NULL, 200,
      "Tenant")
ROUTE("tenants.delete", METHOD_DELETE, TENANT, tenants_delete, BODY_NONE, KEY_OPERATOR,
      ROUTE_ADMIN | ROUTE_CHANGE, "confirm",
      "Delete a tenant: `confirm` repeats its name; an archive is kept until it is purged.", NULL,
      204, NULL)

ROUTE("health.live", METHOD_GET, "/healthz", health_live, BODY_NONE, 0,
      ROUTE_INLINE | ROUTE_ALWAYS | ROUTE_OPEN, "", "The process is alive.", NULL, 200, "Health")
ROUTE("health.ready", METHOD_GET, "/readyz", health_ready, BODY_NONE, 0,
      ROUTE_ALWAYS | ROUTE_KEYLESS, "",
      "Requests may be sent here; 503 while not.  Where keys are needed, the detail is for keys "
      "with the scope operator.", NULL, 200, "Health")
ROUTE("metrics", METHOD_GET, "/metrics", health_metrics, BODY_NONE, KEY_OPERATOR,
      ROUTE_ALWAYS | ROUTE_METRICS, "", "Figures for Prometheus.", NULL, 200,
      "Metrics")
ROUTE("openapi", METHOD_GET, "/openapi.json", health_openapi, BODY_NONE, 0, ROUTE_INLINE, "",
      "This document.", NULL, 200, "Object")

#undef WRITES
#undef TENANT
#undef COLLECTION
