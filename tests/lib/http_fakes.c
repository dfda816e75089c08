/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/http_fakes.h"

#include "answer/answer.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "config/values.h"
#include "ingest/ingest.h"
#include "release/release.h"
#include "store/idempotency.h"
#include "store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENTS 25

struct ingest_batch {
        uint64_t bytes, lines;
};
struct search_response {
        char query[64];
        const char *const *ids;
        size_t n;
};

struct fakes fakes;

static bool ready(void *data, struct json_object *detail)
{
        (void) data;
        json_add_string(detail, "store", "open");
        return !fakes.not_ready;
}

struct http_services fakes_services(struct metrics *metrics, struct releases *releases)
{
        return (struct http_services){
                .metrics = metrics, .releases = releases, .ready = ready, .version = "1.2.3"
        };
}

/* ---- Releases ----------------------------------------------------------------------------- */

struct releases {
        pthread_mutex_t lock;
        struct security_config security;
        enum stage stage;
        struct snapshot *serving;
};

static _Atomic uint32_t snapshots;

struct snapshot *fakes_snapshot_new(struct releases *releases, const struct server_config *server,
                                    uint32_t number)
{
        struct snapshot *snapshot = calloc(1, sizeof *snapshot);

        snapshot->config = calloc(1, sizeof *snapshot->config);
        snapshot->config->server = *server;
        snapshot->config->security = releases->security;
        snapshot->config->stage = releases->stage;
        snapshot->release = number;
        snapshot->refs = 1;
        snapshots++;
        return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
        snapshot->refs++;
        return snapshot;
}

struct snapshot *snapshot_unref(struct snapshot *snapshot)
{
        if (snapshot && --snapshot->refs == 0) {
                free(snapshot->config);
                free(snapshot);
                snapshots--;
        }
        return NULL;
}

uint32_t fakes_snapshots(void)
{
        return snapshots;
}

struct releases *fakes_releases_new(const struct server_config *server,
                                    const struct security_config *security, uint32_t number)
{
        struct releases *releases = calloc(1, sizeof *releases);

        (void) pthread_mutex_init(&releases->lock, NULL);
        releases->security = *security;
        releases->stage = STAGE_TESTING;
        releases->serving = fakes_snapshot_new(releases, server, number);
        return releases;
}

void fakes_switch(struct releases *releases, struct snapshot *takes_next)
{
        struct snapshot *former;

        (void) pthread_mutex_lock(&releases->lock);
        former = releases->serving;
        releases->serving = takes_next;
        (void) pthread_mutex_unlock(&releases->lock);
        (void) snapshot_unref(former);
}

void fakes_set_stage(struct releases *releases, enum stage stage)
{
        releases->stage = ((struct config *) releases->serving->config)->stage = stage;
}

void fakes_set_multi_tenant(struct releases *releases, bool multi_tenant)
{
        struct snapshot *next = fakes_snapshot_new(releases, &releases->serving->config->server,
                                                   releases->serving->release);

        next->config->multi_tenant = multi_tenant;
        fakes_switch(releases, next);
}

struct releases *fakes_releases_free(struct releases *releases)
{
        (void) snapshot_unref(releases->serving);
        (void) pthread_mutex_destroy(&releases->lock);
        free(releases);
        return NULL;
}

/* Of what is noted as text; several doors share it. */
static pthread_mutex_t notes = PTHREAD_MUTEX_INITIALIZER;

void fakes_note(char *text, size_t size, const char *value)
{
        (void) pthread_mutex_lock(&notes);
        (void) snprintf(text, size, "%s", value ? value : "");
        (void) pthread_mutex_unlock(&notes);
}

const char *fakes_noted(const char *noted, size_t size, char *text)
{
        (void) pthread_mutex_lock(&notes);
        memcpy(text, noted, size);
        (void) pthread_mutex_unlock(&notes);
        return text;
}

static void note(char text[static 64], const char *value)
{
        fakes_note(text, 64, value);
}

