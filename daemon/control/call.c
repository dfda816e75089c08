/* SPDX-License-Identifier: Apache-2.0 */
#include "control/call_inside.h"

#include "base/json.h"
#include "base/log.h"
#include "control/connection.h"
#include "event/mailbox.h"
#include "release/release.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- From the step to the loop ------------------------------------------------------------ */

static void deliver(void *data);

/* The end of a step must arrive, or the connection would wait for ever; memory that ran out
 * comes back when other work ends. */
static void post(struct call *call)
{
        static const struct timespec pause = { .tv_nsec = 1000L * 1000 };

        while (mailbox_post(call->control->mailbox, deliver, call) < 0)
                (void) nanosleep(&pause, NULL);
}

static void hand_over(struct call *call, bool step_over)
{
        bool posted;

        pthread_mutex_lock(&call->lock);
        posted = call->posted;
        call->posted = true;
        call->step_over = step_over;
        pthread_mutex_unlock(&call->lock);
        if (!posted)
                post(call);
}

static void refuse(struct call *call);

static void run_handler(struct call *call)
{
        struct error error = { 0 };
        int r;

        if (call->refusal) {
                refuse(call);
                return;
        }
        r = call_audit_begin(call, &error);
        if (r < 0)
                call_fail_as(call, "Failed", &error, NULL);
        else
                call_handlers[call->command - commands](call);
}

static enum worker_verdict run_step(struct worker_task *task)
{
        struct call *call = task->data;

        call->next = CALL_RUNS;
        run_handler(call);
        assert(call->next != CALL_RUNS);
        /* What waits for its client's bytes has collections open; what looks again has not. */
        if (call->next != CALL_INPUT)
                call_leave_tenant(call);
        hand_over(call, true);
        return WORKER_DONE;
}

static void post_step(struct call *call)
{
        (void) sd_event_source_disable_unref(take_ptr(call->timer));
        call->awaits_input = false;
        workers_post(call->control->services->workers, &call->task);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
        (void) source;
        (void) usec;
        post_step(data);
        return 0;
}

static void wait_for(struct call *call)
{
        int r = sd_event_add_time_relative(call->control->loop, &call->timer, CLOCK_MONOTONIC,
                                           call->again_usec, 1000, on_timer, call);

        if (r < 0) { /* no memory for a timer: at once, rather than never */
                post_step(call);
                return;
        }
        call->awaits_input = call->next == CALL_INPUT;
        connection_watch(call->connection);
}

static void finish(struct call *call)
{
        struct connection *connection = call->connection;
        bool raw = call->stream || call->had_input;

        if (call->afterwards)
                call->afterwards(call->afterwards_data);
        (void) call_free(call);
        connection_call_over(connection, raw);
}

/* On the loop's thread.  While the door is closing only the bytes are of interest. */
static void deliver(void *data)
{
        struct call *call = data;
        cleanup_(buf_done) struct buf out = BUF_EMPTY;
        bool step_over;

        pthread_mutex_lock(&call->lock);
        out = call->out;
        call->out = BUF_EMPTY;
        step_over = call->step_over;
        call->posted = call->step_over = false;
        pthread_mutex_unlock(&call->lock);

        connection_send(call->connection, &out);
        if (!step_over || call->control->stopping)
                return;
        /* The pool still looks at the task behind the handler's return. */
        workers_cancel(call->control->services->workers, &call->task);
        if (call->next == CALL_OVER)
                finish(call);
        else
                wait_for(call);
}

/* ---- What handlers say ---------------------------------------------------------------------- */

const struct control_services *call_services(const struct call *call)
{
        return call->control->services;
}

const struct snapshot *call_release(struct call *call)
{
        if (!call->release)
                call->release = releases_pin(call->control->services->releases, NULL).snapshot;
        return call->release;
}

void call_get_caller(const struct call *call, uid_t *ret_uid, pid_t *ret_pid)
{
        *ret_uid = call->origin.uid;
        *ret_pid = call->origin.pid;
}

const struct control *call_control(const struct call *call)
{
        return call->control;
}

