/* SPDX-License-Identifier: Apache-2.0 */
/* Which slots of a generation are live, as gen.db keeps it, so that opening reads no row per
 * version: the bitmap as of some commit (table `live`) and the ranges that changed since (table
 * `live_change`, fewer than LIVE_CHANGES_MAX).  Both are written in the transaction of the change
 * itself.  Table `version` says the same in rows and is the truth: where there is doubt, the
 * bitmap is made from it anew.
 *
 * The bitmap lies in roaring's portable format (github.com/RoaringBitmap/RoaringFormatSpec). */
#pragma once
#include "store/db.h"

#include <roaring/roaring.h>

#define LIVE_CHANGES_MAX 1024 /* rows, until the bitmap is written again */

/* `committed` slots exist; *ret_changes is how many rows stand behind the bitmap.  -ENOENT:
 * there is no bitmap; -EBADMSG: one cannot rely on it. */
int live_read(struct db *db, uint32_t committed, roaring_bitmap_t **ret, uint32_t *ret_changes,
              struct error *reterr);

/* The slots [first, first + count) are live or dead from here on. */
int live_change(struct db *db, uint32_t first, uint32_t count, bool alive, struct error *reterr);

/* The whole bitmap, in place of the changes before; packs its containers on the way. */
int live_save(struct db *db, roaring_bitmap_t *live, struct error *reterr);

/* A bitmap out of bytes that nobody vouches for; NULL: they are not sound, or no memory. */
roaring_bitmap_t *live_parse(const void *bytes, size_t len);
