/* SPDX-License-Identifier: Apache-2.0 */
/* The vector of a request: from JSON, from the request's text before it becomes JSON, or from
 * a body that is nothing else.
 *
 * Building a JSON number for each of some hundred components costs more than the search.  So
 * the array is read straight from the text and `null` stands in its place for the JSON parser.
 * Whatever is not plainly the one member "vector" of the outermost object with an array of
 * numbers is left as it is: the parser then has the only word. */
#include "answer/request.h"

#include "answer/floats.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "index/vector.h"

#include <endian.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

static int refuse_vector(struct error *reterr, const char *member)
{
        error_set_origin(reterr, NULL, member, 0, 0);
        return -EINVAL;
}

static int check_vector(const struct request_rules *rules, const float *vector, size_t width,
                        const char *member, struct error *reterr)
{
        if (width != rules->dimensions) {
                (void) error_set(reterr, -EINVAL,
                                 "the vector has %zu components, the profile's are %u wide", width,
                                 rules->dimensions);
                return refuse_vector(reterr, member);
        }
        for (size_t i = 0; i < width; i++)
                if (!isfinite(vector[i])) {
                        (void) error_set(reterr, -EINVAL,
                                         "component %zu of the vector is not a finite number", i);
                        return refuse_vector(reterr, member);
                }
        return 0;
}

/* ---- From JSON ---------------------------------------------------------------------------- */

static int read_numbers(struct json_object *array, float **ret, size_t *ret_width,
                        struct error *reterr)
{
        size_t width = json_object_array_length(array);
        cleanup_free_ float *vector = NULL;

        if (width > VECTOR_DIMENSIONS_MAX) {
                (void) error_set(reterr, -EINVAL, "the vector has %zu components, %d are the most",
                                 width, VECTOR_DIMENSIONS_MAX);
                return refuse_vector(reterr, "vector");
        }
        vector = malloc((width ? width : 1) * sizeof *vector);
        if (!vector)
                return error_oom(reterr);
        for (size_t i = 0; i < width; i++) {
                struct json_object *item = json_object_array_get_idx(array, i);

                if (json_object_is_type(item, json_type_double)) /* its own text, rounded once */
                        vector[i] = strtof(json_object_get_string(item), NULL) + 0.0F;
                else if (json_object_is_type(item, json_type_int))
                        vector[i] = (float) json_object_get_int64(item);
                else {
                        (void) error_set(reterr, -EINVAL,
                                         "component %zu of the vector is no number", i);
                        return refuse_vector(reterr, "vector");
                }
        }
        *ret = take_ptr(vector);
        *ret_width = width;
        return 0;
}

static int read_base64(const char *text, size_t len, float **ret, size_t *ret_width,
                       struct error *reterr)
{
        cleanup_free_ float *vector = malloc(VECTOR_DIMENSIONS_MAX * sizeof *vector);
        int r;

        if (!vector)
                return error_oom(reterr);
        r = floats_decode(text, len, vector, VECTOR_DIMENSIONS_MAX, ret_width);
        if (r < 0) {
                (void) error_set(reterr, -EINVAL, r == -E2BIG
                                 ? "the vector has more than 4096 components"
                                 : "the vector is not base64 of little-endian float32");
                return refuse_vector(reterr, "vector_base64");
        }
        *ret = take_ptr(vector);
        return 0;
}

int request_read_vector(const struct request_rules *rules, struct json_object *json,
                        float **vector, size_t *width, struct error *reterr)
{
        struct json_object *array = NULL, *encoded = NULL;
        const char *text = NULL, *member = "vector";
        int r = json_get_array(json, "vector", &array, reterr);

        if (r >= 0)
                r = json_get_string(json, "vector_base64", &text, reterr);
        if (r < 0)
                return r;
        if ((array || *vector) && text) {
                (void) error_set(reterr, -EINVAL,
                                 "\"vector\" and \"vector_base64\" exclude each other");
                return refuse_vector(reterr, "vector_base64");
        }
        if (array && !*vector) {
                r = read_numbers(array, vector, width, reterr);
        } else if (text) {
                member = "vector_base64";
                (void) json_object_object_get_ex(json, member, &encoded);
                r = read_base64(text, (size_t) json_object_get_string_len(encoded), vector, width,
                                reterr);
        }
        if (r < 0 || !*vector)
                return r < 0 ? r : 0;
        return check_vector(rules, *vector, *width, member, reterr);
}

/* ---- From text ---------------------------------------------------------------------------- */

/* The string that begins at `at`; NULL where it does not end.  *ret_plain: no escape in it. */
static const char *skip_string(const char *at, const char *end, bool *ret_plain)
{
        bool plain = true;

        for (at++; at < end && *at != '"'; at++)
                if (*at == '\\') {
                        plain = false;
                        at++;
                }
        *ret_plain = plain;
        return at < end ? at + 1 : NULL;
}

static const char *skip_space(const char *at, const char *end)
{
        while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
                at++;
        return at;
}

/* Everything up to the ',' or '}' behind a member's value; NULL: the text ends before. */
static const char *skip_value(const char *at, const char *end)
{
        size_t depth = 0;
        bool plain;

        while (at < end) {
                if (*at == '"') {
                        at = skip_string(at, end, &plain);
                        if (!at)
                                return NULL;
                        continue;
                }
                if (*at == '{' || *at == '[')
                        depth++;
                else if (depth == 0 && (*at == ',' || *at == '}'))
                        return at;
                else if (*at == '}' || *at == ']')
                        depth--; /* of an array that closes nothing: the parser will say so */
                at++;
        }
        return NULL;
}

