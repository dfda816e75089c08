/* SPDX-License-Identifier: Apache-2.0 */
/* Text on a terminal: its width in columns, and nothing in it that a terminal would obey. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Columns of the text; wide characters of East Asia take two, combining marks none. */
size_t screen_width(const char *text, size_t len);

/* The bytes of the longest beginning that fits in so many columns. */
size_t screen_fit(const char *text, size_t len, size_t columns);

/* Writes the text with control characters made spaces: documents come from strangers.
 * `lines`: newlines stay. */
void screen_write(FILE *file, const char *text, size_t len, bool lines);

/* The same, cut to `columns` with "…" where it is longer, and filled with spaces when `fill`. */
void screen_write_cell(FILE *file, const char *text, size_t columns, bool right, bool fill);

/* 1536 → "1.5 KiB"; returns `text`. */
#define SCREEN_NUMBER_SIZE 48
const char *screen_bytes(double bytes, char text[static SCREEN_NUMBER_SIZE]);
/* Millionths of a dollar → "$0.0042", with as many digits as tell something; returns `text`. */
const char *screen_dollars(double microusd, char text[static SCREEN_NUMBER_SIZE]);
/* Seconds → "3 h 20 min"; returns `text`. */
const char *screen_duration(double seconds, char text[static SCREEN_NUMBER_SIZE]);
