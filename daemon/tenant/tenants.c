/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning and ending; who comes in and who leaves. */
#include "tenant/tenants_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define RATES_USUAL ((size_t) 1 << 20)

/* ---- Beginning and ending ------------------------------------------------------------------- */

int tenants_new(const struct tenants_settings *settings, struct tenants **ret,
                struct error *reterr)
{
        struct tenants *tenants = calloc(1, sizeof *tenants);
        int r;

        if (!tenants)
                return error_oom(reterr);
        tenants->store = settings->store;
        (void) pthread_mutex_init(&tenants->lock, NULL);
        for (size_t i = 0; i < TENANT_LIMIT_MAX; i++)
                atomic_init(&tenants->profile[i], TENANT_UNLIMITED);
        r = rates_new(settings->max_rates > 0 ? settings->max_rates : RATES_USUAL,
                      &tenants->rates, reterr);
        if (r < 0) {
                (void) tenants_free(tenants);
                return r;
        }
        *ret = tenants;
        return 0;
}

struct tenants *tenants_free(struct tenants *tenants)
{
        if (!tenants)
                return NULL;
        for (size_t i = 0; i < TENANTS_BUCKETS; i++)
                for (struct entry *entry = tenants->buckets[i], *next; entry; entry = next) {
                        next = entry->next;
                        (void) entry_save(entry, NULL);
                        (void) entry_free(entry);
                }
        (void) rates_free(tenants->rates);
        (void) pthread_mutex_destroy(&tenants->lock);
        free(tenants);
        return NULL;
}

static uint64_t limit_or_none(uint64_t limit)
{
        return limit > 0 ? limit : TENANT_UNLIMITED;
}

void tenants_configure(struct tenants *tenants, bool multi_tenant,
                       const struct multi_tenant_settings_config *settings,
                       const struct security_config *security)
{
        tenants->limits_rates = security->enable_rate_limiting;
        tenants->per_user = security->rate_limit_per_user;
        tenants->profile[TENANT_REQUESTS_PER_MINUTE] =
                limit_or_none(settings->rate_limit_per_minute);
        tenants->profile[TENANT_CONCURRENT] = limit_or_none(settings->max_concurrent_operations);
        tenants->profile[TENANT_VECTORS] =
                multi_tenant ? limit_or_none(settings->max_vectors_per_tenant) : TENANT_UNLIMITED;
}

void tenants_refresh(struct tenants *tenants, struct tenant_id tenant)
{
        struct entry *entry = entries_find(tenants, tenant);

        if (!entry)
                return;
        (void) pthread_mutex_lock(&entry->lock);
        entry->loaded = false;
        (void) entry_load(entry, NULL); /* else the next who asks hears why */
        (void) pthread_mutex_unlock(&entry->lock);
        entries_put(entry);
}

void tenants_on_wanted(struct tenants *tenants, void (*wanted)(void *data, struct tenant_id tenant),
                       void *data)
{
        (void) pthread_mutex_lock(&tenants->lock);
        tenants->wanted = wanted;
        tenants->wanted_data = data;
        (void) pthread_mutex_unlock(&tenants->lock);
}

void tenants_on_low(struct tenants *tenants, void (*low)(void *data), void *data)
{
        (void) pthread_mutex_lock(&tenants->lock);
        tenants->low = low;
        tenants->low_data = data;
        (void) pthread_mutex_unlock(&tenants->lock);
}

void tenants_get_figures(struct tenants *tenants, struct tenants_figures *ret)
{
        struct rates_figures rates;

        rates_get_figures(tenants->rates, &rates);
        (void) pthread_mutex_lock(&tenants->lock);
        *ret = (struct tenants_figures){
                .entries = tenants->n_entries,
                .refused_rate = tenants->refused_rate,
                .refused_quota = tenants->refused_quota,
                .refused_concurrent = tenants->refused_concurrent,
                .rate_entries = rates.entries,
                .rate_evictions = rates.evictions,
        };
        (void) pthread_mutex_unlock(&tenants->lock);
}

/* ---- In and out ----------------------------------------------------------------------------- */

static void want(struct tenants *tenants, struct tenant_id tenant)
{
        (void) pthread_mutex_lock(&tenants->lock);
        if (tenants->wanted)
                tenants->wanted(tenants->wanted_data, tenant);
        (void) pthread_mutex_unlock(&tenants->lock);
}

static int check_state(const struct entry *entry, struct error *reterr)
{
        switch (entry->state) {
        case TENANT_ACTIVE:
                return entry->closing ? error_set(reterr, -EAGAIN, "the tenant is being moved: ask "
                                                                   "again in a second")
                                      : 0;
        case TENANT_SUSPENDED:
                return error_set(reterr, -EPERM, "the tenant is suspended");
        case TENANT_OFFLOADED:
                return error_set(reterr, -EAGAIN, "the tenant comes back from its archive: ask "
                                                  "again in a second");
        default:
                return error_set(reterr, -ENOENT, "there is no such tenant");
        }
}

