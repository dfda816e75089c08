/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the store share: a state folder that goes away, a collection with one
 * generation of eight dimensions, and short ways to put and publish documents. */
#pragma once
#include "base/cleanup.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

#define FIXTURE_DIMENSIONS 8
#define FIXTURE_PATH_SIZE 512

struct fixture {
        char path[FIXTURE_PATH_SIZE];
        struct store *store;
        struct tenant_id tenant;
        struct collection *collection; /* "things" */
        struct generation *generation; /* serving */
};

extern const struct generation_spec fixture_spec;
extern const struct store_limits fixture_limits;

/* cmocka's setup and teardown. */
int fixture_setup(void **state);          /* store, collection and generation */
int fixture_setup_store(void **state);    /* the store alone */
int fixture_teardown(void **state);

void fixture_open(struct fixture *fixture);  /* opens what lies on the disk */
void fixture_close(struct fixture *fixture); /* … and closes it */
void fixture_reopen(struct fixture *fixture);

/* A vector that points mostly along axis `n`. */
void fixture_vector(uint32_t n, float ret[static FIXTURE_DIMENSIONS]);

/* Puts a document of one text; fails the test where that fails. */
struct docs_receipt fixture_put(struct fixture *fixture, const char *external_id,
                                const char *text, const char *metadata);
/* Follows the log to its end: one chunk for each document. */
int fixture_follow(struct collection *collection, struct generation *generation,
                   struct error *reterr);
/* Puts the documents first to first + n (a multiple of FIXTURE_GROUP) in a fresh collection, of
 * one chunk each: document I is "docI", "common wordI" under the title "titleJ" with J = I /
 * FIXTURE_GROUP; stages them, and publishes them where asked. */
#define FIXTURE_GROUP 1000
void fixture_fill(struct fixture *fixture, uint32_t first, uint32_t n, bool publish);
/* Whether the words find the document in the serving generation. */
bool fixture_finds(struct fixture *fixture, const char *words, const char *external_id);

/* Overwrites bytes of a file below the state folder. */
void fixture_damage(struct fixture *fixture, const char *file, long offset, const void *bytes,
                    size_t len);
/* "tenants/…/things/<file>" → `ret`. */
const char *fixture_file(struct fixture *fixture, const char *file,
                         char ret[static FIXTURE_PATH_SIZE]);

#define assert_ok(call)                                                          \
        do {                                                                     \
                int assert_ok_ = (call);                                         \
                if (assert_ok_ < 0)                                              \
                        fail_msg("%s: %d, %s", #call, assert_ok_, error_text(&error)); \
        } while (0)
