/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar_inside.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"

#include <math.h>

static int read_enum(const char *type, const char *text, const char *what,
                     struct json_object **ret, struct error *reterr)
{
        cleanup_(buf_done) struct buf all = BUF_EMPTY;
        const char *word;
        size_t at = 0, len;

        while (type_enum_next(type, &at, &word, &len)) {
                if (same(text, word, len)) {
                        *ret = json_object_new_string(text);
                        return *ret ? 1 : error_oom(reterr);
                }
                buf_append_format(&all, "%s%.*s", all.len > 0 ? ", " : "", (int) len, word);
        }
        if (all.len == 0)
                return 0; /* no enum */
        return error_set(reterr, -EINVAL, "%s is none of: %s", what, buf_text(&all));
}

static int read_number(const char *type, const char *text, const char *what,
                       struct json_object **ret, struct error *reterr)
{
        char *end;

        errno = 0;
        if (strcmp(type, "int") == 0) {
                long long number = strtoll(text, &end, 10);

                if (errno != 0 || end == text || *end != '\0')
                        return error_set(reterr, -EINVAL, "%s is \"%s\", not a whole number", what,
                                         text);
                *ret = json_object_new_int64(number);
        } else {
                double number = strtod(text, &end);

                if (end == text || *end != '\0' || !isfinite(number))
                        return error_set(reterr, -EINVAL, "%s is \"%s\", not a number", what, text);
                *ret = json_object_new_double(number);
        }
        return *ret ? 0 : error_oom(reterr);
}

static int read_value(const struct command_field *field, const char *text, const char *what,
                      struct json_object **ret, struct error *reterr)
{
        const char *type = type_plain(field->type);
        int r;

        if (utf8_valid_prefix(text, strlen(text)) < strlen(text))
                return error_set(reterr, -EINVAL, "%s is not UTF-8", what);
        if (field_is_list(field))
                type += 2;
        if (strcmp(type, "int") == 0 || strcmp(type, "float") == 0)
                return read_number(type, text, what, ret, reterr);
        if (strcmp(type, "object") == 0) {
                r = json_parse(text, strlen(text), ret, reterr);
                if (r < 0)
                        (void) error_prefix(reterr, r, "%s", what);
                return r < 0 ? -EINVAL : 0;
        }
        r = read_enum(type, text, what, ret, reterr);
        if (r != 0)
                return r < 0 ? r : 0;
        *ret = json_object_new_string(text);
        return *ret ? 0 : error_oom(reterr);
}

int words_add(struct words *words, const struct command_field *field, const char *text,
                     const char *what, bool rest, struct error *reterr)
{
        struct json_object *before = NULL, *value = NULL;
        int r = read_value(field, text, what, &value, reterr);

        if (r < 0)
                return r;
        (void) json_object_object_get_ex(words->values, field->name, &before);
        if (field_is_list(field)) {
                if (!before) {
                        before = json_object_new_array();
                        json_add(words->values, field->name, before);
                }
                json_add(before, NULL, value);
        } else if (before && rest) {
                cleanup_(buf_done) struct buf joined = BUF_EMPTY;

                buf_append_format(&joined, "%s %s", json_object_get_string(before), text);
                json_object_put(value);
                json_add_string(words->values, field->name, buf_text(&joined));
        } else if (before) {
                json_object_put(value);
                return error_set(reterr, -EINVAL, "%s is given twice", what);
        } else {
                json_add(words->values, field->name, value);
        }
        return 0;
}
