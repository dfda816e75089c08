/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of gates share: two releases on the store of the answers' fixture, with the
 * collections "rivers" and "lakes"; the candidate has an answer room of its own. */
#pragma once
#include "tests/unit/answer/fixture.h"

#include "release/gate_inside.h"

#include <json-c/json.h>

struct gates {
        struct fixture *fixture;
        struct config config; /* of both: only what gates read of it is filled in */
        struct promotion_config promotion;
        struct retrieval_config retrieval; /* the candidate's */
        struct answer *candidate_answer;
        struct snapshot base, candidate;
        const struct provider_config *used[2];
        const char *names[2];
        struct gate_settings settings;
        struct json_object *report;
        enum gate_verdict verdict;
};

/* cmocka's. */
int gates_setup(void **state);
int gates_teardown(void **state);

/* The candidate again, after its retrieval or its gateway were changed. */
void gates_renew(struct gates *gates, struct gateway *gateway);
void gates_add_golden(struct gates *gates, const char *collection, const char *set,
                      const char *lines);
void gates_add_usual(struct gates *gates); /* three questions of rivers, one of lakes */
void gates_run(struct gates *gates);

/* Of the report. */
struct json_object *gates_row(const struct gates *gates, const char *gate);
void gates_assert_verdict(const struct gates *gates, const char *gate, const char *verdict);
double gates_number(struct json_object *json, const char *path);
