/* SPDX-License-Identifier: Apache-2.0 */
/* Ingest: from a document at the door to chunks in a generation.
 *
 * A put writes the job row, then docs.db, and is accepted: durable.  A follower per collection
 * (a worker task) then applies the change log to the generations of the releases that are
 * followed: extract, chunk, embed, stage, publish.  It resumes at the chunk where it stopped.
 * A job has succeeded when its last change is visible in the serving generation.
 *
 * Several releases are followed at a time: the one that serves, the one before it until the new
 * one is STABLE, a candidate.  A change is applied to the others first and to the serving one
 * last, so that a switch to another one never takes anything visible away; where another one
 * cannot go on (its provider is away), the serving one does not wait for it.  Chunks whose
 * vectors another generation of the collection has already (same fingerprint, same chunking) are
 * copied from it and not embedded again.
 *
 * The doors' services: both the HTTP API and the control protocol call these.  Any thread. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/jobs.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gateway;
struct ingest;
struct store;
struct tenants;
struct workers;

struct ingest_settings {
        struct store *store;
        struct workers *workers;
        struct tenants *tenants; /* what each may store; NULL: without limits */
        size_t max_document_bytes;
        size_t max_input_bytes; /* metadata, ids, titles */
        uint64_t min_free_bytes; /* watermark: below it writes are refused with -ENOSPC */
};

/* Resumes the jobs that a restart interrupted. */
int ingest_new(const struct ingest_settings *settings, struct ingest **ret, struct error *reterr);
/* Stops the followers at their next step; what is durable is resumed by the next start. */
struct ingest *ingest_free(struct ingest *ingest);

/* ---- Releases that are followed ---------------------------------------------------------- */

struct ingest_release {
        const struct generation_spec *spec; /* copied; the language is each collection's own */
        struct gateway *gateway;            /* embeds for it */
        uint32_t batch_size;                /* texts per embedding request */
        bool serves; /* exactly one does: jobs wait for it, estimates and new collections use it */
        /* Keep the gateway alive: ref() is called before ingest_follow() returns, unref() when no
         * thread uses it any more.  Any thread, without locks of ingest held. */
        void *owner;
        void (*ref)(void *owner);
        void (*unref)(void *owner);
};
#define INGEST_RELEASES_MAX 4

/* From now on every collection's generations of these releases' identities are followed: made
 * where they are missing, woken where they rest.  Those of other identities rest.  Two releases
 * with one identity share its generation, and the first one's gateway embeds for it.  The one
 * that serves is told to the store (store_serve()).  Only collections that have work are opened, as
 * the registry tells them (store_list_with_work()).  Returns at once; the followers do the work.
 * -ENOMEM, -EIO …: nothing has changed. */
int ingest_follow(struct ingest *ingest, const struct ingest_release *releases, size_t n,
                  struct error *reterr);

/* How far the generations of one release are: over all collections. */
struct ingest_progress {
        uint64_t collections, ready; /* ready: all that is visible in the serving one is there */
        /* Of the collections that have or had work since the release is followed: */
        uint64_t documents, documents_done; /* current versions; and those it has dealt with */
        uint64_t chunks, chunks_embedded, chunks_copied; /* since they began to be followed */
        uint64_t tokens_embedded;
        uint64_t failed; /* documents that failed in it and are visible in the serving one */
        bool hopeless;   /* one of them was given up: see `why` */
        char why[256];   /* empty: all goes on; else what holds a collection up */
};
/* `spec` of one of the releases that are followed; -ENOENT: it is not. */
int ingest_get_progress(struct ingest *ingest, const struct generation_spec *spec,
                        struct ingest_progress *ret, struct error *reterr);

/* What following a release would take, cut as its spec says; nothing is changed.  What a
 * generation of its identity holds already (also one that rests) is not counted; vectors that
 * would be copied are `copied`, not `chunks`. */
struct ingest_forecast {
        uint64_t collections; /* that need work */
        uint64_t documents;
        uint64_t chunks, tokens; /* to embed */
        uint64_t copied;         /* chunks */
        uint64_t bytes;          /* on disk, at most */
        uint64_t usec;           /* from the rates measured so far on this machine; 0: none yet */
};
int ingest_forecast_release(struct ingest *ingest, const struct generation_spec *spec,
                            bool remote_embedder, struct ingest_forecast *ret,
                            struct error *reterr);

