/* SPDX-License-Identifier: Apache-2.0 */
/* What lies on disk when the log is opened.
 *
 * The key file is behind the log or level with it.  The lines after it are checked with its key and
 * taken over; what a crash left of a batch, which was never acknowledged, is cut off.  Where the
 * log is behind the key file, or is not what the key file knows, somebody cut or changed it:
 * nothing is written behind that, a new segment begins and says so. */
#include "audit/inside.h"

#include "audit/line.h"
#include "audit/seed.h"
#include "audit/segment.h"
#include "base/io.h"
#include "base/json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was met on the way. */
struct tail {
        uint32_t newest;    /* segment on disk; 0: none */
        uint64_t torn;      /* bytes behind the last sound line */
        uint64_t torn_lines;
        uint64_t found;     /* number of the last line on disk, as it says itself */
        bool damaged;
        bool from_seed;     /* there was no key file */
};

struct first_line {
        uint64_t seq, wall_usec; /* 0: it is no line */
        char prev[CHAIN_HEX_SIZE];
};

/* ---- The key --------------------------------------------------------------------------------- */

/* What the first line of the oldest segment says about those that expired before it. */
static int read_first(struct audit *audit, uint32_t number, struct first_line *ret,
                      struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        int fd = segment_open(audit->dirfd, number, reterr);
        int r = fd < 0 ? fd : segment_reader_new(fd, &reader, reterr);
        struct segment_line at;
        struct line line;

        if (r == 0)
                r = segment_reader_next(reader, &at, reterr);
        if (r <= 0 || !line_read(at.text, at.len, &line) || line.seq == 0)
                return r < 0 ? r : 0;
        ret->seq = line.seq;
        ret->wall_usec = line.wall_usec;
        memcpy(ret->prev, line.prev, CHAIN_HEX_SIZE - 1);
        return 0;
}

/* A log whose key file is gone begins anew from the seed, at the oldest segment that is there. */
static int rebuild_key(struct audit *audit, const uint32_t *numbers, size_t n, struct error *reterr)
{
        struct first_line first = { 0 };
        uint8_t seed[CHAIN_KEY_BYTES];
        int r = seed_load(audit->dirfd, seed, reterr);

        if (r == -ENOENT && n == 0)
                r = seed_make(audit->dirfd, seed, reterr);
        else if (r == -ENOENT)
                r = error_set(reterr, -ENOKEY,
                              "the key of the audit log in %s is gone: put its seed there as"
                              " \"seed\", or move the folder away to begin a new log", audit->path);
        if (r == 0)
                chain_begin(seed, &audit->chain);
        explicit_bzero(seed, sizeof seed);
        if (r < 0 || n == 0 || numbers[0] == 1)
                return r;
        while (audit->chain.segment + 1 < numbers[0])
                chain_next_segment(&audit->chain);
        audit->chain.sealed = true;
        r = read_first(audit, numbers[0], &first, reterr);
        if (r < 0 || first.seq == 0)
                return r;
        audit->chain.seq = first.seq - 1;
        memcpy(audit->chain.digest, first.prev, CHAIN_HEX_SIZE - 1);
        return 0;
}

static int load_key(struct audit *audit, const uint32_t *numbers, size_t n, struct tail *tail,
                    struct error *reterr)
{
        char *text = NULL;
        size_t len = 0;
        int r = io_read_file(audit->dirfd, AUDIT_KEY_FILE, CHAIN_FILE_BYTES, &text, &len, reterr);

        if (r == 0)
                r = chain_parse(text, len, &audit->chain, reterr);
        if (text) {
                explicit_bzero(text, len);
                free(text);
        }
        if (r != -ENOENT && r != -EBADMSG && r != -EFBIG)
                return r;
        tail->from_seed = true;
        return rebuild_key(audit, numbers, n, reterr);
}

/* ---- The lines ------------------------------------------------------------------------------- */

/* Whether the last line before the chain's end is the one that the key file knows. */
static int check_last(const struct chain *chain, struct segment_reader *reader, bool *ret,
                      struct error *reterr)
{
        char digest[CHAIN_HEX_SIZE];
        struct segment_line at;
        int r;

        *ret = chain->offset == 0;
        if (chain->offset == 0)
                return 0;
        segment_reader_seek(reader, chain->offset);
        r = segment_reader_previous(reader, &at, reterr);
        if (r <= 0)
                return r;
        chain_digest(at.text, at.len, digest);
        *ret = at.whole && memcmp(digest, chain->digest, sizeof digest) == 0;
        return 0;
}

/* What the end of a segment says of itself, where the chain does not reach it. */
static int look_at_end(struct segment_reader *reader, const struct chain *chain, struct tail *tail,
                       struct error *reterr)
{
        struct segment_line at;
        struct line line;
        uint64_t end;
        int r = segment_reader_seek_end(reader, reterr);

        if (r < 0)
                return r;
        end = segment_reader_tell(reader);
        tail->torn = end > chain->offset ? end - chain->offset : 0;
        while ((r = segment_reader_previous(reader, &at, reterr)) > 0) {
                if (at.whole && tail->found == 0 && line_read(at.text, at.len, &line))
                        tail->found = line.seq;
                if (at.offset < chain->offset || tail->torn_lines > AUDIT_BATCH_MAX)
                        break;
                tail->torn_lines += at.whole;
        }
        return r < 0 ? r : 0;
}

