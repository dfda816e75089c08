/* SPDX-License-Identifier: Apache-2.0 */
/* Intent log of operations: ops/000091.json says what was to be done and how far it is, so that a
 * start can go on with it.  Replaced as one step; removed by nobody but ops_trim(). */
#pragma once
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct json_object;

enum operation_kind {
        OPERATION_DEPLOY,
        OPERATION_RELOAD,
        OPERATION_ROLLBACK,
        OPERATION_KIND_MAX,
        OPERATION_KIND_INVALID = -EINVAL,
};
const char *operation_kind_name(enum operation_kind kind);
enum operation_kind operation_kind_from_name(const char *name);

/* Where a run of the daemon finds it again. */
enum operation_phase {
        PHASE_RECORDED, /* the release is written */
        PHASE_BUILD,
        PHASE_GATE,
        PHASE_CANARY,
        PHASE_SWITCH,  /* from the journal on: a start reverts */
        PHASE_CONFIRM, /* serving, unconfirmed: a start reverts */
        PHASE_BAKE,    /* confirmed: a start goes on baking */
        PHASE_DONE,    /* `result` says how */
        OPERATION_PHASE_MAX,
        OPERATION_PHASE_INVALID = -EINVAL,
};
const char *operation_phase_name(enum operation_phase phase);
enum operation_phase operation_phase_from_name(const char *name);

#define OPERATION_REQUEST_ID_MAX 64

struct operation_record {
        uint32_t number; /* o-91 */
        enum operation_kind kind;
        enum operation_phase phase;
        uint32_t release, base;
        uint64_t begun_usec, phase_usec; /* wall */
        uint32_t confirm_seconds, bake_seconds;
        uint32_t canary[8]; /* percents, ascending; 0: no more */
        char request_id[OPERATION_REQUEST_ID_MAX + 1]; /* of the client: the same again is the same */
        struct json_object *result; /* of PHASE_DONE; one reference; or NULL */
};
void operation_record_done(struct operation_record *record);

/* A new number, durable. */
int ops_begin(int state_dirfd, struct operation_record *record, struct error *reterr);
int ops_save(int state_dirfd, const struct operation_record *record, struct error *reterr);
/* -ENOENT; -EBADMSG. */
int ops_read(int state_dirfd, uint32_t number, struct operation_record *ret, struct error *reterr);
/* The newest; -ENOENT: there was none.  One that is unreadable counts as PHASE_DONE without a
 * result. */
int ops_newest(int state_dirfd, struct operation_record *ret, struct error *reterr);
/* By the client's id, among those that are kept; -ENOENT. */
int ops_find_request(int state_dirfd, const char *request_id, struct operation_record *ret,
                     struct error *reterr);
/* Keeps the newest `keep`, and at least one. */
void ops_trim(int state_dirfd, uint32_t keep);
