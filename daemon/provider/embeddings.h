/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors of an answer, put where they belong: as many as there were texts, each once, each of
 * the declared width, each number finite.  Private to provider/. */
#pragma once
#include "provider/wire.h"

/* [{"index":0,"embedding":…}, …], an index left out being the position; an embedding is an array
 * of numbers, that array in another, or base64 of little-endian float32. */
int embeddings_take_objects(struct wire_answer *answer, struct json_object *list,
                            struct error *reterr);
/* [[…], …] in the order of the texts. */
int embeddings_take_arrays(struct wire_answer *answer, struct json_object *list,
                           struct error *reterr);
