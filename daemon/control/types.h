/* SPDX-License-Identifier: Apache-2.0 */
/* Varlink's types (https://varlink.org/Interface-Definition) and values against them.
 *
 *     bool int float string object           int is a 64-bit integer, int fits where float is asked
 *     (a, b)  (name: type, …)  Name           enum, struct, a type of command_types[]
 *     []type  [string]type  ?type             array, map, may be absent or null
 *
 * Types come from our own table; the functions are pure. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether the text is one well-formed type in full. */
bool type_is_valid(const char *type);
/* The same for the fields of a struct without its parentheses: "a: int, b: ?string" or "". */
bool type_are_fields(const char *fields);

/* Whether the value is of the type.  A struct's undeclared members are no fault (`strict`:
 * they are). */
bool type_fits(const char *type, struct json_object *value, bool strict);
bool type_fields_fit(const char *fields, struct json_object *value, bool strict);

static inline bool type_is_optional(const char *type)
{
        return type[0] == '?';
}

/* The type without '?'; for an enum or a name that stands for one, its values are given one
 * after the other by `*at` (0 at first): false at the end, or when it is no enum. */
const char *type_plain(const char *type);
bool type_enum_next(const char *type, size_t *at, const char **ret_value, size_t *ret_len);
