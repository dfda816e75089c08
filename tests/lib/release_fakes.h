/* SPDX-License-Identifier: Apache-2.0 */
/* A release engine that notes what doors ask of it, and tells what a test lets it tell. */
#pragma once
#include "release/release.h"

struct release_fakes {
        /* What was asked last. */
        char asked[32]; /* the function */
        char name[64], text[128], extends_name[64], extends_text[64];
        char plan_id[64], reason[64], request_id[64], id[32], code[32], via[16];
        uint32_t canary[8], n_canary, target, seconds, from, to;
        uint64_t until_usec;
        bool live, confirm_given, has_canary, config_only, accept_cost, dry_run, has_profile;
        uint32_t confirm_seconds;
        uid_t uid;

        /* What comes back. */
        int code_of_next; /* of the next call: 0, or a negative errno */
        const char *const *operations; /* texts of JSON, one for each look, the last one again */
        size_t n_looks;
};
extern struct release_fakes release_fakes;
