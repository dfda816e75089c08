/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers: 128 random bits, written as 26 characters of lower-case base32 (RFC 4648
 * alphabet, no padding).  Each kind is a struct of its own, so that passing a collection's
 * id where a tenant's is wanted does not compile.  Every call on tenant data takes a
 * `struct tenant_id` first. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define ID_BYTES 16
#define ID_TEXT_SIZE 27 /* 26 characters and the terminating NUL */

struct id {
        uint8_t bytes[ID_BYTES];
};

struct tenant_id {
        struct id id;
};
struct collection_id {
        struct id id;
};
struct document_id {
        struct id id;
};
struct job_id {
        struct id id;
};

/* Draws from the kernel's random generator; cannot fail once the system has booted. */
struct id id_random(void);

/* Writes the text form and returns `text`, so that it can stand in an argument list. */
const char *id_format(struct id id, char text[static ID_TEXT_SIZE]);

/* -EINVAL: not 26 characters of the alphabet, or bits set beyond the 128th. */
int id_parse(const char *text, struct id *ret_id);

bool id_equal(struct id a, struct id b);