/* Who has a session "canary" is in its arm. */
struct release_pin releases_pin(struct releases *releases, const struct arm_key *key)
{
        struct release_pin pin = { .arm = RELEASE_ARM_REST };

        (void) pthread_mutex_lock(&releases->lock);
        pin.snapshot = snapshot_ref(releases->serving);
        if (key) {
                note(fakes.session, key->session);
                note(fakes.user, key->user);
                note(fakes.address, key->address);
                if (key->session && strcmp(key->session, "canary") == 0)
                        pin.arm = RELEASE_ARM_CANARY;
                if (fakes.shadow && pin.arm == RELEASE_ARM_CANARY) {
                        pin.arm = RELEASE_ARM_REST;
                        pin.shadow = snapshot_ref(fakes.shadow);
                        pin.shadow_step = fakes.shadow_step;
                }
        }
        (void) pthread_mutex_unlock(&releases->lock);
        return pin;
}

bool releases_shadow_goes_on(const struct releases *releases, uint64_t step)
{
        (void) releases;
        return fakes.shadow_step == step;
}

void releases_count_shadow(struct releases *releases, uint64_t step,
                           const struct canary_shadow *more)
{
        (void) releases;
        (void) step;
        fakes.replayed += more->replayed;
        fakes.refused += more->refused;
        fakes.dropped += more->dropped;
        fakes.expected += more->expected;
        fakes.found += more->found;
}

static int known(const char *name, struct error *reterr)
{
        if (strcmp(name, "docs") == 0)
                return 0;
        if (strcmp(name, "damaged") == 0)
                return error_set(reterr, -EBADMSG, "/var/lib/ragd/secret/docs.db is malformed");
        if (strcmp(name, "stale") == 0)
                return error_set(reterr, -ESTALE, "fingerprint mismatch: run ragctl generation "
                                                  "rebuild stale");
        return error_set(reterr, -ENOENT, "no collection is named \"%s\"", name);
}

/* ---- Store -------------------------------------------------------------------------------- */

void collection_info_done(struct collection_info *info)
{
        free(info->description);
}

/* "docs"; of a tenant that is not the default one "more", too. */
int collection_list(struct store *store, struct tenant_id tenant, const char *after, size_t limit,
                    struct collection_info **ret, size_t *ret_n, struct error *reterr)
{
        static const char *const names[] = { "docs", "more" };
        struct collection_info *infos = calloc(2, sizeof *infos);
        size_t n = 0;

        (void) store;
        (void) reterr;
        for (size_t i = 0; i < (tenant.id.bytes[0] ? 2 : 1) && n < limit; i++)
                if (!after || strcmp(names[i], after) > 0)
                        (void) strcpy(infos[n++].name, names[i]);
        *ret_n = n;
        *ret = infos;
        return 0;
}

struct collection_info *collection_infos_free(struct collection_info *infos, size_t n)
{
        (void) n;
        free(infos);
        return NULL;
}

int collection_get_info(struct store *store, struct tenant_id tenant, const char *name,
                        struct collection_info *ret, struct error *reterr)
{
        (void) store;
        (void) tenant;
        memset(ret, 0, sizeof *ret);
        (void) snprintf(ret->name, sizeof ret->name, "%s", name);
        return known(name, reterr);
}

int collection_open(struct store *store, struct tenant_id tenant, const char *name,
                    struct collection **ret, struct error *reterr)
{
        static char opened;

        (void) store;
        (void) tenant;
        *ret = (struct collection *) (void *) &opened;
        return known(name, reterr);
}

struct collection *collection_unref(struct collection *collection)
{
        (void) collection;
        return NULL;
}

int collection_generations(struct collection *collection, struct generation_info **ret,
                           size_t *ret_n, struct error *reterr)
{
        (void) collection;
        (void) reterr;
        *ret = calloc(1, sizeof **ret);
        *ret_n = 1;
        return 0;
}