struct cut {
        const char *start, *stop; /* of the array */
        float *vector;
        size_t width;
};

static bool read_array(const char *at, const char *end, struct cut *cut)
{
        size_t used;

        if (cut->vector || at >= end || *at != '[')
                return false;
        cut->vector = malloc(VECTOR_DIMENSIONS_MAX * sizeof *cut->vector);
        if (!cut->vector || floats_parse(at, (size_t) (end - at), cut->vector,
                                         VECTOR_DIMENSIONS_MAX, &cut->width, &used) < 0)
                return false;
        for (size_t i = 0; i < cut->width; i++) {
                if (fabsf(cut->vector[i]) > VECTOR_COMPONENT_MAX)
                        return false; /* JSON has its own ideas of great integers */
                cut->vector[i] += 0.0F; /* no -0: an integer of JSON has none either */
        }
        cut->start = at;
        cut->stop = at + used;
        return true;
}

/* Finds the one plain member "vector" of the outermost object; false: leave the text alone. */
static bool find_vector(const char *text, size_t len, struct cut *cut)
{
        static const char key[] = "\"vector\"";
        const char *at = skip_space(text, text + len), *end = text + len;

        if (at >= end || *at != '{')
                return false;
        do {
                const char *name = skip_space(at + 1, end);
                bool plain, ours;

                if (name >= end || *name != '"')
                        return false;
                at = skip_string(name, end, &plain);
                if (!at || !plain)
                        return false;
                ours = (size_t) (at - name) == sizeof key - 1 &&
                       memcmp(name, key, sizeof key - 1) == 0;
                at = skip_space(at, end);
                if (at >= end || *at != ':')
                        return false;
                at = skip_space(at + 1, end);
                if (ours) {
                        if (!read_array(at, end, cut))
                                return false;
                        at = skip_space(cut->stop, end);
                } else {
                        at = skip_value(at, end);
                }
                if (!at || at >= end)
                        return false;
        } while (*at == ',');
        return *at == '}' && cut->vector != NULL;
}

/* The text with `null` for the array, as JSON. */
static int parse_rest(const char *text, size_t len, const struct cut *cut,
                      struct json_object **ret)
{
        struct buf rest = BUF_EMPTY;
        int r = -ENOMEM;

        if (buf_reserve(&rest, len - (size_t) (cut->stop - cut->start) + 4)) {
                buf_append(&rest, text, (size_t) (cut->start - text));
                buf_append_text(&rest, "null");
                buf_append(&rest, cut->stop, (size_t) (text + len - cut->stop));
                r = json_parse(rest.data, rest.len, ret, NULL);
        }
        buf_done(&rest);
        return r;
}

int request_parse_text(const struct request_rules *rules, const char *text, size_t len,
                       struct search_request *ret, struct error *reterr)
{
        cleanup_json_ struct json_object *json = NULL;
        struct cut cut = { 0 };
        int r;

        if (find_vector(text, len, &cut) && parse_rest(text, len, &cut, &json) >= 0)
                return request_parse(rules, json, "", true, cut.vector, cut.width, ret, reterr);
        free(cut.vector);
        r = json_parse(text, len, &json, reterr);
        if (r < 0)
                return r;
        r = request_parse(rules, json, "", true, NULL, 0, ret, reterr);
        if (r < 0)
                return r;
        /* A vector's search costs less than its digits do to be compared. */
        ret->remember = rules->remember && !ret->vector && !ret->explain;
        if (ret->remember)
                (void) crypto_generichash(ret->body_hash, sizeof ret->body_hash,
                                          (const unsigned char *) text, len, NULL, 0);
        return 0;
}

/* ---- From bytes --------------------------------------------------------------------------- */

static int read_floats(const void *bytes, size_t len, float **ret, size_t *ret_width,
                       struct error *reterr)
{
        cleanup_free_ float *vector = NULL;
        size_t width = len / sizeof *vector;

        if (len % sizeof *vector != 0) {
                (void) error_set(reterr, -EINVAL,
                                 "the body has %zu bytes, which is no whole number of float32",
                                 len);
                return refuse_vector(reterr, "vector");
        }
        if (width > VECTOR_DIMENSIONS_MAX) {
                (void) error_set(reterr, -EINVAL, "the vector has %zu components, %d are the most",
                                 width, VECTOR_DIMENSIONS_MAX);
                return refuse_vector(reterr, "vector");
        }
        vector = malloc(len ? len : 1);
        if (!vector)
                return error_oom(reterr);
        for (size_t i = 0; i < width; i++) {
                uint32_t word;

                memcpy(&word, (const char *) bytes + i * sizeof word, sizeof word);
                word = le32toh(word);
                memcpy(&vector[i], &word, sizeof word);
        }
        *ret = take_ptr(vector);
        *ret_width = width;
        return 0;
}

int request_parse_vector(const struct request_rules *rules, struct json_object *options,
                         const void *bytes, size_t len, struct search_request *ret,
                         struct error *reterr)
{
        cleanup_free_ float *vector = NULL;
        size_t width = 0;
        int r;

        if (json_object_object_get_ex(options, "vector", NULL)) {
                (void) error_set(reterr, -EINVAL,
                                 "a body that is a vector and \"vector\" exclude each other");
                return request_fault(refuse_vector(reterr, "vector"), "", reterr);
        }
        r = read_floats(bytes, len, &vector, &width, reterr);
        if (r >= 0)
                r = check_vector(rules, vector, width, "vector", reterr);
        if (r < 0)
                return request_fault(r, "", reterr);
        return request_parse(rules, options, "", true, take_ptr(vector), width, ret, reterr);
}
