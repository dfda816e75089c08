/* SPDX-License-Identifier: Apache-2.0 */
/* An array that grows where it lies: its addresses are reserved once, memory comes as it is
 * used, so that readers hold plain pointers while a writer appends.  What is new reads as 0.
 *
 * A file's section can stand at the beginning (MAP_PRIVATE: writes stay in memory), and can be
 * replaced by a copy in memory under the readers' feet: they see the same bytes before and
 * after.
 *
 * One writer; any number of readers of what was there when they learned of it. */
#pragma once
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct index_budget;

struct region {
        uint8_t *base;
        size_t reserved;       /* bytes, as all here: multiples of the page's size */
        _Atomic size_t usable; /* atomic for region_hot_bytes() */
        _Atomic size_t mapped; /* of the usable ones, from the beginning: came from a file */
        _Atomic size_t loaded; /* of those, copied into memory since */
        struct index_budget *budget; /* what is in memory is taken from it; or NULL; borrowed */
};

/* -ENOMEM: no addresses left (a limit on the address space). */
int region_reserve(struct region *region, size_t bytes, struct index_budget *budget,
                   struct error *reterr);
void region_done(struct region *region);

/* Makes the first `bytes` usable.  -EDQUOT: the budget is used up; -ENOMEM; -EOVERFLOW: beyond
 * what was reserved. */
int region_grow(struct region *region, size_t bytes, struct error *reterr);

/* Puts `bytes` of the file from `offset` (a multiple of the page's size) at the beginning of a
 * region that nothing was grown in. */
int region_map(struct region *region, int fd, off_t offset, size_t bytes, struct error *reterr);

/* Copies [from, to) of what is mapped into memory, huge pages where the machine gives them; both
 * are multiples of REGION_STEP or the end.  Beside readers, not beside the writer. */
#define REGION_STEP ((size_t) 2 << 20)
int region_load(struct region *region, size_t from, size_t to, struct error *reterr);

/* Bytes that are in memory for good, not in the page cache.  Any thread. */
size_t region_hot_bytes(const struct region *region);