/* Removes resting generations of identities for which `keep` says no, which is asked by the identity
 * that releases name: generation_identity() without a language.  How many, and their bytes.
 * `dry_run`: nothing is removed. */
struct ingest_sweep {
        uint64_t generations, bytes;
};
int ingest_sweep_generations(struct ingest *ingest,
                             bool (*keep)(void *data, const uint8_t *identity), void *data,
                             bool dry_run, struct ingest_sweep *ret, struct error *reterr);

/* ---- Tenants that move ------------------------------------------------------------------ */

/* Waits for what works on the tenant's collections, and forgets them; their jobs stay as rows.  The
 * doors of this tenant are closed before, its store afterwards (store_close_tenant()). */
int ingest_close_tenant(struct ingest *ingest, struct tenant_id tenant, struct error *reterr);
/* Its data is in its folder: its jobs go on, and those of its collections that have work. */
void ingest_open_tenant(struct ingest *ingest, struct tenant_id tenant);

/* ---- Documents ------------------------------------------------------------------------ */

/* One document from the JSON of api.md (text or content_base64, mime, title, source_url,
 * metadata, chunking, vector | vector_base64 | chunks[{text, vector | vector_base64}],
 * external_id).  A Markdown document without a title takes its first heading.  Strings are
 * borrowed from `json`; decoded bytes belong to the result.  -EINVAL with the pointer, -EILSEQ:
 * not UTF-8, -EMEDIUMTYPE: a mime type that is not read. */
struct ingest_document {
        struct document_input input;
        /* private: what was decoded, or found in the text */
        char *body, *title, *floats;
        struct document_vector *vectors;
        struct json_object *json;
};
int ingest_document_parse(struct json_object *json, const char *external_id_or_null,
                          struct ingest_document *ret, struct error *reterr);
/* The same from a raw body with its Content-Type. */
int ingest_document_from_body(const char *external_id, const char *mime, const void *body,
                              size_t len, struct ingest_document *ret, struct error *reterr);
void ingest_document_done(struct ingest_document *document);

struct ingest_receipt {
        struct docs_receipt document;
        struct job_id job; /* meaningless when unchanged */
};
/* Durable when it returns 0.  -ENOENT: the collection; -EINVAL, -E2BIG, -EFBIG: the document,
 * with the member in the origin; -ENOSPC. */
int ingest_put(struct ingest *ingest, struct tenant_id tenant, const char *collection,
               const struct document_input *document, struct ingest_receipt *ret,
               struct error *reterr);

/* A stream of JSON Lines as one job.  Lines are committed in groups; finish() makes the rest
 * durable.  A bad line does not spoil the others: it is counted and its error kept.  Where the
 * tenant's data is limited, nothing is written before finish(), whose -EDQUOT leaves no job. */
struct ingest_batch;
int ingest_batch_open(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                      struct ingest_batch **ret, struct error *reterr);
/* Before the first byte, where it is known: how long the stream will be at most.  Where it fits
 * what the tenant may store in any case, it need not be counted as a whole before it is written. */
int ingest_batch_expect(struct ingest_batch *batch, uint64_t bytes, struct error *reterr);
/* The same stream, of which nothing is kept: summed up by `estimate`, with what would be refused
 * and why.  There is no job.  Without a collection every document is new. */
int ingest_batch_estimate(struct ingest *ingest, struct tenant_id tenant,
                          const char *collection_or_null, struct ingest_batch **ret,
                          struct error *reterr);
/* Any cut of bytes; lines are put together inside.  -ENOSPC, -EIO …: the stream is over. */
int ingest_batch_feed(struct ingest_batch *batch, const char *bytes, size_t len,
                      struct error *reterr);
struct ingest_estimate {
        uint64_t new_documents, changed_documents, unchanged_documents;
        uint64_t chunks, tokens; /* of the new and the changed ones, with their titles */
};
struct ingest_batch_summary {
        struct job_id job;
        uint64_t accepted, unchanged, refused, bytes;
        struct ingest_estimate estimate; /* of a batch that is an estimate; else 0 */
        struct json_object *errors; /* array of {line, external_id, message}, at most 100; the batch's */
};
void ingest_batch_summary(struct ingest_batch *batch, struct ingest_batch_summary *ret);
int ingest_batch_finish(struct ingest_batch *batch, struct ingest_batch_summary *ret,
                        struct error *reterr);
