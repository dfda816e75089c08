/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors as text: JSON numbers and base64 to float32, and float32 to its shortest text.
 *
 * A number is read as strtof() reads it, correctly rounded, but in nanoseconds: the digits go
 * through one multiplication in double precision (the fast path of Clinger, "How to Read
 * Floating Point Numbers Accurately", PLDI 1990, with a margin for its error), and only a
 * result too near to the middle between two floats is left to strtof().
 *
 * Pure functions; any thread. */
#pragma once
#include <stddef.h>

#define FLOAT_TEXT_SIZE 32

/* Reads the JSON number (RFC 8259) at `at`, which ends before `end` at the latest; returns what
 * follows it.  NULL: there is no number, or one of more than a thousand characters.  A number
 * beyond float's range becomes infinite. */
const char *float_parse(const char *at, const char *end, float *ret);

/* Reads a JSON array of numbers from its '[' to its ']'; *ret_used counts the bytes of it.
 * -EINVAL: something else is there; -E2BIG: more than `room` numbers. */
int floats_parse(const char *text, size_t len, float *ret, size_t room, size_t *ret_n,
                 size_t *ret_used);

/* Reads base64 (RFC 4648, padded or not) of little-endian float32.  -EINVAL: a character of
 * another alphabet, bits left over or bytes that are no whole float; -E2BIG. */
int floats_decode(const char *base64, size_t len, float *ret, size_t room, size_t *ret_n);

/* Writes the shortest decimal text that reads back as `value`, "null" where it is not finite;
 * returns its length. */
size_t float_format(float value, char text[static FLOAT_TEXT_SIZE]);
