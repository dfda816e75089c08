/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/clock.h"
#include "base/nearest.h"
#include "base/text.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free)

static int refuse_at(const char *text, size_t at, struct error *reterr, const char *what)
{
        uint32_t line = 1, column = 1;

        for (size_t i = 0; i < at; i++) {
                if (text[i] == '\n') {
                        line++;
                        column = 1;
                } else {
                        column++;
                }
        }
        (void) error_set(reterr, -EBADMSG, "not valid JSON at line %u column %u: %s", line, column,
                         what);
        error_set_origin(reterr, NULL, NULL, line, column);
        return -EBADMSG;
}

/* json-c lets NaN, Infinity and names in single quotes through, even when it is strict: letters
 * and marks that JSON knows inside strings only.  Returns `len` where there is none. */
static size_t find_lenience(const char *text, size_t len)
{
        bool inside = false;

        for (size_t i = 0; i < len; i++) {
                if (text[i] == '"')
                        inside = !inside;
                else if (inside && text[i] == '\\')
                        i++;
                else if (!inside && strchr("NI'", text[i]))
                        return i;
        }
        return len;
}

int json_parse(const char *text, size_t len, struct json_object **ret, struct error *reterr)
{
        cleanup_(json_tokener_free_cleanup) struct json_tokener *tokener = NULL;
        cleanup_json_ struct json_object *object = NULL;
        size_t valid = utf8_valid_prefix(text, len);
        size_t end, strange;
        enum json_tokener_error e;

        if (valid < len)
                return refuse_at(text, valid, reterr, "invalid UTF-8");
        if (len == 0)
                return refuse_at(text, 0, reterr, "empty input");
        if (len > INT_MAX - 1)
                return error_set(reterr, -EFBIG, "the JSON text is larger than 2 GiB");

        tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
        if (!tokener)
                return error_oom(reterr);
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
        object = json_tokener_parse_ex(tokener, text, (int) len);
        e = json_tokener_get_error(tokener);
        end = json_tokener_get_parse_end(tokener);
        if (e == json_tokener_continue) { /* a bare number ends where the text ends */
                object = json_tokener_parse_ex(tokener, "", 1);
                e = json_tokener_get_error(tokener);
                end = len;
        }
        if (e == json_tokener_continue)
                return refuse_at(text, len, reterr, "it ends too early");
        if (e != json_tokener_success)
                return refuse_at(text, end, reterr, json_tokener_error_desc(e));

        strange = find_lenience(text, end);
        if (strange < end)
                return refuse_at(text, strange, reterr, "NaN, Infinity and single quotes are not JSON");
        for (size_t i = end; i < len; i++)
                if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
                        return refuse_at(text, i, reterr, "something follows the value");
        *ret = take_ptr(object);
        return 0;
}

static int wrong(struct error *reterr, const char *key, const char *wanted)
{
        (void) error_set(reterr, -EINVAL, "\"%s\" must be %s", key, wanted);
        error_set_origin(reterr, NULL, key, 0, 0);
        return -EINVAL;
}

/* 1: there, 0: absent or null, -EINVAL: of another type. */
static int member(struct json_object *object, const char *key, enum json_type type,
                  const char *wanted, struct json_object **ret, struct error *reterr)
{
        struct json_object *value;

        if (!json_object_object_get_ex(object, key, &value) || !value)
                return 0;
        if (json_object_get_type(value) != type)
                return wrong(reterr, key, wanted);
        *ret = value;
        return 1;
}

int json_get_string(struct json_object *object, const char *key, const char **ret,
                    struct error *reterr)
{
        struct json_object *value;
        int r = member(object, key, json_type_string, "a string", &value, reterr);

        if (r <= 0)
                return r;
        if (strlen(json_object_get_string(value)) != (size_t) json_object_get_string_len(value))
                return wrong(reterr, key, "a string without NUL characters");
        *ret = json_object_get_string(value);
        return 1;
}

int json_get_bool(struct json_object *object, const char *key, bool *ret, struct error *reterr)
{
        struct json_object *value;
        int r = member(object, key, json_type_boolean, "true or false", &value, reterr);

        if (r > 0)
                *ret = json_object_get_boolean(value);
        return r;
}

