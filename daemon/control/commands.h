/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, as rows.  One row makes the method of the control protocol with its typed
 * parameters, the permission it needs, the line it leaves in the log, and ragctl's grammar,
 * completion, help and manual page.
 *
 * commands.inc.h holds the rows; the daemon expands their handlers (handlers.c), ragctl does
 * not.  Types are varlink's: see types.h.  Everything here is constant. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_INTERFACE "io.ragd.Control"
#define SERVICE_INTERFACE "io.systemd.service"
#define VARLINK_INTERFACE "org.varlink.service"

enum control_role {
        CONTROL_OBSERVE, /* looks only */
        CONTROL_ADMIN,   /* everything */
};

enum command_effect { COMMAND_READ, COMMAND_WRITE };
enum command_audit { COMMAND_PLAIN, COMMAND_AUDITED };

/* How the method is called. */
enum command_style {
        COMMAND_ONCE,    /* one reply; `more` changes nothing */
        COMMAND_MAY_MORE, /* with `more`: progress before the last reply */
        COMMAND_MORE,    /* only with `more`, else ExpectedMore */
        COMMAND_UPGRADE, /* only with `upgrade`, else ExpectedUpgrade */
};

/* Who knows a field. */
enum command_side {
        COMMAND_BOTH,   /* a word or option of ragctl, and a parameter of the method */
        COMMAND_WIRE,   /* a parameter that ragctl fills in by itself */
        COMMAND_CLIENT, /* a word or option that ragctl keeps for itself */
};

struct command_field {
        const char *name; /* of the parameter; an option is spelt with '-' for '_' */
        const char *type; /* varlink's; one that begins with '?' may be left out */
        const char *doc;
        enum command_side side;
        const char *option; /* ragctl's name for it, where that is not the parameter's; or NULL */
        bool text; /* of a document, a question or a profile, or made from one: never logged */
};

struct command {
        /* "collection create <name>": literal words, then arguments, each a field; "[<name>]"
         * may be left out, "<name>..." takes all that follow.  Fields that are not named here
         * are options.  NULL: no command of ragctl. */
        const char *usage;
        const char *interface; /* NULL: ragctl does it by itself */
        const char *method;
        enum command_effect effect;
        enum control_role role;
        enum command_audit audit;
        enum command_style style;
        const char *doc;                   /* one sentence */
        const struct command_field *input; /* ends with a name of NULL */
        const char *output;                /* "name: type, …", the union of all replies */
};

extern const struct command commands[];
extern const size_t n_commands;

/* "interface.Method" → its row, or NULL. */
const struct command *command_find(const char *method);

struct json_object;
/* The parameters of a call as the log may have them: of texts, and of what looks like a key, their
 * length alone, and nothing that the row does not know.  A new reference; NULL: no memory.
 * `parameters` may be NULL. */
struct json_object *command_logged(const struct command *command, struct json_object *parameters);

/* Whether the row works on the data of the tenant that its parameter "tenant" names, or else of the
 * default one. */
bool command_has_tenant(const struct command *command);

/* What a call is about, as a path: "tenants/acme", "collections/notes/documents/a.md"; NULL: it
 * names nothing.  Parameters that nobody checked do no harm. */
#define COMMAND_OBJECT_SIZE 512
const char *command_object(const struct command *command, struct json_object *parameters,
                           char text[static COMMAND_OBJECT_SIZE]);

/* A type of the interface: "Job" and "(id: string, …)". */
struct command_type {
        const char *name;
        const char *definition;
        const char *doc;
};
extern const struct command_type command_types[];
extern const size_t n_command_types;

/* What methods that begin, follow or end an operation answer: how far it is, and last its result
 * {ok, exit, op, release, base, serving, state, impact, pending_restart, confirm, diagnostics,
 * evidence, why}. */
#define COMMAND_OPERATION                                                                     \
        "op: string, phase: string, done: int, total: int, what: ?string, release: int,"     \
        " base: int, serving: int, state: string, why: ?string,"              \
        " confirm: ?(id: string, deadline: ?string), held: bool, result: ?object"

/* An error of io.ragd.Control.  All carry (message, parameter, line), some more. */
struct command_error {
        const char *name;
        int exit_code;
        const char *doc;
        const char *about; /* more fields, "name: type, …", or NULL */
        /* errno values that become this error, ended by 0; the last row takes all others. */
        int codes[16];
};
extern const struct command_error command_errors[];
extern const size_t n_command_errors;

/* Exit codes of ragctl: what a script may rely on. */
enum {
        EXIT_OK = 0,
        EXIT_INTERNAL = 1,
        EXIT_USAGE = 2,
        EXIT_INVALID = 3,
        EXIT_STALE = 4,       /* the plan is of another base */
        EXIT_BUSY = 5,
        EXIT_UNREACHABLE = 6, /* what became of it is unknown: watch tells */
        EXIT_RESTART = 7,     /* applied; some keys wait for the next start */
        EXIT_REVERTED = 8,    /* it failed, and what was before runs */
        EXIT_DEGRADED = 9,    /* what runs is not what it should be */
        EXIT_CHANGES = 10,    /* a plan with changes, see --detailed-exitcode */
        EXIT_PAUSED = 11,     /* inconclusive: it waits for a person */
        EXIT_DENIED = 12,     /* no right, or a rule that only an override lifts */
};

/* The row of this name, which exists. */
const struct command_error *command_error_find(const char *name);
/* The row for a negative errno; never NULL. */
const struct command_error *command_error_of(int code);
/* The exit code for a fully qualified error name of any interface. */
int command_exit_code(const char *error);
