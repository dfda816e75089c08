/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lane.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/price.h"
#include "store/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_MAX_USEC (24 * 3600 * USEC_PER_SEC) /* of what a provider may ask for */

static uint64_t limit_or_none(uint32_t limit)
{
        return limit > 0 ? limit : UINT64_MAX;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
        (void) source;
        (void) usec;
        lane_pump(data);
        return 0;
}

/* Whoever tells of the failure names the provider already. */
static void drop_name(const struct lane *lane, struct error *error)
{
        char name[ERROR_MESSAGE_MAX];
        int len = snprintf(name, sizeof name, "provider %s: ", lane->config->name);

        if (len > 0 && (size_t) len < sizeof name && strncmp(error->message, name, (size_t) len) == 0)
                memmove(error->message, error->message + len,
                        strlen(error->message) - (size_t) len + 1);
}

static int open_provider(struct lane *lane, uint32_t dimensions, struct error *reterr)
{
        int r = provider_open(lane->config, dimensions, &lane->provider, &lane->open_error);

        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0)
                drop_name(lane, &lane->open_error);
        return 0;
}

int lane_init(struct lane *lane, const struct lane_settings *settings, struct error *reterr)
{
        const struct provider_config *config = settings->config;
        const struct ratelimit_policy bucket = { config->requests_per_minute,
                                                 config->burst > 0 ? config->burst : 1 };
        uint32_t batch = settings->batch_size > 0 ? settings->batch_size : 1;
        int r;

        *lane = (struct lane){
                .config = config,
                .charged = price_is_charged(config),
                .now_usec = clock_monotonic_usec,
                .wall_usec = clock_wall_usec,
        };
        breaker_init(&lane->breaker, settings->resilience->breaker_failures,
                     settings->resilience->breaker_reset_seconds * USEC_PER_SEC);
        retry_budget_init(&lane->retries, settings->resilience->retry_budget_ratio);
        adaptive_init(&lane->pace, config->requests_per_minute);
        window_init(&lane->requests, limit_or_none(config->requests_per_minute));
        window_init(&lane->tokens, limit_or_none(config->tokens_per_minute));
        ratelimit_init(&lane->bucket, &bucket, lane->now_usec());
        lane->today.day = ledger_day(lane->wall_usec());
        day_limit_init(&lane->day, limit_or_none(config->requests_per_day), lane->today.day, 0);
        r = open_provider(lane, settings->dimensions, reterr);
        if (r == 0 && lane->provider && lane->provider->ops->max_batch > 0 &&
            lane->provider->ops->max_batch < batch)
                batch = lane->provider->ops->max_batch;
        batch_size_init(&lane->batch, batch);
        return r;
}

int lane_start(struct lane *lane, sd_event *loop, struct error *reterr)
{
        int r = sd_event_add_time(loop, &lane->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer,
                                  lane);

        if (r >= 0)
                r = sd_event_source_set_enabled(lane->timer, SD_EVENT_OFF);
        return r < 0 ? error_set_errno(reterr, r, "timer of provider %s", lane->config->name) : 0;
}

void lane_done(struct lane *lane)
{
        (void) sd_event_source_disable_unref(lane->timer);
        (void) provider_free(lane->provider);
        window_done(&lane->requests);
        window_done(&lane->tokens);
}

void lane_restore(struct lane *lane, const struct ledger_entry *today)
{
        lane_count(lane, today);
        day_limit_init(&lane->day, lane->day.limit, lane->day.day, lane->today.requests);
}

void lane_count(struct lane *lane, const struct ledger_entry *entry)
{
        if (entry->day > lane->today.day)
                lane->today = (struct lane_today){ .day = entry->day };
        lane->today.requests += entry->requests;
        lane->today.errors += entry->errors;
        lane->today.input_tokens += entry->input_tokens;
        lane->today.output_tokens += entry->output_tokens;
        lane->today.cost_microusd += entry->cost_microusd;
}

