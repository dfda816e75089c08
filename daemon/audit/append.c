/* SPDX-License-Identifier: Apache-2.0 */
/* The segment that is written: its lines, its beginning and its end, and the key beside it. */
#include "audit/inside.h"

#include "audit/line.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT_VERSION 1
#define REPAIR_USEC USEC_PER_SEC /* between tries on a disk that does not sync */

/* ---- The key file --------------------------------------------------------------------------- */

static int write_at(int fd, const void *data, size_t len, uint64_t offset)
{
        const char *at = data;

        while (len > 0) {
                ssize_t n = pwrite(fd, at, len, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += n;
                len -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

void audit_store_key(struct audit *audit)
{
        char text[CHAIN_FILE_BYTES];
        int r;

        chain_format(&audit->chain, text);
        r = write_at(audit->key_fd, text, sizeof text, 0);
        explicit_bzero(text, sizeof text);
        (void) pthread_mutex_lock(&audit->lock);
        audit->key_stale = r < 0;
        if (r < 0)
                audit->figures.failures++;
        (void) pthread_mutex_unlock(&audit->lock);
}

int audit_replace_key(struct audit *audit, struct error *reterr)
{
        char text[CHAIN_FILE_BYTES];
        int fd, r;

        chain_format(&audit->chain, text);
        r = io_replace_file(audit->dirfd, AUDIT_KEY_FILE, text, sizeof text, 0600, reterr);
        explicit_bzero(text, sizeof text);
        if (r < 0)
                return r;
        fd = openat(audit->dirfd, AUDIT_KEY_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "cannot open the audit log's key");
        if (audit->key_fd >= 0)
                (void) close(audit->key_fd);
        audit->key_fd = fd;
        return 0;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* The lines in the buffer, under a chain of its own that moves on with each; their ends. */
static int make_lines(struct audit *audit, const struct audit_part *parts, size_t n,
                      struct chain *chain, struct error *reterr)
{
        uint64_t wall_usec = clock_wall_usec();
        struct line line;
        size_t begin = 0;

        buf_clear(&audit->out);
        for (size_t i = 0; i < n; i++) {
                line_append(&audit->out, chain, wall_usec, parts[i].body, parts[i].body_len);
                if (buf_failed(&audit->out))
                        return error_oom(reterr);
                if (!line_read(audit->out.data + begin, audit->out.len - begin - 1, &line))
                        return error_set(reterr, -EOVERFLOW, "the audit log's line has no shape");
                line_accept(&line, chain);
                begin = audit->ends[i] = audit->out.len;
        }
        return 0;
}

/* They are durable: everybody may know. */
static void publish(struct audit *audit, const struct audit_part *parts, size_t n,
                    struct chain *chain)
{
        size_t begin = 0;

        audit->chain = *chain;
        chain_done(chain);
        audit_store_key(audit);
        (void) pthread_mutex_lock(&audit->lock);
        audit->figures.lines += n;
        audit->figures.bytes += audit->out.len;
        audit->figures.syncs++;
        audit->head.seq = audit->chain.seq;
        audit->head.segment = audit->chain.segment;
        memcpy(audit->head.digest, audit->chain.digest, sizeof audit->head.digest);
        (void) pthread_mutex_unlock(&audit->lock);
        for (size_t i = 0; audit->journal && i < n; i++) {
                audit->out.data[audit->ends[i] - 1] = '\0';
                audit->journal(audit->data, parts[i].event, audit->out.data + begin);
                begin = audit->ends[i];
        }
}

int audit_append(struct audit *audit, const struct audit_part *parts, size_t n,
                 struct error *reterr)
{
        struct chain chain = audit->chain;
        int r = make_lines(audit, parts, n, &chain, reterr);

        if (r == 0) {
                r = write_at(audit->fd, audit->out.data, audit->out.len, audit->chain.offset);
                if (r < 0) /* nothing half-written stays */
                        audit->poisoned = ftruncate(audit->fd, (off_t) audit->chain.offset) < 0;
                else if (fdatasync(audit->fd) < 0) {
                        r = -errno;
                        audit->poisoned = true;
                }
                if (r < 0)
                        (void) error_set_errno(reterr, r, "cannot write the audit log in %s",
                                               audit->path);
        }
        if (r == 0)
                publish(audit, parts, n, &chain);
        chain_done(&chain);
        return r;
}

/* ---- Segments -------------------------------------------------------------------------------- */

static struct json_object *begin_details(const struct chain *chain)
{
        struct json_object *details = json_object_new_object();

        json_add_u64(details, "format", FORMAT_VERSION);
        json_add_string(details, "log", chain->log);
        json_add_u64(details, "segment", chain->segment);
        return details;
}

/* The file of the chain's segment with this one line; durable, or gone again. */
static int create_segment(struct audit *audit, const struct chain *chain, struct error *reterr)
{
        char name[SEGMENT_NAME_SIZE];
        cleanup_close_ int fd = openat(audit->dirfd, segment_name(chain->segment, name),
                                       O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r = fd < 0 ? -errno : write_at(fd, audit->out.data, audit->out.len, 0);

        if (r == 0 && fdatasync(fd) < 0)
                r = -errno;
        if (r == 0)
                r = io_sync_directory(audit->dirfd, ".");
        if (r < 0) {
                if (fd >= 0)
                        (void) unlinkat(audit->dirfd, name, 0);
                return error_set_errno(reterr, r, "cannot begin the audit log's segment %s in %s",
                                       name, audit->path);
        }
        if (audit->fd >= 0)
                (void) close(audit->fd);
        audit->fd = take_fd(fd);
        return 0;
}

static int begin_segment(struct audit *audit, struct error *reterr)
{
        cleanup_json_ struct json_object *details = NULL;
        cleanup_(buf_done) struct buf body = BUF_EMPTY;
        struct audit_event event = { .action = LINE_BEGIN };
        struct chain chain = audit->chain;
        struct audit_part part;
        int r = 0;

        if (chain.segment >= SEGMENT_NUMBER_MAX)
                r = error_set(reterr, -EOVERFLOW, "the audit log has no number for a new segment");
        if (r == 0) {
                chain_next_segment(&chain);
                event.details = details = begin_details(&chain);
                r = line_body(audit->stage, &event, &body, reterr);
        }
        part = (struct audit_part){ &event, buf_text(&body), body.len };
        if (r == 0)
                r = make_lines(audit, &part, 1, &chain, reterr);
        if (r == 0)
                r = create_segment(audit, &chain, reterr);
        if (r == 0) {
                audit->begun_wall_usec = clock_wall_usec();
                audit->ends_early = audit->poisoned = false;
                publish(audit, &part, 1, &chain);
        }
        chain_done(&chain);
        return r;
}

static int seal_segment(struct audit *audit, struct error *reterr)
{
        cleanup_json_ struct json_object *details = json_object_new_object();
        cleanup_(buf_done) struct buf body = BUF_EMPTY;
        struct audit_event event = { .action = LINE_SEALED, .details = details };
        struct audit_part part;
        int r;

        json_add_u64(details, "segment", audit->chain.segment);
        json_add_u64(details, "lines", audit->chain.line + 1);
        r = line_body(audit->stage, &event, &body, reterr);
        part = (struct audit_part){ &event, buf_text(&body), body.len };
        return r < 0 ? r : audit_append(audit, &part, 1, reterr);
}

/* After a sync that failed nobody knows what the disk holds, and a second sync would not tell:
 * what was synced before becomes a file of its own. */
static int repair_segment(struct audit *audit, struct error *reterr)
{
        uint64_t now_usec = clock_monotonic_usec();
        int fd;

        if (audit->repaired_usec > 0 && now_usec - audit->repaired_usec < REPAIR_USEC) {
                if (reterr)
                        *reterr = audit->failure;
                return audit->failure.code < 0 ? audit->failure.code : -EIO;
        }
        audit->repaired_usec = now_usec;
        fd = segment_rewrite(audit->dirfd, audit->chain.segment, audit->chain.offset, reterr);
        if (fd < 0)
                return fd;
        (void) close(audit->fd);
        audit->fd = fd;
        audit->poisoned = false;
        audit->repaired_usec = 0;
        audit->ends_early = true;
        return 0;
}

static bool is_full(const struct audit *audit)
{
        uint64_t now_usec = clock_wall_usec();

        return audit->ends_early || audit->chain.offset >= audit->segment_bytes ||
               (now_usec > audit->begun_wall_usec &&
                now_usec - audit->begun_wall_usec >= audit->segment_usec);
}

int audit_prepare(struct audit *audit, struct error *reterr)
{
        int r = audit->poisoned ? repair_segment(audit, reterr) : 0;

        if (r == 0 && audit->fd >= 0 && !audit->chain.sealed && is_full(audit))
                r = seal_segment(audit, reterr);
        if (r == 0 && (audit->fd < 0 || audit->chain.sealed))
                r = begin_segment(audit, reterr);
        return r;
}
