/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of a release's files share: a state folder that goes away, releases made from a
 * few lines of TOML, and a child that is killed at a named point. */
#pragma once
#include "release/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

struct json_object;

struct recording {
        char path[64];
        int dirfd;
};

extern const uint8_t recording_identity[32];

/* cmocka's setup and teardown. */
int recording_setup(void **state);
int recording_teardown(void **state);

/* A draft of a profile with `more` behind a small one; its config and texts live until the next
 * call. */
struct release_draft *recording_draft(const char *more);
/* Writes it in this state; fails the test where that fails. */
uint32_t recording_write(struct recording *recording, const char *more, enum release_state state);
enum release_state recording_state(struct recording *recording, uint32_t number);
/* Replaces bytes of a file below the state folder by a text; and whether there is such a file. */
void recording_overwrite(struct recording *recording, const char *path, const char *text);
bool recording_has(struct recording *recording, const char *path);
struct json_object *recording_json(struct recording *recording, const char *path);

/* What a child does: a program of its own, since the points are chosen once per process. */
struct recording_work {
        const char *name;
        int (*work)(struct recording *recording, const char *argument); /* 0: done */
};
/* First in main(): a child does its work here and does not return. */
void recording_child(int argc, char *argv[], const struct recording_work *works, size_t n);
/* Runs the work of this name in a child that is killed at `point` ("name" or "name:3").  True: it
 * was; false: it came to its end without passing it.  Fails the test where the work fails. */
bool recording_killed_at(struct recording *recording, const char *point, const char *work,
                         const char *argument);

#define assert_ok(call)                                                                \
        do {                                                                           \
                int assert_ok_ = (call);                                               \
                if (assert_ok_ < 0)                                                    \
                        fail_msg("%s: %d, %s", #call, assert_ok_, error_text(&error)); \
        } while (0)
