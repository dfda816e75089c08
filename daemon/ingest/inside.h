/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of ingest, shared by the files of this folder only.
 *
 * A follower per collection is a worker task: it applies the change log to the generations, and
 * ends the collection's jobs.  Followers and live jobs are found through struct ingest, under
 * its lock; nobody keeps a pointer to one beyond the lock, but the follower's own task. */
#pragma once
#include "base/text.h"
#include "ingest/ingest.h"
#include "scheduler/workers.h"
#include "store/generation.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct upkeep;

/* A job that is not final, and what is known of it beyond its row. */
struct live_job {
        struct live_job *next;
        struct job row;             /* errors_json is NULL: they are in `errors` */
        struct json_object *errors; /* array of {line, external_id, message}; NULL: none */
        uint64_t accepted;          /* its changes in docs.db */
        uint64_t last_seq;          /* the greatest of them; 0: none */
        bool intake;                /* a door still adds to it */
        bool resumed;  /* from before the start, or before another generation served: progress
                          has to be counted, when intake is over */
        bool canceled;              /* its row is final; kept until the log has passed it */
        bool canceling, ending;     /* its final row is being written, by a door or in a slice */
        char failure[160];          /* why intake ended early; empty: it did not */
};

struct chunk_rules;
struct followed;
struct long_document;

/* Something that cannot go on for now: posted again after a wait that doubles from one second to
 * a minute. */
struct wait {
        uint64_t retry_usec; /* monotonic; not before this; 0: at any time */
        uint64_t pause_usec; /* how long the last pause was; 0: all goes well */
        char why[256];       /* while pause_usec is not 0 */
};

/* How one release's generation of the collection gets on. */
struct pace {
        bool used;
        uint8_t key[GENERATION_IDENTITY_BYTES]; /* ingest_release_key() */

        /* guarded by ingest->lock */
        struct wait wait;
        bool hopeless; /* given up, for wait.why, as long as the release is followed */
        uint64_t chunks, embedded, copied, tokens, failed; /* since it began to be followed */
        struct {
                uint64_t documents, documents_done, failed;
                bool known, ready;
        } report; /* as of the end of a slice; see progress.c */

        /* the task's own */
        struct long_document *long_document;
        uint64_t mark; /* of the log: when it has come so far, it is ready; 0: not looked at yet */
        bool compared; /* with what the serving one shows, since it began to be followed */
};

struct follower {
        struct follower *next, *previous, *next_in_chain; /* see followers.c */
        struct ingest *ingest;
        struct worker_task task;
        struct tenant_id tenant;
        struct collection_id collection;

        /* guarded by ingest->lock */
        struct live_job *jobs;
        struct wait wait; /* of all that it does */
        bool behind;      /* there may be changes that are not applied */
        bool gone;        /* its collection was deleted */
        struct pace paces[INGEST_RELEASES_MAX];
        struct pace anew;     /* of a rebuild, beside what serves */
        struct pace *serving; /* one of `paces`; NULL: not looked at yet */

        /* the task's own */
        struct text_analyzer *analyzer; /* NULL while idle */
        uint64_t checkpoint_usec, report_usec;
        uint64_t vectors_usec; /* spent on embedding and copying, all together */
        unsigned turn; /* see steps.c */
};

/* What is measured while changes are applied, for forecasts. */
enum rate {
        RATE_APPLY, /* documents: read, cut, written */
        RATE_COPY,  /* chunks, from another generation */
        RATE_EMBED, /* chunks, on this machine */
        RATE_EMBED_REMOTE,
        RATE_MAX,
};

struct ingest {
        struct ingest_settings settings;

        pthread_mutex_t lock;
        pthread_cond_t changed; /* `changes` grew */
        uint64_t changes;
        struct follower *followers, **chains; /* a list of all, and a table by id */
        size_t n_followers, n_chains; /* n_chains: a power of two, or 0 */
        size_t many;     /* followers: with more, those that have nothing to do are forgotten */
        bool exchanging; /* `followed` is about to change: none is forgotten */
        struct followed *followed; /* one reference; NULL: no release yet */
        struct {
                double items, usec; /* the last ones weigh most */
        } rates[RATE_MAX];

        pthread_mutex_t follow_lock; /* one ingest_follow() at a time; before `lock` */

        pthread_mutex_t upkeep_lock; /* see upkeep.c; taken with `lock` held, not before it */
        struct upkeep *upkeeps[256];
        struct workers *keepers;

        pthread_t timer; /* runs while `timing`; posts what has waited long enough */
        pthread_cond_t timer_wake;
        bool timing;
        atomic_bool stopping;

        atomic_uint_fast64_t documents_put, documents_applied, documents_failed, chunks, tokens;
        atomic_uint_fast64_t damages, upkeep_failures;
};

/* ---- ingest.c --------------------------------------------------------------------------- */

/* -ENOSPC below the watermark. */
int ingest_check_space(const struct ingest *ingest, struct error *reterr);
void ingest_note_change(struct ingest *ingest); /* wakes ingest_wait_change() */

/* ---- followers.c ------------------------------------------------------------------------ */

