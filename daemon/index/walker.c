/* SPDX-License-Identifier: Apache-2.0 */
#include "index/walker.h"

#include <string.h>

#define CODE_ALIGNMENT 64

void walkers_init(struct walkers *walkers)
{
        memset(walkers, 0, sizeof *walkers);
        atomic_init(&walkers->epoch, 1);
}

void walker_done(struct walker *walker)
{
        free(walker->seen);
        free(walker->pool);
        free(walker->frontier);
        free(walker->query.codes);
        memset(walker, 0, sizeof *walker);
}

void walkers_done(struct walkers *walkers)
{
        struct walker *walker = atomic_load(&walkers->all);

        while (walker) {
                struct walker *next = walker->next;

                walker_done(walker);
                free(walker);
                walker = next;
        }
        walkers_init(walkers);
}

static struct walker *find_idle(struct walkers *walkers)
{
        for (size_t i = 0; i < WALKERS_IDLE; i++) {
                struct walker *walker;

                if (!atomic_load_explicit(&walkers->idle[i], memory_order_relaxed))
                        continue;
                walker = atomic_exchange(&walkers->idle[i], NULL);
                if (walker)
                        return walker;
        }
        return NULL;
}

struct walker *walkers_take(struct walkers *walkers)
{
        struct walker *walker = find_idle(walkers);

        if (!walker) {
                walker = calloc(1, sizeof *walker);
                if (!walker)
                        return NULL;
                walker->next = atomic_load(&walkers->all);
                while (!atomic_compare_exchange_weak(&walkers->all, &walker->next, walker))
                        ;
        }
        atomic_store(&walker->epoch, atomic_load(&walkers->epoch));
        atomic_thread_fence(memory_order_seq_cst); /* seen before anything is read */
        return walker;
}

/* Where all places are taken it stays on the list of all, unused until the end; that takes more
 * walks at the same time than there are places. */
void walkers_give(struct walkers *walkers, struct walker *walker)
{
        atomic_store(&walker->epoch, 0);
        for (size_t i = 0; i < WALKERS_IDLE; i++) {
                struct walker *none = NULL;

                if (atomic_compare_exchange_strong(&walkers->idle[i], &none, walker))
                        return;
        }
}

uint64_t walkers_advance(struct walkers *walkers)
{
        return atomic_fetch_add(&walkers->epoch, 1);
}

bool walkers_passed(struct walkers *walkers, uint64_t epoch)
{
        for (struct walker *at = atomic_load(&walkers->all); at; at = at->next) {
                uint64_t its = atomic_load(&at->epoch);

                if (its != 0 && its <= epoch)
                        return false;
        }
        return true;
}

/* ---- One walker ------------------------------------------------------------------------- */

static int grow(void *pointer, size_t *room, size_t wanted, size_t element)
{
        void **array = pointer;
        void *grown;

        if (wanted <= *room)
                return 0;
        grown = reallocarray(*array, wanted, element);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *room = wanted;
        return 0;
}

int walker_prepare(struct walker *walker, size_t ids, size_t pool, size_t code_bytes)
{
        if (ids > walker->seen_size) {
                size_t size = ids + ids / 4 + 1024;
                uint8_t *seen = calloc(size, 1);

                if (!seen)
                        return -ENOMEM;
                free(walker->seen);
                walker->seen = seen;
                walker->seen_size = size;
                walker->mark = 0;
        }
        if (code_bytes > walker->query_bytes) {
                int8_t *codes = aligned_alloc(CODE_ALIGNMENT, code_bytes);

                if (!codes)
                        return -ENOMEM;
                free(walker->query.codes);
                walker->query.codes = codes;
                walker->query_bytes = code_bytes;
        }
        walker_forget(walker);
        return grow(&walker->pool, &walker->pool_room, pool + 1, sizeof *walker->pool);
}

void walker_forget(struct walker *walker)
{
        if (++walker->mark == 0) { /* 255 walks later */
                if (walker->seen)
                        memset(walker->seen, 0, walker->seen_size);
                walker->mark = 1;
        }
}
