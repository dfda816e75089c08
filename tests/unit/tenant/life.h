/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the life of a tenant share: a state folder with the tenant acme, a document in
 * it, and a room that notes what it is told. */
#pragma once
#include "store/tenants.h"
#include "tenant/keyring.h"
#include "tenant/lifecycle.h"
#include "tenant/tenants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

struct life {
        char path[128];
        struct store *store;
        struct tenants *tenants;
        struct keyring *keyring;
        struct lifecycle *lifecycle;
        struct tenant_id acme;
        char told[1024];  /* by rooms and news, each with a space behind it */
        int close_result; /* of the room */
        unsigned wanted;
};

#define assert_ok(call)                                                                  \
        do {                                                                             \
                int assert_ok_ = (call);                                                 \
                if (assert_ok_ < 0)                                                      \
                        fail_msg("%s: %d, %s", #call, assert_ok_, error_text(&error));   \
        } while (0)

/* Opens what lies in life->path; nothing is resumed. */
void life_open(struct life *life);
void life_close(struct life *life);
/* A new folder with acme in it. */
struct life *life_new(void);
void life_free(struct life *life);
int life_setup(void **state);
int life_teardown(void **state);

void life_fill(struct life *life, struct tenant_id tenant, const char *text);
/* The document as it is in there; heap. */
char *life_read(struct life *life, struct tenant_id tenant);
enum tenant_state life_state(struct life *life, struct tenant_id tenant);
/* Of a path below the state folder: how many entries there are; absent: 0. */
unsigned life_count(struct life *life, const char *folder);
bool life_exists(struct life *life, const char *path);
bool life_has_folder(struct life *life, struct tenant_id tenant);
