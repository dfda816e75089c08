/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log, read: its newest lines, those that match, and whether it is whole. */
#include "audit/audit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "control/amounts.h"
#include "control/handlers.h"

#include <stdio.h>
#include <string.h>

#define TAIL_USUAL 20
#define LINES_USUAL 100
#define LINES_MAX 10000
#define PAGE_BYTES ((size_t) 4 << 20) /* of lines in one reply */
#define LOOK_USEC (UINT64_C(250) * USEC_PER_MSEC)
#define SECONDS_PER_DAY 86400

/* NULL: the call has failed. */
static struct audit *log_of(struct call *call)
{
        const struct control_services *services = call_services(call);
        struct audit *audit = services->audit ? services->audit(services->data) : NULL;
        struct error error = { 0 };

        if (!audit) {
                error_set(&error, -ENOENT,
                          "there is no audit log: rag.security.enable_audit_logging is false");
                call_fail(call, -ENOENT, &error);
        }
        return audit;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

struct page {
        struct json_object *lines;
        uint64_t seq; /* of the last one */
        size_t bytes;
        bool full; /* more may match */
};

static uint64_t seq_of(const char *line, size_t len)
{
        uint64_t seq = 0;

        for (size_t i = strlen("{\"seq\":"); i < len && line[i] >= '0' && line[i] <= '9'; i++)
                seq = seq * 10 + (uint64_t) (line[i] - '0');
        return seq;
}

static int add_line(void *data, const char *line, size_t len)
{
        struct page *page = data;

        if (page->bytes > 0 && page->bytes + len > PAGE_BYTES) {
                page->full = true;
                return 1;
        }
        json_add(page->lines, NULL, json_object_new_string_len(line, (int) len));
        page->seq = seq_of(line, len);
        page->bytes += len;
        return 0;
}

static int read_page(struct audit *audit, const struct audit_query *query, struct page *ret,
                     struct error *reterr)
{
        int r;