struct json_object *call_parameters(const struct call *call)
{
        return call->parameters;
}

const char *call_string(const struct call *call, const char *name, const char *otherwise)
{
        const char *text = otherwise;

        (void) json_get_string(call->parameters, name, &text, NULL);
        return text;
}

bool call_bool(const struct call *call, const char *name)
{
        bool value = false;

        (void) json_get_bool(call->parameters, name, &value, NULL);
        return value;
}

bool call_wants_more(const struct call *call)
{
        return call->message.more;
}

bool call_gone(const struct call *call)
{
        return call->gone || call->control->stopping;
}

void call_keep(struct call *call, void *takes_state, void (*free_state)(void *state))
{
        call->state = takes_state;
        call->free_state = free_state;
}

void *call_kept(const struct call *call)
{
        return call->state;
}

void call_again(struct call *call, uint64_t after_usec)
{
        call->next = CALL_TIMER;
        call->again_usec = after_usec;
}

void call_again_readable(struct call *call, uint64_t timeout_usec)
{
        call->next = CALL_INPUT;
        call->again_usec = timeout_usec;
}

void call_afterwards(struct call *call, void (*function)(void *data), void *data)
{
        call->afterwards = function;
        call->afterwards_data = data;
}

/* A reply whose text found no memory: the buffer is marked, and connection_send() closes. */
static void queue_reply(struct call *call, struct json_object *parameters, bool continues)
{
        if (call->message.oneway || call_gone(call))
                return;
        pthread_mutex_lock(&call->lock);
        varlink_write_reply(&call->out, parameters, continues);
        pthread_mutex_unlock(&call->lock);
}

int call_notify(struct call *call, struct json_object *takes_parameters)
{
        cleanup_json_ struct json_object *parameters = takes_parameters;

        if (call->control->stopping)
                return -ECANCELED;
        if (call->gone)
                return -EPIPE;
        if (!call->message.more)
                return 0;
        queue_reply(call, parameters, true);
        hand_over(call, false);
        return 0;
}

void call_reply(struct call *call, struct json_object *takes_parameters)
{
        cleanup_json_ struct json_object *parameters = takes_parameters;

        if (!parameters) {
                call_fail(call, -ENOMEM, NULL);
                return;
        }
        call_audit_end(call, NULL, "ok");
        queue_reply(call, parameters, false);
        call->next = CALL_OVER;
}

void call_reply_text(struct call *call, const char *parameters, size_t len)
{
        call_audit_end(call, NULL, "ok");
        if (!call->message.oneway && !call_gone(call)) {
                pthread_mutex_lock(&call->lock);
                varlink_write_reply_text(&call->out, parameters, len, false);
                pthread_mutex_unlock(&call->lock);
        }
        call->next = CALL_OVER;
}

static void queue_error(struct call *call, const char *name, struct json_object *about)
{
        if (call->message.oneway || call_gone(call))
                return;
        pthread_mutex_lock(&call->lock);
        varlink_write_error(&call->out, name, about);
        pthread_mutex_unlock(&call->lock);
}

static void refuse(struct call *call)
{
        call_audit_denied(call);
        queue_error(call, call->refusal, NULL);
        call->next = CALL_OVER;
}

static void fail(struct call *call, const struct command_error *row, int code,
                 const struct error *error, struct json_object *takes_about)
{
        const char *message = error && error->code ? error_text(error) : strerror(-code);
        cleanup_json_ struct json_object *about =
                takes_about ? takes_about : json_object_new_object();
        char name[64];

        json_add_string(about, "message", message);
        if (error && error->origin.key[0])
                json_add_string(about, "parameter", error->origin.key);
        if (error && error->origin.line)
                json_add_u64(about, "line", error->origin.line);
        (void) snprintf(name, sizeof name, CONTROL_INTERFACE ".%s", row->name);

        if (row == &command_errors[n_command_errors - 1])
                log_error("control: %s: %s", call->command->method, message);
        call_audit_end(call, row, NULL);
        queue_error(call, name, about);
        call->next = CALL_OVER;
}

