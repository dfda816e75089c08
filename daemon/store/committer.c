/* SPDX-License-Identifier: Apache-2.0 */
#include "store/committer.h"

#include <pthread.h>
#include <stdlib.h>

/* Lies on the waiting thread's stack; queue and leader only borrow it. */
struct request {
        committer_apply apply;
        void *data;
        struct error error;
        int result;
        bool done;
        struct request *next;
};

struct committer {
        pthread_mutex_t lock; /* of everything below but `db`, which is the leader's */
        pthread_cond_t changed;
        struct request *first, **last;
        unsigned paused;
        bool leading;
        struct db *db;
};

int committer_new(struct db *takes_db, struct committer **ret, struct error *reterr)
{
        struct committer *committer = calloc(1, sizeof *committer);

        if (!committer) {
                (void) db_close(takes_db);
                return error_oom(reterr);
        }
        (void) pthread_mutex_init(&committer->lock, NULL);
        (void) pthread_cond_init(&committer->changed, NULL);
        committer->last = &committer->first;
        committer->db = takes_db;
        *ret = committer;
        return 0;
}

struct committer *committer_free(struct committer *committer)
{
        if (committer) {
                (void) db_close(committer->db);
                (void) pthread_cond_destroy(&committer->changed);
                (void) pthread_mutex_destroy(&committer->lock);
                free(committer);
        }
        return NULL;
}

static void apply_one(struct db *db, struct request *request)
{
        request->error = (struct error){ 0 };
        request->result = request->apply(db, request->data, &request->error);
}

static void run_alone(struct db *db, struct request *request)
{
        request->error = (struct error){ 0 };
        request->result = db_poisoned(db) ? db_reopen(db, &request->error) : 0;
        if (request->result == 0)
                request->result = db_begin(db, &request->error);
        if (request->result < 0)
                return;
        apply_one(db, request);
        if (request->result == 0)
                request->result = db_commit(db, &request->error);
        if (request->result < 0)
                db_rollback(db);
}

/* 0: every request has its own result; negative: all was undone, nobody has one. */
static int run_together(struct db *db, struct request *batch)
{
        int r = db_poisoned(db) ? db_reopen(db, NULL) : 0;

        if (r == 0)
                r = db_begin(db, NULL);
        if (r < 0)
                return r;
        for (struct request *at = batch; at; at = at->next) {
                r = db_execute(db, "SAVEPOINT request", NULL);
                if (r < 0)
                        break;
                apply_one(db, at);
                if (sqlite3_get_autocommit(db_connection(db))) { /* SQLite undid everything */
                        r = at->result < 0 ? at->result : -EIO;
                        break;
                }
                r = db_execute(db, at->result < 0
                                           ? "ROLLBACK TO request; RELEASE request"
                                           : "RELEASE request", NULL);
                if (r < 0)
                        break;
        }
        if (r == 0)
                r = db_commit(db, NULL);
        if (r < 0)
                db_rollback(db);
        return r;
}

static void lead(struct committer *committer, struct request *batch)
{
        if (batch->next && run_together(committer->db, batch) == 0)
                return;
        for (struct request *at = batch; at; at = at->next)
                run_alone(committer->db, at);
}

int committer_run(struct committer *committer, committer_apply apply, void *data,
                  struct error *reterr)
{
        struct request request = { .apply = apply, .data = data };

        (void) pthread_mutex_lock(&committer->lock);
        *committer->last = &request;
        committer->last = &request.next;
        while (!request.done && (committer->leading || committer->paused > 0))
                (void) pthread_cond_wait(&committer->changed, &committer->lock);
        if (!request.done) {
                struct request *batch = committer->first;

                committer->first = NULL;
                committer->last = &committer->first;
                committer->leading = true;
                (void) pthread_mutex_unlock(&committer->lock);
                lead(committer, batch);
                (void) pthread_mutex_lock(&committer->lock);
                for (struct request *at = batch, *next; at; at = next) {
                        next = at->next; /* `at` is gone as soon as its thread sees done */
                        at->done = true;
                }
                committer->leading = false;
                (void) pthread_cond_broadcast(&committer->changed);
        }
        (void) pthread_mutex_unlock(&committer->lock);
        if (request.result < 0 && reterr)
                *reterr = request.error;
        return request.result;
}

int committer_run_outside(struct committer *committer, committer_apply apply, void *data,
                          struct error *reterr)
{
        struct request request = { .apply = apply, .data = data };

        (void) pthread_mutex_lock(&committer->lock);
        while (committer->leading || committer->paused > 0)
                (void) pthread_cond_wait(&committer->changed, &committer->lock);
        committer->leading = true;
        (void) pthread_mutex_unlock(&committer->lock);
        request.result = db_poisoned(committer->db) ? db_reopen(committer->db, &request.error) : 0;
        if (request.result == 0)
                apply_one(committer->db, &request);
        (void) pthread_mutex_lock(&committer->lock);
        committer->leading = false;
        (void) pthread_cond_broadcast(&committer->changed);
        (void) pthread_mutex_unlock(&committer->lock);
        if (request.result < 0 && reterr)
                *reterr = request.error;
        return request.result;
}

void committer_pause(struct committer *committer)
{
        (void) pthread_mutex_lock(&committer->lock);
        committer->paused++;
        while (committer->leading)
                (void) pthread_cond_wait(&committer->changed, &committer->lock);
        (void) pthread_mutex_unlock(&committer->lock);
}

void committer_resume(struct committer *committer)
{
        (void) pthread_mutex_lock(&committer->lock);
        committer->paused--;
        (void) pthread_cond_broadcast(&committer->changed);
        (void) pthread_mutex_unlock(&committer->lock);
}
