/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Cutting a multi-byte character in half would make the message invalid UTF-8. */
static void trim_partial_character(char *text)
{
        size_t len = strlen(text);
        size_t tail = 0;

        while (tail < len && tail < 3 && ((unsigned char) text[len - 1 - tail] & 0xC0U) == 0x80U)
                tail++;
        if (tail == len)
                return;

        unsigned char lead = (unsigned char) text[len - 1 - tail];
        size_t wanted = lead >= 0xF0U ? 3 : lead >= 0xE0U ? 2 : lead >= 0xC0U ? 1 : 0;

        if (wanted > tail)
                text[len - 1 - tail] = '\0';
}

__attribute__((format(printf, 5, 0)))
static void fill(struct error *reterr, int code, const char *file, int line, const char *format,
                 va_list arguments)
{
        memset(&reterr->origin, 0, sizeof reterr->origin);
        reterr->code = code;
        reterr->file = file;
        reterr->line = line;
        (void) vsnprintf(reterr->message, sizeof reterr->message, format, arguments);
        trim_partial_character(reterr->message);
}

int error_set_at(struct error *reterr, int code, const char *file, int line, const char *format, ...)
{
        va_list arguments;

        if (!reterr)
                return code;
        va_start(arguments, format);
        fill(reterr, code, file, line, format, arguments);
        va_end(arguments);
        return code;
}

int error_set_errno_at(struct error *reterr, int code, const char *file, int line,
                       const char *format, ...)
{
        va_list arguments;
        size_t used;

        if (!reterr)
                return code;
        va_start(arguments, format);
        fill(reterr, code, file, line, format, arguments);
        va_end(arguments);

        used = strlen(reterr->message);
        (void) snprintf(reterr->message + used, sizeof reterr->message - used, ": %s",
                        strerror(-code));
        trim_partial_character(reterr->message);
        return code;
}

int error_prefix(struct error *reterr, int code, const char *format, ...)
{
        char context[ERROR_MESSAGE_MAX];
        char whole[2 * ERROR_MESSAGE_MAX + 2];
        va_list arguments;

        if (!reterr)
                return code;
        va_start(arguments, format);
        (void) vsnprintf(context, sizeof context, format, arguments);
        va_end(arguments);

        (void) snprintf(whole, sizeof whole, "%s: %s", context, error_text(reterr));
        whole[sizeof reterr->message - 1] = '\0';
        memcpy(reterr->message, whole, sizeof reterr->message);
        trim_partial_character(reterr->message);
        return reterr->code;
}

void error_set_origin(struct error *reterr, const char *file, const char *key, uint32_t line,
                      uint32_t column)
{
        if (!reterr)
                return;
        if (file)
                (void) snprintf(reterr->origin.file, sizeof reterr->origin.file, "%s", file);
        if (key)
                (void) snprintf(reterr->origin.key, sizeof reterr->origin.key, "%s", key);
        if (line)
                reterr->origin.line = line;
        if (column)
                reterr->origin.column = column;
}

const char *error_text(const struct error *error)
{
        return error->message[0] != '\0' ? error->message : strerror(-error->code);
}
