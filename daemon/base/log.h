/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for the operator: journal entries with fields when standard error is connected to
 * the journal, plain lines otherwise.  Libraries below the doors return errors instead; only
 * doors, job runners and main.c log, once per event.  Any thread may call. */
#pragma once
#include "base/error.h"

#include <stdbool.h>

/* The syslog severities that ragd uses, so that a level is what the journal shows. */
enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
        LOG_LEVEL_MAX,
        LOG_LEVEL_INVALID = -EINVAL,
};

const char *log_level_name(enum log_level level);
enum log_level log_level_from_name(const char *name);

/* Chooses journal or plain lines by $JOURNAL_STREAM; call once before other threads exist. */
void log_open(void);

/* Whether that is the journal: it takes fields. */
bool log_is_journal(void);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_enabled(enum log_level level);

/* `fields` are journal fields as alternating name and value, ended by NULL, or NULL itself.
 * Newlines in the message are written as spaces: one event, one line. */
void log_write(enum log_level level, const char *const fields[], const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...) \
        (log_enabled(LOG_LEVEL_DEBUG) ? log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__) : (void) 0)
