/* SPDX-License-Identifier: Apache-2.0 */
#include "config/document.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "config/schema.h"
#include "config/schema_rows.h"

#include <stdlib.h>
#include <string.h>

/* ---- JSON Schema -------------------------------------------------------------------------- */

#define SECRET_PATTERN \
        "^(credential:[A-Za-z0-9_-][A-Za-z0-9._-]*|file:/.*|env:[A-Za-z_][A-Za-z0-9_]*)$"
#define SECRET_OR_OFF_PATTERN \
        "^(off|credential:[A-Za-z0-9_-][A-Za-z0-9._-]*|file:/.*|env:[A-Za-z_][A-Za-z0-9_]*)$"

static bool is_list(const struct config_row *row)
{
        return row->type == CONFIG_STRINGS || row->type == CONFIG_NUMBERS;
}

static const char *schema_type(const struct config_row *row)
{
        switch (row->type) {
        case CONFIG_BOOL:
                return "boolean";
        case CONFIG_U32:
        case CONFIG_U64:
        case CONFIG_NUMBERS:
                return "integer";
        case CONFIG_DOUBLE:
                return "number";
        default:
                return "string";
        }
}

/* What one item of a list, or a single value, has to be. */
static void add_constraints(struct json_object *object, const struct config_row *row)
{
        json_add_string(object, "type", schema_type(row));
        switch (row->type) {
        case CONFIG_U32:
        case CONFIG_U64:
        case CONFIG_NUMBERS:
                json_add_u64(object, "minimum", (uint64_t) config_row_min(row));
                if (row->max != 0)
                        json_add_u64(object, "maximum", (uint64_t) config_row_max(row));
                break;
        case CONFIG_DOUBLE:
                json_add_double(object, "minimum", config_row_min(row));
                json_add_double(object, "maximum", config_row_max(row));
                break;
        case CONFIG_ENUM: {
                struct json_object *names = json_object_new_array();

                for (size_t i = 0; names && row->names[i]; i++)
                        json_add_string(names, NULL, row->names[i]);
                json_add(object, "enum", names);
                break;
        }
        case CONFIG_STRING:
        case CONFIG_STRINGS:
                if (row->flags & CONFIG_SECRET)
                        json_add_string(object, "pattern",
                                        row->dflt ? SECRET_OR_OFF_PATTERN : SECRET_PATTERN);
                else if (!(row->flags & CONFIG_MAY_BE_EMPTY))
                        json_add_u64(object, "minLength", 1);
                break;
        default:
                break;
        }
}

static struct json_object *scalar_default(const struct config_row *row, const char *text)
{
        switch (row->type) {
        case CONFIG_BOOL:
                return json_object_new_boolean(strcmp(text, "true") == 0);
        case CONFIG_U32:
        case CONFIG_U64:
        case CONFIG_NUMBERS:
                return json_object_new_uint64(strtoull(text, NULL, 10));
        case CONFIG_DOUBLE:
                return json_object_new_double_s(strtod(text, NULL), text);
        default:
                return json_object_new_string(text);
        }
}

static struct json_object *list_default(const struct config_row *row)
{
        struct json_object *array = json_object_new_array();
        const char *text = row->dflt;

        while (array && *text) {
                size_t len = strcspn(text, ",");
                cleanup_free_ char *item = strndup(text, len);

                if (!item) {
                        json_object_put(array);
                        return NULL;
                }
                json_add(array, NULL, scalar_default(row, item));
                text += len + (text[len] == ',');
        }
        return array;
}

static void add_property(struct json_object *properties, const struct config_row *row)
{
        struct json_object *object = json_object_new_object(), *items;

        if (!object)
                return;
        json_add(properties, config_row_leaf(row), object);
        json_add_string(object, "description", row->doc);
        if (is_list(row)) {
                json_add_string(object, "type", "array");
                items = json_object_new_object();
                if (items)
                        add_constraints(items, row);
                json_add(object, "items", items);
        } else {
                add_constraints(object, row);
        }
        if (row->dflt)
                json_add(object, "default",
                         is_list(row) ? list_default(row) : scalar_default(row, row->dflt));
        if (row->unit != UNIT_NONE)
                json_add_string(object, "x-unit", config_unit_name(row->unit));
        json_add_string(object, "x-impact", config_impact_name(row->impact));
        json_add_string(object, "x-since", row->since);
}

/* The schema of a table, made where it is not there yet; `properties` of its parent. */
static struct json_object *table_schema(struct json_object *properties, const char *name)
{
        struct json_object *table, *own;

        if (json_object_object_get_ex(properties, name, &table))
                return table;
        table = json_object_new_object();
        own = json_object_new_object();
        if (!table || !own) {
                json_object_put(own);
                return table;
        }
        json_add_string(table, "type", "object");
        json_add(table, "properties", own);
        json_add_bool(table, "additionalProperties", false);
        json_add(properties, name, table);
        return table;
}

static struct json_object *properties_of(struct json_object *table)
{
        struct json_object *properties = NULL;

        (void) json_object_object_get_ex(table, "properties", &properties);
        return properties;
}

/* Walks "rag.vector_storage.hnsw" down from the root. */
static struct json_object *section_schema(struct json_object *root, const char *path)
{
        struct json_object *table = root;

