/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* mremap */
#include "index/region.h"

#include "index/budget.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void)
{
        return (size_t) sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t bytes, size_t to)
{
        return (bytes + to - 1) / to * to;
}

int region_reserve(struct region *region, size_t bytes, struct index_budget *budget,
                   struct error *reterr)
{
        size_t reserved = round_up(bytes, REGION_STEP) + REGION_STEP;
        uint8_t *base = mmap(NULL, reserved, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        uint8_t *aligned;

        if (base == MAP_FAILED)
                return error_set(reterr, -ENOMEM, "cannot reserve %zu MiB of addresses for the "
                                 "index", reserved >> 20);
        /* A huge page begins on a multiple of its size. */
        aligned = (uint8_t *) round_up((size_t) base, REGION_STEP);
        if (aligned > base)
                (void) munmap(base, (size_t) (aligned - base));
        *region = (struct region){ .base = aligned, .budget = budget,
                                   .reserved = reserved - (size_t) (aligned - base) };
        return 0;
}

void region_done(struct region *region)
{
        if (!region->base)
                return;
        (void) munmap(region->base, region->reserved);
        index_budget_give(region->budget, region_hot_bytes(region));
        *region = (struct region){ .base = NULL };
}

size_t region_hot_bytes(const struct region *region)
{
        return region->usable - region->mapped + region->loaded;
}

/* In steps, so that growing by one element is mostly nothing to do. */
static size_t step_for(size_t bytes)
{
        return bytes < REGION_STEP ? (size_t) 64 << 10 : REGION_STEP;
}

int region_grow(struct region *region, size_t bytes, struct error *reterr)
{
        size_t usable = round_up(bytes, step_for(bytes));
        int r;

        if (bytes <= region->usable)
                return 0;
        if (usable > region->reserved)
                return error_set(reterr, -EOVERFLOW, "the index has outgrown its reserved addresses");
        r = index_budget_take(region->budget, usable - region->usable);
        if (r < 0)
                return error_set(reterr, r, "the memory for indexes is used up");
        if (mprotect(region->base + region->usable, usable - region->usable,
                     PROT_READ | PROT_WRITE) < 0) {
                index_budget_give(region->budget, usable - region->usable);
                return error_oom(reterr);
        }
        if (usable >= REGION_STEP)
                (void) madvise(region->base + region->mapped, usable - region->mapped,
                               MADV_HUGEPAGE);
        region->usable = usable;
        return 0;
}

int region_map(struct region *region, int fd, off_t offset, size_t bytes, struct error *reterr)
{
        size_t mapped = round_up(bytes, page_bytes());

        if (mapped == 0)
                return 0;
        if (mapped > region->reserved)
                return error_set(reterr, -EOVERFLOW, "the index has outgrown its reserved addresses");
        if (mmap(region->base, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
                 offset) == MAP_FAILED)
                return error_set_errno(reterr, -errno, "cannot map an index file");
        region->usable = mapped;
        region->mapped = mapped;
        return 0;
}

int region_load(struct region *region, size_t from, size_t to, struct error *reterr)
{
        size_t bytes, room;
        uint8_t *raw, *copy;
        int r;

        if (to > region->mapped)
                to = region->mapped;
        if (from >= to)
                return 0;
        bytes = to - from;
        r = index_budget_take(region->budget, bytes);
        if (r < 0)
                return error_set(reterr, r, "the memory for indexes is used up");
        room = round_up(bytes, REGION_STEP) + REGION_STEP;
        raw = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (raw == MAP_FAILED) {
                index_budget_give(region->budget, bytes);
                return error_oom(reterr);
        }
        copy = (uint8_t *) round_up((size_t) raw, REGION_STEP);
        (void) madvise(copy, round_up(bytes, REGION_STEP), MADV_HUGEPAGE);
        memcpy(copy, region->base + from, bytes);
        if (mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, region->base + from) ==
            MAP_FAILED) {
                (void) munmap(raw, room);
                index_budget_give(region->budget, bytes);
                return error_oom(reterr);
        }
        if (copy > raw)
                (void) munmap(raw, (size_t) (copy - raw));
        (void) munmap(copy + bytes, room - (size_t) (copy - raw) - bytes);
        region->loaded += bytes;
        return 0;
}
