/* SPDX-License-Identifier: Apache-2.0 */
/* What the log of the audit hears of a call: a line before it changes anything and one with how it
 * ended, before that is answered; and one for each that lacks the role.  Where the profile has no
 * audit, the journal gets the last two of them.  On a worker thread. */
#include "audit/audit.h"

#include "base/json.h"
#include "base/log.h"
#include "control/call_inside.h"
#include "control/connection.h"
#include "release/release.h"
#include "release/snapshot.h"

#include <stdio.h>
#include <string.h>

#define DETAILS_MAX ((size_t) 8192) /* a line is about a call, and no copy of it */
#define NAME_SIZE 65

static uint32_t serving_release(struct call *call)
{
        struct snapshot *serving;
        uint32_t number;

        if (call->release)
                return call->release->release;
        /* Not for longer: a call may wait for the end of a release's change. */
        serving = releases_pin(call->control->services->releases, NULL).snapshot;
        number = serving ? serving->release : 0;
        (void) snapshot_unref(serving);
        return number;
}

/* Whose data, or which tenant, the call is about. */
static const char *tenant_of(const struct call *call, char name[static NAME_SIZE])
{
        const char *usage = call->command->usage ? call->command->usage : "";
        const char *text = NULL;

        if (command_has_tenant(call->command))
                text = call_string(call, "tenant", "default");
        else if (strncmp(usage, "tenant ", 7) == 0)
                text = call_string(call, "name", NULL);
        else if (strncmp(usage, "key ", 4) == 0)
                text = call_string(call, "tenant", NULL);
        if (!text)
                return NULL;
        (void) snprintf(name, NAME_SIZE, "%s", text);
        return name;
}

/* The one that the client gave, where it gave one. */
static void choose_request_id(struct call *call)
{
        char text[ID_TEXT_SIZE];
        const char *given = call_string(call, "request_id", NULL);

        (void) snprintf(call->request_id, sizeof call->request_id, "%s",
                        given && *given ? given : id_format(id_random(), text));
}

static struct json_object *details_of(const struct call *call)
{
        struct json_object *details = command_logged(call->command, call->parameters);
        size_t len = 0;

        if (details)
                (void) json_text(details, &len);
        if (len <= DETAILS_MAX)
                return details;
        json_object_put(details);
        details = json_object_new_object();
        json_add_u64(details, "omitted_bytes", len);
        return details;
}

static const char *listener_of(const struct call *call)
{
        return call->origin.listener == CONTROL_ADMIN ? CONTROL_SOCKET_ADMIN
                                                      : CONTROL_SOCKET_OBSERVE;
}

/* Where its lines go: all into one, whatever a release changes meanwhile. */
static void choose_log(struct call *call)
{
        const struct control_services *services = call->control->services;

        call->audit = services->audit ? services->audit(services->data) : NULL;
}

static int write_event(struct call *call, enum audit_outcome outcome, const char *code,
                       struct error *reterr)
{
        cleanup_json_ struct json_object *details = details_of(call);
        char object[COMMAND_OBJECT_SIZE], tenant[NAME_SIZE];
        const struct audit_event event = {
                .action = call->command->method,
                .outcome = outcome,
                .code = code,
                .object = command_object(call->command, call->parameters, object),
                .tenant = tenant_of(call, tenant),
                .listener = listener_of(call),
                .has_peer = true,
                .uid = call->origin.uid,
                .pid = call->origin.pid,
                .request_id = call->request_id,
                .release = serving_release(call),
                .details = details,
        };

        return audit_write(call->audit, &event, reterr);
}

static void write_journal(const struct call *call, const char *outcome)
{
        cleanup_json_ struct json_object *details = details_of(call);
        const char *about = details ? json_text(details, NULL) : "{}";
        const char *listener = listener_of(call);
        char uid[16], pid[16];
        const char *const fields[] = {
                "RAGD_COMMAND",  call->command->method, "RAGD_UID",        uid,
                "RAGD_PID",      pid,                   "RAGD_LISTENER",   listener,
                "RAGD_OUTCOME",  outcome,               "RAGD_PARAMETERS", about,
                NULL,
        };

        (void) snprintf(uid, sizeof uid, "%ju", (uintmax_t) call->origin.uid);
        (void) snprintf(pid, sizeof pid, "%jd", (intmax_t) call->origin.pid);
        log_write(LOG_LEVEL_NOTICE, fields, "control: %s %.300s: %s (uid %s, pid %s, %s)",
                  call->command->method, about, outcome, uid, pid, listener);
}

int call_audit_begin(struct call *call, struct error *reterr)
{
        int r;

        if (call->request_id[0] || call->command->audit != COMMAND_AUDITED)
                return 0;
        choose_request_id(call);
        choose_log(call);
        if (!call->audit)
                return 0;
        r = write_event(call, AUDIT_BEGUN, NULL, reterr);
        if (r < 0) {
                call->told_end = true; /* of what never began */
                return error_prefix(reterr, r,
                                    "nothing is changed without its line in the audit log");
        }
        return 0;
}

/* What was done stays done, whatever becomes of this line: the first one says that it began. */
static void tell(struct call *call, enum audit_outcome outcome, const char *code,
                 const char *what)
{
        struct error error = { 0 };

        call->told_end = true;
        if (!call->audit)
                write_journal(call, what);
        else if (write_event(call, outcome, code, &error) < 0)
                log_error("control: %s: its outcome (%s) is not in the audit log: %s",
                          call->command->method, what, error_text(&error));
}

void call_audit_end(struct call *call, const struct command_error *failure, const char *what)
{
        enum audit_outcome outcome = !failure                            ? AUDIT_OK
                                     : failure->exit_code == EXIT_DENIED ? AUDIT_DENIED
                                                                         : AUDIT_FAILED;

        if (call->told_end || call->command->audit != COMMAND_AUDITED)
                return;
        tell(call, outcome, failure ? failure->name : NULL, failure ? failure->name : what);
}

void call_audit_denied(struct call *call)
{
        choose_request_id(call);
        choose_log(call);
        tell(call, AUDIT_DENIED, strrchr(call->refusal, '.') + 1, "denied");
}
