/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the grammar, shared by the grammar*.c files and nobody else. */
#pragma once
#include "grammar.h"

#include "control/types.h"

#include <string.h>

/* Whether `text` is exactly the `len` bytes at `name`. */
static inline bool same(const char *text, const char *name, size_t len)
{
        return strlen(text) == len && strncmp(text, name, len) == 0;
}

static inline bool field_is_flag(const struct command_field *field)
{
        return strcmp(type_plain(field->type), "bool") == 0;
}

static inline bool field_is_list(const struct command_field *field)
{
        return strncmp(type_plain(field->type), "[]", 2) == 0;
}

/* Reads a value of the field's type and keeps it: a list grows, the `rest` of a line is joined
 * by spaces, anything else is refused when it is there already.  `what` names it in errors. */
int words_add(struct words *words, const struct command_field *field, const char *text,
              const char *what, bool rest, struct error *reterr);

/* The row whose words are the longest beginning of those given, and how many they are; 0: the
 * first word is unknown.  *ret_begins: some row's words go on where these end. */
int row_match(const char *const *given, size_t n, const struct command **ret_row,
              bool *ret_begins);
/* Rows may share their words and differ in their arguments: "log level", "log level <level>". */
const struct command *row_choose(const struct command *first, int n_literals,
                                 const char *const *given, size_t n);
/* -EINVAL: says what could stand in the place of given[n_known]. */
int row_unknown(const char *const *given, size_t n_known, size_t n, struct error *reterr);

#define NEAR_MAX 64 /* candidates for "did you mean" */
