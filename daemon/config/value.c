/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include "base/cleanup.h"
#include "config/schema_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void point(const struct config *config, struct config_value *value)
{
        const struct config_row *row = value->row;

        if (value->provider) {
                size_t at = (size_t) (value->provider - config->providers);

                value->field = (char *) value->provider + row->offset;
                value->origin = &config->origins->providers[at][config_row_index(row)];
        } else {
                value->field = (char *) config + row->offset;
                value->origin = &config->origins->fixed[config_row_index(row)];
        }
}

bool config_value_next(const struct config *config, struct config_value *value)
{
        while (value->next_section < config_section_count) {
                const struct config_section *section = &config_sections[value->next_section];
                bool templated = section->rows == provider_rows;

                if (value->next_row < *section->count &&
                    (!templated || value->next_provider < config->provider_count)) {
                        value->section = section;
                        value->row = &section->rows[value->next_row++];
                        value->provider =
                                templated ? &config->providers[value->next_provider] : NULL;
                        point(config, value);
                        return true;
                }
                value->next_row = 0;
                if (templated && value->next_provider + 1 < config->provider_count) {
                        value->next_provider++;
                        continue;
                }
                value->next_section++;
        }
        return false;
}

struct config_value config_value_of(const struct config *config, const struct config_row *row,
                                    const struct provider_config *provider)
{
        struct config_value value = { .row = row };

        if (provider)
                value.provider = &config->providers[provider - config->providers];
        point(config, &value);
        return value;
}

void config_value_path(const struct config_value *value, struct buf *buf)
{
        if (value->provider)
                buf_append_format(buf, CONFIG_PROVIDERS ".%s.%s", value->provider->name,
                                  config_row_leaf(value->row));
        else
                buf_append_text(buf, value->row->key);
}

/* ---- Presence --------------------------------------------------------------------------- */

/* The `has_` companion lies in the same struct as the field. */
static bool *companion(const struct config_value *value)
{
        if (value->row->has_offset == 0)
                return NULL;
        return (bool *) ((char *) value->field - value->row->offset + value->row->has_offset);
}

void config_value_mark(const struct config_value *value, bool present)
{
        bool *has = companion(value);

        if (has)
                *has = present;
}

bool config_value_unset(const struct config_value *value)
{
        const bool *has = companion(value);

        if (has)
                return !*has;
        switch (value->row->type) {
        case CONFIG_STRING:
                return *(char **) value->field == NULL;
        case CONFIG_U32:
                return !value->row->dflt && *(uint32_t *) value->field == 0;
        default:
                return false;
        }
}

/* ---- Comparing -------------------------------------------------------------------------- */

static bool equal_strings(const struct config_strings *a, const struct config_strings *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (strcmp(a->items[i], b->items[i]) != 0)
                        return false;
        return true;
}

static bool equal_numbers(const struct config_numbers *a, const struct config_numbers *b)
{
        return a->count == b->count &&
               (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof *a->items) == 0);
}

bool config_value_equal(const struct config_value *a, const struct config_value *b)
{
        if (config_value_unset(a) || config_value_unset(b))
                return config_value_unset(a) && config_value_unset(b);
        switch (a->row->type) {
        case CONFIG_BOOL:
                return *(bool *) a->field == *(bool *) b->field;
        case CONFIG_U32:
                return *(uint32_t *) a->field == *(uint32_t *) b->field;
        case CONFIG_U64:
                return *(uint64_t *) a->field == *(uint64_t *) b->field;
        case CONFIG_DOUBLE: /* both were written, not computed: the same text is the same value */
                return memcmp(a->field, b->field, sizeof(double)) == 0;
        case CONFIG_STRING:
                return strcmp(*(char **) a->field, *(char **) b->field) == 0;
        case CONFIG_STRINGS:
                return equal_strings(a->field, b->field);
        case CONFIG_NUMBERS:
                return equal_numbers(a->field, b->field);
        case CONFIG_ENUM:
        default:
                return *(int *) a->field == *(int *) b->field;
        }
}

/* ---- Writing ---------------------------------------------------------------------------- */

void config_format_double(double number, struct buf *buf)
{
        char text[40];

        for (int digits = 15; digits <= 17; digits++) {
                (void) snprintf(text, sizeof text, "%.*g", digits, number);
                if (strtod(text, NULL) == number)
                        break;
        }
        buf_append_text(buf, text);
        if (!strpbrk(text, ".e"))
                buf_append_text(buf, ".0");
}

void config_format_string(const char *text, struct buf *buf)
{
        buf_append_char(buf, '"');
        for (const char *c = text; *c; c++) {
                switch (*c) {
                case '"':
                case '\\':
                        buf_append_char(buf, '\\');
                        buf_append_char(buf, *c);
                        break;
                case '\n':
                        buf_append_text(buf, "\\n");
                        break;
                case '\t':
                        buf_append_text(buf, "\\t");
                        break;
                default:
                        if ((unsigned char) *c < 0x20 || *c == 0x7F)
                                buf_append_format(buf, "\\u%04X", (unsigned) *c);
                        else
                                buf_append_char(buf, *c);
                }
        }
        buf_append_char(buf, '"');
}

