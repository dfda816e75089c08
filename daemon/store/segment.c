/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_inside.h"

#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BYTE_ORDER_MARK 0x01020304U

struct header {
        char magic[8];
        uint32_t byte_order, version, dimensions, stride, number, capacity, crc;
};

static size_t map_bytes(const struct segments *segments)
{
        return SEGMENT_HEADER_BYTES + (size_t) segments->capacity * segments->stride;
}

/* ---- Opening ---------------------------------------------------------------------------- */

static struct header make_header(const struct segments *segments, size_t at)
{
        struct header header = {
                .magic = "ragdvec",
                .byte_order = BYTE_ORDER_MARK,
                .version = SEGMENT_VERSION,
                .dimensions = segments->dimensions,
                .stride = segments->stride,
                .number = (uint32_t) at + 1,
                .capacity = segments->capacity,
        };

        header.crc = checksum_crc32c(0, &header, offsetof(struct header, crc));
        return header;
}

static int check_header(const struct segments *segments, size_t at, const struct header *found,
                        struct error *reterr)
{
        struct header wanted = make_header(segments, at);
        char name[SEGMENT_NAME_SIZE];

        (void) segment_name(at, name);
        if (memcmp(found->magic, wanted.magic, sizeof wanted.magic) != 0)
                return error_set(reterr, -EBADMSG, "%s/%s is damaged: it has no header",
                                 segments->folder, name);
        if (found->byte_order != BYTE_ORDER_MARK)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "%s/%s was written by a machine of another byte order: "
                                 "rebuild the generation here", segments->folder, name);
        if (found->version > SEGMENT_VERSION)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "%s/%s has format version %u, this ragd knows versions up to %d: "
                                 "run the ragd that wrote it, or a newer one",
                                 segments->folder, name, found->version, SEGMENT_VERSION);
        if (memcmp(found, &wanted, sizeof wanted) != 0)
                return error_set(reterr, -EBADMSG, "%s/%s is damaged: its header does not fit",
                                 segments->folder, name);
        return 0;
}

static int add_mapping(struct segments *segments, int fd, struct error *reterr)
{
        void *base;

        if (segments->n == segments->size) {
                size_t size = segments->size ? segments->size * 2 : 4;
                const uint8_t **grown = reallocarray(segments->bases, size, sizeof *grown);

                if (!grown)
                        return error_oom(reterr);
                segments->bases = grown;
                segments->size = size;
        }
        base = mmap(NULL, map_bytes(segments), PROT_READ, MAP_SHARED, fd, 0);
        if (base == MAP_FAILED)
                return error_set_errno(reterr, -errno, "cannot map a segment of %s",
                                       segments->folder);
        segments->bases[segments->n++] = base;
        return 0;
}

/* `records` of the segment are committed; what lies behind them goes. */
static int open_segment(struct segments *segments, size_t at, uint32_t records,
                        struct error *reterr)
{
        uint64_t wanted = SEGMENT_HEADER_BYTES + (uint64_t) records * segments->stride;
        struct header header;
        char name[SEGMENT_NAME_SIZE];
        struct stat st;
        cleanup_close_ int fd = openat(segments->dirfd, segment_name(at, name),
                                       O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n;
        int r;

        if (fd < 0 && errno == ENOENT)
                return error_set(reterr, -EBADMSG, "%s/%s is missing", segments->folder, name);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(reterr, -errno, "cannot open %s/%s", segments->folder, name);
        n = pread(fd, &header, sizeof header, 0);
        if (n < 0)
                return error_set_errno(reterr, -errno, "cannot read %s/%s", segments->folder, name);
        if ((size_t) n < sizeof header || st.st_size < 0 || (uint64_t) st.st_size < wanted)
                return error_set(reterr, -EBADMSG, "%s/%s is damaged: %lld bytes long, not %llu",
                                 segments->folder, name, (long long) st.st_size,
                                 (unsigned long long) wanted);
        r = check_header(segments, at, &header, reterr);
        if (r < 0)
                return r;
        if ((uint64_t) st.st_size > wanted && ftruncate(fd, (off_t) wanted) < 0)
                return error_set_errno(reterr, -errno, "cannot cut %s/%s", segments->folder, name);
        return add_mapping(segments, fd, reterr);
}

int segments_open(int dirfd, const char *folder, uint32_t dimensions, uint32_t committed,
                  struct segments **ret, struct error *reterr)
{
        cleanup_(segments_close_cleanup) struct segments *segments = calloc(1, sizeof *segments);
        char name[SEGMENT_NAME_SIZE];
        size_t n;

        if (!segments)
                return error_oom(reterr);
        segments->tail_fd = -1;
        segments->folder = strdup(folder);
        segments->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
        if (!segments->folder)
                return error_oom(reterr);
        if (segments->dirfd < 0)
                return error_set_errno(reterr, -errno, "cannot open %s", folder);
        if (dimensions == 0 || dimensions > VECTOR_DIMENSIONS_MAX)
                return error_set(reterr, -EBADMSG, "%s: %u dimensions", folder, dimensions);
        segments->dimensions = dimensions;
        segments->stride = (uint32_t) ((payload_bytes(segments) + sizeof(uint32_t) + 63) / 64 * 64);
        segments->capacity = (uint32_t) (SEGMENT_RECORDS_BYTES / segments->stride);