        *ret = (struct page){ .lines = json_object_new_array() };
        if (!ret->lines)
                return error_oom(reterr);
        r = audit_search(audit_path(audit), query, add_line, ret, reterr);
        if (query->limit > 0 && json_object_array_length(ret->lines) >= query->limit)
                ret->full = true;
        if (r >= 0)
                return 0;
        json_object_put(take_ptr(ret->lines));
        return r;
}

/* ---- tail ------------------------------------------------------------------------------------ */

struct following {
        uint64_t seq; /* the last line that was told */
};

static void go_on(struct call *call, struct following *following, struct audit *audit)
{
        struct audit_query query = { .outcome = AUDIT_OUTCOME_MAX, .after_seq = following->seq,
                                     .last = true };
        struct error error = { 0 };
        struct audit_head head;
        struct page page;
        int r;

        audit_get_head(audit, &head);
        if (call_gone(call)) {
                reply_with(call, "lines", json_object_new_array());
                return;
        }
        if (head.seq > following->seq) {
                struct json_object *reply = json_object_new_object();

                r = read_page(audit, &query, &page, &error);
                if (r < 0) {
                        json_object_put(reply);
                        call_fail(call, r, &error);
                        return;
                }
                if (page.seq > 0)
                        following->seq = page.seq;
                json_add(reply, "lines", page.lines);
                (void) call_notify(call, reply);
        }
        call_again(call, LOOK_USEC);
}

void on_audit_tail(struct call *call)
{
        struct following *following = call_kept(call);
        struct audit_query query = { .outcome = AUDIT_OUTCOME_MAX, .last = true };
        struct audit *audit = log_of(call);
        struct json_object *reply;
        struct error error = { 0 };
        struct page page;
        int r;

        if (!audit || !read_number(call, "lines", 1, LINES_MAX, TAIL_USUAL, &query.limit))
                return;
        if (following) {
                go_on(call, following, audit);
                return;
        }
        r = read_page(audit, &query, &page, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        if (!call_bool(call, "follow") || !call_wants_more(call)) {
                reply_with(call, "lines", page.lines);
                return;
        }
        following = calloc(1, sizeof *following);
        if (!following) {
                json_object_put(page.lines);
                call_fail(call, -ENOMEM, NULL);
                return;
        }
        following->seq = page.seq;
        call_keep(call, following, free);
        reply = json_object_new_object();
        json_add(reply, "lines", page.lines);
        (void) call_notify(call, reply);
        call_again(call, LOOK_USEC);
}

/* ---- search ---------------------------------------------------------------------------------- */

/* "2026-12-01" is its beginning for the one and its end for the other; "2h" is so long ago. */
static bool read_time(struct call *call, const char *name, bool end, uint64_t *ret)
{
        const char *text = call_string(call, name, NULL);
        uint64_t now_usec = clock_wall_usec(), span;
        struct error error = { 0 };

        if (!text)
                return true;
        if (amount_read_date(text, ret, &error) == 0) {
                if (end)
                        *ret += USEC_PER_SEC - 1;
                else if (!strchr(text, 'T'))
                        *ret -= (SECONDS_PER_DAY - 1) * USEC_PER_SEC;
                return true;
        }
        if (amount_read_end(text, 0, &span, NULL) == 0) {
                *ret = span < now_usec ? now_usec - span : 0;
                return true;
        }
        error_set_origin(&error, NULL, name, 0, 0);
        call_fail(call, -EINVAL, &error);
        return false;
}

static bool read_query(struct call *call, struct audit_query *ret)
{
        const char *outcome = call_string(call, "outcome", NULL);

        *ret = (struct audit_query){
                .action = call_string(call, "action", NULL),
                .tenant = call_string(call, "tenant", NULL),
                .key = call_string(call, "key", NULL),
                .user = call_string(call, "user", NULL),
                .object = call_string(call, "object", NULL),
                .request_id = call_string(call, "of_request", NULL),
                .outcome = outcome ? audit_outcome_from_name(outcome) : AUDIT_OUTCOME_MAX,
        };
        ret->last = !json_object_object_get_ex(call_parameters(call), "after", NULL);
        return read_number(call, "limit", 1, LINES_MAX, LINES_USUAL, &ret->limit) &&
               read_number(call, "after", 0, INT64_MAX, 0, &ret->after_seq) &&
               read_time(call, "since", false, &ret->since_usec) &&
               read_time(call, "until", true, &ret->until_usec);
}

void on_audit_search(struct call *call)
{
        struct audit *audit = log_of(call);
        struct audit_query query;
        struct json_object *reply;
        struct error error = { 0 };
        struct page page;
        int r;

        if (!audit || !read_query(call, &query))
                return;
        r = read_page(audit, &query, &page, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        reply = json_object_new_object();
        json_add(reply, "lines", page.lines);
        json_add_bool(reply, "more", page.full);
        json_add_u64(reply, "seq", page.seq);
        call_reply(call, reply);
}

/* ---- verify ---------------------------------------------------------------------------------- */

/* The client's anchor, or else what this process knows to have written: files that were changed
 * while it ran are held against its memory. */
void on_audit_verify(struct call *call)
{
        struct audit *audit = log_of(call);
        const char *text = call_string(call, "anchor", NULL);
        struct audit_head head, anchor = { 0 };
        struct audit_verdict verdict;
        struct error error = { 0 };
        int r = 0;

        if (!audit)
                return;
        audit_get_head(audit, &head);
        if (text)
                r = audit_read_anchor(text, &anchor, &error);
        if (r == 0)
                r = audit_verify(audit_path(audit), call_string(call, "secret", NULL),
                                 text ? &anchor : &head, &verdict, &error);
        if (r == 0 && text && verdict.flaw == AUDIT_SOUND)
                r = audit_verify(audit_path(audit), call_string(call, "secret", NULL), &head,
                                 &verdict, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                call_reply(call, audit_verdict_json(&verdict));
}

void on_audit_seed_take(struct call *call)
{
        struct audit *audit = log_of(call);
        struct error error = { 0 };
        char seed[65];
        int r;

        if (!audit)
                return;
        r = audit_take_seed(audit, seed, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "seed", json_object_new_string(seed));
        explicit_bzero(seed, sizeof seed);
}
