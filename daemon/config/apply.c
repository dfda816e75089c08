/* SPDX-License-Identifier: Apache-2.0 */
#include "config/apply.h"

#include "base/cleanup.h"
#include "base/nearest.h"
#include "config/secret.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER_NAME_CHARACTERS \
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#define PROVIDER_NAME_MAX 63

struct apply {
        struct config *config;
        struct config_diagnostics *diagnostics;
        const char *file;
        struct buf path; /* of what is being looked at */
};

#define report(apply, place, code, ...)                                                      \
        config_diagnostics_add((apply)->diagnostics, CONFIG_ERROR, (code), (apply)->file,    \
                               (place).line, (place).column, buf_text(&(apply)->path), __VA_ARGS__)
#define hint(apply, ...) config_diagnostics_hint((apply)->diagnostics, __VA_ARGS__)

/* ---- One value -------------------------------------------------------------------------- */

static const char *kind_text(const struct toml_node *node)
{
        static const char *const texts[] = {
                [TOML_KIND_TABLE] = "a table",     [TOML_KIND_ARRAY] = "a list",
                [TOML_KIND_STRING] = "a string",   [TOML_KIND_INTEGER] = "an integer",
                [TOML_KIND_FLOAT] = "a fraction",  [TOML_KIND_BOOLEAN] = "a boolean",
                [TOML_KIND_TIME] = "a date or time",
        };

        return texts[node->kind];
}

static const char *type_text(enum config_type type)
{
        static const char *const texts[CONFIG_TYPE_MAX] = {
                [CONFIG_BOOL] = "true or false",      [CONFIG_U32] = "an integer",
                [CONFIG_U64] = "an integer",          [CONFIG_DOUBLE] = "a number",
                [CONFIG_STRING] = "a string",         [CONFIG_STRINGS] = "a list of strings",
                [CONFIG_NUMBERS] = "a list of integers", [CONFIG_ENUM] = "a word in quotes",
        };

        return texts[type];
}

/* Each setter answers whether the value was taken; the reason of a refusal is reported. */
static bool wrong_type(struct apply *apply, const struct config_row *row,
                       const struct toml_node *node)
{
        report(apply, node->place, "E_TYPE", "expected %s, found %s", type_text(row->type),
               kind_text(node));
        if (node->kind == TOML_KIND_STRING && row->type <= CONFIG_DOUBLE)
                hint(apply, "write it without quotes");
        else if (row->type == CONFIG_STRINGS && node->kind == TOML_KIND_STRING)
                hint(apply, "put it in brackets: [\"…\"]");
        else if (row->type == CONFIG_NUMBERS && node->kind == TOML_KIND_INTEGER)
                hint(apply, "put it in brackets: [%" PRId64 "]", node->integer);
        return false;
}

static bool in_range(struct apply *apply, const struct config_row *row,
                     const struct toml_node *node, double number)
{
        const char *unit = config_unit_name(row->unit);
        double min = config_row_min(row), max = config_row_max(row);

        if (number >= min && number <= max)
                return true;
        if (node->kind == TOML_KIND_INTEGER)
                report(apply, node->place, "E_RANGE", "%" PRId64 " is out of range",
                       node->integer);
        else
                report(apply, node->place, "E_RANGE", "%.15g is out of range", number);
        hint(apply, "allowed: %.15g to %.15g%s%s", min, max, *unit ? " " : "", unit);
        return false;
}

static bool set_integer(struct apply *apply, const struct config_value *value,
                        const struct toml_node *node)
{
        if (node->kind != TOML_KIND_INTEGER)
                return wrong_type(apply, value->row, node);
        if (!in_range(apply, value->row, node, (double) node->integer))
                return false;
        if (value->row->type == CONFIG_U32)
                *(uint32_t *) value->field = (uint32_t) node->integer;
        else
                *(uint64_t *) value->field = (uint64_t) node->integer;
        return true;
}

static bool set_double(struct apply *apply, const struct config_value *value,
                       const struct toml_node *node)
{
        double number = node->kind == TOML_KIND_INTEGER ? (double) node->integer : node->number;

        if (node->kind != TOML_KIND_INTEGER && node->kind != TOML_KIND_FLOAT)
                return wrong_type(apply, value->row, node);
        if (!isfinite(number)) {
                report(apply, node->place, "E_RANGE", "not a finite number");
                return false;
        }
        if (!in_range(apply, value->row, node, number))
                return false;
        *(double *) value->field = number == 0 ? 0 : number; /* -0 is 0 */
        return true;
}

