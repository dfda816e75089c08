/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of requests and responses in JSON Schema 2020-12, by name, for the OpenAPI
 * document.  What a handler accepts is decided by its parser; this table tells clients. */
#pragma once
#include <stddef.h>

struct schema {
        const char *name;
        const char *json;
};

/* All of them; constant. */
const struct schema *schemas_all(size_t *ret_n);