/* Takes over the lines of the chain's segment that follow it. */
static int follow_lines(struct chain *chain, struct segment_reader *reader, struct error *reterr)
{
        struct segment_line at;
        struct line line;
        int r;

        segment_reader_seek(reader, chain->offset);
        while (!chain->sealed && (r = segment_reader_next(reader, &at, reterr)) != 0) {
                if (r < 0)
                        return r;
                if (!at.whole || !line_read(at.text, at.len, &line) ||
                    !line_follows(&line, chain) || !line_mac_fits(&line, chain))
                        break;
                line_accept(&line, chain);
        }
        return 0;
}

/* One segment, as far as it is sound; *ret_on: the next one may follow. */
static int follow_segment(struct audit *audit, struct tail *tail, bool *ret_on,
                          struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        bool sound = false;
        int fd, r;

        *ret_on = false;
        fd = segment_open(audit->dirfd, audit->chain.segment, reterr);
        if (fd == -ENOENT) {
                tail->damaged = true;
                return 0;
        }
        r = fd < 0 ? fd : segment_reader_new(fd, &reader, reterr);
        if (r == 0)
                r = check_last(&audit->chain, reader, &sound, reterr);
        if (r == 0 && sound)
                r = follow_lines(&audit->chain, reader, reterr);
        if (r == 0)
                r = look_at_end(reader, &audit->chain, tail, reterr);
        if (r < 0)
                return r;
        tail->damaged = !sound || (audit->chain.sealed && tail->torn > 0);
        *ret_on = !tail->damaged && audit->chain.sealed;
        return 0;
}

static int follow(struct audit *audit, struct tail *tail, struct error *reterr)
{
        bool on = audit->chain.sealed;

        if (audit->chain.segment > 0 && !tail->from_seed) {
                int r = follow_segment(audit, tail, &on, reterr);

                if (r < 0)
                        return r;
        }
        while (on && audit->chain.segment < tail->newest) {
                struct chain before = audit->chain;
                int r;

                chain_next_segment(&audit->chain);
                tail->found = 0;
                r = follow_segment(audit, tail, &on, reterr);
                if (r < 0 || audit->chain.line == 0) { /* not even its first line */
                        tail->damaged |= tail->torn_lines > 1;
                        audit->chain = before;
                        chain_done(&before);
                        return r;
                }
                chain_done(&before);
        }
        return 0;
}

/* ---- What is made of it ---------------------------------------------------------------------- */

static void note_torn(struct audit *audit, const struct tail *tail)
{
        struct json_object *details = json_object_new_object();

        json_add_u64(details, "torn_bytes", tail->torn);
        json_add_u64(details, "torn_lines", tail->torn_lines);
        audit_note(audit, LINE_RECOVERED, details);
}

/* The segment goes on where it ends. */
static int resume(struct audit *audit, struct tail *tail, struct error *reterr)
{
        struct first_line first = { 0 };
        char name[SEGMENT_NAME_SIZE];
        int r = read_first(audit, audit->chain.segment, &first, reterr);

        if (r < 0)
                return r;
        audit->begun_wall_usec = first.wall_usec;
        audit->fd = openat(audit->dirfd, segment_name(audit->chain.segment, name),
                           O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (audit->fd < 0)
                return error_set_errno(reterr, -errno, "cannot write the audit log's %s", name);
        if (tail->torn > 0 &&
            (ftruncate(audit->fd, (off_t) audit->chain.offset) < 0 || fsync(audit->fd) < 0))
                return error_set_errno(reterr, -errno, "cannot cut off the torn end of %s in %s",
                                       name, audit->path);
        return 0;
}

/* Behind all that is there, so that nothing is written over. */
static int begin_behind(struct audit *audit, struct tail *tail, struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        struct json_object *details;
        int r = 0;

        if (tail->newest > 0 && tail->found == 0) {
                int fd = segment_open(audit->dirfd, tail->newest, reterr);

                r = fd < 0 ? fd : segment_reader_new(fd, &reader, reterr);
                if (r == 0)
                        r = look_at_end(reader, &audit->chain, tail, reterr);
        }
        if (r < 0)
                return r;
        details = json_object_new_object();
        json_add_u64(details, "known", audit->chain.seq);
        json_add_u64(details, "found", tail->found);
        json_add_u64(details, "segment", audit->chain.segment);
        audit_note(audit, LINE_GAP, details);
        while (audit->chain.segment < tail->newest)
                chain_next_segment(&audit->chain);
        audit->chain.sealed = true;
        return 0;
}

int audit_recover(struct audit *audit, struct error *reterr)
{
        cleanup_free_ uint32_t *numbers = NULL;
        struct tail tail = { 0 };
        size_t n = 0;
        int r = segment_list(audit->dirfd, &numbers, &n, reterr);

        if (r == 0)
                r = load_key(audit, numbers, n, &tail, reterr);
        if (r < 0)
                return r;
        tail.newest = n > 0 ? numbers[n - 1] : 0;
        r = follow(audit, &tail, reterr);
        if (r < 0)
                return r;
        /* A batch is all that a crash can tear, and only at the very end; a first line that was
         * torn leaves a file that is begun again. */
        if (tail.newest > audit->chain.segment + (audit->chain.sealed ? 1 : 0) ||
            tail.torn_lines > AUDIT_BATCH_MAX || (tail.from_seed && tail.torn_lines > 0))
                tail.damaged = true;
        if (tail.damaged)
                r = begin_behind(audit, &tail, reterr);
        else if (!audit->chain.sealed)
                r = resume(audit, &tail, reterr);
        if (r == 0 && !tail.damaged && tail.torn > 0)
                note_torn(audit, &tail);
        return r < 0 ? r : audit_replace_key(audit, reterr);
}