struct generation *collection_serving(struct collection *collection)
{
        return (struct generation *) (void *) collection;
}

struct generation *generation_unref(struct generation *generation)
{
        (void) generation;
        return NULL;
}

uint64_t generation_applied_seq(struct generation *generation)
{
        (void) generation;
        return 7;
}

const uint8_t *generation_get_identity(const struct generation *generation)
{
        static const uint8_t identity[GENERATION_IDENTITY_BYTES];

        (void) generation;
        return identity;
}

int generation_get_chunks(struct generation *generation, uint32_t docver, struct chunk **ret,
                          size_t *ret_n, struct error *reterr)
{
        struct chunk *chunks = calloc(3, sizeof *chunks);

        (void) generation;
        (void) docver;
        (void) reterr;
        for (uint32_t i = 0; i < 3; i++)
                chunks[i].ordinal = i;
        *ret = chunks;
        *ret_n = 3;
        return 0;
}

struct chunk *chunks_free(struct chunk *chunks, size_t n)
{
        (void) n;
        free(chunks);
        return NULL;
}

const char *document_status_name(enum document_status status)
{
        return status == DOCUMENT_PENDING ? "pending" : "ready";
}

void document_done(struct document *document)
{
        free(document->external_id);
}

int docs_get(struct collection *collection, const char *external_id, struct document *ret,
             struct error *reterr)
{
        (void) collection;
        if (external_id[0] != 'd' && strcmp(external_id, "same") != 0 && !strchr(external_id, '/'))
                return error_set(reterr, -ENOENT, "no document \"%s\"", external_id);
        memset(ret, 0, sizeof *ret);
        ret->external_id = strdup(external_id);
        return 0;
}

int docs_list(struct collection *collection, const char *after, size_t limit,
              struct document **ret, size_t *ret_n, struct error *reterr)
{
        struct document *documents = calloc(DOCUMENTS, sizeof *documents);
        char name[16];
        size_t n = 0;

        (void) collection;
        (void) reterr;
        for (int i = 0; i < DOCUMENTS && n < limit; i++) {
                (void) snprintf(name, sizeof name, "d%03d", i);
                if (!after || strcmp(name, after) > 0)
                        documents[n++].external_id = strdup(name);
        }
        *ret = documents;
        *ret_n = n;
        return 0;
}

struct document *documents_free(struct document *documents, size_t n)
{
        for (size_t i = 0; i < n; i++)
                document_done(&documents[i]);
        free(documents);
        return NULL;
}

void job_done(struct job *job)
{
        (void) job;
}

bool job_status_is_final(enum job_status status)
{
        return status >= JOB_SUCCEEDED;
}

/* The first byte of an id is that of its collection's; "docs" has 0. */
int jobs_list(struct store *store, struct tenant_id tenant, const struct job_id *before,
              size_t limit, struct job **ret_jobs, size_t *ret_n, struct error *reterr)
{
        struct job *jobs = calloc(2, sizeof *jobs);
        size_t n = 0;

        (void) store;
        (void) reterr;
        for (uint8_t i = 0; i < (tenant.id.bytes[0] ? 2 : 1) && n < limit; i++)
                if (!before || i > before->id.bytes[0]) {
                        jobs[n].id.id.bytes[0] = i;
                        jobs[n++].collection.id.bytes[0] = i;
                }
        *ret_jobs = jobs;
        *ret_n = n;
        return 0;
}

struct job *jobs_free(struct job *jobs, size_t n)
{
        (void) n;
        free(jobs);
        return NULL;
}

/* ---- Idempotency: one key at a time ------------------------------------------------------- */

static struct {
        pthread_mutex_t lock;
        char key[256];
        uint8_t hash[32];
        bool claimed;
        struct idempotent_response response;
} stored = { .lock = PTHREAD_MUTEX_INITIALIZER };

void idempotent_response_done(struct idempotent_response *response)
{
        free(response->location);
        free(response->body);
        *response = (struct idempotent_response){ 0 };
}

