/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: many threads write, one sync serves all who wait. */
#include "audit/inside.h"

#include "audit/line.h"
#include "base/clock.h"
#include "base/json.h"

#include <string.h>

/* ---- What the leader does -------------------------------------------------------------------- */

void audit_note(struct audit *audit, const char *action, struct json_object *takes_details)
{
        if (audit->n_notices == AUDIT_NOTICES_MAX) {
                json_object_put(takes_details);
                return;
        }
        audit->notices[audit->n_notices++] = (struct audit_notice){ action, takes_details };
}

/* What failed, and how many lines with it, once lines can be written again. */
static void note_failure(struct audit *audit)
{
        struct json_object *details;

        if (audit->failure.code == 0)
                return;
        for (size_t i = 0; i < audit->n_notices; i++)
                if (json_object_object_get_ex(audit->notices[i].details, "refused", NULL)) {
                        json_add_u64(audit->notices[i].details, "refused", audit->refused);
                        return;
                }
        details = json_object_new_object();
        json_add_string(details, "failure", error_text(&audit->failure));
        json_add_u64(details, "refused", audit->refused);
        audit_note(audit, LINE_RECOVERED, details);
}

static void forget_notices(struct audit *audit)
{
        for (size_t i = 0; i < audit->n_notices; i++)
                json_object_put(audit->notices[i].details);
        audit->n_notices = 0;
}

/* The notices, then the batch. */
static int write_batch(struct audit *audit, struct audit_request *batch, struct error *reterr)
{
        struct audit_part parts[AUDIT_NOTICES_MAX + AUDIT_BATCH_MAX];
        struct audit_event events[AUDIT_NOTICES_MAX];
        struct buf bodies[AUDIT_NOTICES_MAX] = { 0 };
        size_t n = 0, n_own = audit->n_notices;
        int r = 0;

        for (size_t i = 0; r == 0 && i < n_own; i++, n++) {
                events[i] = (struct audit_event){ .action = audit->notices[i].action,
                                                  .details = audit->notices[i].details };
                r = line_body(audit->stage, &events[i], &bodies[i], reterr);
                parts[n] = (struct audit_part){ &events[i], buf_text(&bodies[i]), bodies[i].len };
        }
        for (struct audit_request *at = batch; r == 0 && at; at = at->next, n++)
                parts[n] = (struct audit_part){ at->event, buf_text(&at->body), at->body.len };
        if (r == 0 && n > 0)
                r = audit_append(audit, parts, n, reterr);
        for (size_t i = 0; i < n_own; i++)
                buf_done(&bodies[i]);
        if (r == 0)
                forget_notices(audit);
        return r;
}

static int lead(struct audit *audit, struct audit_request *batch, struct error *reterr)
{
        int r = audit_prepare(audit, reterr);

        if (r < 0)
                return r;
        note_failure(audit);
        return write_batch(audit, batch, reterr);
}

int audit_flush(struct audit *audit, struct error *reterr)
{
        return lead(audit, NULL, reterr);
}

/* ---- Under the lock -------------------------------------------------------------------------- */

/* The oldest of those that wait, at most AUDIT_BATCH_MAX. */
static struct audit_request *take_batch(struct audit *audit)
{
        struct audit_request *batch = audit->first, *at = batch;

        for (unsigned n = 1; at && at->next && n < AUDIT_BATCH_MAX; n++)
                at = at->next;
        if (!at)
                return NULL;
        audit->first = take_ptr(at->next);
        if (!audit->first)
                audit->last = &audit->first;
        return batch;
}

static void settle(struct audit *audit, int r, const struct error *error, uint64_t n)
{
        if (r < 0) {
                audit->failure = *error;
                audit->failure.code = r;
                audit->refused += n;
                audit->figures.failures++;
                return;
        }
        audit->failure = (struct error){ 0 };
        audit->refused = 0;
}

/* With the lock held, which is given up meanwhile; `n` lines wait in the batch. */
static int lead_unlocked(struct audit *audit, struct audit_request *batch, uint64_t n,
                         struct error *reterr)
{
        int r;

