/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the segments: what a view describes, and whether the records are sound. */
#include "store/segment_inside.h"

#include <fcntl.h>
#include <string.h>

static const uint8_t *record_at(const struct segments *segments,
                                const struct index_segment *described, uint32_t slot)
{
        return (const uint8_t *) described[slot / segments->capacity].base +
               (size_t) (slot % segments->capacity) * segments->stride;
}

static bool record_is_sound(const struct segments *segments, uint32_t slot, const uint8_t *record)
{
        uint32_t crc;

        memcpy(&crc, record + payload_bytes(segments), sizeof crc);
        return crc == record_crc(segments, slot, record);
}

size_t segments_count(const struct segments *segments, uint32_t committed)
{
        return committed / segments->capacity + (committed % segments->capacity != 0);
}

void segments_describe(const struct segments *segments, uint32_t committed,
                       struct index_segment *ret)
{
        size_t n = segments_count(segments, committed);

        for (size_t i = 0; i < n; i++) {
                uint32_t first = (uint32_t) i * segments->capacity;
                uint32_t left = committed - first;

                ret[i] = (struct index_segment){
                        .base = segments->bases[i] + SEGMENT_HEADER_BYTES,
                        .first_slot = first,
                        .count = left < segments->capacity ? left : segments->capacity,
                        .stride_bytes = segments->stride,
                };
        }
}

uint32_t segments_docver(const struct segments *segments, const struct index_segment *described,
                         uint32_t slot)
{
        uint32_t docver;

        memcpy(&docver, record_at(segments, described, slot) + segments->dimensions * sizeof(float),
               sizeof docver);
        return docver;
}

uint32_t segments_ordinal(const struct segments *segments, const struct index_segment *described,
                          uint32_t slot)
{
        uint32_t ordinal;

        memcpy(&ordinal,
               record_at(segments, described, slot) + segments->dimensions * sizeof(float) + 4,
               sizeof ordinal);
        return ordinal;
}

int segments_check(const struct segments *segments, const struct index_segment *described,
                   uint32_t slot, struct error *reterr)
{
        if (record_is_sound(segments, slot, record_at(segments, described, slot)))
                return 0;
        return error_set(reterr, -EBADMSG, "%s is damaged: the checksum of slot %u is wrong",
                         segments->folder, slot);
}

static int scrub_segment(const struct segments *segments, size_t at, uint32_t first_slot,
                         uint32_t count, uint8_t *block, size_t at_once, struct error *reterr)
{
        char name[SEGMENT_NAME_SIZE];
        cleanup_close_ int fd = openat(segments->dirfd, segment_name(at, name),
                                       O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return error_set_errno(reterr, -errno, "cannot read %s/%s", segments->folder, name);
        for (uint32_t done = 0; done < count;) {
                size_t records = count - done < at_once ? count - done : at_once;
                size_t got = 0, wanted = records * segments->stride;
                off_t offset = (off_t) (SEGMENT_HEADER_BYTES + (uint64_t) done * segments->stride);

                while (got < wanted) {
                        ssize_t n = pread(fd, block + got, wanted - got, offset + (off_t) got);

                        if (n < 0 && errno == EINTR)
                                continue;
                        if (n < 0)
                                return error_set_errno(reterr, -errno, "cannot read %s/%s",
                                                       segments->folder, name);
                        if (n == 0)
                                return error_set(reterr, -EBADMSG,
                                                 "%s/%s is damaged: it ends early",
                                                 segments->folder, name);
                        got += (size_t) n;
                }
                for (size_t i = 0; i < records; i++) {
                        uint32_t slot = first_slot + done + (uint32_t) i;

                        if (!record_is_sound(segments, slot, block + i * segments->stride))
                                return error_set(reterr, -EBADMSG,
                                                 "%s/%s is damaged: the checksum of slot %u is "
                                                 "wrong", segments->folder, name, slot);
                }
                done += (uint32_t) records;
        }
        return 0;
}

int segments_scrub(const struct segments *segments, uint32_t committed, struct error *reterr)
{
        size_t at_once = SEGMENT_BLOCK_BYTES / segments->stride;
        cleanup_free_ uint8_t *block = malloc(at_once * segments->stride);
        int r = 0;

        if (!block)
                return error_oom(reterr);
        for (size_t i = 0; r == 0 && i < segments_count(segments, committed); i++) {
                uint32_t first = (uint32_t) i * segments->capacity;
                uint32_t left = committed - first;

                r = scrub_segment(segments, i, first,
                                  left < segments->capacity ? left : segments->capacity, block,
                                  at_once, reterr);
        }
        return r;
}