static void copy_response(struct idempotent_response *to, const struct idempotent_response *from)
{
        to->status = from->status;
        to->location = from->location ? strdup(from->location) : NULL;
        to->body = calloc(1, from->body_len + 1);
        if (from->body_len)
                memcpy(to->body, from->body, from->body_len);
        to->body_len = from->body_len;
}

int idempotency_begin(struct store *store, struct tenant_id tenant, const char *key,
                      const uint8_t body_hash[static 32], uint64_t now_wall_usec,
                      struct idempotent_response *ret_response, struct error *reterr)
{
        int r = 0;

        (void) store;
        (void) tenant;
        (void) now_wall_usec;
        (void) pthread_mutex_lock(&stored.lock);
        if (strcmp(stored.key, key) != 0) {
                (void) snprintf(stored.key, sizeof stored.key, "%s", key);
                memcpy(stored.hash, body_hash, sizeof stored.hash);
                idempotent_response_done(&stored.response);
                stored.claimed = true;
        } else if (memcmp(stored.hash, body_hash, sizeof stored.hash) != 0) {
                r = error_set(reterr, -EEXIST, "another body");
        } else if (stored.claimed) {
                r = error_set(reterr, -EINPROGRESS, "in progress");
        } else {
                copy_response(ret_response, &stored.response);
                r = 1;
        }
        (void) pthread_mutex_unlock(&stored.lock);
        return r;
}

int idempotency_finish(struct store *store, struct tenant_id tenant, const char *key,
                       const struct idempotent_response *response, struct error *reterr)
{
        (void) store;
        (void) tenant;
        (void) key;
        (void) reterr;
        (void) pthread_mutex_lock(&stored.lock);
        idempotent_response_done(&stored.response);
        copy_response(&stored.response, response);
        stored.claimed = false;
        (void) pthread_mutex_unlock(&stored.lock);
        return 0;
}

void idempotency_abandon(struct store *store, struct tenant_id tenant, const char *key)
{
        (void) store;
        (void) tenant;
        (void) key;
        (void) pthread_mutex_lock(&stored.lock);
        stored.key[0] = '\0';
        stored.claimed = false;
        (void) pthread_mutex_unlock(&stored.lock);
}

/* ---- Ingest ------------------------------------------------------------------------------- */

static struct json_object *object(const char *key, const char *value)
{
        struct json_object *json = json_object_new_object();

        json_add_string(json, key, value);
        return json;
}

int ingest_create_collection(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             const char *language, const char *description,
                             struct collection_info *ret, struct error *reterr)
{
        (void) ingest;
        (void) tenant;
        (void) language;
        (void) description;
        if (known(name, NULL) == 0)
                return error_set(reterr, -EEXIST, "the collection \"%s\" exists", name);
        if (strlen(name) > STORE_NAME_MAX || name[0] == '\0' ||
            name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
                return error_set(reterr, -EINVAL, "a name has 1 to 64 of a-z, 0-9, _ and -");
        memset(ret, 0, sizeof *ret);
        (void) snprintf(ret->name, sizeof ret->name, "%s", name);
        return 0;
}

int ingest_delete_collection(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             struct error *reterr)
{
        (void) ingest;
        (void) tenant;
        return known(name, reterr);
}

int ingest_collection_detail(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             struct json_object **ret, struct error *reterr)
{
        int r = known(name, reterr);

        (void) ingest;
        (void) tenant;
        if (r >= 0)
                *ret = object("name", name);
        return r;
}

struct json_object *ingest_collection_json(const struct collection_info *info)
{
        return object("name", info->name);
}

struct json_object *ingest_generation_json(const struct generation_info *info)
{
        (void) info;
        return object("state", "ready");
}

struct json_object *ingest_document_json(const struct document *document, uint64_t applied_seq)
{
        (void) applied_seq;
        return object("external_id", document->external_id);
}

struct json_object *ingest_chunk_json(const struct chunk *chunk, const char *chunk_id)
{
        (void) chunk;
        return object("chunk_id", chunk_id);
}

const char *ingest_chunk_id(struct document_id document, uint32_t version,
                            const uint8_t identity[static GENERATION_IDENTITY_BYTES],
                            uint32_t ordinal, char text[static CHUNK_ID_SIZE])
{
        (void) document;
        (void) identity;
        (void) snprintf(text, CHUNK_ID_SIZE, "doc.%u.identity.%u", version, ordinal);
        return text;
}

int ingest_document_parse(struct json_object *json, const char *external_id_or_null,
                          struct ingest_document *ret, struct error *reterr)
{
        const char *text = NULL;
        int r = json_get_string(json, "text", &text, reterr);

