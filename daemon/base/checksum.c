/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <string.h>

/* The reflected polynomial 0x82f63b78, four bits at a time. */
static const uint32_t nibbles[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t checksum_crc32c_generic(uint32_t crc, const void *bytes, size_t len)
{
        const uint8_t *at = bytes;

        crc = ~crc;
        for (size_t i = 0; i < len; i++) {
                crc ^= at[i];
                crc = (crc >> 4) ^ nibbles[crc & 15U];
                crc = (crc >> 4) ^ nibbles[crc & 15U];
        }
        return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *at,
                                                               size_t len)
{
        uint64_t wide = ~crc;

        for (; len >= 8; at += 8, len -= 8) {
                uint64_t word;

                memcpy(&word, at, sizeof word);
                wide = __builtin_ia32_crc32di(wide, word);
        }
        crc = (uint32_t) wide;
        for (; len > 0; at++, len--)
                crc = __builtin_ia32_crc32qi(crc, *at);
        return ~crc;
}

uint32_t checksum_crc32c(uint32_t crc, const void *bytes, size_t len)
{
        return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, bytes, len)
                                                : checksum_crc32c_generic(crc, bytes, len);
}
#else
uint32_t checksum_crc32c(uint32_t crc, const void *bytes, size_t len)
{
        return checksum_crc32c_generic(crc, bytes, len);
}
#endif