/* With the lock: the collection's follower, made where there is none; NULL: no memory. */
struct follower *follower_get(struct ingest *ingest, struct tenant_id tenant,
                              struct collection_id collection);
struct follower *follower_find(struct ingest *ingest, struct collection_id collection);
/* With the lock: it is in no list any more. */
void follower_take_out(struct ingest *ingest, struct follower *follower);
/* With the lock: takes those out that have nothing to do and nothing to tell; trim(): where there
 * are many.  A list by `next`, for followers_free(). */
struct follower *followers_forget(struct ingest *ingest);
struct follower *followers_trim(struct ingest *ingest);
/* Waits for its task; without the lock, and with the follower no longer in the list. */
struct follower *follower_free(struct follower *follower);
void followers_free(struct follower *list); /* each of them; NULL is accepted */

/* ---- follow.c --------------------------------------------------------------------------- */

enum worker_verdict follower_run(struct worker_task *task); /* a slice */
void follower_forget_scratch(struct follower *follower);
/* There is something to do; takes the lock. */
void follower_post(struct ingest *ingest, struct tenant_id tenant,
                   struct collection_id collection);
/* The same, and a pause is over: somebody asked for it. */
void follower_post_now(struct ingest *ingest, struct tenant_id tenant,
                       struct collection_id collection);
/* With the lock: posts it, and no pause holds it. */
void follower_go_on(struct follower *follower);

/* ---- steps.c ---------------------------------------------------------------------------- */

/* One step of a slice.  1: there may be more to do, 0: nothing can be done now; negative: it
 * concerns all. */
int follower_step(struct follower *follower, struct collection *collection,
                  const struct followed *followed, struct error *reterr);
/* The generation of the serving identity that is being built, counted; or NULL. */
struct generation *ingest_find_building(struct collection *collection);

/* ---- pace.c ----------------------------------------------------------------------------- */

/* At the beginning of a slice: a pace for each release, and none of former ones. */
void follower_match(struct follower *follower, const struct followed *followed);
/* With the lock, or in the follower's task.  NULL: there is none. */
struct pace *pace_find(struct follower *follower, const uint8_t *key);
/* As if it had just begun; in the follower's task. */
void pace_reset(struct follower *follower, struct pace *pace);

/* ---- pause.c ---------------------------------------------------------------------------- */

/* The jobs wait: their pause_reason says for what; the follower is posted again later. */
void follower_pause(struct follower *follower, const struct error *why);
void follower_unpause(struct follower *follower);
/* One of its generations waits, and with it the jobs that wait for it. */
void pace_pause(struct follower *follower, struct pace *pace, const struct error *why);
void pace_unpause(struct follower *follower, struct pace *pace);
bool pace_waits(struct follower *follower, const struct pace *pace);
/* There may be something new to wait for; without the lock. */
void ingest_start_timer(struct ingest *ingest);
void ingest_stop_timer(struct ingest *ingest);

/* ---- upkeep.c --------------------------------------------------------------------------- */

int upkeep_start(struct ingest *ingest, struct error *reterr);
/* A store_notice: there may be something to do. */
void upkeep_post(void *data, struct tenant_id tenant, struct collection_id collection);
/* Posts what is due, returns when the next one is (0: none waits). */
uint64_t upkeep_post_due(struct ingest *ingest, uint64_t now_usec);
/* Takes the collection's out of the list and waits for its task, which ends early. */
void upkeep_stop(struct ingest *ingest, struct collection_id collection);
void upkeep_stop_tenant(struct ingest *ingest, struct tenant_id tenant); /* of all of them */
void upkeep_stop_all(struct ingest *ingest); /* after the timer */

/* ---- apply.c ---------------------------------------------------------------------------- */

/* What changes are applied to, and whose progress that is. */
struct target {
        struct collection *collection;
        struct generation *generation;
        const struct ingest_release *release; /* its gateway embeds */
        struct pace *pace;
        bool jobs;        /* it serves: jobs wait for it, and what fails in it has failed */
        bool rebuild;     /* it is what a rebuild waits for */
        bool beside;      /* another one serves and goes on if this one is given up */
        bool may_give_up; /* nothing is in it yet, and another one has documents */
};

/* Applies the next changes behind the generation's applied_seq, none behind `up_to`.  1: there may
 * be more, 0: nothing was left.  -ECANCELED: it is to be given up: `may_give_up`, and its first
 * documents all fail; or `beside`, and max_elements has no room for what is served. */
int follower_apply(struct follower *follower, const struct target *target, uint64_t up_to,
                   struct error *reterr);
struct long_document *long_document_free(struct long_document *document);

/* ---- progress.c ------------------------------------------------------------------------- */

/* Notes how far the release's generation (or NULL) is; `serving` may be NULL. */
int progress_note(struct follower *follower, struct collection *collection, struct pace *pace,
                  struct generation *generation, struct generation *serving,
                  struct error *reterr);
struct pace_step {
        uint64_t chunks, embedded, copied, tokens, failed;
};
void progress_count(struct follower *follower, struct pace *pace, const struct pace_step *step);

/* ---- forecast.c ------------------------------------------------------------------------- */

