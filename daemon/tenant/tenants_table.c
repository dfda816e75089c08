/* SPDX-License-Identifier: Apache-2.0 */
/* The table of entries: those that are asked for, and the last ones that were. */
#include "tenant/tenants_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ids are random. */
static struct entry **bucket_of(struct tenants *tenants, struct tenant_id id)
{
        uint32_t hash;

        memcpy(&hash, id.id.bytes, sizeof hash);
        return &tenants->buckets[hash % TENANTS_BUCKETS];
}

static struct entry *find(struct tenants *tenants, struct tenant_id id)
{
        struct entry *at = *bucket_of(tenants, id);

        while (at && !id_equal(at->id.id, id.id))
                at = at->next;
        return at;
}

static void unlink_idle(struct tenants *tenants, struct entry *entry)
{
        if (!entry->idle)
                return;
        *(entry->older ? &entry->older->younger : &tenants->oldest) = entry->younger;
        *(entry->younger ? &entry->younger->older : &tenants->youngest) = entry->older;
        entry->older = entry->younger = NULL;
        entry->idle = false;
        tenants->n_idle--;
}

static void link_idle(struct tenants *tenants, struct entry *entry)
{
        entry->older = tenants->youngest;
        *(tenants->youngest ? &tenants->youngest->younger : &tenants->oldest) = entry;
        tenants->youngest = entry;
        entry->idle = true;
        tenants->n_idle++;
}

struct entry *entry_free(struct entry *entry)
{
        if (entry) {
                (void) pthread_cond_destroy(&entry->left);
                (void) pthread_mutex_destroy(&entry->calls_lock);
                (void) pthread_mutex_destroy(&entry->data_lock);
                (void) pthread_mutex_destroy(&entry->lock);
                free(entry);
        }
        return NULL;
}

static struct entry *entry_new(struct tenants *tenants, struct tenant_id id)
{
        struct entry *entry = calloc(1, sizeof *entry);
        pthread_condattr_t monotonic;

        if (!entry)
                return NULL;
        entry->tenants = tenants;
        entry->id = id;
        entry->door = (struct tenant_entry){ .of = entry };
        entry->back_door = (struct tenant_entry){ .of = entry, .quiet = true };
        (void) pthread_mutex_init(&entry->lock, NULL);
        (void) pthread_mutex_init(&entry->data_lock, NULL);
        (void) pthread_mutex_init(&entry->calls_lock, NULL);
        (void) pthread_condattr_init(&monotonic);
        (void) pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        (void) pthread_cond_init(&entry->left, &monotonic);
        (void) pthread_condattr_destroy(&monotonic);
        return entry;
}

struct entry *entries_find(struct tenants *tenants, struct tenant_id id)
{
        struct entry *entry;

        (void) pthread_mutex_lock(&tenants->lock);
        entry = find(tenants, id);
        if (entry) {
                unlink_idle(tenants, entry);
                entry->refs++;
        }
        (void) pthread_mutex_unlock(&tenants->lock);
        return entry;
}

struct entry *entries_get(struct tenants *tenants, struct tenant_id id)
{
        struct entry *entry;

        (void) pthread_mutex_lock(&tenants->lock);
        entry = find(tenants, id);
        if (!entry) {
                entry = entry_new(tenants, id);
                if (entry) {
                        entry->next = *bucket_of(tenants, id);
                        *bucket_of(tenants, id) = entry;
                        tenants->n_entries++;
                }
        }
        if (entry) {
                unlink_idle(tenants, entry);
                entry->refs++;
        }
        (void) pthread_mutex_unlock(&tenants->lock);
        return entry;
}

/* With the table's lock: one that may be forgotten, held; or NULL. */
static struct entry *pick_oldest(struct tenants *tenants, uint64_t now_usec)
{
        struct entry *entry = tenants->oldest;

        if (tenants->n_idle <= TENANTS_IDLE_MAX)
                return NULL;
        while (entry && entry->called_usec > 0 &&
               now_usec - entry->called_usec < TENANTS_KEEP_USEC)
                entry = entry->younger;
        if (entry) {
                unlink_idle(tenants, entry);
                entry->refs++;
        }
        return entry;
}

/* Nobody else is in it, and nothing waits to be settled. */
static bool may_go(const struct entry *entry)
{
        return entry->refs == 1 && entry->writers == 0 && entry->tokens.reserved == 0 &&
               entry->microusd.reserved == 0;
}

static void forget(struct tenants *tenants, struct entry *entry)
{
        bool saved;

        (void) pthread_mutex_lock(&entry->lock);
        saved = entry_save(entry, NULL) == 0;
        (void) pthread_mutex_unlock(&entry->lock);
        (void) pthread_mutex_lock(&tenants->lock);
        if (saved && may_go(entry)) {
                struct entry **link = bucket_of(tenants, entry->id);

                while (*link != entry)
                        link = &(*link)->next;
                *link = entry->next;
                tenants->n_entries--;
                (void) entry_free(entry);
        } else if (--entry->refs == 0) {
                link_idle(tenants, entry);
        }
        (void) pthread_mutex_unlock(&tenants->lock);
}

void entries_put(struct entry *entry)
{
        struct tenants *tenants = entry->tenants;
        struct entry *oldest = NULL;

        (void) pthread_mutex_lock(&tenants->lock);
        if (--entry->refs == 0) {
                link_idle(tenants, entry);
                oldest = pick_oldest(tenants, clock_monotonic_usec());
        }
        (void) pthread_mutex_unlock(&tenants->lock);
        if (oldest)
                forget(tenants, oldest);
}

void entries_release(struct entry **entry)
{
        if (*entry)
                entries_put(*entry);
}

int entries_hold(struct tenants *tenants, struct tenant_id id, struct entry **ret,
                 struct error *reterr)
{
        cleanup_(entries_release) struct entry *entry = entries_get(tenants, id);
        int r = 0;

        if (!entry)
                return error_oom(reterr);
        if (!entry->loaded) {
                WITH_LOCK(&entry->lock);
                r = entry_load(entry, reterr);
        }
        if (r == 0)
                *ret = take_ptr(entry);
        return r;
}

int entry_load(struct entry *entry, struct error *reterr)
{
        struct tenant_info info = { 0 };
        int r;

        if (entry->loaded)
                return 0;
        r = tenant_get(entry->tenants->store, entry->id, &info, reterr);
        if (r < 0)
                return r;
        entry->state = info.state;
        for (size_t i = 0; i < TENANT_LIMIT_MAX; i++)
                entry->quota[i] = info.quota.limit[i];
        entry->quota_set = info.quota.set;
        if (entry->used_usec < info.used_usec)
                entry->used_usec = info.used_usec;
        entry->used_saved_usec = info.used_usec;
        entry->loaded = true;
        tenant_info_done(&info);
        return 0;
}

uint64_t entry_limit(const struct entry *entry, enum tenant_limit limit)
{
        return entry->quota_set & 1U << limit ? entry->quota[limit]
                                              : atomic_load(&entry->tenants->profile[limit]);
}
