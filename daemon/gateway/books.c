/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "gateway/books.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/thread.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define LOOK_BACK 64 /* entries that a new one may be joined with */

struct page {
        struct ledger_entry *entries;
        size_t n, room;
};

struct books {
        struct store *store;
        struct thread *thread;
        struct books_events events;
        pthread_t id;
        bool running;

        pthread_mutex_t lock; /* of everything below */
        pthread_cond_t changed;
        struct page open;    /* not written yet */
        struct books_wait *waits, **waits_end;
        uint64_t due_usec;   /* monotonic; 0: nothing is open */
        bool closing;
};

/* What a write came to, on its way to the provider thread. */
struct outcome {
        struct books_events events;
        struct books_wait *waits;
        bool failed;
        struct error error;
};

/* ---- Pages ----------------------------------------------------------------------------------- */

static bool same_row(const struct ledger_entry *a, const struct ledger_entry *b)
{
        return a->day == b->day && id_equal(a->tenant.id, b->tenant.id) &&
               strcmp(a->kind, b->kind) == 0 && strcmp(a->provider, b->provider) == 0;
}

static void join(struct ledger_entry *to, const struct ledger_entry *from)
{
        to->requests += from->requests;
        to->errors += from->errors;
        to->input_tokens += from->input_tokens;
        to->output_tokens += from->output_tokens;
        to->estimated_tokens += from->estimated_tokens;
        to->cost_microusd += from->cost_microusd;
}

static int page_add(struct page *page, const struct ledger_entry *entry)
{
        for (size_t i = page->n; i > 0 && page->n - i < LOOK_BACK; i--)
                if (same_row(&page->entries[i - 1], entry)) {
                        join(&page->entries[i - 1], entry);
                        return 0;
                }
        if (page->n == page->room) {
                size_t room = page->room ? page->room * 2 : 16;
                struct ledger_entry *entries = realloc(page->entries, room * sizeof *entries);

                if (!entries)
                        return -ENOMEM;
                page->entries = entries;
                page->room = room;
        }
        page->entries[page->n++] = *entry;
        return 0;
}

/* What could not be written comes before what is open. */
static void put_back(struct books *books, struct page *page)
{
        struct page open = books->open;

        books->open = *page;
        *page = (struct page){ 0 };
        for (size_t i = 0; i < open.n; i++)
                while (page_add(&books->open, &open.entries[i]) < 0)
                        (void) nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        free(open.entries);
}

/* ---- The provider thread's side -------------------------------------------------------------- */

static void tell(void *data)
{
        struct outcome *outcome = data;

        if (outcome->failed)
                outcome->events.failed(outcome->events.data, &outcome->error);
        for (struct books_wait *wait = outcome->waits, *next; wait; wait = next) {
                next = wait->next;
                wait->settled(wait->data);
        }
        free(outcome);
}

static void make_due(struct books *books, uint64_t due_usec)
{
        if (books->due_usec != 0 && books->due_usec <= due_usec)
                return;
        books->due_usec = due_usec;
        (void) pthread_cond_signal(&books->changed);
}

int books_add(struct books *books, const struct ledger_entry *entry)
{
        int r;

        (void) pthread_mutex_lock(&books->lock);
        r = page_add(&books->open, entry);
        if (r == 0)
                make_due(books, clock_monotonic_usec() + USEC_PER_SEC);
        (void) pthread_mutex_unlock(&books->lock);
        return r;
}

void books_settle(struct books *books, struct books_wait *wait)
{
        wait->next = NULL;
        (void) pthread_mutex_lock(&books->lock);
        *books->waits_end = wait;
        books->waits_end = &wait->next;
        make_due(books, clock_monotonic_usec());
        (void) pthread_mutex_unlock(&books->lock);
}

/* ---- The books' own thread ------------------------------------------------------------------- */