const char *lane_wait_text(uint64_t wait_usec, char text[static LANE_WAIT_TEXT_SIZE])
{
        uint64_t seconds = wait_usec / USEC_PER_SEC + (wait_usec % USEC_PER_SEC > 0);

        if (wait_usec == UINT64_MAX)
                (void) snprintf(text, LANE_WAIT_TEXT_SIZE, "for ever");
        else if (wait_usec < 10 * USEC_PER_SEC)
                (void) snprintf(text, LANE_WAIT_TEXT_SIZE, "%.1f s", (double) wait_usec / 1e6);
        else if (seconds < 120)
                (void) snprintf(text, LANE_WAIT_TEXT_SIZE, "%" PRIu64 " s", seconds);
        else if (seconds < 7200)
                (void) snprintf(text, LANE_WAIT_TEXT_SIZE, "%" PRIu64 " min", (seconds + 59) / 60);
        else
                (void) snprintf(text, LANE_WAIT_TEXT_SIZE, "%" PRIu64 " h",
                                (seconds + 3599) / 3600);
        return text;
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static uint64_t later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

uint64_t lane_wait(struct lane *lane, uint64_t calls, uint64_t tokens)
{
        uint64_t now = lane->now_usec(), wait = 0;

        if (lane->blocked_until_usec > now)
                wait = lane->blocked_until_usec - now;
        wait = later(wait, window_wait(&lane->requests, calls, now));
        wait = later(wait, window_wait(&lane->tokens, tokens, now));
        if (lane->config->burst > 0 && lane->bucket.policy.rate > 0)
                wait = later(wait, ratelimit_wait(&lane->bucket, calls, now));
        return later(wait, day_limit_wait(&lane->day, calls, lane->wall_usec()));
}

/* The waits were zero for as much: nothing is refused here but for want of memory, and then the
 * call goes uncounted rather than being lost. */
static void take(struct lane *lane, struct lane_ticket *ticket)
{
        uint64_t now = lane->now_usec(), wait;

        ticket->taken_usec = now;
        lane->running++;
        (void) window_add(&lane->requests, 1, now);
        (void) window_add(&lane->tokens, ticket->item.tokens, now);
        if (lane->config->burst > 0 && lane->bucket.policy.rate > 0)
                (void) ratelimit_take(&lane->bucket, 1, now, &wait);
        if (day_limit_take(&lane->day, 1, lane->wall_usec(), &wait) < 0)
                lane->day.used++;
}

static bool has_room(const struct lane *lane)
{
        return lane->config->max_concurrent == 0 || lane->running < lane->config->max_concurrent;
}

/* ---- Turns ----------------------------------------------------------------------------------- */

static void arm(struct lane *lane, uint64_t wait_usec)
{
        if (wait_usec == UINT64_MAX)
                return; /* those who wait end by their own deadlines */
        (void) sd_event_source_set_time(lane->timer, lane->now_usec() + wait_usec);
        (void) sd_event_source_set_enabled(lane->timer, SD_EVENT_ONESHOT);
}

int lane_check_breaker(const struct lane *lane, struct error *reterr)
{
        char text[LANE_WAIT_TEXT_SIZE];
        uint64_t wait;

        if (breaker_check(&lane->breaker, lane->now_usec(), &wait) == 0)
                return 0;
        if (wait == 0)
                return error_set(reterr, -EHOSTUNREACH, "breaker half-open, one call tries it (%s)",
                                 lane->breaker.reason);
        return error_set(reterr, -EHOSTUNREACH, "breaker open for %s more (%s)",
                         lane_wait_text(wait, text), lane->breaker.reason);
}

/* Nothing forbids it. */
static void grant(struct lane *lane, struct lane_ticket *ticket)
{
        uint64_t wait;

        (void) breaker_begin(&lane->breaker, lane->now_usec(), &wait);
        take(lane, ticket);
        ticket->granted(ticket->data);
}

/* True: the first one had its turn, or was turned away. */
static bool serve(struct lane *lane, struct queue_item *item)
{
        struct lane_ticket *ticket = (struct lane_ticket *) item;
        struct error error = { 0 };
        uint64_t wait;

        if (lane_check_breaker(lane, &error) < 0) {
                queue_serve(&lane->queue, item);
                ticket->turned_away(ticket->data, &error);
                return true;
        }
        wait = has_room(lane) ? lane_wait(lane, 1, item->tokens) : UINT64_MAX;
        if (wait > 0) {
                arm(lane, wait);
                return false;
        }
        queue_serve(&lane->queue, item);
        grant(lane, ticket);
        return true;
}

bool lane_enter_at_once(struct lane *lane, struct lane_ticket *ticket)
{
        if (queue_first(&lane->queue) || !has_room(lane) ||
            ticket->item.tokens > lane->tokens.limit ||
            lane_check_breaker(lane, NULL) < 0 || lane_wait(lane, 1, ticket->item.tokens) > 0)
                return false;
        grant(lane, ticket);
        return true;
}

void lane_pump(struct lane *lane)
{
        struct queue_item *item;

        if (lane->pumping) /* a turn that ends at once comes back here */
                return;
        lane->pumping = true;
        while ((item = queue_first(&lane->queue)) && serve(lane, item))
                ;
        lane->pumping = false;
}

static int refuse_wait(const struct lane *lane, uint64_t wait, uint64_t deadline_usec,
                       struct error *reterr)
{
        char wait_text[LANE_WAIT_TEXT_SIZE], left_text[LANE_WAIT_TEXT_SIZE];
        uint64_t now = lane->now_usec();

        return error_set(reterr, -EAGAIN,
                         "its limits allow the next call in %s, the deadline is in %s",
                         lane_wait_text(wait, wait_text),
                         lane_wait_text(deadline_usec > now ? deadline_usec - now : 0, left_text));
}

int lane_enter(struct lane *lane, struct lane_ticket *ticket, struct tenant_id tenant,
               uint64_t user, bool low_priority, uint64_t deadline_usec, struct error *reterr)
{
        uint64_t now = lane->now_usec(), ahead, tokens, wait;

        if (ticket->item.tokens > lane->tokens.limit)
                return error_set(reterr, -E2BIG,
                                 "%" PRIu64 " tokens can never fit its limit of %" PRIu64
                                 " a minute", ticket->item.tokens, lane->tokens.limit);
        if (queue_count(&lane->queue) >= LANE_WAITING_MAX)
                return error_set(reterr, -EAGAIN, "%u calls wait for it already", LANE_WAITING_MAX);
        if (queue_push(&lane->queue, &ticket->item, tenant, user, low_priority) < 0)
                return error_oom(reterr);
        queue_ahead(&lane->queue, &ticket->item, &ahead, &tokens);
        wait = lane_wait(lane, ahead + 1, tokens + ticket->item.tokens);
        if (wait > 0 && (now >= deadline_usec || wait >= deadline_usec - now)) {
                queue_remove(&lane->queue, &ticket->item);
                return refuse_wait(lane, wait, deadline_usec, reterr);
        }
        lane_pump(lane);
        return 0;
}

void lane_withdraw(struct lane *lane, struct lane_ticket *ticket)
{
        queue_remove(&lane->queue, &ticket->item);
}

void lane_pass(struct lane *lane, struct lane_ticket *ticket)
{
        take(lane, ticket);
}

/* ---- What a call's end teaches --------------------------------------------------------------- */

static void set_pace(struct lane *lane)
{
        lane->requests.limit = limit_or_none(lane->pace.current);
        ratelimit_set_rate(&lane->bucket, lane->pace.current, lane->now_usec());
}

static void block(struct lane *lane, uint64_t usec)
{
        uint64_t until = lane->now_usec() + (usec < BLOCK_MAX_USEC ? usec : BLOCK_MAX_USEC);

        lane->blocked_until_usec = later(lane->blocked_until_usec, until);
}

static uint64_t lower(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* What the heads of answers say: limits below the configured ones count, and a window that is
 * used up means silence until it begins anew. */
static void learn(struct lane *lane, const struct call_limits *limits)
{
        if (limits->requests != UINT64_MAX && limits->requests > 0) {
                if (limits->requests_per_day)
                        lane->day.limit = lower(limit_or_none(lane->config->requests_per_day),
                                                limits->requests);
                else if (adaptive_learn(&lane->pace, limits->requests))
                        set_pace(lane);
        }
        if (limits->tokens != UINT64_MAX && limits->tokens > 0)
                lane->tokens.limit = lower(limit_or_none(lane->config->tokens_per_minute),
                                           limits->tokens);
        if (limits->requests_left == 0 && limits->requests_reset_usec != UINT64_MAX)
                block(lane, limits->requests_reset_usec);
        if (limits->tokens_left == 0 && limits->tokens_reset_usec != UINT64_MAX)
                block(lane, limits->tokens_reset_usec);
}

static void adapt(struct lane *lane, const struct lane_outcome *outcome)
{
        bool changed = false;

        if (outcome->limits)
                learn(lane, outcome->limits);
        if (!outcome->fault) {
                changed = adaptive_success(&lane->pace);
                if (outcome->batch > 0)
                        batch_size_success(&lane->batch, outcome->took_usec);
        } else if (outcome->fault->class == FAULT_RATE_LIMIT) {
                changed = adaptive_refused(&lane->pace);
        }
        if (changed)
                set_pace(lane);
}

static void settle_tokens(struct lane *lane, const struct lane_ticket *ticket, uint64_t used)
{
        if (used > ticket->item.tokens)
                (void) window_add(&lane->tokens, used - ticket->item.tokens, lane->now_usec());
        else if (used > 0)
                window_return(&lane->tokens, ticket->item.tokens - used, ticket->taken_usec);
}

static void give_back(struct lane *lane, const struct lane_ticket *ticket)
{
        window_return(&lane->requests, 1, ticket->taken_usec);
        window_return(&lane->tokens, ticket->item.tokens, ticket->taken_usec);
        if (lane->day.used > 0)
                lane->day.used--;
}

static enum lane_change judge(struct lane *lane, const struct lane_outcome *outcome)
{
        const struct fault *fault = outcome->fault;
        uint64_t now = lane->now_usec();

        if (outcome->abandoned ||
            (fault && (fault->class == FAULT_RATE_LIMIT || fault->class == FAULT_LOCAL))) {
                breaker_abandoned(&lane->breaker);
                return LANE_SAME;
        }
        if (fault && fault_class_traits(fault->class)->breaks)
                return breaker_failed(&lane->breaker, outcome->reason, now) ? LANE_OPENED
                                                                            : LANE_SAME;
        return breaker_answered(&lane->breaker, now) ? LANE_CLOSED : LANE_SAME;
}

enum lane_change lane_leave(struct lane *lane, struct lane_ticket *ticket,
                            const struct lane_outcome *outcome)
{
        const struct fault *fault = outcome->fault;

        lane->running--;
        if (outcome->unsent) {
                give_back(lane, ticket);
                return LANE_SAME;
        }
        settle_tokens(lane, ticket, outcome->used_tokens);
        if (fault && fault->wait_usec > 0)
                block(lane, fault->wait_usec);
        if (fault && outcome->batch > 0 &&
            (fault->class == FAULT_RATE_LIMIT || fault->class == FAULT_TOO_LARGE))
                batch_size_refused(&lane->batch, outcome->batch);
        if (lane->config->adaptive && !outcome->abandoned)
                adapt(lane, outcome);
        return judge(lane, outcome);
}