static int check_concurrent(struct entry *entry, struct error *reterr)
{
        uint64_t limit = entry_limit(entry, TENANT_CONCURRENT);

        if (entry->inside < limit)
                return 0;
        entry->tenants->refused_concurrent++;
        return error_set(reterr, -EBUSY, "limit of concurrent requests: %" PRIu64
                                         ", as many are under way", limit);
}

static int enter_entry(struct entry *entry, bool quiet, bool *ret_wanted, struct error *reterr)
{
        WITH_LOCK(&entry->lock);
        int r = entry_load(entry, reterr); /* it may have changed since it was found */

        if (r == 0)
                r = check_state(entry, reterr);
        *ret_wanted = r == -EAGAIN && entry->state == TENANT_OFFLOADED;
        if (r == 0 && !quiet)
                r = check_concurrent(entry, reterr);
        if (r < 0)
                return r;
        if (quiet) {
                entry->quiet++;
        } else {
                entry->inside++;
                entry->used_usec = clock_wall_usec();
        }
        return 0;
}

static int enter(struct tenants *tenants, struct tenant_id tenant, bool quiet,
                 struct tenant_entry **ret, struct error *reterr)
{
        cleanup_(entries_release) struct entry *entry = NULL;
        bool wanted = false;
        int r = entries_hold(tenants, tenant, &entry, reterr);

        if (r == 0)
                r = enter_entry(entry, quiet, &wanted, reterr);
        if (wanted)
                want(tenants, tenant);
        if (r < 0)
                return r;
        *ret = quiet ? &entry->back_door : &entry->door;
        entry = NULL; /* held until it leaves */
        return 0;
}

int tenant_enter(struct tenants *tenants, struct tenant_id tenant, struct tenant_entry **ret,
                 struct error *reterr)
{
        return enter(tenants, tenant, false, ret, reterr);
}

int tenant_enter_quietly(struct tenants *tenants, struct tenant_id tenant,
                         struct tenant_entry **ret, struct error *reterr)
{
        return enter(tenants, tenant, true, ret, reterr);
}

struct tenant_entry *tenant_leave(struct tenant_entry *entry)
{
        struct entry *of = entry ? entry->of : NULL;

        if (!of)
                return NULL;
        (void) pthread_mutex_lock(&of->lock);
        if (entry->quiet)
                of->quiet--;
        else
                of->inside--;
        if (of->closing && of->inside == 0 && of->quiet == 0)
                (void) pthread_cond_broadcast(&of->left);
        (void) pthread_mutex_unlock(&of->lock);
        entries_put(of);
        return NULL;
}

/* ---- Closing -------------------------------------------------------------------------------- */

static bool wait_until_empty(struct entry *entry, uint64_t until_usec)
{
        const struct timespec until = { .tv_sec = (time_t) (until_usec / USEC_PER_SEC),
                                        .tv_nsec = (long) (until_usec % USEC_PER_SEC) * 1000 };

        while (entry->inside > 0 || entry->quiet > 0)
                if (pthread_cond_timedwait(&entry->left, &entry->lock, &until) != 0)
                        return entry->inside == 0 && entry->quiet == 0;
        return true;
}

int tenants_close(struct tenants *tenants, struct tenant_id tenant, uint64_t wait_usec,
                  struct error *reterr)
{
        cleanup_(entries_release) struct entry *entry = NULL;
        int r = entries_hold(tenants, tenant, &entry, reterr);

        if (r < 0)
                return r;
        WITH_LOCK(&entry->lock);
        if (entry->closing)
                return error_set(reterr, -EBUSY, "the tenant is being moved already");
        entry->closing = true;
        if (!wait_until_empty(entry, clock_monotonic_usec() + wait_usec))
                r = error_set(reterr, -EBUSY, "%u requests of the tenant are under way",
                              entry->inside + entry->quiet);
        if (r == 0)
                r = entry_save(entry, reterr);
        if (r < 0) {
                entry->closing = false;
                return r;
        }
        entry = NULL; /* held until it is opened again */
        return 0;
}

void tenants_open(struct tenants *tenants, struct tenant_id tenant)
{
        struct entry *entry = entries_get(tenants, tenant);
        bool closed;

        if (!entry)
                return;
        (void) pthread_mutex_lock(&entry->lock);
        closed = entry->closing;
        entry->loaded = false;
        entry->closing = false;
        entry->day_known = false;
        (void) pthread_mutex_unlock(&entry->lock);
        (void) pthread_mutex_lock(&entry->data_lock);
        entry->usage_known = false;
        (void) pthread_mutex_unlock(&entry->data_lock);
        if (closed)
                entries_put(entry);
        entries_put(entry);
}
