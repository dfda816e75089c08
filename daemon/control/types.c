/* SPDX-License-Identifier: Apache-2.0 */
#include "control/types.h"

#include "base/cleanup.h"
#include "control/commands.h"

#include <ctype.h>
#include <string.h>

#define TYPE_DEPTH_MAX 16

struct reader {
        const char *at;
        bool strict;
        bool bad; /* the type itself is malformed */
};

static bool read_type(struct reader *reader, struct json_object *value, bool check, int depth);

static void skip_space(struct reader *reader)
{
        while (*reader->at == ' ')
                reader->at++;
}

static bool take(struct reader *reader, const char *text)
{
        size_t len = strlen(text);

        skip_space(reader);
        if (strncmp(reader->at, text, len) != 0)
                return false;
        reader->at += len;
        return true;
}

/* field = [A-Za-z](_?[A-Za-z0-9])*, names of types are of the same letters */
static size_t read_name(struct reader *reader, const char **ret)
{
        const char *start;

        skip_space(reader);
        start = reader->at;
        if (!isalpha((unsigned char) *start))
                return 0;
        while (isalnum((unsigned char) *reader->at) ||
               (*reader->at == '_' && isalnum((unsigned char) reader->at[1])))
                reader->at++;
        *ret = start;
        return (size_t) (reader->at - start);
}

static bool same(const char *name, size_t len, const char *text)
{
        return strlen(text) == len && strncmp(name, text, len) == 0;
}

static const char *definition(const char *name, size_t len)
{
        for (size_t i = 0; i < n_command_types; i++)
                if (same(name, len, command_types[i].name))
                        return command_types[i].definition;
        return NULL;
}

static bool is_int64(struct json_object *value)
{
        return json_object_is_type(value, json_type_int) &&
               (json_object_get_int64(value) < INT64_MAX ||
                json_object_get_uint64(value) == INT64_MAX);
}

/* A NUL inside would cut the string for everyone who reads it as C does. */
static bool is_string(struct json_object *value)
{
        return json_object_is_type(value, json_type_string) &&
               strlen(json_object_get_string(value)) == (size_t) json_object_get_string_len(value);
}

static bool read_word(struct reader *reader, struct json_object *value, bool check, int depth)
{
        const char *name, *meaning;
        size_t len = read_name(reader, &name);

        if (same(name, len, "bool"))
                return !check || json_object_is_type(value, json_type_boolean);
        if (same(name, len, "int"))
                return !check || is_int64(value);
        if (same(name, len, "float"))
                return !check || is_int64(value) || json_object_is_type(value, json_type_double);
        if (same(name, len, "string"))
                return !check || is_string(value);
        if (same(name, len, "object"))
                return !check || json_object_is_type(value, json_type_object);

        meaning = len > 0 ? definition(name, len) : NULL;
        if (!meaning) {
                reader->bad = true;
                return false;
        }
        struct reader inner = { .at = meaning, .strict = reader->strict };
        bool fits = read_type(&inner, value, check, depth + 1);

        reader->bad |= inner.bad || *inner.at != '\0';
        return fits;
}

static bool has_only(const char *fields, struct json_object *value)
{
        json_object_object_foreach(value, key, member)
        {
                struct reader reader = { .at = fields };
                bool found = false;

                (void) member;
                do {
                        const char *name;
                        size_t len = read_name(&reader, &name);

                        found = found || (len > 0 && same(name, len, key));
                        if (!take(&reader, ":"))
                                break;
                        (void) read_type(&reader, NULL, false, 0);
                } while (!found && take(&reader, ","));
                if (!found)
                        return false;
        }
        return true;
}

/* After "(" or at the start of bare fields; stops before ")" or the end. */
static bool read_fields(struct reader *reader, struct json_object *value, bool check, int depth)
{
        const char *start = reader->at;
        bool fits = !check || json_object_is_type(value, json_type_object);

        skip_space(reader);
        if (*reader->at == ')' || *reader->at == '\0')
                return fits && (!check || !reader->strict || json_object_object_length(value) == 0);
        do {
                struct json_object *member = NULL;
                const char *name;
                char key[64];
                size_t len = read_name(reader, &name);

                if (len == 0 || len >= sizeof key || !take(reader, ":")) {
                        reader->bad = true;
                        return false;
                }
                memcpy(key, name, len);
                key[len] = '\0';
                if (check && fits)
                        (void) json_object_object_get_ex(value, key, &member);
                fits = read_type(reader, member, check && fits, depth + 1) && fits;
        } while (!reader->bad && take(reader, ","));
        return fits && (!check || !reader->strict || has_only(start, value));
}

