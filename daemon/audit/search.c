/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that match, through a window: forwards from the oldest, or from the newest backwards, where
 * only the places are kept until they are told in their order.
 *
 * A query is escaped as lines are, and compared with their bytes as they stand.  Time is no order:
 * a clock that was set back does not hide a line, so all segments are read; their numbers are. */
#include "audit/audit.h"

#include "audit/line.h"
#include "audit/segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct condition {
        const char *name;
        struct buf text;
        bool prefix;
        bool any; /* it was not asked for */
};

enum { BY_ACTION, BY_OUTCOME, BY_OBJECT, BY_TENANT, BY_KEY, BY_USER, BY_REQUEST_ID, BY_MAX };

struct search {
        const struct audit_query *query;
        struct condition conditions[BY_MAX];
        int dirfd;
        uint32_t *numbers;
        size_t n;
        int (*each)(void *data, const char *line, size_t len);
        void *data;
        uint64_t told;
};

/* ---- What matches ---------------------------------------------------------------------------- */

static void set_condition(struct search *search, size_t by, const char *name, const char *text,
                          size_t max, bool prefix)
{
        struct condition *condition = &search->conditions[by];

        condition->name = name;
        condition->any = text == NULL;
        condition->prefix = prefix;
        if (text)
                line_escape(&condition->text, text, max);
}

static int prepare(struct search *search, struct error *reterr)
{
        const struct audit_query *query = search->query;
        struct buf *action = &search->conditions[BY_ACTION].text;
        const char *outcome = audit_outcome_name(query->outcome);

        set_condition(search, BY_ACTION, "action", query->action, LINE_ACTION_MAX, false);
        set_condition(search, BY_OUTCOME, "outcome", outcome, LINE_ACTION_MAX, false);
        set_condition(search, BY_OBJECT, "object", query->object, LINE_OBJECT_MAX, true);
        set_condition(search, BY_TENANT, "tenant", query->tenant, LINE_TENANT_MAX, false);
        set_condition(search, BY_KEY, "key", query->key, LINE_KEY_MAX, false);
        set_condition(search, BY_USER, "user", query->user, LINE_USER_MAX, false);
        set_condition(search, BY_REQUEST_ID, "request_id", query->request_id, LINE_REQUEST_ID_MAX,
                      false);
        if (action->len > 0 && action->data[action->len - 1] == '*') {
                action->len--;
                search->conditions[BY_ACTION].prefix = true;
        }
        for (size_t i = 0; i < BY_MAX; i++)
                if (buf_failed(&search->conditions[i].text))
                        return error_oom(reterr);
        return 0;
}

static bool fits(const struct condition *condition, const struct line_member *member)
{
        size_t len = condition->text.len;

        return condition->prefix ? member->value_len >= len &&
                                           memcmp(member->value, buf_text(&condition->text),
                                                  len) == 0
                                 : member->value_len == len &&
                                           memcmp(member->value, buf_text(&condition->text),
                                                  len) == 0;
}

static bool names(const struct condition *condition, const struct line_member *member)
{
        return strlen(condition->name) == member->name_len &&
               memcmp(condition->name, member->name, member->name_len) == 0;
}

static bool matches(const struct search *search, const struct line *line)
{
        const struct audit_query *query = search->query;
        struct line_member member;
        unsigned wanted = 0;

        if (line->wall_usec < query->since_usec ||
            (query->until_usec && line->wall_usec > query->until_usec) ||
            line->seq <= query->after_seq)
                return false;
        for (size_t i = 0; i < BY_MAX; i++)
                wanted |= search->conditions[i].any ? 0U : 1U << i;
        for (size_t at = 0; wanted && line_next_member(line, &at, &member);)
                for (size_t i = 0; i < BY_MAX; i++) {
                        if (!(wanted & 1U << i) || !names(&search->conditions[i], &member))
                                continue;
                        if (!fits(&search->conditions[i], &member))
                                return false;
                        wanted &= ~(1U << i);
                }
        return wanted == 0;
}

/* ---- Forwards -------------------------------------------------------------------------------- */

/* -ENOENT: retention took it meanwhile. */
static int open_reader(const struct search *search, uint32_t number, struct segment_reader **ret,
                       struct error *reterr)
{
        int fd = segment_open(search->dirfd, number, reterr);

        return fd < 0 ? fd : segment_reader_new(fd, ret, reterr);
}

static bool is_enough(const struct search *search)
{
        return search->query->limit > 0 && search->told >= search->query->limit;
}

static int tell(struct search *search, const struct segment_line *at)
{
        search->told++;
        return search->each(search->data, at->text, at->len);
}

