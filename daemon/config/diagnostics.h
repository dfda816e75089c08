/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a profile, and where: the list that loading and validating fill, and its
 * two forms, lines for people and JSON for programs.  Shared by the daemon and ragctl.
 *
 * A list that ran out of memory remembers it (`failed`) and is then incomplete. */
#pragma once
#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum config_severity {
        CONFIG_ERROR,
        CONFIG_WARNING,
        CONFIG_SEVERITY_MAX,
        CONFIG_SEVERITY_INVALID = -EINVAL,
};

const char *config_severity_name(enum config_severity severity);
enum config_severity config_severity_from_name(const char *name);

struct config_diagnostic {
        enum config_severity severity;
        const char *code; /* "E_RANGE", constant */
        char *file;
        uint32_t line, column; /* 0: the file as a whole */
        char *path;            /* key or table; NULL: none */
        char *message;
        char *hint; /* NULL: none */
        size_t order; /* of two at one place, the first found comes first */
};

struct config_diagnostics {
        size_t count, capacity;
        struct config_diagnostic *items;
        size_t errors, warnings;
        bool failed;
};

#define CONFIG_DIAGNOSTICS_EMPTY ((struct config_diagnostics){ 0 })

void config_diagnostics_done(struct config_diagnostics *diagnostics); /* empty and usable again */
#define cleanup_diagnostics_ cleanup_(config_diagnostics_done)

/* Adds one; `path` may be NULL.  The hint of the newest is set afterwards. */
void config_diagnostics_add(struct config_diagnostics *diagnostics, enum config_severity severity,
                            const char *code, const char *file, uint32_t line, uint32_t column,
                            const char *path, const char *format, ...)
        __attribute__((format(printf, 8, 9)));
void config_diagnostics_add_list(struct config_diagnostics *diagnostics,
                                 enum config_severity severity, const char *code,
                                 const char *file, uint32_t line, uint32_t column,
                                 const char *path, const char *format, va_list arguments)
        __attribute__((format(printf, 8, 0)));
void config_diagnostics_hint(struct config_diagnostics *diagnostics, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void config_diagnostics_hint_list(struct config_diagnostics *diagnostics, const char *format,
                                  va_list arguments) __attribute__((format(printf, 2, 0)));

/* By file in the order in which the files came up, then line and column. */
void config_diagnostics_sort(struct config_diagnostics *diagnostics);

/* `file:line:col: error: path: message (hint)`, one line each, ended by newlines. */
void config_diagnostic_format(const struct config_diagnostic *diagnostic, struct buf *buf);
void config_diagnostics_format(const struct config_diagnostics *diagnostics,
                               enum config_severity severity, struct buf *buf);

/* Array of {severity, code, file, line, col, path, message, hint}; NULL: out of memory. */
struct json_object *config_diagnostics_json(const struct config_diagnostics *diagnostics);
