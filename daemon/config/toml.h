/* SPDX-License-Identifier: Apache-2.0 */
/* TOML 1.0 as a plain tree, each key and value with its place in the file.
 *
 * The one door to toml++: everything behind it is C.  The tree owns all its memory. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TOML_INPUT_MAX (1024UL * 1024) /* bytes; a larger text is no profile */
#define TOML_DEPTH_MAX 16            /* tables within tables, arrays within arrays */

enum toml_kind {
        TOML_KIND_TABLE,
        TOML_KIND_ARRAY,
        TOML_KIND_STRING,
        TOML_KIND_INTEGER,
        TOML_KIND_FLOAT,
        TOML_KIND_BOOLEAN,
        TOML_KIND_TIME, /* dates and times, which no key takes */
};

struct toml_place {
        uint32_t line, column; /* from 1 */
};

struct toml_node {
        enum toml_kind kind;
        char *key; /* NULL: the root, or an item of an array */
        struct toml_place key_place, place;
        char *string; /* of TOML_KIND_STRING */
        size_t string_bytes; /* may hold NULs */
        int64_t integer;
        double number;
        bool boolean;
        size_t count; /* of a table's or an array's children, in no promised order */
        struct toml_node *children;
};

struct toml_failure {
        struct toml_place place;
        char message[256];
};

/* Parses exactly `len` bytes.  -EBADMSG: not TOML 1.0, not UTF-8 or too deep, -E2BIG: larger
 * than TOML_INPUT_MAX, both told in *ret_failure; -ENOMEM.  No exception leaves. */
int toml_read(const char *text, size_t len, struct toml_node **ret,
              struct toml_failure *ret_failure);
struct toml_node *toml_free(struct toml_node *root); /* returns NULL */

static inline void toml_free_cleanup(struct toml_node **root)
{
        toml_free(*root);
}
#define cleanup_toml_ __attribute__((cleanup(toml_free_cleanup)))

#ifdef __cplusplus
}
#endif
