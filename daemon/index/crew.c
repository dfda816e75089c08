/* SPDX-License-Identifier: Apache-2.0 */
#include "index/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct helper {
        struct crew *crew;
        pthread_t thread;
        uint32_t number;
};

struct crew {
        pthread_mutex_t lock;
        pthread_cond_t begin, end;
        uint64_t loop;    /* counts the loops; a helper takes part in each once */
        uint32_t working; /* helpers that have not finished this loop */
        bool leaving;

        crew_function function;
        void *userdata;
        size_t items;
        atomic_size_t next;

        uint32_t n_helpers;
        struct helper helpers[];
};

static void work(struct crew *crew, uint32_t number)
{
        size_t item;

        while ((item = atomic_fetch_add(&crew->next, 1)) < crew->items)
                crew->function(crew->userdata, number, item);
}

static void *help(void *data)
{
        struct helper *helper = data;
        struct crew *crew = helper->crew;
        uint64_t done = 0;

        (void) pthread_mutex_lock(&crew->lock);
        for (;;) {
                while (crew->loop == done && !crew->leaving)
                        (void) pthread_cond_wait(&crew->begin, &crew->lock);
                if (crew->leaving)
                        break;
                done = crew->loop;
                (void) pthread_mutex_unlock(&crew->lock);
                work(crew, helper->number);
                (void) pthread_mutex_lock(&crew->lock);
                if (--crew->working == 0)
                        (void) pthread_cond_signal(&crew->end);
        }
        (void) pthread_mutex_unlock(&crew->lock);
        return NULL;
}

int crew_new(uint32_t threads, struct crew **ret, struct error *reterr)
{
        uint32_t wanted = threads > 1 ? threads - 1 : 0;
        struct crew *crew = calloc(1, sizeof *crew + wanted * sizeof crew->helpers[0]);
        sigset_t all, before;

        if (!crew)
                return error_oom(reterr);
        (void) pthread_mutex_init(&crew->lock, NULL);
        (void) pthread_cond_init(&crew->begin, NULL);
        (void) pthread_cond_init(&crew->end, NULL);
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        for (uint32_t i = 0; i < wanted; i++) {
                struct helper *helper = &crew->helpers[i];

                *helper = (struct helper){ .crew = crew, .number = i + 1 };
                if (pthread_create(&helper->thread, NULL, help, helper) != 0)
                        break;
                crew->n_helpers++;
        }
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        *ret = crew;
        return 0;
}

void crew_free(struct crew *crew)
{
        if (!crew)
                return;
        (void) pthread_mutex_lock(&crew->lock);
        crew->leaving = true;
        (void) pthread_cond_broadcast(&crew->begin);
        (void) pthread_mutex_unlock(&crew->lock);
        for (uint32_t i = 0; i < crew->n_helpers; i++)
                (void) pthread_join(crew->helpers[i].thread, NULL);
        (void) pthread_cond_destroy(&crew->end);
        (void) pthread_cond_destroy(&crew->begin);
        (void) pthread_mutex_destroy(&crew->lock);
        free(crew);
}

uint32_t crew_threads(const struct crew *crew)
{
        return crew->n_helpers + 1;
}

void crew_run(struct crew *crew, size_t items, crew_function function, void *userdata)
{
        (void) pthread_mutex_lock(&crew->lock);
        crew->function = function;
        crew->userdata = userdata;
        crew->items = items;
        atomic_store(&crew->next, 0);
        crew->working = crew->n_helpers;
        crew->loop++;
        (void) pthread_cond_broadcast(&crew->begin);
        (void) pthread_mutex_unlock(&crew->lock);

        work(crew, 0);

        (void) pthread_mutex_lock(&crew->lock);
        while (crew->working > 0)
                (void) pthread_cond_wait(&crew->end, &crew->lock);
        (void) pthread_mutex_unlock(&crew->lock);
}
