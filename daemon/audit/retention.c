/* SPDX-License-Identifier: Apache-2.0 */
/* Whole segments grow too old.  A line names them before the first of them goes, so that verifying
 * tells their absence from a theft; the newest such line names all that ever went. */
#include "audit/inside.h"

#include "audit/line.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"

#include <sys/stat.h>
#include <unistd.h>

struct last_line {
        uint64_t seq, wall_usec;
        char digest[CHAIN_HEX_SIZE];
};

/* Of a segment that cannot be read as one, the time it was last changed. */
static int read_last(struct audit *audit, uint32_t number, struct last_line *ret,
                     struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        int fd = segment_open(audit->dirfd, number, reterr);
        struct segment_line at;
        struct line line;
        struct stat st;
        int r;

        if (fd < 0)
                return fd;
        *ret = (struct last_line){ 0 };
        if (fstat(fd, &st) == 0)
                ret->wall_usec = (uint64_t) st.st_mtim.tv_sec * USEC_PER_SEC;
        r = segment_reader_new(fd, &reader, reterr);
        if (r == 0)
                r = segment_reader_seek_end(reader, reterr);
        if (r == 0)
                r = segment_reader_previous(reader, &at, reterr);
        if (r <= 0 || !line_read(at.text, at.len, &line))
                return r < 0 ? r : 0;
        ret->seq = line.seq;
        ret->wall_usec = line.wall_usec;
        chain_digest(at.text, at.len, ret->digest);
        return 0;
}

static int announce(struct audit *audit, uint32_t first, uint32_t through,
                    const struct last_line *last, struct error *reterr)
{
        cleanup_json_ struct json_object *details = json_object_new_object();
        struct audit_event event = { .action = LINE_EXPIRED, .details = details };

        json_add_u64(details, "first", first);
        json_add_u64(details, "through", through);
        json_add_u64(details, "last_seq", last->seq);
        json_add_string(details, "last_digest", last->digest);
        return audit_commit(audit, &event, reterr);
}

static int remove_segments(struct audit *audit, const uint32_t *numbers, size_t n,
                           struct error *reterr)
{
        for (size_t i = 0; i < n; i++) {
                char name[SEGMENT_NAME_SIZE];

                if (unlinkat(audit->dirfd, segment_name(numbers[i], name), 0) < 0 &&
                    errno != ENOENT)
                        return error_set_errno(reterr, -errno, "cannot remove the audit log's %s",
                                               name);
        }
        if (io_sync_directory(audit->dirfd, ".") < 0)
                return error_set_errno(reterr, -errno, "cannot remove segments of the audit log");
        return 0;
}

static int expire(struct audit *audit, uint64_t before_wall_usec, uint64_t *ret_segments,
                  struct error *reterr)
{
        cleanup_free_ uint32_t *numbers = NULL;
        struct last_line last = { 0 };
        struct audit_head head;
        size_t n = 0, old = 0;
        int r = segment_list(audit->dirfd, &numbers, &n, reterr);

        audit_get_head(audit, &head);
        while (r == 0 && old < n && numbers[old] < head.segment) {
                struct last_line one;

                r = read_last(audit, numbers[old], &one, reterr);
                if (r < 0 || one.wall_usec >= before_wall_usec)
                        break;
                last = one;
                old++;
        }
        if (r == 0 && old > 0)
                r = announce(audit, numbers[0], numbers[old - 1], &last, reterr);
        if (r == 0 && old > 0)
                r = remove_segments(audit, numbers, old, reterr);
        if (r == 0)
                *ret_segments = old;
        return r;
}

int audit_expire(struct audit *audit, uint64_t before_wall_usec, uint64_t *ret_segments,
                 struct error *reterr)
{
        int r;

        (void) pthread_mutex_lock(&audit->retention);
        r = expire(audit, before_wall_usec, ret_segments, reterr);
        (void) pthread_mutex_unlock(&audit->retention);
        return r;
}
