/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails, or loses power: linked into a test program, it stands before the C
 * library's writing calls, for our code and for SQLite alike.
 *
 * The counting covers write, pwrite, ftruncate, fsync and fdatasync on regular files.  One
 * thread at a time sets it up; any may write. */
#pragma once
#include <stdbool.h>

/* The nth such call from now on fails with `error`, and where `sticky` all after it; 0: none. */
void faultfs_fail(unsigned nth, int error, bool sticky);
/* Whether a write that is to fail writes half of its bytes first, and fails with the next call. */
void faultfs_short(bool on);
/* How many calls have been made to fail, ever. */
unsigned faultfs_failures(void);

/* From now on `shadow` holds what a power cut would leave of the files below `root`: each file
 * as it was when it was last synced.  Renames and removals count as durable at once. */
void faultfs_shadow(const char *root, const char *shadow);