static bool text_good(struct apply *apply, const struct config_row *row,
                      const struct toml_node *node)
{
        if (strlen(node->string) != node->string_bytes) {
                report(apply, node->place, "E_VALUE", "holds a NUL character");
                return false;
        }
        if (node->string_bytes == 0 && !(row->flags & CONFIG_MAY_BE_EMPTY)) {
                report(apply, node->place, "E_VALUE", "is empty");
                hint(apply, "leave the key out to have its default");
                return false;
        }
        /* The text itself is not repeated: it may be the secret. */
        if ((row->flags & CONFIG_SECRET) && !(row->dflt && strcmp(node->string, row->dflt) == 0) &&
            !config_secret_valid(node->string)) {
                report(apply, node->place, "E_SECRET", "a profile holds no secrets, only where "
                       "they are found");
                hint(apply, "write \"credential:NAME\", \"file:/PATH\" or \"env:NAME\"%s",
                     row->dflt ? ", or \"off\"" : "");
                return false;
        }
        return true;
}

static bool set_string(struct apply *apply, const struct config_value *value,
                       const struct toml_node *node)
{
        char *copy;

        if (node->kind != TOML_KIND_STRING)
                return wrong_type(apply, value->row, node);
        if (!text_good(apply, value->row, node))
                return false;
        copy = strdup(node->string);
        if (!copy) {
                apply->diagnostics->failed = true;
                return false;
        }
        config_value_done(value);
        *(char **) value->field = copy;
        return true;
}

static bool set_enum(struct apply *apply, const struct config_value *value,
                     const struct toml_node *node)
{
        const char *const *names = value->row->names;
        const char *near;
        cleanup_(buf_done) struct buf allowed = BUF_EMPTY;

        if (node->kind != TOML_KIND_STRING)
                return wrong_type(apply, value->row, node);
        for (int i = 0; names[i]; i++) {
                if (strcmp(names[i], node->string) == 0) {
                        *(int *) value->field = i;
                        return true;
                }
                buf_append_format(&allowed, "%s%s", i > 0 ? ", " : "", names[i]);
        }
        near = nearest_name(node->string, names);
        report(apply, node->place, "E_VALUE", "\"%.100s\" is not a value of this key",
               node->string);
        hint(apply, "%s%s%sallowed: %s", near ? "did you mean \"" : "", near ? near : "",
             near ? "\"? " : "", buf_text(&allowed));
        return false;
}

static bool set_strings(struct apply *apply, const struct config_value *value,
                        const struct toml_node *node)
{
        struct config_strings *strings = value->field;

        if (node->kind != TOML_KIND_ARRAY)
                return wrong_type(apply, value->row, node);
        for (size_t i = 0; i < node->count; i++) {
                const struct toml_node *item = &node->children[i];

                if (item->kind != TOML_KIND_STRING)
                        return wrong_type(apply, value->row, item);
                if (!text_good(apply, value->row, item))
                        return false;
        }
        config_value_done(value);
        strings->items = calloc(node->count ? node->count : 1, sizeof *strings->items);
        for (size_t i = 0; strings->items && i < node->count; i++) {
                strings->items[i] = strdup(node->children[i].string);
                if (!strings->items[i])
                        break;
                strings->count++;
        }
        if (strings->count == node->count && strings->items)
                return true;
        apply->diagnostics->failed = true;
        return false;
}

static bool set_numbers(struct apply *apply, const struct config_value *value,
                        const struct toml_node *node)
{
        struct config_numbers *numbers = value->field;

        if (node->kind != TOML_KIND_ARRAY)
                return wrong_type(apply, value->row, node);
        for (size_t i = 0; i < node->count; i++) {
                const struct toml_node *item = &node->children[i];

                if (item->kind != TOML_KIND_INTEGER)
                        return wrong_type(apply, value->row, item);
                if (!in_range(apply, value->row, item, (double) item->integer))
                        return false;
        }
        config_value_done(value);
        numbers->items = calloc(node->count ? node->count : 1, sizeof *numbers->items);
        if (!numbers->items) {
                apply->diagnostics->failed = true;
                return false;
        }
        for (size_t i = 0; i < node->count; i++)
                numbers->items[numbers->count++] = (uint32_t) node->children[i].integer;
        return true;
}

static bool set_bool(struct apply *apply, const struct config_value *value,
                     const struct toml_node *node)
{
        if (node->kind != TOML_KIND_BOOLEAN)
                return wrong_type(apply, value->row, node);
        *(bool *) value->field = node->boolean;
        return true;
}

