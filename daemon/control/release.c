/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about releases that begin no operation: what would change, what was, what is allowed. */
#include "release/release.h"

#include "base/clock.h"
#include "control/amounts.h"
#include "control/handlers.h"
#include "control/source.h"

#include <stdio.h>
#include <string.h>

#define PROGRESS_USEC (UINT64_C(100) * USEC_PER_MSEC)

static struct releases *releases_of(const struct call *call)
{
        return call_services(call)->releases;
}

/* Takes the reply where it came. */
static void reply_or_fail(struct call *call, int code, const struct error *error,
                          struct json_object *takes_reply)
{
        if (code < 0)
                call_fail(call, code, error);
        else
                call_reply(call, takes_reply);
}

static bool read_release(struct call *call, const char *name, uint32_t *ret)
{
        uint64_t number;

        if (!read_number(call, name, 0, UINT32_MAX, 0, &number))
                return false;
        *ret = (uint32_t) number;
        return true;
}

/* ---- What would change ---------------------------------------------------------------------- */

void fail_invalid(struct call *call, const struct config_diagnostics *diagnostics,
                  const struct error *error)
{
        struct json_object *about = json_object_new_object();

        json_add(about, "diagnostics", config_diagnostics_json(diagnostics));
        call_fail_as(call, "InvalidConfig", error, about);
}

/* Faults of the profile are the answer, not a failure to give one. */
void on_release_validate(struct call *call)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct source source;
        struct error error = { 0 };
        struct json_object *reply;
        int r = releases_validate(releases_of(call), source_read(call, &source),
                                  call_bool(call, "live"), &diagnostics, &error);

        if (r < 0 && (r != -EUCLEAN || diagnostics.errors == 0)) {
                call_fail(call, r, &error);
                return;
        }
        reply = json_object_new_object();
        json_add_bool(reply, "ok", diagnostics.errors == 0);
        json_add(reply, "diagnostics", config_diagnostics_json(&diagnostics));
        call_reply(call, reply);
}

void on_release_plan(struct call *call)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct json_object *plan = NULL;
        struct source source;
        struct error error = { 0 };
        int r = releases_plan(releases_of(call), source_read(call, &source), &diagnostics, &plan,
                              &error);

        if (r == -EUCLEAN)
                fail_invalid(call, &diagnostics, &error);
        else if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "plan", plan);
}

/* ---- What was ------------------------------------------------------------------------------- */

void on_release_history(struct call *call)
{
        struct json_object *reply = NULL;
        struct error error = { 0 };
        int r = releases_history(releases_of(call), &reply, &error);

        reply_or_fail(call, r, &error, reply);
}

void on_release_show(struct call *call)
{
        struct json_object *release = NULL;
        struct error error = { 0 };
        uint32_t number;
        int r;

        if (!read_release(call, "release", &number))
                return;
        r = releases_show(releases_of(call), number, &release, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "release", release);
}

void on_release_diff(struct call *call)
{
        struct json_object *reply = NULL;
        struct error error = { 0 };
        uint32_t from, to;
        int r;

        if (!read_release(call, "from", &from) || !read_release(call, "to", &to))
                return;
        r = releases_diff(releases_of(call), from, to, &reply, &error);
        reply_or_fail(call, r, &error, reply);
}

void on_release_drift(struct call *call)
{
        struct json_object *reply = NULL;
        struct error error = { 0 };
        int r = releases_drift(releases_of(call), &reply, &error);

        reply_or_fail(call, r, &error, reply);
}

void on_release_gc(struct call *call)
{
        struct json_object *reply = NULL;
        struct error error = { 0 };
        int r = releases_gc(releases_of(call), call_bool(call, "dry_run"), &reply, &error);

        reply_or_fail(call, r, &error, reply);
}

/* ---- What is allowed ------------------------------------------------------------------------ */

static int read_until(const char *text, uint64_t *ret_usec, struct error *reterr)
{
        int r = amount_read_date(text, ret_usec, reterr);

        if (r < 0)
                error_set_origin(reterr, NULL, "until", 0, 0);
        return r;
}

static void reply_overrides(struct call *call)
{
        struct json_object *reply = NULL;
        struct error error = { 0 };
        int r = releases_overrides(releases_of(call), &reply, &error);

        reply_or_fail(call, r, &error, reply);
}

void on_release_override(struct call *call)
{
        struct release_request request;
        struct error error = { 0 };
        uint64_t until_usec;
        int r = read_until(call_string(call, "until", ""), &until_usec, &error);

        read_request(call, &request);
        if (r == 0)
                r = releases_override(releases_of(call), call_string(call, "code", ""), until_usec,
                                      &request, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_overrides(call);
}

void on_release_override_list(struct call *call)
{
        reply_overrides(call);
}

/* ---- Gates ---------------------------------------------------------------------------------- */

struct asking {
        struct call *call;
        uint64_t told_usec;
};

static int on_progress(void *data, const char *what, size_t done, size_t total)
{
        struct asking *asking = data;
        uint64_t now_usec = clock_monotonic_usec();
        struct json_object *progress;

        if (call_gone(asking->call))
                return -ECANCELED;
        if (now_usec - asking->told_usec < PROGRESS_USEC)
                return 0;
        asking->told_usec = now_usec;
        progress = json_object_new_object();
        json_add_string(progress, "what", what);
        json_add_u64(progress, "done", done);
        json_add_u64(progress, "total", total);
        return call_notify(asking->call, progress);
}

void on_release_gate(struct call *call)
{
        struct asking asking = { .call = call };
        struct json_object *report = NULL;
        struct error error = { 0 };
        uint32_t number;
        int r;

        if (!read_release(call, "release", &number))
                return;
        r = releases_gate(releases_of(call), number, on_progress, &asking, &report, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "report", report);
}