int json_get_u64(struct json_object *object, const char *key, uint64_t min, uint64_t max,
                 uint64_t *ret, struct error *reterr)
{
        struct json_object *value;
        char wanted[96];
        int64_t number;
        int r;

        (void) snprintf(wanted, sizeof wanted, "a whole number from %llu to %llu",
                        (unsigned long long) min, (unsigned long long) max);
        r = member(object, key, json_type_int, wanted, &value, reterr);
        if (r <= 0)
                return r;
        number = json_object_get_int64(value);
        if (number < 0 || (uint64_t) number < min || (uint64_t) number > max)
                return wrong(reterr, key, wanted);
        *ret = (uint64_t) number;
        return 1;
}

int json_get_double(struct json_object *object, const char *key, double min, double max,
                    double *ret, struct error *reterr)
{
        struct json_object *value;
        char wanted[96];
        double number;

        if (!json_object_object_get_ex(object, key, &value) || !value)
                return 0;
        (void) snprintf(wanted, sizeof wanted, "a number from %g to %g", min, max);
        if (json_object_get_type(value) != json_type_double &&
            json_object_get_type(value) != json_type_int)
                return wrong(reterr, key, wanted);
        number = json_object_get_double(value);
        if (!(number >= min && number <= max))
                return wrong(reterr, key, wanted);
        *ret = number;
        return 1;
}

int json_get_object(struct json_object *object, const char *key, struct json_object **ret,
                    struct error *reterr)
{
        return member(object, key, json_type_object, "an object", ret, reterr);
}

int json_get_array(struct json_object *object, const char *key, struct json_object **ret,
                   struct error *reterr)
{
        return member(object, key, json_type_array, "an array", ret, reterr);
}

int json_refuse_unknown(struct json_object *object, const char *const known[],
                        struct error *reterr)
{
        json_object_object_foreach(object, key, value)
        {
                const char *near;
                size_t i = 0;

                (void) value;
                while (known[i] && strcmp(known[i], key) != 0)
                        i++;
                if (known[i])
                        continue;
                near = nearest_name(key, known);
                (void) error_set(reterr, -EINVAL, "unknown member \"%s\"%s%s%s", key,
                                 near ? " (did you mean \"" : "", near ? near : "",
                                 near ? "\"?)" : "");
                error_set_origin(reterr, NULL, key, 0, 0);
                return -EINVAL;
        }
        return 0;
}

void json_add(struct json_object *object, const char *key, struct json_object *takes_value)
{
        int r = -1;

        if (json_object_is_type(object, json_type_array))
                r = json_object_array_add(object, takes_value);
        else if (object) /* the library asserts that there is one */
                r = json_object_object_add(object, key, takes_value);
        if (r < 0)
                json_object_put(takes_value);
}

void json_add_string(struct json_object *object, const char *key, const char *value)
{
        json_add(object, key, value ? json_object_new_string(value) : NULL);
}

void json_add_u64(struct json_object *object, const char *key, uint64_t value)
{
        json_add(object, key, json_object_new_uint64(value));
}

void json_add_i64(struct json_object *object, const char *key, int64_t value)
{
        json_add(object, key, json_object_new_int64(value));
}

void json_add_bool(struct json_object *object, const char *key, bool value)
{
        json_add(object, key, json_object_new_boolean(value));
}

static void add_shortest(struct json_object *object, const char *key, double value, bool narrow)
{
        char text[40];

        if (!isfinite(value)) {
                json_add(object, key, NULL);
                return;
        }
        for (int digits = narrow ? 6 : 15; digits <= 17; digits++) {
                (void) snprintf(text, sizeof text, "%.*g", digits, value);
                if (narrow ? strtof(text, NULL) == (float) value : strtod(text, NULL) == value)
                        break;
        }
        if (!strpbrk(text, ".e"))
                memcpy(text + strlen(text), ".0", sizeof ".0");
        json_add(object, key, json_object_new_double_s(value, text));
}

void json_add_float(struct json_object *object, const char *key, float value)
{
        add_shortest(object, key, (double) value, true);
}

void json_add_double(struct json_object *object, const char *key, double value)
{
        add_shortest(object, key, value, false);
}

void json_add_time(struct json_object *object, const char *key, uint64_t wall_usec)
{
        char text[CLOCK_TEXT_SIZE];

        json_add_string(object, key, wall_usec ? clock_format(wall_usec, text) : NULL);
}

const char *json_text(struct json_object *object, size_t *ret_len)
{
        return json_object_to_json_string_length(
                object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, ret_len);
}
