/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/vector_json.h"

#include "base/json.h"

#include <endian.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)

static int refuse(struct error *reterr, const char *key, const char *rule)
{
        (void) error_set(reterr, -EINVAL, "\"%s\" %s", key, rule);
        error_set_origin(reterr, NULL, key, 0, 0);
        return -EINVAL;
}

static int read_numbers(struct json_object *array, struct buf *floats, uint32_t *ret_dimensions,
                        struct error *reterr)
{
        size_t n = json_object_array_length(array);

        if (n == 0 || n > VECTOR_DIMENSIONS_MAX)
                return refuse(reterr, "vector",
                              "must hold 1 to " TEXT_OF(VECTOR_DIMENSIONS_MAX) " numbers");
        for (size_t i = 0; i < n; i++) {
                struct json_object *number = json_object_array_get_idx(array, i);
                float value;

                if (!json_object_is_type(number, json_type_double) &&
                    !json_object_is_type(number, json_type_int))
                        return refuse(reterr, "vector", "must hold numbers only");
                value = (float) json_object_get_double(number);
                if (!isfinite(value))
                        return refuse(reterr, "vector", "holds a number beyond float32");
                buf_append(floats, &value, sizeof value);
        }
        *ret_dimensions = (uint32_t) n;
        return buf_failed(floats) ? error_oom(reterr) : 0;
}

static int read_base64(const char *text, struct buf *floats, uint32_t *ret_dimensions,
                       struct error *reterr)
{
        size_t len = strlen(text), used = 0;
        int variant = len > 0 && (text[len - 1] == '=' || len % 4 == 0)
                              ? sodium_base64_VARIANT_ORIGINAL
                              : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
        char *room;

        if (len / 4 * 3 > VECTOR_DIMENSIONS_MAX * sizeof(float) + 3)
                return refuse(reterr, "vector_base64",
                              "holds more than " TEXT_OF(VECTOR_DIMENSIONS_MAX) " numbers");
        room = buf_reserve(floats, len / 4 * 3 + 3);
        if (!room)
                return error_oom(reterr);
        if (sodium_base642bin((unsigned char *) room, len / 4 * 3 + 3, text, len, NULL, &used, NULL,
                              variant) != 0 ||
            used == 0 || used % sizeof(float) != 0)
                return refuse(reterr, "vector_base64", "must be base64 of little-endian float32");
        for (size_t at = 0; at < used; at += sizeof(float)) {
                uint32_t bits;
                float value;

                memcpy(&bits, room + at, sizeof bits);
                bits = le32toh(bits);
                memcpy(&value, &bits, sizeof value);
                if (!isfinite(value))
                        return refuse(reterr, "vector_base64",
                                      "holds a number that is not finite");
                memcpy(room + at, &value, sizeof value);
        }
        floats->len += used;
        floats->data[floats->len] = '\0';
        *ret_dimensions = (uint32_t) (used / sizeof(float));
        return 0;
}

int vector_json_read(struct json_object *object, struct buf *floats, uint32_t *ret_dimensions,
                     struct error *reterr)
{
        struct json_object *array = NULL;
        const char *base64 = NULL;
        int r = json_get_array(object, "vector", &array, reterr);

        if (r >= 0)
                r = json_get_string(object, "vector_base64", &base64, reterr);
        if (r < 0)
                return r;
        if (array && base64)
                return refuse(reterr, "vector", "and \"vector_base64\" exclude each other");
        *ret_dimensions = 0;
        if (array)
                return read_numbers(array, floats, ret_dimensions, reterr);
        return base64 ? read_base64(base64, floats, ret_dimensions, reterr) : 0;
}