        if (r < 0)
                return r;
        ret->input.external_id = external_id_or_null;
        ret->input.body = text ? text : "";
        ret->input.body_len = text ? strlen(text) : 0;
        return 0;
}

int ingest_document_from_body(const char *external_id, const char *mime, const void *body,
                              size_t len, struct ingest_document *ret, struct error *reterr)
{
        if (strncmp(mime, "text/", 5) != 0)
                return error_set(reterr, -EMEDIUMTYPE, "%s is not read", mime);
        ret->input.external_id = external_id;
        ret->input.body = body;
        ret->input.body_len = len;
        return 0;
}

void ingest_document_done(struct ingest_document *document)
{
        (void) document;
}

int ingest_put(struct ingest *ingest, struct tenant_id tenant, const char *collection,
               const struct document_input *document, struct ingest_receipt *ret,
               struct error *reterr)
{
        int r = known(collection, reterr);

        (void) ingest;
        fakes.tenant = tenant.id.bytes[0];
        if (r < 0)
                return r;
        if (strcmp(document->external_id, "full") == 0)
                return error_set(reterr, -ENOSPC, "write /var/lib/ragd/secret: no space");
        if (strcmp(document->external_id, "quota") == 0) {
                (void) error_set(reterr, -EDQUOT, "limit of documents: 1, used 1, asked for 1 more");
                error_set_origin(reterr, NULL, "documents", 0, 0);
                return -EDQUOT;
        }
        memset(ret, 0, sizeof *ret);
        ret->document.version = 1;
        ret->document.unchanged = strcmp(document->external_id, "same") == 0;
        fakes.puts++;
        return 0;
}

int ingest_delete(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                  const char *external_id, struct error *reterr)
{
        int r = known(collection, reterr);

        (void) ingest;
        (void) tenant;
        return r < 0 || external_id[0] == 'd' ? r : error_set(reterr, -ENOENT, "no such document");
}

int ingest_batch_expect(struct ingest_batch *batch, uint64_t bytes, struct error *reterr)
{
        (void) batch;
        (void) bytes;
        (void) reterr;
        return 0;
}

int ingest_batch_open(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                      struct ingest_batch **ret, struct error *reterr)
{
        int r = known(collection, reterr);

        (void) ingest;
        (void) tenant;
        if (r < 0)
                return r;
        *ret = calloc(1, sizeof **ret);
        fakes.batches_open++;
        return 0;
}

int ingest_batch_feed(struct ingest_batch *batch, const char *bytes, size_t len,
                      struct error *reterr)
{
        for (size_t i = 0; i < len; i++) {
                batch->lines += bytes[i] == '\n';
                if (bytes[i] == '!')
                        return error_set(reterr, -ENOSPC, "no space");
        }
        batch->bytes += len;
        fakes.batch_bytes += len;
        if (len > fakes.batch_largest_feed)
                fakes.batch_largest_feed = len;
        return 0;
}

int ingest_batch_finish(struct ingest_batch *batch, struct ingest_batch_summary *ret,
                        struct error *reterr)
{
        (void) reterr;
        memset(ret, 0, sizeof *ret);
        ret->accepted = batch->lines;
        ret->bytes = batch->bytes;
        return 0;
}

struct ingest_batch *ingest_batch_free(struct ingest_batch *batch)
{
        if (batch)
                fakes.batches_open--;
        free(batch);
        return NULL;
}

int ingest_sync(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                const struct ingest_sync_request *request, struct json_object **ret,
                struct error *reterr)
{
        int r = known(collection, reterr);