        n = segments_count(segments, committed);
        for (size_t i = 0; i < n; i++) {
                uint32_t before = (uint32_t) i * segments->capacity;
                uint32_t records = committed - before < segments->capacity ? committed - before
                                                                           : segments->capacity;
                int r = open_segment(segments, i, records, reterr);

                if (r < 0)
                        return r;
        }
        /* One that was begun and never committed to. */
        if (unlinkat(segments->dirfd, segment_name(n, name), 0) < 0 && errno != ENOENT)
                return error_set_errno(reterr, -errno, "cannot remove %s/%s", folder, name);
        *ret = take_ptr(segments);
        return 0;
}

struct segments *segments_close(struct segments *segments)
{
        if (segments) {
                for (size_t i = 0; i < segments->n; i++)
                        (void) munmap((void *) (uintptr_t) segments->bases[i],
                                      map_bytes(segments));
                free(segments->bases);
                if (segments->tail_fd >= 0)
                        (void) close(segments->tail_fd);
                if (segments->dirfd >= 0)
                        (void) close(segments->dirfd);
                free(segments->folder);
                free(segments);
        }
        return NULL;
}

/* ---- Writing ---------------------------------------------------------------------------- */

static int pwrite_all(int fd, const void *data, size_t len, off_t at)
{
        const char *from = data;

        while (len > 0) {
                ssize_t n = pwrite(fd, from, len, at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                from += n;
                at += n;
                len -= (size_t) n;
        }
        return 0;
}

void segments_recover(struct segments *segments)
{
        if (segments->tail_fd >= 0)
                (void) close(segments->tail_fd);
        segments->tail_fd = -1;
}

/* Makes `at` the segment that is written, creating and mapping it where it is new. */
static int open_tail(struct segments *segments, size_t at, struct error *reterr)
{
        bool is_new = at == segments->n;
        char name[SEGMENT_NAME_SIZE];
        int r = 0;

        if (segments->tail_fd >= 0 && segments->tail == at)
                return 0;
        segments_recover(segments);
        segments->tail = at;
        segments->tail_fd = openat(segments->dirfd, segment_name(at, name),
                                   O_RDWR | O_CLOEXEC | O_NOFOLLOW |
                                           (is_new ? O_CREAT | O_TRUNC : 0),
                                   0600);
        if (segments->tail_fd < 0)
                return error_set_errno(reterr, -errno, "cannot open %s/%s", segments->folder, name);
        if (is_new) {
                uint8_t page[SEGMENT_HEADER_BYTES] = { 0 };
                struct header header = make_header(segments, at);

                memcpy(page, &header, sizeof header);
                r = pwrite_all(segments->tail_fd, page, sizeof page, 0);
                if (r == 0 && fsync(segments->dirfd) < 0)
                        r = -errno;
                if (r < 0)
                        error_set_errno(reterr, r, "cannot write %s/%s", segments->folder, name);
                else
                        r = add_mapping(segments, segments->tail_fd, reterr);
        }
        if (r < 0)
                segments_recover(segments);
        return r;
}

static void fill_record(const struct segments *segments, uint32_t slot,
                        const struct segment_record *from, uint8_t *to)
{
        size_t floats = segments->dimensions * sizeof(float);
        uint32_t crc;

        memset(to + floats, 0, segments->stride - floats);
        memcpy(to, from->vector, floats);
        memcpy(to + floats, &from->docver, sizeof from->docver);
        memcpy(to + floats + 4, &from->ordinal, sizeof from->ordinal);
        crc = record_crc(segments, slot, to);
        memcpy(to + floats + 8, &crc, sizeof crc);
}

/* Within one segment. */
static int write_records(struct segments *segments, uint32_t first_slot,
                         const struct segment_record *records, size_t n, struct error *reterr)
{
        size_t at_once = SEGMENT_BLOCK_BYTES / segments->stride;
        cleanup_free_ uint8_t *block = malloc((n < at_once ? n : at_once) * segments->stride);
        int r = 0;

        if (!block)
                return error_oom(reterr);
        for (size_t done = 0; r == 0 && done < n;) {
                size_t count = n - done < at_once ? n - done : at_once;
                uint32_t slot = first_slot + (uint32_t) done;
                off_t offset = (off_t) (SEGMENT_HEADER_BYTES +
                                        (uint64_t) (slot % segments->capacity) * segments->stride);

                for (size_t i = 0; i < count; i++)
                        fill_record(segments, slot + (uint32_t) i, &records[done + i],
                                    block + i * segments->stride);
                r = pwrite_all(segments->tail_fd, block, count * segments->stride, offset);
                done += count;
        }
        if (r == 0 && fdatasync(segments->tail_fd) < 0)
                r = -errno;
        return r < 0 ? error_set_errno(reterr, r, "cannot write vectors to %s", segments->folder)
                     : 0;
}

int segments_append(struct segments *segments, uint32_t first_slot,
                    const struct segment_record *records, size_t n, struct error *reterr)
{
        int r = 0;

        for (size_t done = 0; r == 0 && done < n;) {
                uint32_t slot = first_slot + (uint32_t) done;
                size_t room = segments->capacity - slot % segments->capacity;
                size_t count = n - done < room ? n - done : room;

                r = open_tail(segments, slot / segments->capacity, reterr);
                if (r == 0)
                        r = write_records(segments, slot, records + done, count, reterr);
                done += count;
        }
        return r;
}