static int search_segment(struct search *search, uint32_t number, struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        struct segment_line at;
        struct line line;
        int r = open_reader(search, number, &reader, reterr);

        if (r == -ENOENT)
                return 0;
        while (r == 0 && !is_enough(search)) {
                r = segment_reader_next(reader, &at, reterr);
                if (r <= 0)
                        return r;
                r = at.whole && line_read(at.text, at.len, &line) && matches(search, &line)
                            ? tell(search, &at)
                            : 0;
        }
        return r;
}

/* Whether all lines before the segment are among those that are left out. */
static bool begins_before(const struct search *search, uint32_t number)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        struct segment_line at;
        struct line line;

        return open_reader(search, number, &reader, NULL) == 0 &&
               segment_reader_next(reader, &at, NULL) > 0 &&
               line_read(at.text, at.len, &line) && line.seq <= search->query->after_seq + 1;
}

static int search_forwards(struct search *search, struct error *reterr)
{
        size_t first = search->query->after_seq > 0 ? search->n : 1;
        int r = 0;

        while (first > 1 && !begins_before(search, search->numbers[first - 1]))
                first--;

        for (size_t i = first - 1; r == 0 && i < search->n && !is_enough(search); i++)
                r = search_segment(search, search->numbers[i], reterr);
        return r;
}

/* ---- Backwards ------------------------------------------------------------------------------- */

struct place {
        uint32_t number;
        uint64_t offset;
};

struct places {
        struct place *items;
        size_t n, room;
};

static int remember(struct places *places, uint32_t number, uint64_t offset, struct error *reterr)
{
        if (places->n == places->room) {
                size_t room = places->room ? 2 * places->room : 128;
                struct place *more = reallocarray(places->items, room, sizeof *more);

                if (!more)
                        return error_oom(reterr);
                places->items = more;
                places->room = room;
        }
        places->items[places->n++] = (struct place){ number, offset };
        return 0;
}

/* *ret_end: no older line can match. */
static int find_backwards(const struct search *search, uint32_t number, struct places *places,
                          bool *ret_end, struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        struct segment_line at;
        struct line line;
        int r = open_reader(search, number, &reader, reterr);

        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = segment_reader_seek_end(reader, reterr);
        while (r == 0) {
                r = segment_reader_previous(reader, &at, reterr);
                if (r <= 0)
                        return r;
                r = 0;
                if (!at.whole || !line_read(at.text, at.len, &line))
                        continue;
                if (line.seq <= search->query->after_seq) {
                        *ret_end = true;
                        return 0;
                }
                if (!matches(search, &line))
                        continue;
                r = remember(places, number, at.offset, reterr);
                *ret_end = search->query->limit > 0 && places->n >= search->query->limit;
                if (*ret_end)
                        return r;
        }
        return r;
}

static int tell_places(struct search *search, const struct places *places, struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        uint32_t open = 0;
        int r = 0;

        for (size_t i = places->n; r == 0 && i-- > 0;) {
                const struct place *place = &places->items[i];
                struct segment_line at;

                if (place->number != open) {
                        reader = segment_reader_free(reader);
                        open = place->number;
                        r = open_reader(search, open, &reader, reterr);
                        if (r < 0 && r != -ENOENT)
                                return r;
                        r = 0;
                }
                if (!reader)
                        continue;
                segment_reader_seek(reader, place->offset);
                r = segment_reader_next(reader, &at, reterr);
                if (r > 0)
                        r = at.whole ? tell(search, &at) : 0;
        }
        return r;
}

static int search_backwards(struct search *search, struct error *reterr)
{
        struct places places = { 0 };
        bool end = false;
        int r = 0;

        for (size_t i = search->n; r == 0 && !end && i-- > 0;)
                r = find_backwards(search, search->numbers[i], &places, &end, reterr);
        if (r == 0)
                r = tell_places(search, &places, reterr);
        free(places.items);
        return r;
}

int audit_search(const char *path, const struct audit_query *query,
                 int (*each)(void *data, const char *line, size_t len), void *data,
                 struct error *reterr)
{
        cleanup_close_ int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct search search = { .query = query, .dirfd = dirfd, .each = each, .data = data };
        int r;

        if (dirfd < 0)
                return error_set_errno(reterr, -errno, "cannot open the audit log in %s", path);
        r = segment_list(dirfd, &search.numbers, &search.n, reterr);
        if (r == 0)
                r = prepare(&search, reterr);
        if (r == 0)
                r = query->last ? search_backwards(&search, reterr)
                                : search_forwards(&search, reterr);
        for (size_t i = 0; i < BY_MAX; i++)
                buf_done(&search.conditions[i].text);
        free(search.numbers);
        return r;
}
