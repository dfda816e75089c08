/* SPDX-License-Identifier: Apache-2.0 */
/* One thread waits until another has done something, once.  In the waiting thread's memory. */
#pragma once
#include <pthread.h>
#include <stdbool.h>

struct latch {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool open;
};

static inline void latch_init(struct latch *latch)
{
        (void) pthread_mutex_init(&latch->lock, NULL);
        (void) pthread_cond_init(&latch->changed, NULL);
        latch->open = false;
}

static inline void latch_done(struct latch *latch)
{
        (void) pthread_cond_destroy(&latch->changed);
        (void) pthread_mutex_destroy(&latch->lock);
}

/* The latch may be gone as soon as the lock is given back. */
static inline void latch_open(struct latch *latch)
{
        (void) pthread_mutex_lock(&latch->lock);
        latch->open = true;
        (void) pthread_cond_signal(&latch->changed);
        (void) pthread_mutex_unlock(&latch->lock);
}

static inline void latch_wait(struct latch *latch)
{
        (void) pthread_mutex_lock(&latch->lock);
        while (!latch->open)
                (void) pthread_cond_wait(&latch->changed, &latch->lock);
        (void) pthread_mutex_unlock(&latch->lock);
}
