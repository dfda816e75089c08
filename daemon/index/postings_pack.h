/* SPDX-License-Identifier: Apache-2.0 */
/* How the postings of a block are written: which documents hold a term, and how often.
 *
 * A block has up to POSTINGS_BLOCK documents by ascending number.  Its bytes:
 *
 *     u8      number of bits of a packed gap (0 to 32); in the two high ones the width of a
 *             frequency, as its logarithm: 1, 2 or 4 bytes
 *     n times the frequency, little-endian
 *     the gaps between the numbers, less one each, the first counted from `base`
 *
 * The gaps of a full block are packed in four lanes, as SIMD registers hold them (Lemire and
 * Boytsov 2015, "Decoding billions of integers per second through vectorization"); those of a
 * shorter one are variable-length bytes, without the last, which the reader knows anyway.
 *
 * Pure functions; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSTINGS_BLOCK 128
#define POSTINGS_PACK_BYTES_MAX (1 + POSTINGS_BLOCK * 9) /* that a block can take */
#define POSTINGS_PACK_PADDING                                                                      \
        64 /* bytes behind the last block of an area that may be read, not used */

/* Returns the bytes written, of POSTINGS_PACK_BYTES_MAX.  `base` is not above the first document;
 * frequencies are at least 1. */
size_t postings_pack(const uint32_t *documents, const uint32_t *frequencies, size_t n,
                     uint32_t base, uint8_t *ret);

struct postings_frequencies {
        const uint8_t *bytes;
        uint32_t shift; /* 0, 1, 2: they are 1, 2, 4 bytes wide */
};

/* Decodes a block of n (1 to POSTINGS_BLOCK) from anything: false where the bytes are not n
 * ascending numbers from `base` on of which the last is `last`.  Frequencies stay in `bytes`. */
bool postings_unpack(const uint8_t *bytes, size_t len, size_t n, uint32_t base, uint32_t last,
                  uint32_t ret_documents[static POSTINGS_BLOCK], struct postings_frequencies *ret);

uint32_t postings_wide_frequency(const struct postings_frequencies *frequencies, size_t at);

static inline uint32_t postings_frequency(const struct postings_frequencies *frequencies, size_t at)
{
        return frequencies->shift == 0 ? frequencies->bytes[at]
                                       : postings_wide_frequency(frequencies, at);
}
