/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/embeddings.h"

#include "base/cleanup.h"

#include <endian.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static int wrong_width(struct wire_answer *answer, size_t at, size_t width, struct error *reterr)
{
        uint32_t declared = answer->provider->dimensions;

        return wire_fail(answer, FAULT_GARBAGE, reterr,
                         "vector %zu has %zu numbers, not %u: set "
                         "rag.vector_storage.dimensions = %zu or ask for another model",
                         at, width, declared, width);
}

static int wrong_number(struct wire_answer *answer, size_t at, struct error *reterr)
{
        return wire_fail(answer, FAULT_GARBAGE, reterr,
                         "vector %zu holds what is not a finite number", at);
}

static int take_numbers(struct wire_answer *answer, size_t at, struct json_object *list, float *ret,
                        struct error *reterr)
{
        size_t n = json_object_array_length(list);

        if (n != answer->provider->dimensions)
                return wrong_width(answer, at, n, reterr);
        for (size_t i = 0; i < n; i++) {
                struct json_object *number = json_object_array_get_idx(list, i);

                if (!json_object_is_type(number, json_type_double) &&
                    !json_object_is_type(number, json_type_int))
                        return wrong_number(answer, at, reterr);
                ret[i] = (float) json_object_get_double(number);
                if (!isfinite(ret[i]))
                        return wrong_number(answer, at, reterr);
        }
        return 0;
}

static int take_base64(struct wire_answer *answer, size_t at, struct json_object *text, float *ret,
                       struct error *reterr)
{
        size_t bytes = (size_t) answer->provider->dimensions * 4, len = 0;
        size_t n = (size_t) json_object_get_string_len(text);

        if (n / 4 * 3 > bytes + 2)
                return wrong_width(answer, at, n / 4 * 3 / 4, reterr);
        if (sodium_base642bin((unsigned char *) ret, bytes, json_object_get_string(text), n, NULL,
                              &len, NULL, sodium_base64_VARIANT_ORIGINAL) < 0)
                return wrong_number(answer, at, reterr);
        if (len != bytes)
                return wrong_width(answer, at, len / 4, reterr);
        for (size_t i = 0; i < answer->provider->dimensions; i++) {
                uint32_t bits;

                memcpy(&bits, &ret[i], sizeof bits);
                bits = le32toh(bits);
                memcpy(&ret[i], &bits, sizeof bits);
                if (!isfinite(ret[i]))
                        return wrong_number(answer, at, reterr);
        }
        return 0;
}

static int take_one(struct wire_answer *answer, size_t at, struct json_object *value, float *ret,
                    struct error *reterr)
{
        if (json_object_is_type(value, json_type_array) && json_object_array_length(value) == 1 &&
            json_object_is_type(json_object_array_get_idx(value, 0), json_type_array))
                value = json_object_array_get_idx(value, 0);
        if (json_object_is_type(value, json_type_array))
                return take_numbers(answer, at, value, ret, reterr);
        if (json_object_is_type(value, json_type_string))
                return take_base64(answer, at, value, ret, reterr);
        return wrong_number(answer, at, reterr);
}

/* Where a row belongs; -1: nowhere. */
static ssize_t place_of(struct json_object *row, size_t position, size_t n)
{
        struct json_object *index = wire_member(row, "index");
        int64_t place = index ? json_object_get_int64(index) : (int64_t) position;

        if (index && !json_object_is_type(index, json_type_int))
                return -1;
        return place >= 0 && (uint64_t) place < n ? (ssize_t) place : -1;
}

static int take(struct wire_answer *answer, struct json_object *list, bool objects,
                struct error *reterr)
{
        const struct embed_request *request = &answer->request->embed;
        size_t width = answer->provider->dimensions;
        cleanup_free_ float *vectors = NULL;
        cleanup_free_ bool *seen = NULL;
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
        int r;

        if (n != request->n)
                return wire_fail(answer, FAULT_GARBAGE, reterr,
                                 "%zu vectors came for %zu texts; see that endpoint and kind fit "
                                 "each other", n, request->n);
        vectors = calloc(n * width + 1, sizeof *vectors);
        seen = calloc(n + 1, sizeof *seen);
        if (!vectors || !seen)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(list, i);
                ssize_t place = objects ? place_of(row, i, n) : (ssize_t) i;

                if (place < 0 || seen[place])
                        return wire_fail(answer, FAULT_GARBAGE, reterr,
                                         "vector %zu has no index of its own", i);
                seen[place] = true;
                r = take_one(answer, i, objects ? wire_member(row, "embedding") : row,
                             vectors + (size_t) place * width, reterr);
                if (r < 0)
                        return r;
        }
        free(answer->result->vectors);
        answer->result->vectors = take_ptr(vectors);
        return 0;
}

int embeddings_take_objects(struct wire_answer *answer, struct json_object *list,
                            struct error *reterr)
{
        return take(answer, list, true, reterr);
}

int embeddings_take_arrays(struct wire_answer *answer, struct json_object *list,
                           struct error *reterr)
{
        return take(answer, list, false, reterr);
}
