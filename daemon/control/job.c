/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about jobs. */
#include "store/jobs.h"

#include "base/clock.h"
#include "control/handlers.h"
#include "ingest/ingest.h"

#include <string.h>

#define LIST_MAX 1000
#define LIST_DEFAULT 20
#define HEARTBEAT_USEC (UINT64_C(5) * USEC_PER_SEC)
#define LOOK_FIRST_USEC (UINT64_C(10) * USEC_PER_MSEC)
#define LOOK_LAST_USEC (UINT64_C(160) * USEC_PER_MSEC)

static bool read_id(struct call *call, const char *name, struct job_id *ret)
{
        const char *text = call_string(call, name, "");
        struct error error = { 0 };

        if (id_parse(text, &ret->id) >= 0)
                return true;
        call_fail(call, error_set(&error, -ENOENT, "there is no job %.64s", text), &error);
        return false;
}

static struct json_object *read_job(struct call *call, struct job_id id, bool *ret_final)
{
        const struct control_services *services = call_services(call);
        cleanup_(job_done) struct job job = { 0 };
        struct json_object *json;
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = ingest_job_get(services->ingest, tenant, id, &job, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return NULL;
        }
        *ret_final = job_status_is_final(job.status);
        json = ingest_job_json(&job);
        if (!json)
                call_fail(call, -ENOMEM, NULL);
        return json;
}

static void reply_job(struct call *call, struct job_id id)
{
        bool final;
        struct json_object *json = read_job(call, id, &final);

        if (json)
                reply_with(call, "job", json);
}

void on_job_list(struct call *call)
{
        const struct control_services *services = call_services(call);
        struct json_object *array;
        struct tenant_id tenant;
        struct job_id before;
        struct job *jobs;
        struct error error = { 0 };
        bool paged = call_string(call, "before", NULL) != NULL;
        uint64_t limit;
        size_t n;
        int r;

        if (!read_number(call, "limit", 1, LIST_MAX, LIST_DEFAULT, &limit) ||
            (paged && !read_id(call, "before", &before)) || !read_tenant(call, &tenant))
                return;
        r = jobs_list(services->store, tenant, paged ? &before : NULL, limit, &jobs, &n, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        ingest_jobs_refresh(services->ingest, jobs, n);
        array = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_add(array, NULL, ingest_job_json(&jobs[i]));
        (void) jobs_free(jobs, n);
        reply_with(call, "jobs", array);
}

void on_job_show(struct call *call)
{
        struct job_id id;

        if (read_id(call, "id", &id))
                reply_job(call, id);
}

/* ---- Watching: the current state first, then what changes ----------------------------------- */

struct watch {
        struct job_id id;
        char *told; /* the text of the last reply */
        uint64_t told_usec;
        uint64_t look_usec; /* how long to wait before looking again */
};

static void watch_free(void *state)
{
        struct watch *watch = state;

        free(watch->told);
        free(watch);
}

static struct watch *watch_of(struct call *call)
{
        struct watch *watch = call_kept(call);
        struct job_id id;

        if (watch || !read_id(call, "id", &id))
                return watch;
        watch = calloc(1, sizeof *watch);
        if (!watch) {
                call_fail(call, -ENOMEM, NULL);
                return NULL;
        }
        watch->id = id;
        call_keep(call, watch, watch_free);
        return watch;
}

static struct json_object *job_reply(struct json_object *job)
{
        struct json_object *reply = json_object_new_object();

        json_add(reply, "job", json_object_get(job));
        return reply;
}

/* Tells what is news, or that the daemon is alive. */
static void tell(struct call *call, struct watch *watch, struct json_object *job)
{
        const char *text = json_text(job, NULL);
        uint64_t now_usec = clock_monotonic_usec();
        bool news = !watch->told || strcmp(watch->told, text) != 0;

        watch->look_usec = news ? LOOK_FIRST_USEC : 2 * watch->look_usec;
        if (watch->look_usec > LOOK_LAST_USEC)
                watch->look_usec = LOOK_LAST_USEC;
        if (!news && now_usec - watch->told_usec < HEARTBEAT_USEC)
                return;
        free(watch->told);
        watch->told = strdup(text);
        watch->told_usec = now_usec;
        (void) call_notify(call, job_reply(job));
}

void on_job_watch(struct call *call)
{
        struct watch *watch = watch_of(call);
        cleanup_json_ struct json_object *job = NULL;
        bool final;

        if (!watch)
                return;
        job = read_job(call, watch->id, &final);
        if (!job)
                return;
        if (final || call_gone(call)) {
                call_reply(call, job_reply(job));
                return;
        }
        tell(call, watch, job);
        call_again(call, watch->look_usec);
}

/* ---- Changes -------------------------------------------------------------------------------- */

static void change(struct call *call,
                   int (*function)(struct ingest *ingest, struct tenant_id tenant,
                                   struct job_id id, struct error *reterr))
{
        const struct control_services *services = call_services(call);
        struct tenant_id tenant;
        struct error error = { 0 };
        struct job_id id;
        int r;

        if (!read_id(call, "id", &id) || !read_tenant(call, &tenant))
                return;
        r = function(services->ingest, tenant, id, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_job(call, id);
}

void on_job_cancel(struct call *call)
{
        change(call, ingest_job_cancel);
}

void on_job_retry(struct call *call)
{
        change(call, ingest_job_retry);
}
