/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ONE_BY_ONE (WINDOW_ENTRIES / 2)
/* so that fewer than ONE_BY_ONE of them begin while the oldest has not ended */
#define SPAN_USEC (WINDOW_USEC / (ONE_BY_ONE - 2))

void window_init(struct window *window, uint64_t limit)
{
        *window = (struct window){ .limit = limit };
}

void window_done(struct window *window)
{
        free(window->entries);
        memset(window, 0, sizeof *window);
}

static struct window_entry *entry_at(const struct window *window, uint32_t i)
{
        return &window->entries[(window->begin + i) % WINDOW_ENTRIES];
}

static void expire(struct window *window, uint64_t now_usec)
{
        while (window->count > 0 && entry_at(window, 0)->last_usec + WINDOW_USEC <= now_usec) {
                window->used -= entry_at(window, 0)->amount;
                window->begin = (window->begin + 1) % WINDOW_ENTRIES;
                window->count--;
        }
}

uint64_t window_used(struct window *window, uint64_t now_usec)
{
        expire(window, now_usec);
        return window->used;
}

/* Until at most `room` of what is there is left. */
static uint64_t wait_for_room(const struct window *window, uint64_t room, uint64_t now_usec)
{
        uint64_t used = window->used;

        for (uint32_t i = 0; i < window->count; i++) {
                const struct window_entry *entry = entry_at(window, i);

                used -= entry->amount;
                if (used <= room)
                        return entry->last_usec + WINDOW_USEC - now_usec;
        }
        return 0;
}

uint64_t window_wait(struct window *window, uint64_t n, uint64_t now_usec)
{
        uint64_t minutes, rest;

        expire(window, now_usec);
        if (window->limit == UINT64_MAX || n == 0)
                return 0;
        if (window->limit == 0)
                return UINT64_MAX;
        /* the last part, of 1 to `limit`, comes after so many full windows */
        minutes = (n - 1) / window->limit;
        rest = n - minutes * window->limit;
        if (minutes > UINT64_MAX / 2 / WINDOW_USEC)
                return UINT64_MAX;
        if (window->used + rest <= window->limit)
                return minutes * WINDOW_USEC;
        return minutes * WINDOW_USEC + wait_for_room(window, window->limit - rest, now_usec);
}

int window_add(struct window *window, uint64_t n, uint64_t now_usec)
{
        struct window_entry *last;

        expire(window, now_usec);
        if (n == 0)
                return 0;
        if (!window->entries) {
                window->entries = calloc(WINDOW_ENTRIES, sizeof *window->entries);
                if (!window->entries)
                        return -ENOMEM;
        }
        last = window->count > 0 ? entry_at(window, window->count - 1) : NULL;
        if (!last || (last->last_usec != now_usec &&
                      (window->count < ONE_BY_ONE || now_usec - last->first_usec >= SPAN_USEC))) {
                last = entry_at(window, window->count++);
                *last = (struct window_entry){ .first_usec = now_usec };
        }
        last->last_usec = now_usec;
        last->amount += n;
        window->used += n;
        return 0;
}

int window_take(struct window *window, uint64_t n, uint64_t now_usec, uint64_t *reterr_wait_usec)
{
        uint64_t wait;

        if (n > window->limit)
                return -E2BIG;
        wait = window_wait(window, n, now_usec);
        if (wait > 0) {
                *reterr_wait_usec = wait;
                return -EAGAIN;
        }
        return window_add(window, n, now_usec);
}

void window_return(struct window *window, uint64_t n, uint64_t taken_usec)
{
        for (uint32_t i = 0; i < window->count; i++) {
                struct window_entry *entry = entry_at(window, i);

                if (taken_usec < entry->first_usec || taken_usec > entry->last_usec)
                        continue;
                if (n > entry->amount)
                        n = entry->amount;
                entry->amount -= n;
                window->used -= n;
                return;
        }
}
