/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/commons.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/books.h"
#include "gateway/caches.h"
#include "gateway/inside.h"
#include "gateway/price.h"
#include "gateway/responses.h"
#include "gateway/thread.h"
#include "store/ledger.h"

#include <stdlib.h>
#include <string.h>

#define RESTING_MAX 64U /* states that no release uses and that are kept */

/* ---- States, on the provider thread ---------------------------------------------------------- */

static bool has_state(const struct gateway *gateway, const struct lane_state *state)
{
        for (size_t i = 0; i < gateway->n_lanes; i++)
                if (gateway->lanes[i].state == state)
                        return true;
        return false;
}

/* Two tables of one profile never share: each has limits of its own there. */
static struct lane_state *find_state(const struct gateway *gateway, const struct lane *lane,
                                     bool of_this_name)
{
        struct lane_state *at = gateway->commons->states;

        while (at && (strcmp(at->identity, lane->identity) != 0 || has_state(gateway, at) ||
                      (of_this_name && at->name && strcmp(at->name, lane->config->name) != 0)))
                at = at->next;
        return at;
}

static void give_state(struct lane *lane, struct lane_state *state)
{
        state->refs++;
        lane->state = state;
}

static int give_new_state(struct commons *commons, struct lane *lane, struct error *reterr)
{
        struct lane_state *state;
        int r = lane_state_new(lane->identity, &lane->limits, thread_loop(commons->thread), &state,
                               reterr);

        if (r < 0)
                return r;
        state->next = commons->states;
        commons->states = state;
        give_state(lane, state);
        return 0;
}

/* Those of the same name first: a renamed table takes what is left. */
static int give_states(struct gateway *gateway, bool *ret_fresh, struct error *reterr)
{
        int r = 0;

        for (int pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < gateway->n_lanes; i++) {
                        struct lane *lane = &gateway->lanes[i];
                        struct lane_state *state = lane->state
                                                           ? NULL
                                                           : find_state(gateway, lane, pass == 0);

                        if (state)
                                give_state(lane, state);
                }
        for (size_t i = 0; r == 0 && i < gateway->n_lanes; i++) {
                if (gateway->lanes[i].state)
                        continue;
                ret_fresh[i] = true;
                r = give_new_state(gateway->commons, &gateway->lanes[i], reterr);
        }
        return r;
}

/* Those that rested longest go. */
static void trim_resting(struct commons *commons)
{
        for (;;) {
                struct lane_state **oldest = NULL, *gone;
                unsigned resting = 0;

                for (struct lane_state **link = &commons->states; *link; link = &(*link)->next) {
                        if ((*link)->refs > 0)
                                continue;
                        resting++;
                        if (!oldest || (*link)->rests_since_usec < (*oldest)->rests_since_usec)
                                oldest = link;
                }
                if (resting <= RESTING_MAX)
                        return;
                gone = *oldest;
                *oldest = gone->next;
                (void) lane_state_free(gone);
        }
}

/* ---- Whose figures hold, on the provider thread ---------------------------------------------- */

static void set_budget(struct commons *commons)
{
        const struct budget_config *budget =
                commons->newest ? commons->newest->settings.budget : NULL;

        budget_configure(&commons->budget, budget ? price_microusd(budget->daily_usd) : UINT64_MAX,
                         budget ? price_microusd(budget->monthly_usd) : UINT64_MAX,
                         budget ? budget->alert_ratio : 1.0);
}

/* The limits of the newest gateway that uses it, and turns for those whom they let pass. */
static void set_limits(const struct commons *commons, struct lane_state *state)
{
        for (const struct gateway *at = commons->newest; at; at = at->older)
                for (size_t i = 0; i < at->n_lanes; i++)
                        if (at->lanes[i].state == state) {
                                lane_state_limit(state, at->lanes[i].config->name,
                                                 &at->lanes[i].limits);
                                lane_state_pump(state);
                                return;
                        }
}

