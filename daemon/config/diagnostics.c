/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "config/diagnostics.h"

#include "base/enum.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const config_severity_names[CONFIG_SEVERITY_MAX] = {
        [CONFIG_ERROR] = "error",
        [CONFIG_WARNING] = "warning",
};
DEFINE_ENUM_NAMES(config_severity, enum config_severity)

static void diagnostic_done(struct config_diagnostic *diagnostic)
{
        free(diagnostic->file);
        free(diagnostic->path);
        free(diagnostic->message);
        free(diagnostic->hint);
}

void config_diagnostics_done(struct config_diagnostics *diagnostics)
{
        for (size_t i = 0; i < diagnostics->count; i++)
                diagnostic_done(&diagnostics->items[i]);
        free(diagnostics->items);
        *diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
}

static char *format_text(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
static char *format_text(const char *format, va_list arguments)
{
        char *text;

        return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

/* One line for each diagnostic, and nothing that a terminal would obey: keys and words of the
 * profile are repeated in it. */
static void make_printable(char *text)
{
        for (; text && *text; text++)
                if ((unsigned char) *text < 0x20 || *text == 0x7F)
                        *text = '?';
}

static struct config_diagnostic *grow(struct config_diagnostics *diagnostics)
{
        if (diagnostics->count == diagnostics->capacity) {
                size_t capacity = diagnostics->capacity ? diagnostics->capacity * 2 : 8;
                struct config_diagnostic *items =
                        reallocarray(diagnostics->items, capacity, sizeof *items);

                if (!items)
                        return NULL;
                diagnostics->items = items;
                diagnostics->capacity = capacity;
        }
        return &diagnostics->items[diagnostics->count];
}

void config_diagnostics_add_list(struct config_diagnostics *diagnostics,
                                 enum config_severity severity, const char *code,
                                 const char *file, uint32_t line, uint32_t column,
                                 const char *path, const char *format, va_list arguments)
{
        struct config_diagnostic *item = grow(diagnostics);

        /* Counted even when it cannot be told: an error must never pass for none. */
        if (severity == CONFIG_ERROR)
                diagnostics->errors++;
        else
                diagnostics->warnings++;
        if (!item) {
                diagnostics->failed = true;
                return;
        }
        *item = (struct config_diagnostic){ .severity = severity,
                                            .code = code,
                                            .file = strdup(file),
                                            .line = line,
                                            .column = column,
                                            .path = path ? strdup(path) : NULL,
                                            .message = format_text(format, arguments),
                                            .order = diagnostics->count };
        if (!item->file || (path && !item->path) || !item->message) {
                diagnostic_done(item);
                diagnostics->failed = true;
                return;
        }
        make_printable(item->path);
        make_printable(item->message);
        diagnostics->count++;
}

void config_diagnostics_add(struct config_diagnostics *diagnostics, enum config_severity severity,
                            const char *code, const char *file, uint32_t line, uint32_t column,
                            const char *path, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        config_diagnostics_add_list(diagnostics, severity, code, file, line, column, path, format,
                                    arguments);
        va_end(arguments);
}

void config_diagnostics_hint_list(struct config_diagnostics *diagnostics, const char *format,
                                  va_list arguments)
{
        struct config_diagnostic *item;

        if (diagnostics->failed || diagnostics->count == 0)
                return;
        item = &diagnostics->items[diagnostics->count - 1];
        free(item->hint);
        item->hint = format_text(format, arguments);
        if (!item->hint)
                diagnostics->failed = true;
        make_printable(item->hint);
}

void config_diagnostics_hint(struct config_diagnostics *diagnostics, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        config_diagnostics_hint_list(diagnostics, format, arguments);
        va_end(arguments);
}

static int compare_numbers(size_t a, size_t b)
{
        return a < b ? -1 : a > b;
}

static int compare_places(const void *a, const void *b)
{
        const struct config_diagnostic *left = a, *right = b;
        int r = 0;

        if (strcmp(left->file, right->file) == 0) {
                r = compare_numbers(left->line, right->line);
                if (r == 0)
                        r = compare_numbers(left->column, right->column);
        }
        return r != 0 ? r : compare_numbers(left->order, right->order);
}

void config_diagnostics_sort(struct config_diagnostics *diagnostics)
{
        size_t start = 0;

        /* Stable by file: each file's findings move to where the file first came up. */
        while (start < diagnostics->count) {
                const char *file = diagnostics->items[start].file;
                size_t end = start + 1;

                for (size_t i = end; i < diagnostics->count; i++) {
                        struct config_diagnostic moved = diagnostics->items[i];

                        if (strcmp(moved.file, file) != 0)
                                continue;
                        memmove(&diagnostics->items[end + 1], &diagnostics->items[end],
                                (i - end) * sizeof moved);
                        diagnostics->items[end++] = moved;
                }
                qsort(&diagnostics->items[start], end - start, sizeof diagnostics->items[0],
                      compare_places);
                start = end;
        }
}

void config_diagnostic_format(const struct config_diagnostic *diagnostic, struct buf *buf)
{
        buf_append_text(buf, diagnostic->file);
        if (diagnostic->line)
                buf_append_format(buf, ":%u:%u", diagnostic->line, diagnostic->column);
        buf_append_format(buf, ": %s: ", config_severity_name(diagnostic->severity));
        if (diagnostic->path)
                buf_append_format(buf, "%s: ", diagnostic->path);
        buf_append_text(buf, diagnostic->message);
        if (diagnostic->hint)
                buf_append_format(buf, " (%s)", diagnostic->hint);
        buf_append_char(buf, '\n');
}

void config_diagnostics_format(const struct config_diagnostics *diagnostics,
                               enum config_severity severity, struct buf *buf)
{
        for (size_t i = 0; i < diagnostics->count; i++)
                if (diagnostics->items[i].severity == severity)
                        config_diagnostic_format(&diagnostics->items[i], buf);
}

struct json_object *config_diagnostics_json(const struct config_diagnostics *diagnostics)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < diagnostics->count; i++) {
                const struct config_diagnostic *diagnostic = &diagnostics->items[i];
                struct json_object *object = json_object_new_object();

                if (!object) {
                        json_object_put(array);
                        return NULL;
                }
                json_add_string(object, "severity", config_severity_name(diagnostic->severity));
                json_add_string(object, "code", diagnostic->code);
                json_add_string(object, "file", diagnostic->file);
                if (diagnostic->line) {
                        json_add_u64(object, "line", diagnostic->line);
                        json_add_u64(object, "col", diagnostic->column);
                }
                if (diagnostic->path)
                        json_add_string(object, "path", diagnostic->path);
                json_add_string(object, "message", diagnostic->message);
                if (diagnostic->hint)
                        json_add_string(object, "hint", diagnostic->hint);
                json_add(array, NULL, object);
        }
        return array;
}