        (void) ingest;
        (void) tenant;
        if (r < 0)
                return r;
        if (request->delete_missing && request->max_delete_ratio < 0.1)
                return error_set(reterr, -EPERM, "too many would go");
        *ret = object("added", "none");
        return 0;
}

int ingest_rebuild(struct ingest *ingest, struct tenant_id tenant, const char *name,
                   struct job_id *ret, struct error *reterr)
{
        (void) ingest;
        (void) tenant;
        memset(ret, 0, sizeof *ret);
        return known(name, reterr);
}

void ingest_jobs_refresh(struct ingest *ingest, struct job *jobs, size_t n)
{
        (void) ingest;
        (void) jobs;
        (void) n;
}

/* Succeeds when it has been looked at four times. */
int ingest_job_get(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                   struct job *ret, struct error *reterr)
{
        (void) ingest;
        (void) tenant;
        if (id.id.bytes[0] == 0xff)
                return error_set(reterr, -ENOENT, "no such job");
        memset(ret, 0, sizeof *ret);
        ret->id = id;
        ret->collection.id.bytes[0] = id.id.bytes[0];
        ret->progress.documents_done = fakes.job_reads;
        ret->status = fakes.job_reads++ < 3 ? JOB_RUNNING : JOB_SUCCEEDED;
        return 0;
}

struct json_object *ingest_job_json(const struct job *job)
{
        struct json_object *json = object("status", job_status_is_final(job->status) ? "succeeded"
                                                                                     : "running");

        json_add_u64(json, "done", job->progress.documents_done);
        return json;
}

int ingest_job_cancel(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                      struct error *reterr)
{
        (void) ingest;
        (void) tenant;
        (void) id;
        return error_set(reterr, -EALREADY, "the job is over");
}

int ingest_job_retry(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                     struct error *reterr)
{
        (void) ingest;
        (void) tenant;
        (void) id;
        (void) reterr;
        return 0;
}

uint64_t ingest_wait_change(struct ingest *ingest, uint64_t seen, uint64_t timeout_usec)
{
        (void) ingest;
        (void) usleep((useconds_t) (timeout_usec < 20000 ? timeout_usec : 20000));
        return seen + 1;
}

/* ---- Search and answer --------------------------------------------------------------------- */

static bool is_candidate(const struct answer *answer)
{
        return fakes.shadow && answer && answer == fakes.shadow->answer;
}

static int wait_as_replay(const struct search_request *request, struct error *reterr)
{
        int r = 0;

        fakes.replays++;
        while (fakes.replays_wait && r == 0) {
                (void) usleep(1000);
                r = request->check.check(request->check.userdata);
        }
        fakes.replays_ended++;
        return r < 0 ? error_set(reterr, r, "the replay was ended early") : 0;
}

static void take_collections(struct json_object *json, struct search_request *ret)
{
        struct json_object *names = NULL;

        (void) json_get_array(json, "collections", &names, NULL);
        for (size_t i = 0; names && i < json_object_array_length(names); i++)
                ret->collections[ret->n_collections++] =
                        json_object_get_string(json_object_array_get_idx(names, i));
}

int search_request_parse_text(const struct answer *answer, const char *text, size_t len,
                              struct search_request *ret, struct error *reterr)
{
        static const char *const members[] = { "query", "limit", "collections", NULL };
        cleanup_json_ struct json_object *json = NULL;
        int r = json_parse(text, len, &json, reterr);

