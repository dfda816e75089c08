/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a call, shared by call*.c and nobody else. */
#pragma once
#include "base/buf.h"
#include "base/id.h"
#include "control/call.h"
#include "control/varlink.h"
#include "scheduler/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <systemd/sd-event.h>

struct audit;
struct tenant_entry;

enum call_next {
        CALL_RUNS,  /* the handler said nothing yet */
        CALL_TIMER, /* again after `again_usec` */
        CALL_INPUT, /* again when there is input, or after `again_usec` */
        CALL_OVER,
};

struct call {
        struct worker_task task;
        struct control *control;
        struct connection *connection; /* the loop's; it outlives the call */
        const struct command *command;
        struct varlink_call message;
        struct json_object *parameters;
        struct call_origin origin;
        const char *refusal; /* the error that is replied in place of a step; or NULL */
        atomic_bool gone;
        struct snapshot *release; /* pinned, or NULL: the step's */

        /* The step's, then the loop's: never both at once. */
        void *state;
        void (*free_state)(void *state);
        void (*afterwards)(void *data);
        void *afterwards_data;
        struct audit *audit;         /* has its first line, or NULL: the journal hears of it */
        char request_id[64];         /* of its lines in the audit log; "": none was written */
        bool told_end;               /* … the one with the outcome was */
        bool tenant_known;           /* its tenant was looked up */
        struct tenant_id tenant;
        struct tenant_entry *entry;  /* it takes part in it, or NULL */
        struct buf input;
        bool stream, had_input;
        enum call_next next;
        uint64_t again_usec;
        sd_event_source *timer; /* the loop's alone */
        bool awaits_input;      /* the loop's alone */

        pthread_mutex_t lock; /* guards what follows */
        struct buf out;
        bool posted;    /* a letter is on its way */
        bool step_over; /* … and tells that the step has ended */
};

/* ---- What the audit log hears (call_audit.c) ------------------------------------------------ */

/* Before the first step of a row that is audited: durable when it returns 0.  Below 0: nothing may
 * be changed. */
int call_audit_begin(struct call *call, struct error *reterr);
/* Before the last reply; `failure` NULL: all went well. */
void call_audit_end(struct call *call, const struct command_error *failure, const char *what);
/* Before the refusal of a call for lack of the role. */
void call_audit_denied(struct call *call);

/* ---- Whose data it works on (call_tenant.c) ------------------------------------------------- */

/* The tenant may be offloaded or deleted again, until call_tenant() is called next. */
void call_leave_tenant(struct call *call);