static void set_value(struct apply *apply, const struct config_value *value,
                      const struct toml_node *node)
{
        static bool (*const setters[CONFIG_TYPE_MAX])(struct apply *,
                                                      const struct config_value *,
                                                      const struct toml_node *) = {
                [CONFIG_BOOL] = set_bool,       [CONFIG_U32] = set_integer,
                [CONFIG_U64] = set_integer,     [CONFIG_DOUBLE] = set_double,
                [CONFIG_STRING] = set_string,   [CONFIG_STRINGS] = set_strings,
                [CONFIG_NUMBERS] = set_numbers, [CONFIG_ENUM] = set_enum,
        };
        bool taken;

        if (value->origin->line)
                return;
        taken = setters[value->row->type](apply, value, node);
        *value->origin = (struct config_origin){ .file = apply->file,
                                                 .line = node->place.line,
                                                 .column = node->place.column,
                                                 .invalid = !taken };
        if (taken)
                config_value_mark(value, true);
}

/* ---- The tree --------------------------------------------------------------------------- */

static size_t path_push(struct apply *apply, const char *key)
{
        size_t before = apply->path.len;

        if (before > 0)
                buf_append_char(&apply->path, '.');
        buf_append_text(&apply->path, key);
        return before;
}

static void path_pop(struct apply *apply, size_t before)
{
        apply->path.len = before;
        if (apply->path.data)
                apply->path.data[before] = 0;
}

static void unknown(struct apply *apply, const struct toml_node *node)
{
        const char *path = buf_text(&apply->path);

        if (node->kind == TOML_KIND_TABLE && config_foreign_below(path)) {
                for (size_t i = 0; i < node->count; i++) {
                        size_t before = path_push(apply, node->children[i].key);

                        unknown(apply, &node->children[i]);
                        path_pop(apply, before);
                }
                return;
        }
        config_report_unknown(apply->diagnostics, apply->file, node->key_place, path,
                              node->kind == TOML_KIND_TABLE);
}

static void apply_key(struct apply *apply, const struct toml_node *node,
                      const struct provider_config *provider)
{
        const struct config_row *row = config_row_find(buf_text(&apply->path));
        struct config_value value;

        if (!row || config_row_is_provider(row) != (provider != NULL)) {
                unknown(apply, node);
                return;
        }
        value = config_value_of(apply->config, row, provider);
        set_value(apply, &value, node);
}

static int apply_provider(struct apply *apply, const struct toml_node *node)
{
        struct provider_config *provider;
        struct config_origin *table;
        int r;

        if (node->kind != TOML_KIND_TABLE) {
                report(apply, node->place, "E_TYPE", "expected a table, found %s",
                       kind_text(node));
                hint(apply, "write [rag.providers.NAME]");
                return 0;
        }
        if (!*node->key || strlen(node->key) > PROVIDER_NAME_MAX ||
            node->key[strspn(node->key, PROVIDER_NAME_CHARACTERS)]) {
                report(apply, node->key_place, "E_NAME", "not a name for a provider");
                hint(apply, "letters, digits, - and _, at most %d", PROVIDER_NAME_MAX);
                return 0;
        }
        r = config_add_provider(apply->config, node->key, &provider);
        if (r < 0)
                return r;
        table = &apply->config->origins->tables[provider - apply->config->providers];
        if (!table->line)
                *table = (struct config_origin){ .file = apply->file,
                                                 .line = node->key_place.line,
                                                 .column = node->key_place.column };
        for (size_t i = 0; i < node->count; i++) {
                size_t before = path_push(apply, node->children[i].key);

                apply_key(apply, &node->children[i], provider);
                path_pop(apply, before);
        }
        return 0;
}

static int apply_table(struct apply *apply, const struct toml_node *table);

static int apply_child(struct apply *apply, const struct toml_node *node)
{
        const char *path = buf_text(&apply->path);
        bool providers = strcmp(path, CONFIG_PROVIDERS) == 0;
        bool section = providers || config_section_find(path);

        if (section && node->kind != TOML_KIND_TABLE) {
                report(apply, node->place, "E_TYPE", "expected a table, found %s",
                       kind_text(node));
                hint(apply, "write [%s]", path);
                return 0;
        }
        if (!section) {
                apply_key(apply, node, NULL);
                return 0;
        }
        if (!providers)
                return apply_table(apply, node);
        for (size_t i = 0; i < node->count; i++) {
                size_t before = path_push(apply, node->children[i].key);
                int r = apply_provider(apply, &node->children[i]);

                path_pop(apply, before);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int apply_table(struct apply *apply, const struct toml_node *table)
{
        for (size_t i = 0; i < table->count; i++) {
                size_t before = path_push(apply, table->children[i].key);
                int r = apply_child(apply, &table->children[i]);

                path_pop(apply, before);
                if (r < 0)
                        return r;
        }
        return 0;
}

int config_apply(struct config *config, const struct toml_node *root, const char *file,
                 struct config_diagnostics *diagnostics)
{
        struct apply apply = { .config = config, .diagnostics = diagnostics, .file = file };
        int r = apply_table(&apply, root);

        if (buf_failed(&apply.path))
                r = -ENOMEM;
        buf_done(&apply.path);
        return r;
}
