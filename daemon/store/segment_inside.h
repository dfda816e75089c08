/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the segments, shared by the segment*.c files and nobody else. */
#pragma once
#include "base/checksum.h"
#include "store/segment.h"

#include <stdio.h>

#define SEGMENT_BLOCK_BYTES (256U * 1024U) /* of records put together for one read or write */

struct segments {
        int dirfd;
        char *folder;
        uint32_t dimensions, stride, capacity; /* capacity: records per segment */
        const uint8_t **bases;                 /* mappings, header included */
        size_t n, size;
        int tail_fd; /* of the segment written last, or -1 */
        size_t tail;
};

#define SEGMENT_NAME_SIZE 24
static inline const char *segment_name(size_t at, char text[static SEGMENT_NAME_SIZE])
{
        (void) snprintf(text, SEGMENT_NAME_SIZE, "vectors.%04zu", at + 1);
        return text;
}

static inline size_t payload_bytes(const struct segments *segments) /* what the checksum covers */
{
        return segments->dimensions * sizeof(float) + 2 * sizeof(uint32_t);
}

static inline uint32_t record_crc(const struct segments *segments, uint32_t slot,
                                  const uint8_t *record)
{
        return checksum_crc32c(checksum_crc32c(0, &slot, sizeof slot), record,
                               payload_bytes(segments));
}
