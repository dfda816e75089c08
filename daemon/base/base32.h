/* SPDX-License-Identifier: Apache-2.0 */
/* Lower-case base32 (the alphabet of RFC 4648, without padding): five bits a character, the last
 * one filled up with zeros.  Each sequence of bytes has exactly one text. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define BASE32_LEN(n_bytes) (((n_bytes) * 8 + 4) / 5)

/* Writes BASE32_LEN(n) characters, and no NUL. */
void base32_encode(const void *bytes, size_t n, char *ret_text);

/* Reads exactly BASE32_LEN(n) characters, which need not end in a NUL.  -EINVAL: a character that
 * is none, or bits set beyond the last byte; then `ret_bytes` is of no meaning. */
int base32_decode(const char *text, void *ret_bytes, size_t n);
