/* SPDX-License-Identifier: Apache-2.0 */
/* The turns of those who call one provider. */
#include "gateway/lane_state.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

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

uint64_t lane_state_wait(struct lane_state *state, uint64_t calls, uint64_t tokens)
{
        uint64_t now = clock_monotonic_usec(), wait = 0;

        if (state->blocked_until_usec > now)
                wait = state->blocked_until_usec - now;
        wait = later(wait, window_wait(&state->requests, calls, now));
        wait = later(wait, window_wait(&state->tokens, tokens, now));
        if (state->limits.burst > 0 && state->bucket.policy.rate > 0)
                wait = later(wait, ratelimit_wait(&state->bucket, calls, now));
        return later(wait, day_limit_wait(&state->day, calls, clock_wall_usec()));
}

/* The waits were zero for as much: nothing is refused here but for want of memory, and then the
 * call goes uncounted rather than being lost. */
static void take(struct lane_state *state, struct lane_ticket *ticket)
{
        uint64_t now = clock_monotonic_usec(), wait;

        ticket->taken_usec = now;
        state->running++;
        (void) window_add(&state->requests, 1, now);
        (void) window_add(&state->tokens, ticket->item.tokens, now);
        if (state->limits.burst > 0 && state->bucket.policy.rate > 0)
                (void) ratelimit_take(&state->bucket, 1, now, &wait);
        if (day_limit_take(&state->day, 1, clock_wall_usec(), &wait) < 0)
                state->day.used++;
}

static bool has_room(const struct lane_state *state)
{
        return state->limits.max_concurrent == 0 || state->running < state->limits.max_concurrent;
}

/* ---- Turns ----------------------------------------------------------------------------------- */

static void arm(struct lane_state *state, uint64_t wait_usec)
{
        if (wait_usec == UINT64_MAX)
                return; /* those who wait end by their own deadlines */
        (void) sd_event_source_set_time(state->timer, clock_monotonic_usec() + wait_usec);
        (void) sd_event_source_set_enabled(state->timer, SD_EVENT_ONESHOT);
}

int lane_state_check_breaker(const struct lane_state *state, struct error *reterr)
{
        char text[LANE_WAIT_TEXT_SIZE];
        uint64_t wait;

        if (breaker_check(&state->breaker, clock_monotonic_usec(), &wait) == 0)
                return 0;
        if (wait == 0)
                return error_set(reterr, -EHOSTUNREACH, "breaker half-open, one call tries it (%s)",
                                 state->breaker.reason);
        return error_set(reterr, -EHOSTUNREACH, "breaker open for %s more (%s)",
                         lane_wait_text(wait, text), state->breaker.reason);
}

/* Nothing forbids it. */
static void grant(struct lane_state *state, struct lane_ticket *ticket)
{
        uint64_t wait;

        (void) breaker_begin(&state->breaker, clock_monotonic_usec(), &wait);
        take(state, ticket);
        ticket->granted(ticket->data);
}

static int check_size(const struct lane_state *state, const struct queue_item *item,
                      struct error *reterr)
{
        if (item->tokens <= state->tokens.limit)
                return 0;
        return error_set(reterr, -E2BIG,
                         "%" PRIu64 " tokens can never fit its limit of %" PRIu64 " a minute",
                         item->tokens, state->tokens.limit);
}

/* True: the first one had its turn, or was turned away. */
static bool serve(struct lane_state *state, struct queue_item *item)
{
        struct lane_ticket *ticket = (struct lane_ticket *) item;
        struct error error = { 0 };
        uint64_t wait;

        if (lane_state_check_breaker(state, &error) < 0 || check_size(state, item, &error) < 0) {
                queue_serve(&state->queue, item);
                ticket->turned_away(ticket->data, &error);
                return true;
        }
        wait = has_room(state) ? lane_state_wait(state, 1, item->tokens) : UINT64_MAX;
        if (wait > 0) {
                arm(state, wait);
                return false;
        }
        queue_serve(&state->queue, item);
        grant(state, ticket);
        return true;
}

bool lane_state_enter_at_once(struct lane_state *state, struct lane_ticket *ticket)
{
        if (queue_first(&state->queue) || !has_room(state) ||
            ticket->item.tokens > state->tokens.limit ||
            lane_state_check_breaker(state, NULL) < 0 ||
            lane_state_wait(state, 1, ticket->item.tokens) > 0)
                return false;
        grant(state, ticket);
        return true;
}

void lane_state_pump(struct lane_state *state)
{
        struct queue_item *item;

        if (state->pumping) /* a turn that ends at once comes back here */
                return;
        state->pumping = true;
        while ((item = queue_first(&state->queue)) && serve(state, item))
                ;
        state->pumping = false;
}

static int refuse_wait(uint64_t wait, uint64_t deadline_usec, struct error *reterr)
{
        char wait_text[LANE_WAIT_TEXT_SIZE], left_text[LANE_WAIT_TEXT_SIZE];
        uint64_t now = clock_monotonic_usec();

        return error_set(reterr, -EAGAIN,
                         "its limits allow the next call in %s, the deadline is in %s",
                         lane_wait_text(wait, wait_text),
                         lane_wait_text(deadline_usec > now ? deadline_usec - now : 0, left_text));
}

int lane_state_enter(struct lane_state *state, struct lane_ticket *ticket, struct tenant_id tenant,
                     uint64_t user, bool low_priority, uint64_t deadline_usec,
                     struct error *reterr)
{
        uint64_t now = clock_monotonic_usec(), ahead, tokens, wait;
        int r = check_size(state, &ticket->item, reterr);

        if (r < 0)
                return r;
        if (queue_count(&state->queue) >= LANE_WAITING_MAX)
                return error_set(reterr, -EAGAIN, "%u calls wait for it already", LANE_WAITING_MAX);
        if (queue_push(&state->queue, &ticket->item, tenant, user, low_priority) < 0)
                return error_oom(reterr);
        queue_ahead(&state->queue, &ticket->item, &ahead, &tokens);
        wait = lane_state_wait(state, ahead + 1, tokens + ticket->item.tokens);
        if (wait > 0 && (now >= deadline_usec || wait >= deadline_usec - now)) {
                queue_remove(&state->queue, &ticket->item);
                return refuse_wait(wait, deadline_usec, reterr);
        }
        lane_state_pump(state);
        return 0;
}

void lane_state_withdraw(struct lane_state *state, struct lane_ticket *ticket)
{
        queue_remove(&state->queue, &ticket->item);
}

void lane_state_pass(struct lane_state *state, struct lane_ticket *ticket)
{
        take(state, ticket);
}