static bool read_enum(struct reader *reader, struct json_object *value, bool check)
{
        bool fits = !check;

        do {
                const char *name;
                size_t len = read_name(reader, &name);

                if (len == 0)
                        reader->bad = true;
                else if (check && is_string(value) &&
                         same(name, len, json_object_get_string(value)))
                        fits = true;
        } while (!reader->bad && take(reader, ","));
        return fits;
}

static bool read_parentheses(struct reader *reader, struct json_object *value, bool check,
                             int depth)
{
        struct reader ahead = *reader;
        const char *name;
        bool fits;

        /* "(a: …" is a struct, "(a, b)" an enum, "()" an empty struct */
        if (read_name(&ahead, &name) > 0 && !take(&ahead, ":"))
                fits = read_enum(reader, value, check);
        else
                fits = read_fields(reader, value, check, depth);
        if (!take(reader, ")"))
                reader->bad = true;
        return fits;
}

/* The type of the elements is read once for each of them, and once without a value, so that
 * the reader passes it where there is none. */
static bool read_elements(struct reader *reader, struct json_object *value, bool check, bool map,
                          int depth)
{
        const char *element = reader->at;
        bool fits = !check || json_object_is_type(value, map ? json_type_object : json_type_array);

        if (check && fits && map) {
                json_object_object_foreach(value, key, member)
                {
                        struct reader inner = { .at = element, .strict = reader->strict };

                        (void) key;
                        fits = fits && read_type(&inner, member, true, depth + 1);
                }
        } else if (check && fits) {
                for (size_t i = 0; i < json_object_array_length(value) && fits; i++) {
                        struct reader inner = { .at = element, .strict = reader->strict };

                        fits = read_type(&inner, json_object_array_get_idx(value, i), true,
                                         depth + 1);
                }
        }
        (void) read_type(reader, NULL, false, depth + 1);
        return fits;
}

static bool read_type(struct reader *reader, struct json_object *value, bool check, int depth)
{
        if (depth > TYPE_DEPTH_MAX) {
                reader->bad = true;
                return false;
        }
        if (take(reader, "?")) {
                if (*reader->at == '?')
                        reader->bad = true;
                return read_type(reader, value, check && value, depth + 1);
        }
        if (take(reader, "[]"))
                return read_elements(reader, value, check, false, depth);
        if (take(reader, "[string]"))
                return read_elements(reader, value, check, true, depth);
        if (take(reader, "("))
                return read_parentheses(reader, value, check, depth);
        return read_word(reader, value, check, depth);
}

bool type_is_valid(const char *type)
{
        struct reader reader = { .at = type };

        (void) read_type(&reader, NULL, false, 0);
        return !reader.bad && *reader.at == '\0';
}

bool type_are_fields(const char *fields)
{
        struct reader reader = { .at = fields };

        (void) read_fields(&reader, NULL, false, 0);
        return !reader.bad && *reader.at == '\0';
}

bool type_fits(const char *type, struct json_object *value, bool strict)
{
        struct reader reader = { .at = type, .strict = strict };

        return read_type(&reader, value, true, 0) && !reader.bad;
}

bool type_fields_fit(const char *fields, struct json_object *value, bool strict)
{
        struct reader reader = { .at = fields, .strict = strict };

        return read_fields(&reader, value, true, 0) && !reader.bad;
}

const char *type_plain(const char *type)
{
        return type[0] == '?' ? type + 1 : type;
}

bool type_enum_next(const char *type, size_t *at, const char **ret_value, size_t *ret_len)
{
        const char *text = type_plain(type);
        const char *meaning = definition(text, strlen(text));
        struct reader reader = { .at = meaning ? meaning : text };

        if (!take(&reader, "("))
                return false;
        if (*at > 0)
                reader.at = (meaning ? meaning : text) + *at;
        *ret_len = read_name(&reader, ret_value);
        if (*ret_len == 0 || (!take(&reader, ",") && *reader.at != ')'))
                return false;
        *at = (size_t) (reader.at - (meaning ? meaning : text));
        return true;
}
