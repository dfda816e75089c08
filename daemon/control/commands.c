/* SPDX-License-Identifier: Apache-2.0 */
#include "control/commands.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define IN(...) (const struct command_field[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }
#define OUT(fields) fields
#define ARG(name, type, doc) { name, type, doc, COMMAND_BOTH, NULL, false }
#define ARG_AS(option, name, type, doc) { name, type, doc, COMMAND_BOTH, option, false }
#define ARG_TEXT(name, type, doc) { name, type, doc, COMMAND_BOTH, NULL, true }
#define WIRE(name, type, doc) { name, type, doc, COMMAND_WIRE, NULL, false }
#define WIRE_TEXT(name, type, doc) { name, type, doc, COMMAND_WIRE, NULL, true }
#define CLIENT(name, type, doc) { name, type, doc, COMMAND_CLIENT, NULL, false }
#define TENANT ARG("tenant", "?string", tenant_doc)

#define CONTROL(usage, method, handler, effect, role, audit, style, doc, input, output)          \
        { usage, CONTROL_INTERFACE, #method, COMMAND_##effect, CONTROL_##role, COMMAND_##audit, \
          COMMAND_##style, doc, input, output },
#define SERVICE(method, handler, effect, role, audit, doc, input, output)                     \
        { NULL, SERVICE_INTERFACE, #method, COMMAND_##effect, CONTROL_##role, COMMAND_##audit, \
          COMMAND_ONCE, doc, input, output },
#define LOCAL(usage, doc, input)                                                             \
        { usage, NULL, NULL, COMMAND_READ, CONTROL_OBSERVE, COMMAND_PLAIN, COMMAND_ONCE, doc, \
          input, NULL },

static const char tenant_doc[] = "The tenant whose it is (default).";

const struct command commands[] = {
#include "control/commands.inc.h"
};
const size_t n_commands = ELEMENTSOF(commands);

const struct command *command_find(const char *method)
{
        const char *dot = strrchr(method, '.');

        for (size_t i = 0; dot && i < n_commands; i++) {
                const struct command *command = &commands[i];
                size_t len = (size_t) (dot - method);

                if (command->interface && strlen(command->interface) == len &&
                    strncmp(command->interface, method, len) == 0 &&
                    strcmp(command->method, dot + 1) == 0)
                        return command;
        }
        return NULL;
}

static void add_length(struct json_object *object, const char *name, struct json_object *value)
{
        char text[32];
        size_t len = 0;

        if (json_object_is_type(value, json_type_string))
                len = (size_t) json_object_get_string_len(value);
        else
                (void) json_text(value, &len);
        (void) snprintf(text, sizeof text, "%zu bytes", len);
        json_add_string(object, name, text);
}

#define NAME_LONGEST 64 /* of tenants and collections, which may begin as keys do */

/* A key in a place where none belongs. */
static bool looks_like_key(struct json_object *value)
{
        return json_object_is_type(value, json_type_string) &&
               json_object_get_string_len(value) > NAME_LONGEST &&
               strstr(json_object_get_string(value), "ragd_");
}

struct json_object *command_logged(const struct command *command, struct json_object *parameters)
{
        struct json_object *object = json_object_new_object(), *value;

        for (const struct command_field *field = command->input; object && field->name; field++) {
                if (!json_object_object_get_ex(parameters, field->name, &value))
                        continue;
                if (value && (field->text || looks_like_key(value)))
                        add_length(object, field->name, value);
                else
                        json_add(object, field->name, json_object_get(value));
        }
        return object;
}

/* ---- Objects ------------------------------------------------------------------------------ */

/* What a parameter names, as a step of a path.  NULL: what the row's first word says. */
static const struct {
        const char *field, *step;
} steps[] = {
        { "tenant", "tenants" },        { "key", "keys" },
        { "collection", "collections" }, { "external_id", "documents" },
        { "number", "generations" },    { "release", "releases" },
        { "plan_id", "plans" },         { "code", "overrides" },
        { "level", "log" },             { "name", NULL },
        { "id", NULL },
};
static const struct {
        const char *word, *step;
} nouns[] = {
        { "tenant", "tenants" },     { "collection", "collections" }, { "job", "jobs" },
        { "provider", "providers" }, { "confirm", "operations" },     { "cancel", "operations" },
        { "extend", "operations" },
};

static const char *step_of(const struct command *command, const char *field)
{
        const char *usage = command->usage ? command->usage : "";
        size_t len = strcspn(usage, " "), i = 0, j = 0;

        while (i < ELEMENTSOF(steps) && strcmp(steps[i].field, field) != 0)
                i++;
        if (i == ELEMENTSOF(steps) || steps[i].step)
                return i < ELEMENTSOF(steps) ? steps[i].step : NULL;
        while (j < ELEMENTSOF(nouns) && (strlen(nouns[j].word) != len ||
                                         strncmp(nouns[j].word, usage, len) != 0))
                j++;
        return j < ELEMENTSOF(nouns) ? nouns[j].step : NULL;
}

/* The field TENANT: it says whose the object is, not which. */
static bool is_whose(const struct command_field *field)
{
        return field->doc == tenant_doc;
}

bool command_has_tenant(const struct command *command)
{
        const struct command_field *field = command->input;

        while (field->name && !is_whose(field))
                field++;
        return field->name;
}

const char *command_object(const struct command *command, struct json_object *parameters,
                           char text[static COMMAND_OBJECT_SIZE])
{
        size_t used = 0;

        text[0] = '\0';
        for (const struct command_field *field = command->input; field->name; field++) {
                const char *step = is_whose(field) ? NULL : step_of(command, field->name);
                struct json_object *value = NULL;

                if (!step || field->side == COMMAND_CLIENT || field->text ||
                    !json_object_object_get_ex(parameters, field->name, &value) || !value ||
                    looks_like_key(value))
                        continue;
                used += (size_t) snprintf(text + used, COMMAND_OBJECT_SIZE - used, "%s%s/%.200s",
                                          used > 0 ? "/" : "", step,
                                          json_object_get_string(value));
                if (used >= COMMAND_OBJECT_SIZE)
                        break;
        }
        return text[0] ? text : NULL;
}

/* ---- Types -------------------------------------------------------------------------------- */

/* The shapes that the HTTP API answers with. */
const struct command_type command_types[] = {
        { "Source",
          "(name: string, text: string, extends: ?(name: string, text: string))",
          "A profile as its author wrote it, and what it extends." },
        { "Diagnostic",
          "(severity: (error, warning), code: string, file: ?string, line: ?int, col: ?int,"
          " path: ?string, message: string, hint: ?string)",
          "What is wrong with a profile, and where." },
        { "Change",
          "(key: string, old: ?string, new: ?string, impact: string, note: ?string)",
          "A key with another value; as TOML, or null: it has none." },
        { "AuditOutcome", "(ok, begun, denied, failed)", "How it ended, or that it began." },
        { "OverrideCode", "(E_DESTRUCTIVE, E_LADDER)", "What an override may allow." },
        { "GoldenQuestion",
          "(set: string, query: string, relevant: object)",
          "A question, and the gain of each document that answers it." },
        { "LogLevel", "(error, warning, notice, info, debug)", "A severity of the log." },
        { "SearchMode", "(hybrid, dense, bm25)", "Which legs of the search are used." },
        { "Collection",
          "(id: string, name: string, language: string, description: ?string,"
          " serving_generation: ?int, created_at: string, documents: ?int, documents_pending: ?int,"
          " documents_failed: ?int, bytes: ?int, chunks: ?int, matches_profile: ?bool,"
          " damage: ?string, recall_audit: ?(searches: int, expected: int, found: int,"
          " recall: ?float), generations: ?[]Generation)",
          "A named set of documents; what must be counted only where one is shown." },
        { "Document",
          "(id: string, external_id: string, version: int, sha256: string,"
          " status: (pending, ready, failed), error: ?string, mime: ?string, title: ?string,"
          " source_url: ?string, metadata: ?object, chunking: ?object, size_bytes: int,"
          " job_id: string, created_at: string, updated_at: string)",
          "A document without its body." },
        { "Chunk",
          "(chunk_id: string, ordinal: int, text: string, tokens: int,"
          " position: (start: int, end: int))",
          "A piece of a document as it is embedded and found; places count bytes." },
        { "Job",
          "(id: string, type: string, status: (queued, running, paused, succeeded, partial, failed,"
          " canceled), collection_id: string, progress: (documents_total: int, documents_done: int,"
          " documents_failed: int, documents_unchanged: int, chunks_done: int, tokens: int),"
          " pause_reason: ?string, attempts: int, errors: []object, created_at: string,"
          " started_at: ?string, finished_at: ?string)",
          "Work that survives a restart." },
        { "Generation",
          "(number: int, state: (building, ready, resting), serving: bool, identity: string,"
          " description: string, dimensions: int, applied_seq: int, documents: int,"
          " chunks_live: int, chunks_dead: int, bytes: int, created_at: string)",
          "One complete index of one collection." },
        { "Index",
          "(collection: string, generation: int, state: (building, ready), engine: string,"
          " serving_graph: bool, nodes: int, unindexed: int, dead: int, built: float,"
          " hot_bytes: int, file_bytes: int, file_number: int, at_limit: bool, damages: int,"
          " words: (documents: int, dead: int, segments: int, memory_bytes: int,"
          " file_bytes: int))",
          "What the indexes of a generation are at: of its vectors, and of its words." },
        { "Rung", "(ef_search: ?int, recall: float, p50_usec: float, p99_usec: float)",
          "What was measured at one ef_search, or of the exact scan." },
        { "Tenant",
          "(id: string, name: string, state: (active, suspended, offloaded, deleted),"
          " created_at: string, state_since: string, used_at: ?string,"
          " archive: ?(path: string, size_bytes: ?int, kept_until: ?string), limits: ?object,"
          " keys: ?(live: int, expired: int, revoked: int))",
          "Whose data it is; limits, with what is used of them, and keys where one is shown." },
        { "Key",
          "(id: string, tenant: string, name: string, scopes: []string, collections: ?[]string,"
          " state: (live, expired, revoked), requests_per_minute: ?int, created_at: string,"
          " expires_at: ?string, revoked_at: ?string, used_at: ?string)",
          "What requests prove themselves with; without collections it may use all." },
        { "UsageBy", "(day, tenant, provider, kind)", "What usage is summed by." },
        { "UsageRow",
          "(day: ?string, tenant: ?string, provider: ?string, kind: ?string, requests: int,"
          " errors: int, input_tokens: int, output_tokens: int, estimated_tokens: int,"
          " cost_microusd: int)",
          "What calls used and cost, in millionths of a dollar; requests include errors." },
        { "Budget",
          "(period: (day, month), spent_microusd: int, limit_microusd: int, used: float,"
          " alert: bool, spent: bool, on_exceeded: string)",
          "What may be spent, and how much of it is." },
        { "Measured",
          "(provider: string, model: ?string, answers: int, errors: int, error: ?string,"
          " avg_usec: ?float, median_usec: ?float, min_usec: ?float, max_usec: ?float,"
          " stddev_usec: ?float, p95_usec: ?float, input_tokens: int, output_tokens: int,"
          " estimated: bool, cost_microusd: int)",
          "How a provider did; times are of calls that succeeded, from sending to the end." },
};
const size_t n_command_types = ELEMENTSOF(command_types);

const struct command_error command_errors[] = {
        { "NotFound", EXIT_INVALID, "There is no such thing.", NULL, { ENOENT } },
        { "Exists", EXIT_INVALID, "The name is taken.", NULL, { EEXIST } },
        { "Invalid",
          EXIT_INVALID,
          "What was asked makes no sense; message and parameter say why.",
          NULL,
          { EINVAL, EBADMSG, EILSEQ, EMEDIUMTYPE, ERANGE, EPERM, E2BIG, EFBIG, EALREADY, EUCLEAN,
            EOPNOTSUPP, ENODATA } },
        { "Mismatch", EXIT_INVALID, "Index and profile do not fit; message names the remedy.",
          NULL, { ESTALE } },
        { "Busy", EXIT_BUSY, "Something else is under way.", "op: ?string", { EBUSY, EAGAIN } },
        { "NoSpace", EXIT_INTERNAL, "The disk is full; nothing was changed.", NULL, { ENOSPC } },
        { "QuotaExceeded", EXIT_DENIED, "A limit of the tenant is reached; message says which.",
          NULL, { EDQUOT } },
        { "Unavailable", EXIT_INTERNAL, "No provider answers as it should.", NULL,
          { EHOSTUNREACH } },
        /* Of releases; their handlers name them. */
        { "InvalidConfig", EXIT_INVALID, "The profile has errors; nothing was changed.",
          "diagnostics: []Diagnostic", { 0 } },
        { "StalePlan", EXIT_STALE, "What runs is not what was planned for: make a new plan.", NULL,
          { 0 } },
        { "ConfirmPending", EXIT_BUSY, "A release waits to be confirmed.",
          "op: ?string, id: ?string, deadline: ?string", { 0 } },
        { "CostNotAccepted", EXIT_CHANGES, "It takes work, which has to be accepted.",
          "cost: ?object", { 0 } },
        { "Refused", EXIT_DENIED, "A rule forbids it; some an override lifts.", NULL, { 0 } },
        { "RolledBack", EXIT_REVERTED, "It failed, and what was before runs.", "result: ?object",
          { 0 } },
        { "Degraded", EXIT_DEGRADED, "It failed, and so did the way back.", "result: ?object",
          { 0 } },
        { "Failed", EXIT_INTERNAL, "It went wrong, and not for what was asked.", NULL, { 0 } },
};
const size_t n_command_errors = ELEMENTSOF(command_errors);

const struct command_error *command_error_find(const char *name)
{
        size_t i = 0;

        while (i + 1 < n_command_errors && strcmp(command_errors[i].name, name) != 0)
                i++;
        return &command_errors[i];
}

const struct command_error *command_error_of(int code)
{
        for (size_t i = 0; i < n_command_errors; i++)
                for (size_t j = 0; command_errors[i].codes[j] != 0; j++)
                        if (command_errors[i].codes[j] == -code)
                                return &command_errors[i];
        return &command_errors[n_command_errors - 1];
}

int command_exit_code(const char *error)
{
        static const struct {
                const char *name;
                int exit_code;
        } standard[] = {
                { VARLINK_INTERFACE ".PermissionDenied", EXIT_DENIED },
                { VARLINK_INTERFACE ".InvalidParameter", EXIT_INVALID },
        };
        size_t len = sizeof CONTROL_INTERFACE - 1;

        for (size_t i = 0; i < ELEMENTSOF(standard); i++)
                if (strcmp(standard[i].name, error) == 0)
                        return standard[i].exit_code;
        if (strncmp(error, CONTROL_INTERFACE ".", len + 1) != 0)
                return EXIT_INTERNAL;
        for (size_t i = 0; i < n_command_errors; i++)
                if (strcmp(command_errors[i].name, error + len + 1) == 0)
                        return command_errors[i].exit_code;
        return EXIT_INTERNAL;
}
