/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns.  Cells are copied; the last column is not filled, and is cut at the edge of
 * a terminal.  One thread. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct table {
        size_t n_columns, n_cells, capacity;
        const char *const *headers; /* one begins with '>' where its column stands right */
        char **cells;
        bool failed; /* out of memory */
};

/* `headers` ends with NULL and is borrowed. */
void table_init(struct table *table, const char *const *headers);
void table_done(struct table *table);

/* The next cell, row by row; NULL or "" shows "-". */
void table_add(struct table *table, const char *text);
void table_add_u64(struct table *table, uint64_t number);
void table_add_format(struct table *table, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* A member of a JSON object, as text. */
void table_add_member(struct table *table, struct json_object *object, const char *key);

/* `bold` and `plain` stand around the header; `width` 0: nothing is cut. */
void table_print(const struct table *table, FILE *file, const char *bold, const char *plain,
                 size_t width);