struct joining {
        struct gateway *gateway;
        bool *fresh; /* of each lane: nothing is known of its provider yet */
        struct error *reterr;
        int r;
};

static void join(void *data)
{
        struct joining *joining = data;
        struct gateway *gateway = joining->gateway;
        struct commons *commons = gateway->commons;

        joining->r = give_states(gateway, joining->fresh, joining->reterr);
        gateway->older = commons->newest;
        commons->newest = gateway;
        if (joining->r < 0)
                return; /* it leaves soon; nothing of it holds */
        for (size_t i = 0; i < gateway->n_lanes; i++)
                set_limits(commons, gateway->lanes[i].state);
        set_budget(commons);
}

static void leave(void *data)
{
        struct gateway *gateway = data, **link;
        struct commons *commons = gateway->commons;

        for (link = &commons->newest; *link && *link != gateway; link = &(*link)->older)
                ;
        if (!*link)
                return; /* it never joined */
        *link = gateway->older;
        for (size_t i = 0; i < gateway->n_lanes; i++) {
                struct lane_state *state = gateway->lanes[i].state;

                if (!state)
                        continue;
                gateway->lanes[i].state = NULL;
                if (--state->refs == 0)
                        state->rests_since_usec = clock_monotonic_usec();
                set_limits(commons, state);
        }
        if (commons->newest)
                set_budget(commons);
        trim_resting(commons);
}

/* ---- What the books know --------------------------------------------------------------------- */

static int sum_spent(struct store *store, uint32_t first, uint32_t last, uint64_t *ret,
                     struct error *reterr)
{
        const struct ledger_query query = { .first_day = first, .last_day = last,
                                            .by = LEDGER_BY_DAY };
        cleanup_free_ struct ledger_entry *entries = NULL;
        size_t n = 0;
        int r = ledger_sum(store, &query, &entries, &n, reterr);

        if (r < 0)
                return r;
        *ret = 0;
        for (size_t i = 0; i < n; i++)
                *ret += entries[i].cost_microusd;
        return 0;
}

static int restore_budget(struct commons *commons, uint32_t today, struct error *reterr)
{
        uint64_t day, month;
        int r = sum_spent(commons->store, today, today, &day, reterr);

        if (r == 0)
                r = sum_spent(commons->store, ledger_month_begin(today), today, &month, reterr);
        if (r == 0)
                budget_restore(&commons->budget, day, month);
        return r;
}

struct restoring {
        struct gateway *gateway;
        const bool *fresh;
        const struct ledger_entry *entries;
        size_t n;
};

static void restore_states(void *data)
{
        const struct restoring *restoring = data;

        for (size_t i = 0; i < restoring->n; i++) {
                struct gateway *gateway = restoring->gateway;
                struct lane *lane = gateway_find_lane(gateway, restoring->entries[i].provider);

                if (lane && restoring->fresh[lane - gateway->lanes])
                        lane_state_restore(lane->state, &restoring->entries[i]);
        }
}

/* Only for providers that this process has not called before are the books read. */
static int restore_fresh(struct gateway *gateway, const bool *fresh, struct error *reterr)
{
        uint32_t today = ledger_day(clock_wall_usec());
        const struct ledger_query query = { .first_day = today, .last_day = today,
                                            .by = LEDGER_BY_PROVIDER | LEDGER_BY_DAY };
        struct store *store = gateway->commons->store;
        struct restoring restoring = { .gateway = gateway, .fresh = fresh };
        cleanup_free_ struct ledger_entry *entries = NULL;
        bool any = false;
        int r;

        for (size_t i = 0; i < gateway->n_lanes; i++)
                any |= fresh[i];
        if (!store || !any)
                return 0;
        r = ledger_sum(store, &query, &entries, &restoring.n, reterr);
        if (r < 0)
                return r;
        restoring.entries = entries;
        return thread_run(gateway->thread, restore_states, &restoring) < 0 ? error_oom(reterr) : 0;
}

