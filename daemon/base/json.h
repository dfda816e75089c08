/* SPDX-License-Identifier: Apache-2.0 */
/* JSON at the doors, over json-c: strict reading with the place of a fault, typed members
 * whose errors name the pointer (RFC 6901), and objects that refuse unknown members.
 *
 * json_object references are owned as json-c says; cleanup_(json_object_put_cleanup) frees. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 32

static inline void json_object_put_cleanup(struct json_object **object)
{
        json_object_put(*object);
}
#define cleanup_json_ cleanup_(json_object_put_cleanup)

/* Reads exactly one value: UTF-8, RFC 8259, at most JSON_DEPTH_MAX deep, no NaN or Infinity,
 * nothing behind it.  -EBADMSG with line and column in the error's origin; -ENOMEM. */
int json_parse(const char *text, size_t len, struct json_object **ret, struct error *reterr);

/* Typed members of an object.  A member that is absent or null leaves *ret untouched and
 * returns 0; one that is there returns 1.  -EINVAL: another type or out of range; the error's
 * origin.key is the JSON pointer `pointer/key`.  Strings and objects are borrowed. */
int json_get_string(struct json_object *object, const char *key, const char **ret,
                    struct error *reterr);
int json_get_bool(struct json_object *object, const char *key, bool *ret, struct error *reterr);
int json_get_u64(struct json_object *object, const char *key, uint64_t min, uint64_t max,
                 uint64_t *ret, struct error *reterr);
int json_get_double(struct json_object *object, const char *key, double min, double max,
                    double *ret, struct error *reterr);
int json_get_object(struct json_object *object, const char *key, struct json_object **ret,
                    struct error *reterr);
int json_get_array(struct json_object *object, const char *key, struct json_object **ret,
                   struct error *reterr);

/* -EINVAL naming the first member that is not in the NULL-terminated list, with the nearest
 * known name as a hint. */
int json_refuse_unknown(struct json_object *object, const char *const known[],
                        struct error *reterr);

/* Adding to an object or array; each takes no reference the caller holds except json_add.  Where
 * memory is out the member is null or missing; a NULL object takes nothing. */
void json_add(struct json_object *object, const char *key, struct json_object *takes_value);
void json_add_string(struct json_object *object, const char *key, const char *value); /* NULL: null */
void json_add_u64(struct json_object *object, const char *key, uint64_t value);
void json_add_i64(struct json_object *object, const char *key, int64_t value);
void json_add_bool(struct json_object *object, const char *key, bool value);
/* Shortest text that reads back as the same float (or double); NaN and infinity become null. */
void json_add_float(struct json_object *object, const char *key, float value);
void json_add_double(struct json_object *object, const char *key, double value);
void json_add_time(struct json_object *object, const char *key, uint64_t wall_usec); /* 0: null */

/* The compact text, borrowed from the object. */
const char *json_text(struct json_object *object, size_t *ret_len);