        memset(ret, 0, sizeof *ret);
        if (r < 0)
                return r;
        if (!json_object_is_type(json, json_type_object))
                return error_set(reterr, -EINVAL, "not an object");
        if (is_candidate(answer) && strstr(text, "unfit"))
                return error_set(reterr, -EINVAL, "not on a candidate");
        if ((r = json_refuse_unknown(json, members, reterr)) < 0 ||
            (r = json_get_string(json, "query", &ret->query, reterr)) < 0)
                return r;
        take_collections(json, ret);
        ret->json = take_ptr(json);
        return 0;
}

int search_request_parse_vector(const struct answer *answer, struct json_object *options,
                                const void *bytes, size_t len, struct search_request *ret,
                                struct error *reterr)
{
        (void) answer;
        (void) bytes;
        memset(ret, 0, sizeof *ret);
        if (len % sizeof(float) != 0)
                return error_set(reterr, -EINVAL, "no whole number of float32");
        ret->json = json_object_get(options);
        ret->query = json_text(ret->json, NULL); /* what the fake response counts */
        return 0;
}

void search_request_done(struct search_request *request)
{
        json_object_put(request->json);
        request->json = NULL;
}

int search_run(struct answer *answer, struct tenant_id tenant, const struct search_request *request,
               struct search_response **ret, struct error *reterr)
{
        static const char *const ids[] = { "a", "b" };
        const char *query = request->query ? request->query : "";

        fakes.tenant = tenant.id.bytes[0];
        if (is_candidate(answer)) {
                int r = wait_as_replay(request, reterr);

                if (r < 0)
                        return r;
        }
        fakes.arm = request->arm;
        fakes.search_thread = pthread_self();
        if (strcmp(query, "stale") == 0)
                return known("stale", reterr);
        if (strcmp(query, "spent") == 0) {
                (void) error_set(reterr, -EDQUOT, "the tenant's tokens of today are spent");
                error_set_origin(reterr, NULL, "tokens_per_day", 0, 0);
                return -EDQUOT;
        }
        if (strcmp(query, "slow") == 0)
                (void) usleep(200000);
        for (int r = 0; strcmp(query, "late") == 0;) {
                (void) usleep(10000);
                r = request->check.check(request->check.userdata);
                if (r < 0)
                        return error_set(reterr, r, "the search was ended early");
        }
        *ret = calloc(1, sizeof **ret);
        (void) snprintf((*ret)->query, sizeof (*ret)->query, "%zu", strlen(query));
        (*ret)->ids = ids;
        (*ret)->n = strcmp(query, "few") != 0 ? 0 : is_candidate(answer) ? 1 : 2;
        return 0;
}

struct search_response *search_response_free(struct search_response *response)
{
        free(response);
        return NULL;
}

char *search_response_text(const struct search_response *response, size_t *ret_len)
{
        char *text = NULL;
        int n = asprintf(&text, "{\"results\":[],\"length\":%s}", response->query);

        *ret_len = n < 0 ? 0 : (size_t) n;
        return n < 0 ? NULL : text;
}

size_t search_response_count(const struct search_response *response)
{
        return response->n;
}

const char *search_response_external_id(const struct search_response *response, size_t at)
{
        return at < response->n ? response->ids[at] : NULL;
}

int answer_request_parse(const struct answer *answer, struct json_object *json,
                         struct answer_request *ret, struct error *reterr)
{
        struct json_object *search = NULL;
        int r;

        (void) answer;
        memset(ret, 0, sizeof *ret);
        (void) json_get_object(json, "search", &search, NULL);
        if (search)
                take_collections(search, &ret->search);
        if ((r = json_get_string(json, "question", &ret->question, reterr)) < 0 ||
            (r = json_get_bool(json, "stream", &ret->stream, reterr)) < 0)
                return r;
        if (!ret->question) {
                (void) error_set(reterr, -EINVAL, "\"question\" is missing");
                error_set_origin(reterr, NULL, "question", 0, 0);
                return -EINVAL;
        }
        ret->json = json_object_get(json);
        return 0;
}

struct search_request answer_request_search(const struct answer_request *request)
{
        struct search_request search = request->search;