static void on_books_failed(void *data, const struct error *error)
{
        const struct commons *commons = data;
        const struct gateway_event event = { .news = GATEWAY_LEDGER_FAILED,
                                             .text = error_text(error) };

        if (commons->newest)
                gateway_tell(commons->newest, &event);
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

static struct commons *commons_free(struct commons *commons)
{
        struct lane_state *next;

        commons->books = books_free(commons->books);
        thread_stop(commons->thread);
        for (struct lane_state *at = commons->states; at; at = next) {
                next = at->next;
                (void) lane_state_free(at);
        }
        (void) thread_free(commons->thread);
        (void) caches_free(commons->caches);
        (void) pthread_mutex_destroy(&commons->lock);
        free(commons);
        return NULL;
}

static int commons_new(struct store *store, struct commons **ret, struct error *reterr)
{
        struct commons *commons = calloc(1, sizeof *commons);
        const struct books_events events = { .failed = on_books_failed, .data = commons };
        uint32_t today = ledger_day(clock_wall_usec());
        int r;

        if (!commons)
                return error_oom(reterr);
        (void) pthread_mutex_init(&commons->lock, NULL);
        commons->refs = 1;
        commons->store = store;
        budget_init(&commons->budget, UINT64_MAX, UINT64_MAX, 1.0, today);
        r = caches_new(&commons->caches, reterr);
        if (r == 0 && store)
                r = restore_budget(commons, today, reterr);
        if (r == 0)
                r = thread_new(&commons->thread, reterr);
        if (r == 0 && store)
                r = books_new(store, commons->thread, &events, &commons->books, reterr);
        if (r < 0) {
                (void) commons_free(commons);
                return r;
        }
        *ret = commons;
        return 0;
}

int commons_get(const struct gateway_settings *settings, struct commons **ret,
                struct error *reterr)
{
        struct commons *commons = settings->beside ? settings->beside->commons : NULL;

        if (!commons)
                return commons_new(settings->store, ret, reterr);
        if (commons->store != settings->store)
                return error_set(reterr, -EINVAL, "gateways side by side keep the same books");
        (void) pthread_mutex_lock(&commons->lock);
        commons->refs++;
        (void) pthread_mutex_unlock(&commons->lock);
        *ret = commons;
        return 0;
}

int commons_join(struct gateway *gateway, struct error *reterr)
{
        struct commons *commons = gateway->commons;
        cleanup_free_ bool *fresh = calloc(gateway->n_lanes, sizeof *fresh);
        struct joining joining = { .gateway = gateway, .fresh = fresh, .reterr = reterr };
        int r;

        if (!fresh)
                return error_oom(reterr);
        (void) pthread_mutex_lock(&commons->lock);
        r = thread_run(commons->thread, join, &joining);
        (void) pthread_mutex_unlock(&commons->lock);
        if (r < 0)
                return error_oom(reterr);
        if (joining.r < 0)
                return joining.r;
        return restore_fresh(gateway, fresh, reterr);
}

/* Whoever finds himself the last one stays so: others come only beside one that is there. */
void commons_leave(struct gateway *gateway)
{
        struct commons *commons = gateway->commons;
        bool last;

        (void) pthread_mutex_lock(&commons->lock);
        last = commons->refs == 1;
        if (!last) {
                thread_run_always(commons->thread, leave, gateway);
                commons->refs--;
        }
        (void) pthread_mutex_unlock(&commons->lock);
        if (!last)
                return;
        commons->books = books_free(commons->books); /* what fails now is told to the gateway */
        thread_run_always(commons->thread, leave, gateway);
        (void) commons_free(commons);
}

void commons_forget_answers(struct commons *commons, struct tenant_id tenant)
{
        (void) pthread_mutex_lock(&commons->lock);
        for (const struct gateway *at = commons->newest; at; at = at->older)
                if (at->responses)
                        responses_forget(at->responses, tenant);
        (void) pthread_mutex_unlock(&commons->lock);
}
