/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "table.h"

#include "screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define COLUMNS_MAX 16
#define LAST_MIN 8 /* columns that the last one keeps on the narrowest terminal */

void table_init(struct table *table, const char *const *headers)
{
        *table = (struct table){ .headers = headers };
        while (headers[table->n_columns] && table->n_columns < COLUMNS_MAX)
                table->n_columns++;
}

void table_done(struct table *table)
{
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i]);
        free(table->cells);
        *table = (struct table){ 0 };
}

void table_add(struct table *table, const char *text)
{
        if (table->n_cells == table->capacity) {
                size_t capacity = table->capacity ? 2 * table->capacity : 64;
                char **cells = reallocarray(table->cells, capacity, sizeof *cells);

                if (!cells) {
                        table->failed = true;
                        return;
                }
                table->cells = cells;
                table->capacity = capacity;
        }
        char *copy = strdup(text && *text ? text : "-");

        if (copy)
                table->cells[table->n_cells++] = copy;
        else
                table->failed = true;
}

void table_add_u64(struct table *table, uint64_t number)
{
        table_add_format(table, "%ju", (uintmax_t) number);
}

void table_add_format(struct table *table, const char *format, ...)
{
        va_list arguments;
        char *text = NULL;

        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        va_end(arguments);
        if (text)
                table_add(table, text);
        else
                table->failed = true;
        free(text);
}

void table_add_member(struct table *table, struct json_object *object, const char *key)
{
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(object, key, &value);
        table_add(table, value ? json_object_get_string(value) : NULL);
}

static bool is_right(const char *header)
{
        return header[0] == '>';
}

static const char *cell_text(const struct table *table, size_t row, size_t column)
{
        const char *header = table->headers[column];

        return row == 0 ? header + is_right(header)
                        : table->cells[(row - 1) * table->n_columns + column];
}

void table_print(const struct table *table, FILE *file, const char *bold, const char *plain,
                 size_t width)
{
        size_t n_rows = 1 + table->n_cells / table->n_columns;
        size_t last = table->n_columns - 1, left = 0;
        size_t widths[COLUMNS_MAX] = { 0 };

        for (size_t row = 0; row < n_rows; row++)
                for (size_t column = 0; column <= last; column++) {
                        const char *text = cell_text(table, row, column);
                        size_t columns = screen_width(text, strlen(text));

                        if (columns > widths[column])
                                widths[column] = columns;
                }
        for (size_t column = 0; column < last; column++)
                left += widths[column] + GAP;
        if (width > 0 && left + widths[last] > width)
                widths[last] = width > left + LAST_MIN ? width - left : LAST_MIN;

        for (size_t row = 0; row < n_rows; row++) {
                if (row == 0)
                        (void) fputs(bold, file);
                for (size_t column = 0; column <= last; column++) {
                        screen_write_cell(file, cell_text(table, row, column), widths[column],
                                          is_right(table->headers[column]), column < last);
                        if (column < last)
                                (void) fprintf(file, "%*s", GAP, "");
                }
                (void) fprintf(file, "%s\n", row == 0 ? plain : "");
        }
}