        search.query = request->question;
        return search;
}

void answer_request_done(struct answer_request *request)
{
        search_request_done(&request->search);
        json_object_put(request->json);
        request->json = NULL;
}

/* ---- Answers, which go on while nobody waits ------------------------------------------------ */

struct answering {
        struct answer_events events;
        char question[64];
        pthread_t thread;
        _Atomic bool canceled;
        bool joined;
};

static int send_parts(struct answering *answering)
{
        bool forever = strcmp(answering->question, "forever") == 0;
        bool flood = strcmp(answering->question, "flood") == 0;
        cleanup_free_ char *large = calloc(1, 64 * 1024);
        int r = 0;

        memset(large, 'x', 64 * 1024 - 1);
        for (int i = 0; answering->events.event && r >= 0 && (forever || flood || i < 3); i++) {
                if (answering->canceled)
                        return -ECANCELED;
                r = answering->events.event(answering->events.data, i ? "delta" : "sources",
                                            object("text", flood ? large : "a part"));
                if (forever)
                        (void) usleep(1000);
        }
        return r;
}

/* The provider thread of this answer. */
static void *answer_question(void *data)
{
        struct answering *answering = data;
        struct error error = { 0 };
        int r = send_parts(answering);

        if (answering->events.event)
                fakes.streams_ended++;
        if (r < 0)
                (void) error_set(&error, r, "the client is gone");
        else if (strcmp(answering->question, "broken") == 0)
                (void) error_set(&error, -EIO, "read /var/lib/ragd/secret");
        while (strcmp(answering->question, "never") == 0 && !answering->canceled)
                (void) usleep(1000);
        if (strcmp(answering->question, "later") == 0)
                (void) usleep(300000);
        if (answering->canceled)
                return NULL;
        if (error.code < 0)
                answering->events.end(answering->events.data, NULL, &error);
        else
                answering->events.end(answering->events.data,
                                      object("answer", answering->question), NULL);
        return NULL;
}

int answer_start(struct answer *answer, struct tenant_id tenant,
                 const struct answer_request *request, const struct answer_events *events,
                 struct answering **ret, struct error *reterr)
{
        struct answering *answering;

        (void) answer;
        fakes.tenant = tenant.id.bytes[0];
        if (strcmp(request->question, "stale") == 0)
                return known("stale", reterr);
        answering = calloc(1, sizeof *answering);
        answering->events = *events;
        (void) snprintf(answering->question, sizeof answering->question, "%s", request->question);
        fakes.answers_open++;
        *ret = answering;
        if (pthread_create(&answering->thread, NULL, answer_question, answering) != 0)
                abort();
        return 0;
}

void answer_cancel(struct answering *answering)
{
        answering->canceled = true;
        if (!answering->joined)
                (void) pthread_join(answering->thread, NULL);
        answering->joined = true;
}

struct answering *answering_free(struct answering *answering)
{
        if (!answering)
                return NULL;
        answer_cancel(answering);
        fakes.answers_open--;
        free(answering);
        return NULL;
}

bool answer_waits(const struct answer *answer)
{
        (void) answer;
        return fakes.waits;
}

void answer_get_search_cache(struct answer *answer, struct answer_cache_figures *ret)
{
        (void) answer;
        *ret = (struct answer_cache_figures){ .hits = 3, .misses = 4, .bytes = 5, .entries = 1 };
}

int answer_run(struct answer *answer, struct tenant_id tenant, const struct answer_request *request,
               const struct answer_sink *sink_or_null, struct json_object **ret,
               struct error *reterr)
{
        (void) answer;
        fakes.tenant = tenant.id.bytes[0];
        (void) sink_or_null;
        if (strcmp(request->question, "broken") == 0)
                return error_set(reterr, -EIO, "read /var/lib/ragd/secret");
        *ret = object("answer", request->question);
        return 0;
}