/* Returns when there is something to write; false: there never will be. */
static bool wait_until_due(struct books *books)
{
        for (;;) {
                uint64_t now = clock_monotonic_usec();

                if (books->closing)
                        return books->open.n > 0 || books->waits;
                if (books->due_usec > 0 && books->due_usec <= now)
                        return true;
                if (books->due_usec == 0) {
                        (void) pthread_cond_wait(&books->changed, &books->lock);
                } else {
                        const struct timespec until = {
                                .tv_sec = (time_t) (books->due_usec / USEC_PER_SEC),
                                .tv_nsec = (long) (books->due_usec % USEC_PER_SEC * 1000),
                        };

                        (void) pthread_cond_timedwait(&books->changed, &books->lock, &until);
                }
        }
}

static void report(struct books *books, struct books_wait *waits, bool failed,
                   const struct error *error)
{
        const struct timespec moment = { .tv_nsec = 10000000 };
        struct outcome *outcome;

        if (!waits && !failed)
                return;
        while (!(outcome = malloc(sizeof *outcome)))
                (void) nanosleep(&moment, NULL);
        *outcome = (struct outcome){ books->events, waits, failed, *error };
        while (thread_post(books->thread, tell, outcome) < 0)
                (void) nanosleep(&moment, NULL);
}

/* Called and returns with the lock held.  False: it could not be written. */
static bool write_open(struct books *books)
{
        struct page page = books->open;
        struct books_wait *waits = books->waits;
        struct error error = { 0 };
        int r = 0;

        books->open = (struct page){ 0 };
        books->waits = NULL;
        books->waits_end = &books->waits;
        books->due_usec = 0;
        (void) pthread_mutex_unlock(&books->lock);

        if (page.n > 0)
                r = ledger_add(books->store, page.entries, page.n, &error);
        report(books, waits, r < 0, &error);

        (void) pthread_mutex_lock(&books->lock);
        if (r < 0) {
                put_back(books, &page);
                if (books->due_usec == 0)
                        books->due_usec = clock_monotonic_usec() + USEC_PER_SEC;
        }
        free(page.entries);
        return r >= 0;
}

static void *run(void *data)
{
        struct books *books = data;

        (void) pthread_mutex_lock(&books->lock);
        while (wait_until_due(books))
                if (!write_open(books) && books->closing)
                        break;
        (void) pthread_mutex_unlock(&books->lock);
        return NULL;
}

static int start(struct books *books)
{
        pthread_condattr_t monotonic;
        sigset_t all, before;
        int r;

        (void) pthread_condattr_init(&monotonic);
        (void) pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        (void) pthread_cond_init(&books->changed, &monotonic);
        (void) pthread_condattr_destroy(&monotonic);
        (void) pthread_mutex_init(&books->lock, NULL);
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&books->id, NULL, run, books);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        books->running = r == 0;
        if (books->running)
                (void) pthread_setname_np(books->id, "books");
        return r;
}

int books_new(struct store *store, struct thread *thread, const struct books_events *events,
              struct books **ret, struct error *reterr)
{
        struct books *books = calloc(1, sizeof *books);
        int r;

        if (!books)
                return error_oom(reterr);
        books->store = store;
        books->thread = thread;
        books->events = *events;
        books->waits_end = &books->waits;
        r = start(books);
        if (r < 0) {
                (void) books_free(books);
                return error_set_errno(reterr, r, "thread of the books");
        }
        *ret = books;
        return 0;
}

struct books *books_free(struct books *books)
{
        if (!books)
                return NULL;
        if (books->running) {
                (void) pthread_mutex_lock(&books->lock);
                books->closing = true;
                (void) pthread_cond_signal(&books->changed);
                (void) pthread_mutex_unlock(&books->lock);
                (void) pthread_join(books->id, NULL);
        }
        (void) pthread_cond_destroy(&books->changed);
        (void) pthread_mutex_destroy(&books->lock);
        free(books->open.entries);
        free(books);
        return NULL;
}