static void format_strings(const struct config_strings *strings, struct buf *buf)
{
        buf_append_char(buf, '[');
        for (size_t i = 0; i < strings->count; i++) {
                buf_append_text(buf, i > 0 ? ", " : "");
                config_format_string(strings->items[i], buf);
        }
        buf_append_char(buf, ']');
}

static void format_numbers(const struct config_numbers *numbers, struct buf *buf)
{
        buf_append_char(buf, '[');
        for (size_t i = 0; i < numbers->count; i++)
                buf_append_format(buf, "%s%" PRIu32, i > 0 ? ", " : "", numbers->items[i]);
        buf_append_char(buf, ']');
}

void config_value_format(const struct config_value *value, struct buf *buf)
{
        if (config_value_unset(value))
                return;
        switch (value->row->type) {
        case CONFIG_BOOL:
                buf_append_text(buf, *(bool *) value->field ? "true" : "false");
                break;
        case CONFIG_U32:
                buf_append_format(buf, "%" PRIu32, *(uint32_t *) value->field);
                break;
        case CONFIG_U64:
                buf_append_format(buf, "%" PRIu64, *(uint64_t *) value->field);
                break;
        case CONFIG_DOUBLE:
                config_format_double(*(double *) value->field, buf);
                break;
        case CONFIG_STRING:
                config_format_string(*(char **) value->field, buf);
                break;
        case CONFIG_STRINGS:
                format_strings(value->field, buf);
                break;
        case CONFIG_NUMBERS:
                format_numbers(value->field, buf);
                break;
        case CONFIG_ENUM:
        default:
                config_format_string(value->row->names[*(int *) value->field], buf);
                break;
        }
}

/* ---- Defaults and memory ---------------------------------------------------------------- */

static void strings_done(struct config_strings *strings)
{
        for (size_t i = 0; i < strings->count; i++)
                free(strings->items[i]);
        free(strings->items);
        *strings = (struct config_strings){ 0 };
}

void config_value_done(const struct config_value *value)
{
        switch (value->row->type) {
        case CONFIG_STRING:
                free(*(char **) value->field);
                *(char **) value->field = NULL;
                break;
        case CONFIG_STRINGS:
                strings_done(value->field);
                break;
        case CONFIG_NUMBERS:
                free(((struct config_numbers *) value->field)->items);
                *(struct config_numbers *) value->field = (struct config_numbers){ 0 };
                break;
        default:
                break;
        }
}

static size_t list_length(const char *text)
{
        size_t count = *text ? 1 : 0;

        for (; *text; text++)
                count += *text == ',';
        return count;
}

static int default_strings(struct config_strings *strings, const char *text)
{
        size_t count = list_length(text);

        if (count == 0)
                return 0;
        strings->items = calloc(count, sizeof *strings->items);
        if (!strings->items)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                size_t len = strcspn(text, ",");

                strings->items[i] = strndup(text, len);
                if (!strings->items[i])
                        return -ENOMEM;
                strings->count++;
                text += len + 1;
        }
        return 0;
}

static int default_numbers(struct config_numbers *numbers, const char *text)
{
        size_t count = list_length(text);
        char *end;

        if (count == 0)
                return 0;
        numbers->items = calloc(count, sizeof *numbers->items);
        if (!numbers->items)
                return -ENOMEM;
        for (; numbers->count < count; text = end + 1)
                numbers->items[numbers->count++] = (uint32_t) strtoul(text, &end, 10);
        return 0;
}

static int name_index(const char *const names[], const char *name)
{
        int i = 0;

        while (names[i] && strcmp(names[i], name) != 0)
                i++;
        return i;
}

int config_value_reset(const struct config_value *value)
{
        const char *text = value->row->dflt;

        config_value_done(value);
        config_value_mark(value, false);
        if (!text)
                return 0;
        switch (value->row->type) {
        case CONFIG_BOOL:
                *(bool *) value->field = strcmp(text, "true") == 0;
                return 0;
        case CONFIG_U32:
                *(uint32_t *) value->field = (uint32_t) strtoul(text, NULL, 10);
                return 0;
        case CONFIG_U64:
                *(uint64_t *) value->field = strtoull(text, NULL, 10);
                return 0;
        case CONFIG_DOUBLE:
                *(double *) value->field = strtod(text, NULL);
                return 0;
        case CONFIG_STRING:
                *(char **) value->field = strdup(text);
                return *(char **) value->field ? 0 : -ENOMEM;
        case CONFIG_STRINGS:
                return default_strings(value->field, text);
        case CONFIG_NUMBERS:
                return default_numbers(value->field, text);
        case CONFIG_ENUM:
        default:
                *(int *) value->field = name_index(value->row->names, text);
                return 0;
        }
}