void ingest_note_rate(struct ingest *ingest, enum rate rate, uint64_t items, uint64_t usec);

/* ---- resume.c --------------------------------------------------------------------------- */

/* What a crash or a stop interrupted becomes live again, of one tenant or of all whose data is
 * there; the followers find out how far it is, when there is a release to follow. */
int live_jobs_resume(struct ingest *ingest, const struct tenant_id *tenant_or_null,
                     struct error *reterr);

/* ---- jobs.c ----------------------------------------------------------------------------- */

/* The row durable, then live; `intake` stays open. */
int live_job_begin(struct ingest *ingest, const struct collection_info *info, enum job_type type,
                   struct job_id *ret, struct error *reterr);

struct job_intake {
        uint64_t accepted, unchanged;
        uint64_t last_seq;
};
void live_job_take_in(struct ingest *ingest, struct collection_id collection, struct job_id job,
                      const struct job_intake *intake);
/* Goes on with a job whose row is `row` (QUEUED, durable); the errors in it are dropped. */
int live_job_again(struct ingest *ingest, const struct job *row, struct error *reterr);
bool live_job_was_canceled(struct ingest *ingest, struct collection_id collection,
                           struct job_id job);
/* `line` 0: none; `external_id` may be NULL. */
void live_job_refuse(struct ingest *ingest, struct collection_id collection, struct job_id job,
                     uint64_t line, const char *external_id, const char *message);
/* Intake is over; `failure` (may be NULL) says why it broke off.  The follower ends the job. */
void live_job_close(struct ingest *ingest, struct collection_id collection, struct job_id job,
                    const char *failure);

struct job_step {
        uint64_t documents, failed, chunks, tokens;
        const char *external_id, *error; /* of a failure, kept with the job; or NULL */
};
/* Adds to the job and, where told, to the collection's rebuild. */
void live_jobs_step(struct follower *follower, const struct job_id *job_or_null, bool rebuild,
                    const struct job_step *step);
/* Was it canceled?  Asks the registry about jobs that are not live. */
bool live_job_is_canceled(struct follower *follower, struct job_id job);
/* The collection's rebuild, where one is wanted. */
bool live_rebuild_find(struct follower *follower, struct job_id *ret);

/* At the beginning of a slice: counts what was resumed, says "running".  `applied_seq`: what is
 * visible in the serving generation. */
int live_jobs_start(struct follower *follower, struct collection *collection,
                    uint64_t applied_seq, struct error *reterr);
/* Ends the jobs whose last change is applied; saves the others' progress now and then. */
int live_jobs_settle(struct follower *follower, uint64_t applied_seq, struct error *reterr);
/* Ends jobs of that kind (JOB_TYPE_MAX: all) as failed. */
int live_jobs_fail(struct follower *follower, enum job_type type, const char *why,
                   struct error *reterr);
/* Cancels all of them, at once; the follower's task does not run. */
int live_jobs_cancel_all(struct follower *follower, struct error *reterr);
/* Ends the rebuild. */
int live_rebuild_finish(struct follower *follower, struct error *reterr);
/* Writes the rows of all jobs as they are. */
int live_jobs_save(struct follower *follower, struct error *reterr);
void live_jobs_free(struct live_job *jobs);

/* What jobs.c and jobs_end.c share; with the lock. */
void live_job_free(struct live_job *job);
void live_jobs_changed(struct ingest *ingest); /* ingest_note_change() */
void live_job_error(struct live_job *job, uint64_t line, const char *external_id,
                    const char *message);
/* The row with the errors as text; job_done() frees it. */
struct job live_job_row(const struct live_job *job);

struct json_object *job_error_json(uint64_t line, const char *external_id, const char *message);

/* ---- put.c ------------------------------------------------------------------------------ */

/* What a door may hand in: sizes, metadata, chunking, vectors. */
int ingest_check_input(struct ingest *ingest, const struct document_input *input,
                       struct error *reterr);

/* How a document differs from what is there.  Where nothing would change no job is made; *ret is
 * the present one's receipt, then.  Vectors are compared by the store alone. */
enum ingest_difference { INGEST_NEW, INGEST_CHANGED, INGEST_UNCHANGED };
enum ingest_difference ingest_compare(struct collection *collection,
                                      const struct document_input *input,
                                      struct docs_receipt *ret);

/* How a generation cuts, where a document has no wishes of its own. */
struct chunk_rules ingest_chunk_rules(const struct generation_spec *spec);

/* ---- estimate.c ------------------------------------------------------------------------- */

/* Adds what putting the document would come to.  Faults of the document as they come.  `collection`
 * may be NULL. */
int ingest_estimate_document(struct ingest *ingest, struct collection *collection,
                             struct text_analyzer *analyzer, const struct document_input *input,
                             struct ingest_estimate *estimate, struct error *reterr);
/* Adds the chunks and tokens that it is cut into, by `spec`. */
int ingest_estimate_cut(const struct generation_spec *spec, struct text_analyzer *analyzer,
                        const struct document_input *input, struct ingest_estimate *estimate,
                        struct error *reterr);
