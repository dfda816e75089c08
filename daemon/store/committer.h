/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: many threads write one database, one fsync serves all who wait.
 *
 * The first thread that finds no leader becomes it, takes all that queued meanwhile, applies
 * each inside a savepoint of one transaction, commits once and wakes the others: no thread of
 * its own, no added wait.  A request whose apply fails undoes only itself.  Returning 0 means
 * committed with synchronous=FULL: durable.  Where the whole transaction was lost (a full
 * disk), each request is tried once more alone, so that a large one does not take small ones
 * with it.  A connection that was poisoned is opened again for the next request. */
#pragma once
#include "store/db.h"

struct committer;

/* Runs on the leader's thread, inside the transaction; must not block on other requests.  It
 * may run a second time after its first run was undone: what it leaves in `data` is a result
 * of its last run only. */
typedef int (*committer_apply)(struct db *db, void *data, struct error *reterr);

/* Takes the write connection, also on failure; *ret is freed by committer_free(). */
int committer_new(struct db *takes_db, struct committer **ret, struct error *reterr);
struct committer *committer_free(struct committer *committer);

/* Applies and commits; blocks until durable.  The error of apply, or of the commit. */
int committer_run(struct committer *committer, committer_apply apply, void *data,
                  struct error *reterr);

/* The same outside of any transaction, for what SQLite refuses inside one; nothing is committed
 * meanwhile. */
int committer_run_outside(struct committer *committer, committer_apply apply, void *data,
                          struct error *reterr);

/* Holds all commits back (for a backup's barrier) until committer_resume().  Returns when none
 * is under way.  Calls nest. */
void committer_pause(struct committer *committer);
void committer_resume(struct committer *committer);
