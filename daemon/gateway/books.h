/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the ledger on a thread of its own, so that the provider thread never waits for a disk.
 *
 * Entries are collected, those of one day, tenant, provider and kind as one, and written together:
 * at once where somebody waits for it (all who wait share one commit), else within a second.  A
 * write that fails is told and tried again each second; its entries are not lost while the
 * process lives, and whoever waited for it waits no longer: a disk that is full must not silence
 * every answer. */
#pragma once
#include "base/error.h"
#include "store/ledger.h"

struct books;
struct thread;

struct books_events {
        void (*failed)(void *data, const struct error *error); /* on the provider thread */
        void *data;
};

/* `thread` is where settled() and failed() are told. */
int books_new(struct store *store, struct thread *thread, const struct books_events *events,
              struct books **ret, struct error *reterr);
/* Writes what is left and joins; everyone who waits is told before the thread's next letter.  What
 * cannot be written even now is told by failed(). */
struct books *books_free(struct books *books);

/* Waits for the books; lies in the memory of whoever waits. */
struct books_wait {
        void (*settled)(void *data);
        void *data;
        struct books_wait *next; /* private */
};

/* Notes an entry.  -ENOMEM: it was not. */
int books_add(struct books *books, const struct ledger_entry *entry);
/* settled() is called on the provider thread when all entries until now are durable, or could not
 * be made so. */
void books_settle(struct books *books, struct books_wait *wait);