        while (table && *path) {
                size_t len = strcspn(path, ".");
                cleanup_free_ char *name = strndup(path, len);

                if (!name || !properties_of(table))
                        return NULL;
                table = table_schema(properties_of(table), name);
                path += len + (path[len] == '.');
        }
        return table;
}

/* Any name stands for a provider table. */
static struct json_object *provider_schema(struct json_object *root)
{
        struct json_object *providers = section_schema(root, CONFIG_PROVIDERS), *table, *own;

        table = json_object_new_object();
        own = json_object_new_object();
        if (!providers || !table || !own) {
                json_object_put(table);
                json_object_put(own);
                return NULL;
        }
        json_add_string(table, "type", "object");
        json_add(table, "properties", own);
        json_add_bool(table, "additionalProperties", false);
        json_object_object_del(providers, "properties");
        json_add(providers, "additionalProperties", table);
        return table;
}

struct json_object *config_schema_json(void)
{
        cleanup_json_ struct json_object *root = json_object_new_object();
        struct json_object *top = json_object_new_object();

        if (!root || !top) {
                json_object_put(top);
                return NULL;
        }
        json_add_string(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
        json_add_string(root, "title", "ragd profile");
        json_add_string(root, "type", "object");
        json_add(root, "properties", top);
        json_add_bool(root, "additionalProperties", false);
        for (size_t i = 0; i < config_section_count; i++) {
                const struct config_section *section = &config_sections[i];
                struct json_object *table = section->rows == provider_rows
                                                    ? provider_schema(root)
                                                    : section_schema(root, section->path);

                if (!table || !properties_of(table))
                        return NULL;
                if (*section->path)
                        json_add_string(table, "description", section->doc);
                for (size_t j = 0; j < *section->count; j++)
                        add_property(properties_of(table), &section->rows[j]);
        }
        return take_ptr(root);
}

/* ---- ragd.toml(5) ------------------------------------------------------------------------- */

/* Text as mdoc takes it literally; each sentence begins a line. */
static void man_text(const char *text, struct buf *buf)
{
        const char *start = text;

        if (*text == '.' || *text == '\'')
                buf_append_text(buf, "\\&");
        for (; *text; text++) {
                if (*text == '\\')
                        buf_append_text(buf, "\\e");
                else if (*text == ' ' && text > start && text[-1] == '.')
                        buf_append_char(buf, '\n');
                else
                        buf_append_char(buf, *text);
        }
}

static void man_names(const struct config_row *row, struct buf *buf)
{
        for (size_t i = 0; row->names[i]; i++)
                buf_append_format(buf, "%s%s", i > 0 ? ", " : "", row->names[i]);
}

static void man_facts(const struct config_row *row, struct buf *buf)
{
        buf_append_text(buf, ".br\n");
        if (row->type == CONFIG_ENUM)
                man_names(row, buf);
        else
                buf_append_text(buf, config_type_name(row->type));
        if (row->type != CONFIG_ENUM && (row->min != 0 || row->max != 0))
                buf_append_format(buf, ", %.15g to %.15g", row->min, row->max);
        if (row->unit != UNIT_NONE)
                buf_append_format(buf, " (%s)", config_unit_name(row->unit));
        buf_append_text(buf, "; default ");
        if (!row->dflt)
                buf_append_text(buf, "unset");
        else if (is_list(row))
                buf_append_format(buf, "[%s]", row->dflt);
        else
                man_text(row->dflt, buf);
        buf_append_format(buf, "; %s", config_impact_name(row->impact));
        if (row->flags & CONFIG_SECRET)
                buf_append_text(buf, "; a secret reference");
        buf_append_char(buf, '\n');
}

void config_write_man(struct buf *buf)
{
        for (size_t i = 0; i < config_section_count; i++) {
                const struct config_section *section = &config_sections[i];

                if (*section->path)
                        buf_append_format(buf, ".Ss [%s]\n", section->path);
                else
                        buf_append_text(buf, ".Ss Top level\n");
                man_text(section->doc, buf);
                buf_append_text(buf, "\n.Bl -tag -width Ds\n");
                for (size_t j = 0; j < *section->count; j++) {
                        buf_append_format(buf, ".It Ic %s\n",
                                          config_row_leaf(&section->rows[j]));
                        man_text(section->rows[j].doc, buf);
                        buf_append_char(buf, '\n');
                        man_facts(&section->rows[j], buf);
                }
                buf_append_text(buf, ".El\n");
        }
}

/* ---- Lists -------------------------------------------------------------------------------- */

void config_write_keys(struct buf *buf)
{
        for (size_t i = 0; i < config_section_count; i++)
                for (size_t j = 0; j < *config_sections[i].count; j++)
                        buf_append_format(buf, "%s\n", config_sections[i].rows[j].key);
}

void config_write_dictionary(struct buf *buf)
{
        for (size_t i = 0; i < config_section_count; i++) {
                const struct config_section *section = &config_sections[i];

                if (*section->path)
                        buf_append_format(buf, "\"[%s]\\x0a\"\n", section->path);
                for (size_t j = 0; j < *section->count; j++) {
                        const struct config_row *row = &section->rows[j];

                        buf_append_format(buf, "\"%s = \"\n", config_row_leaf(row));
                        for (size_t k = 0; row->type == CONFIG_ENUM && row->names[k]; k++)
                                buf_append_format(buf, "\"\\\"%s\\\"\"\n", row->names[k]);
                }
        }
}
