/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/cleanup.h"
#include "base/enum.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LOG_FIELDS_MAX 16
#define LOG_MESSAGE_MAX 1024

static const char *const log_level_names[LOG_LEVEL_MAX] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};
DEFINE_ENUM_NAMES(log_level, enum log_level)

/* The one process-wide setting that any thread reads on each message. */
static _Atomic int current_level = LOG_LEVEL_INFO;
static bool to_journal;
static bool to_terminal;

/* systemd tells device and inode of the stream it connected to standard error. */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(void)
{
        to_journal = stderr_is_journal();
        to_terminal = isatty(STDERR_FILENO) == 1;
}

void log_set_level(enum log_level level)
{
        atomic_store_explicit(&current_level, (int) level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
        return (enum log_level) atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
        return (int) level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_is_journal(void)
{
        return to_journal;
}

static void write_journal(enum log_level level, const char *const fields[], const char *message)
{
        char text[LOG_FIELDS_MAX][LOG_MESSAGE_MAX + 32];
        struct iovec iov[LOG_FIELDS_MAX];
        int n = 0;

        (void) snprintf(text[n], sizeof text[n], "PRIORITY=%d", (int) level);
        iov[n] = (struct iovec){ text[n], strlen(text[n]) };
        n++;
        (void) snprintf(text[n], sizeof text[n], "MESSAGE=%s", message);
        iov[n] = (struct iovec){ text[n], strlen(text[n]) };
        n++;
        for (size_t i = 0; fields && fields[i] && n < LOG_FIELDS_MAX; i += 2, n++) {
                (void) snprintf(text[n], sizeof text[n], "%s=%s", fields[i], fields[i + 1]);
                iov[n] = (struct iovec){ text[n], strlen(text[n]) };
        }
        (void) sd_journal_sendv(iov, n);
}

void log_write(enum log_level level, const char *const fields[], const char *format, ...)
{
        char message[LOG_MESSAGE_MAX];
        va_list arguments;

        if (!log_enabled(level))
                return;
        va_start(arguments, format);
        (void) vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
        for (char *c = message; *c != '\0'; c++)
                if ((unsigned char) *c < 0x20 || *c == 0x7F)
                        *c = ' ';

        if (to_journal) {
                write_journal(level, fields, message);
        } else {
                const char *colour = !to_terminal                ? ""
                                     : level <= LOG_LEVEL_ERROR   ? "\x1b[31m"
                                     : level <= LOG_LEVEL_WARNING ? "\x1b[33m"
                                                                  : "";
                const char *severity = level <= LOG_LEVEL_WARNING ? log_level_name(level) : NULL;

                (void) dprintf(STDERR_FILENO, "%sragd: %s%s%s\n", colour, severity ? severity : "",
                               severity ? ": " : "", message);
                if (*colour)
                        (void) dprintf(STDERR_FILENO, "\x1b[0m");
        }
}