/* Unfinished: keeps what was committed. */
struct ingest_batch *ingest_batch_free(struct ingest_batch *batch);

/* Visible nowhere any more when it returns 0.  -ENOENT. */
int ingest_delete(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                  const char *external_id, struct error *reterr);

/* manifest: JSON array of {external_id, sha256}.  Says what a client has to send, and deletes
 * what the manifest lacks when asked.  -EPERM: more than max_delete_ratio would go. */
struct ingest_sync_request {
        struct json_object *manifest;
        bool delete_missing, dry_run;
        double max_delete_ratio; /* default 0.5 */
};
int ingest_sync(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                const struct ingest_sync_request *request, struct json_object **ret,
                struct error *reterr);

/* ---- Collections and generations ------------------------------------------------------- */

/* As collection_create(), and the first generation beside it. */
int ingest_create_collection(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             const char *language, const char *description,
                             struct collection_info *ret, struct error *reterr);
/* Cancels its jobs first. */
int ingest_delete_collection(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             struct error *reterr);
/* What building one would embed: the documents (`changed_documents`), chunks and tokens, cut as the
 * profile says; nothing is changed.  Documents that cannot be read are left out. */
int ingest_estimate_rebuild(struct ingest *ingest, struct tenant_id tenant, const char *name,
                            struct ingest_estimate *ret, struct error *reterr);
/* A job that builds the serving release's generation anew, all of it embedded anew, beside the one
 * that is there, and takes its place when it has caught up.  -EEXIST: one is being built. */
int ingest_rebuild(struct ingest *ingest, struct tenant_id tenant, const char *name,
                   struct job_id *ret, struct error *reterr);

/* ---- Jobs ------------------------------------------------------------------------------ */

/* The row with the live progress; job_done() frees it. */
int ingest_job_get(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                   struct job *ret, struct error *reterr);
/* Puts the live progress over rows that jobs_list() read. */
void ingest_jobs_refresh(struct ingest *ingest, struct job *jobs, size_t n);
/* Durable.  Documents that were not applied yet are marked as failed; the others stay. */
int ingest_job_cancel(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                      struct error *reterr); /* -EALREADY: it is final; -ENOENT */
/* Failed documents are tried again.  -EALREADY: nothing failed. */
int ingest_job_retry(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                     struct error *reterr);

/* Waits until any job's state changed since `seen` (0 at first) or the time is over; returns
 * the new count.  What a progress stream sleeps on. */
uint64_t ingest_wait_change(struct ingest *ingest, uint64_t seen, uint64_t timeout_usec);

/* ---- As JSON, one shape for every door --------------------------------------------------- */
/* Each returns a new object (NULL: out of memory). */
struct json_object *ingest_job_json(const struct job *job);
/* status comes from comparing doc_seq with the serving generation's applied_seq. */
struct json_object *ingest_document_json(const struct document *document, uint64_t applied_seq);
struct json_object *ingest_collection_json(const struct collection_info *info);
/* With counts; opens the collection. */
int ingest_collection_detail(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             struct json_object **ret, struct error *reterr);
struct json_object *ingest_generation_json(const struct generation_info *info);
struct json_object *ingest_chunk_json(const struct chunk *chunk, const char *chunk_id);
/* chunk_id = document_id.version.identity8.ordinal */
#define CHUNK_ID_SIZE 64
const char *ingest_chunk_id(struct document_id document, uint32_t version,
                            const uint8_t identity[static GENERATION_IDENTITY_BYTES],
                            uint32_t ordinal, char text[static CHUNK_ID_SIZE]);

/* Figures for metrics and status. */
struct ingest_figures {
        uint64_t documents_put, documents_applied, documents_failed, chunks, tokens;
        uint64_t damages;            /* files found damaged, and set aside */
        uint64_t upkeep_failures;    /* steps of upkeep that failed and made it wait */
        uint32_t collections_behind; /* with changes not yet visible */
};
void ingest_get_figures(struct ingest *ingest, struct ingest_figures *ret);
