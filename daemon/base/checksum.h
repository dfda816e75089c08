/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli; RFC 3720 appendix B.4), with the processor's instruction where it has
 * one.  Pure functions; any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`; begin with 0. */
uint32_t checksum_crc32c(uint32_t crc, const void *bytes, size_t len);
/* The same by table alone: what every other way must equal. */
uint32_t checksum_crc32c_generic(uint32_t crc, const void *bytes, size_t len);