void call_fail(struct call *call, int code, const struct error *error)
{
        fail(call, command_error_of(code), code, error, NULL);
}

void call_fail_as(struct call *call, const char *name, const struct error *error,
                  struct json_object *takes_about)
{
        fail(call, command_error_find(name), error ? error->code : -EIO, error, takes_about);
}

/* ---- Upgraded calls ------------------------------------------------------------------------- */

void call_upgrade(struct call *call, struct json_object *takes_parameters)
{
        cleanup_json_ struct json_object *parameters = takes_parameters;

        queue_reply(call, parameters, false);
        call->stream = true;
}

ssize_t call_read(struct call *call, void *bytes, size_t size)
{
        ssize_t n;

        if (call->input.len > 0) {
                size_t take = call->input.len < size ? call->input.len : size;

                memcpy(bytes, call->input.data, take);
                buf_consume(&call->input, take);
                return (ssize_t) take;
        }
        do {
                n = read(call->origin.fd, bytes, size);
        } while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

void call_write_bytes(struct call *call, const char *bytes, size_t len)
{
        if (call_gone(call))
                return;
        pthread_mutex_lock(&call->lock);
        buf_append(&call->out, bytes, len);
        pthread_mutex_unlock(&call->lock);
        hand_over(call, false);
}

void call_write(struct call *call, struct json_object *takes_line)
{
        cleanup_json_ struct json_object *line = takes_line;
        const char *text;
        size_t len;

        if (!line || call_gone(call))
                return;
        text = json_text(line, &len);
        pthread_mutex_lock(&call->lock);
        buf_append(&call->out, text, len);
        buf_append_char(&call->out, '\n');
        pthread_mutex_unlock(&call->lock);
        hand_over(call, false);
}

void call_outcome(struct call *call, int code, const char *what)
{
        call_audit_end(call, code < 0 ? command_error_of(code) : NULL, what);
}

void call_end(struct call *call, int code, const char *what)
{
        call_outcome(call, code, what);
        call->next = CALL_OVER;
}

/* ---- On the loop ---------------------------------------------------------------------------- */

struct call *call_start(struct control *control, struct connection *connection,
                        const struct command *command, struct varlink_call *takes_call,
                        const struct call_origin *origin, const char *refusal, const char *input,
                        size_t input_len)
{
        struct call *call = calloc(1, sizeof *call);

        if (!call)
                return NULL;
        buf_append(&call->input, input, input_len);
        call->had_input = input_len > 0;
        call->parameters = takes_call->parameters ? json_object_get(takes_call->parameters)
                                                  : json_object_new_object();
        if (!call->parameters || buf_failed(&call->input)) {
                json_object_put(call->parameters);
                buf_done(&call->input);
                free(call);
                return NULL;
        }
        call->task = (struct worker_task){ .run = run_step, .data = call };
        call->control = control;
        call->connection = connection;
        call->command = command;
        call->message = *takes_call;
        *takes_call = (struct varlink_call){ 0 };
        call->origin = *origin;
        call->refusal = refusal;
        (void) pthread_mutex_init(&call->lock, NULL);
        workers_post(control->services->workers, &call->task);
        return call;
}

void call_abandon(struct call *call)
{
        call->gone = true;
}

bool call_is_stream(const struct call *call)
{
        return call->command->style == COMMAND_UPGRADE && !call->refusal;
}

bool call_awaits_input(const struct call *call)
{
        return call->awaits_input;
}

void call_continue(struct call *call)
{
        post_step(call);
}

void call_cancel(struct call *call)
{
        workers_cancel(call->control->services->workers, &call->task);
}

struct call *call_free(struct call *call)
{
        if (!call)
                return NULL;
        (void) sd_event_source_disable_unref(call->timer);
        if (call->free_state)
                call->free_state(call->state);
        call_leave_tenant(call);
        call->release = snapshot_unref(call->release);
        json_object_put(call->parameters);
        varlink_call_done(&call->message);
        buf_done(&call->input);
        buf_done(&call->out);
        (void) pthread_mutex_destroy(&call->lock);
        free(call);
        return NULL;
}
