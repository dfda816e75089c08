/* SPDX-License-Identifier: Apache-2.0 */
/* A log in a folder of its own below /tmp, which goes with the test. */
#pragma once
#include "audit/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct fixture {
        char root[64];
        char path[80]; /* of the log */
        char seed[65];
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Opens the fixture's log with segments of so many bytes (0: the usual). */
struct audit *fixture_open(struct fixture *fixture, uint64_t segment_bytes);
/* Writes so many lines of different lengths, numbered in their object from `first` on. */
void fixture_write(struct audit *audit, unsigned first, unsigned n);
/* Verifies with the seed that fixture_open() found, which must be sound. */
void fixture_expect_sound(struct fixture *fixture, uint64_t lines);
/* Text of a file in the log's folder; heap. */
char *fixture_read(struct fixture *fixture, const char *name, size_t *ret_len);
void fixture_put(struct fixture *fixture, const char *name, const void *bytes, size_t len);
