/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors as clients write them: a JSON array of numbers, or base64 of little-endian float32. */
#pragma once
#include "base/buf.h"
#include "base/error.h"
#include "index/vector.h" /* VECTOR_DIMENSIONS_MAX */

#include <json-c/json.h>
#include <stdint.h>

/* Appends the floats of the member `vector` or `vector_base64` to `floats` and says how many;
 * 0 in *ret_dimensions: the object has neither.  -EINVAL with the pointer: both, no numbers,
 * not finite, too many; -ENOMEM. */
int vector_json_read(struct json_object *object, struct buf *floats, uint32_t *ret_dimensions,
                     struct error *reterr);