        audit->leading = true;
        (void) pthread_mutex_unlock(&audit->lock);
        r = lead(audit, batch, reterr);
        (void) pthread_mutex_lock(&audit->lock);
        settle(audit, r, reterr, n);
        audit->leading = false;
        return r;
}

static void lead_batch(struct audit *audit)
{
        struct audit_request *batch = take_batch(audit);
        struct error error = { 0 };
        uint64_t n = 0;
        int r;

        for (struct audit_request *at = batch; at; at = at->next)
                n++;
        r = lead_unlocked(audit, batch, n, &error);
        for (struct audit_request *at = batch, *next; at; at = next) {
                next = at->next; /* `at` is gone as soon as its thread sees done */
                at->result = r;
                if (r < 0)
                        at->error = error;
                at->done = true;
        }
        (void) pthread_cond_broadcast(&audit->changed);
}

int audit_commit(struct audit *audit, const struct audit_event *event, struct error *reterr)
{
        struct audit_request request = { .event = event };
        int r = line_body(audit->stage, event, &request.body, reterr);

        if (r < 0) {
                buf_done(&request.body);
                return r;
        }
        (void) pthread_mutex_lock(&audit->lock);
        *audit->last = &request;
        audit->last = &request.next;
        while (!request.done) {
                if (audit->leading)
                        (void) pthread_cond_wait(&audit->changed, &audit->lock);
                else
                        lead_batch(audit);
        }
        (void) pthread_mutex_unlock(&audit->lock);
        buf_done(&request.body);
        if (request.result < 0 && reterr)
                *reterr = request.error;
        return request.result;
}

int audit_write(struct audit *audit, const struct audit_event *event, struct error *reterr)
{
        static const char *const own[] = { LINE_BEGIN, LINE_SEALED, LINE_EXPIRED };

        for (size_t i = 0; event->action && i < ELEMENTSOF(own); i++)
                if (strcmp(event->action, own[i]) == 0)
                        return error_set(reterr, -EINVAL, "%s is the audit log's own", own[i]);
        return audit_commit(audit, event, reterr);
}

/* ---- Health ---------------------------------------------------------------------------------- */

static int heal(struct audit *audit, struct error *reterr)
{
        int r = 0;

        if (audit->failure.code < 0)
                r = lead_unlocked(audit, NULL, 0, reterr);
        if (r == 0 && audit->key_stale) {
                audit->leading = true;
                (void) pthread_mutex_unlock(&audit->lock);
                r = audit_replace_key(audit, reterr);
                (void) pthread_mutex_lock(&audit->lock);
                audit->leading = false;
                audit->key_stale = r < 0;
        }
        (void) pthread_cond_broadcast(&audit->changed);
        return r;
}

int audit_healthy(struct audit *audit, struct error *reterr)
{
        uint64_t now_usec = clock_monotonic_usec();
        struct error error = { 0 };
        int r = 0;

        (void) pthread_mutex_lock(&audit->lock);
        if (audit->failure.code < 0 || audit->key_stale) {
                if (!audit->leading && now_usec - audit->healed_usec >= USEC_PER_SEC) {
                        audit->healed_usec = now_usec;
                        r = heal(audit, &error);
                } else if (audit->failure.code < 0) {
                        r = audit->failure.code;
                        error = audit->failure;
                } else {
                        r = error_set(&error, -EIO,
                                      "the key file of the audit log cannot be written");
                }
        }
        (void) pthread_mutex_unlock(&audit->lock);
        if (r < 0 && reterr)
                *reterr = error;
        return r;
}

void audit_get_head(struct audit *audit, struct audit_head *ret)
{
        (void) pthread_mutex_lock(&audit->lock);
        *ret = audit->head;
        (void) pthread_mutex_unlock(&audit->lock);
}

const char *audit_path(const struct audit *audit)
{
        return audit->path;
}

void audit_get_figures(struct audit *audit, struct audit_figures *ret)
{
        (void) pthread_mutex_lock(&audit->lock);
        *ret = audit->figures;
        ret->failing = audit->failure.code < 0 || audit->key_stale;
        (void) pthread_mutex_unlock(&audit->lock);
}
