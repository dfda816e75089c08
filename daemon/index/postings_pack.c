/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_pack.h"

#include <string.h>

#define LANES 4
#define ROWS (POSTINGS_BLOCK / LANES)

/* Four lanes of 32 bits: SSE2, NEON, or whatever the machine has. */
typedef uint32_t lanes __attribute__((vector_size(16)));

/* ---- Writing ---------------------------------------------------------------------------- */

static uint32_t frequency_shift(const uint32_t *frequencies, size_t n)
{
        uint32_t all = 0;

        for (size_t i = 0; i < n; i++)
                all |= frequencies[i];
        return all <= UINT8_MAX ? 0 : all <= UINT16_MAX ? 1 : 2;
}

static size_t put_frequencies(const uint32_t *frequencies, size_t n, uint32_t shift, uint8_t *to)
{
        for (size_t i = 0; i < n; i++)
                for (uint32_t byte = 0; byte < 1U << shift; byte++)
                        *to++ = (uint8_t) (frequencies[i] >> 8 * byte);
        return n << shift;
}

static uint32_t bits_of(uint32_t value)
{
        return value ? 32U - (uint32_t) __builtin_clz(value) : 0;
}

/* Number i lies in lane i % 4, row i / 4; a lane's rows follow each other bit by bit. */
static size_t put_packed(const uint32_t gaps[static POSTINGS_BLOCK], uint32_t bits, uint8_t *to)
{
        uint32_t words[32 * LANES] = { 0 };

        for (uint32_t i = 0; i < POSTINGS_BLOCK; i++) {
                uint32_t bit = i / LANES * bits, at = bit / 32 * LANES + i % LANES;

                if (bits == 0)
                        break;
                words[at] |= gaps[i] << bit % 32;
                if (bit % 32 + bits > 32)
                        words[at + LANES] |= gaps[i] >> (32 - bit % 32);
        }
        memcpy(to, words, (size_t) bits * 16);
        return (size_t) bits * 16;
}

/* All but the last. */
static size_t put_variable(const uint32_t *gaps, size_t n, uint8_t *to)
{
        uint8_t *begin = to;

        for (size_t i = 0; i + 1 < n; i++) {
                uint32_t rest = gaps[i];

                for (; rest >= 0x80; rest >>= 7)
                        *to++ = (uint8_t) (rest | 0x80);
                *to++ = (uint8_t) rest;
        }
        return (size_t) (to - begin);
}

size_t postings_pack(const uint32_t *documents, const uint32_t *frequencies, size_t n,
                     uint32_t base, uint8_t *ret)
{
        uint32_t gaps[POSTINGS_BLOCK], all = 0, shift = frequency_shift(frequencies, n);
        uint8_t *to = ret;

        for (size_t i = 0; i < n; i++) {
                gaps[i] = documents[i] - base;
                base = documents[i] + 1;
                all |= gaps[i];
        }
        *to++ = (uint8_t) (shift << 6 | bits_of(all));
        to += put_frequencies(frequencies, n, shift, to);
        to += n == POSTINGS_BLOCK ? put_packed(gaps, bits_of(all), to)
                                  : put_variable(gaps, n, to);
        return (size_t) (to - ret);
}

/* ---- Reading ---------------------------------------------------------------------------- */

static inline lanes load(const uint8_t *from)
{
        lanes v;

        memcpy(&v, from, sizeof v);
        return v;
}

/* The sum of each lane and those before it. */
static inline lanes sums(lanes v)
{
        const lanes none = { 0 };

        v += __builtin_shufflevector(none, v, 0, 4, 5, 6);
        return v + __builtin_shufflevector(none, v, 0, 1, 4, 5);
}

/* Reads up to 16 bytes beyond the packed ones.  Sums may wrap around. */
static void unpack(const uint8_t *from, uint32_t bits, uint32_t base, uint32_t *ret)
{
        const lanes mask = (lanes){ 0 } + (bits == 32 ? UINT32_MAX : (1U << bits) - 1);
        lanes before = (lanes){ 0 } + (base - 1); /* a gap of 0 is the next number */

        for (uint32_t row = 0, bit = 0; row < ROWS; row++, bit += bits) {
                const uint8_t *at = from + (size_t) (bit / 32) * sizeof(lanes);
                /* Shifted in two steps: a shift by 32 is none that C knows. */
                lanes gaps =
                        (load(at) >> bit % 32 | load(at + sizeof(lanes)) << 1 << (31 - bit % 32)) &
                        mask;

                gaps = sums(gaps + 1) + before;
                memcpy(ret + (size_t) row * LANES, &gaps, sizeof gaps);
                before = __builtin_shufflevector(gaps, gaps, 3, 3, 3, 3);
        }
}

static bool ascending(const uint32_t *documents, size_t n, uint32_t base)
{
        bool all = documents[0] >= base;

        for (size_t i = 1; i < n; i++)
                all &= documents[i] > documents[i - 1];
        return all;
}

static bool unpack_full(const uint8_t *bytes, size_t len, uint32_t bits, uint32_t base,
                        uint32_t last, uint32_t *ret)
{
        if (bits > 32 || len != (size_t) bits * sizeof(lanes))
                return false;
        unpack(bytes, bits, base, ret);
        if (ret[POSTINGS_BLOCK - 1] != last)
                return false;
        /* Where no sum can wrap around, numbers ascend by themselves. */
        return (uint64_t) base + ((uint64_t) POSTINGS_BLOCK << bits) <= UINT32_MAX ||
               ascending(ret, POSTINGS_BLOCK, base);
}

static bool unpack_variable(const uint8_t *bytes, size_t len, size_t n, uint32_t base,
                            uint32_t last, uint32_t *ret)
{
        const uint8_t *end = bytes + len;
        uint64_t next = base;

        for (size_t i = 0; i + 1 < n; i++) {
                uint64_t gap = 0;

                for (unsigned shift = 0;; shift += 7) {
                        if (bytes == end || shift > 28)
                                return false;
                        gap |= (uint64_t) (*bytes & 0x7F) << shift;
                        if (!(*bytes++ & 0x80))
                                break;
                }
                next += gap;
                if (next >= last)
                        return false;
                ret[i] = (uint32_t) next++;
        }
        ret[n - 1] = last;
        return bytes == end && next <= last;
}

bool postings_unpack(const uint8_t *bytes, size_t len, size_t n, uint32_t base, uint32_t last,
                  uint32_t ret_documents[static POSTINGS_BLOCK], struct postings_frequencies *ret)
{
        uint32_t shift;
        size_t head;

        if (len == 0)
                return false;
        shift = bytes[0] >> 6;
        head = 1 + (n << shift);
        if (shift > 2 || len < head)
                return false;
        *ret = (struct postings_frequencies){ bytes + 1, shift };
        return n == POSTINGS_BLOCK
                       ? unpack_full(bytes + head, len - head, bytes[0] & 0x3F, base, last,
                                     ret_documents)
                       : unpack_variable(bytes + head, len - head, n, base, last, ret_documents);
}

uint32_t postings_wide_frequency(const struct postings_frequencies *frequencies, size_t at)
{
        const uint8_t *from = frequencies->bytes + (at << frequencies->shift);

        if (frequencies->shift == 1)
                return from[0] | (uint32_t) from[1] << 8;
        return from[0] | (uint32_t) from[1] << 8 | (uint32_t) from[2] << 16 |
               (uint32_t) from[3] << 24;
}
