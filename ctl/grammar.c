/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar_inside.h"

#include "base/json.h"
#include "base/nearest.h"

#include <stdio.h>

/* ---- Options -------------------------------------------------------------------------------- */

static int unknown_option(const struct command *command, const char *name, size_t len,
                          struct error *reterr)
{
        char text[NEAR_MAX][OPTION_NAME_SIZE], given[OPTION_NAME_SIZE];
        const char *known[NEAR_MAX], *near;
        size_t count = 0;

        for (; common_options[count].name; count++)
                known[count] = common_options[count].name;
        for (const struct command_field *field = command ? command->input : NULL;
             field && field->name && count < NEAR_MAX - 1; field++)
                if (command_is_option(command, field)) {
                        known[count] = option_name(field, text[count]);
                        count++;
                }
        known[count] = NULL;
        (void) snprintf(given, sizeof given, "%.*s", (int) len, name);
        near = nearest_name(given, known);
        return error_set(reterr, -EINVAL, "unknown option --%s%s%s%s%s", given,
                         near ? " (did you mean --" : "", near ? near : "", near ? "?)" : "",
                         command ? "" : "; a command's options follow its words");
}

static int common_value(struct words *words, const char *name, const char *value)
{
        if (strcmp(name, "json") == 0)
                words->json = true;
        else if (strcmp(name, "help") == 0)
                words->help = true;
        else if (strcmp(name, "version") == 0)
                words->version = true;
        else if (strcmp(name, "socket") == 0)
                words->socket = value;
        else
                words->state = value;
        return 0;
}

struct cursor {
        int argc, at;
        char **argv;
};

/* The option's value: behind '=', or the next argument. */
static int option_text(struct cursor *cursor, const char *name, const char *equals, bool flag,
                       const char **ret, struct error *reterr)
{
        *ret = equals ? equals + 1 : NULL;
        if (flag)
                return equals ? error_set(reterr, -EINVAL, "--%s takes no value", name) : 0;
        if (!equals && cursor->at + 1 < cursor->argc)
                *ret = cursor->argv[++cursor->at];
        return *ret ? 0 : error_set(reterr, -EINVAL, "--%s wants a value", name);
}

static int read_option(struct words *words, const struct command *command, struct cursor *cursor,
                       struct error *reterr)
{
        const char *name = cursor->argv[cursor->at] + 2, *value;
        const char *equals = strchr(name, '=');
        size_t len = equals ? (size_t) (equals - name) : strlen(name);
        char known[OPTION_NAME_SIZE], what[OPTION_NAME_SIZE + 2];
        int r;

        for (const struct command_field *field = command ? command->input : NULL;
             field && field->name; field++) {
                if (!command_is_option(command, field) ||
                    !same(option_name(field, known), name, len))
                        continue;
                r = option_text(cursor, known, equals, field_is_flag(field), &value, reterr);
                if (r < 0)
                        return r;
                if (field_is_flag(field)) {
                        json_add_bool(words->values, field->name, true);
                        return 0;
                }
                (void) snprintf(what, sizeof what, "--%s", known);
                return words_add(words, field, value, what, false, reterr);
        }
        for (const struct common_option *option = common_options; option->name; option++) {
                if (!same(option->name, name, len))
                        continue;
                r = option_text(cursor, option->name, equals, !option->value, &value, reterr);
                return r < 0 ? r : common_value(words, option->name, value);
        }
        return unknown_option(command, name, len, reterr);
}

/* ---- The whole line ------------------------------------------------------------------------- */

static int take_arguments(struct words *words, const char *const *given, size_t n,
                          struct error *reterr)
{
        const char *at = words->command->usage;
        size_t next = 0;

        for (;;) {
                struct usage_part part = usage_next(&at);
                char what[OPTION_NAME_SIZE + 2];

                if (part.kind == USAGE_END)
                        break;
                if (part.kind == USAGE_WORD) {
                        next++;
                        continue;
                }
                (void) snprintf(what, sizeof what, "<%.*s>", (int) part.len, part.name);
                if (next == n && !part.optional)
                        return error_set(reterr, -EINVAL, "%s is missing: ragctl %s", what,
                                         words->command->usage);
                do {
                        const struct command_field *field =
                                command_argument(words->command, &part);
                        int r = next == n ? 0
                                          : words_add(words, field, given[next], what, part.rest,
                                                      reterr);

                        if (r < 0)
                                return r;
                        next += next < n ? 1 : 0;
                } while (part.rest && next < n);
        }
        return next < n ? error_set(reterr, -EINVAL, "\"%s\" is too much: ragctl %s", given[next],
                                    words->command->usage)
                        : 0;
}

static int check_required(const struct words *words, struct error *reterr)
{
        for (const struct command_field *field = words->command->input; field->name; field++) {
                char name[OPTION_NAME_SIZE], value[OPTION_VALUE_SIZE];

                if (!command_is_option(words->command, field) || type_is_optional(field->type) ||
                    json_object_object_get_ex(words->values, field->name, NULL))
                        continue;
                return error_set(reterr, -EINVAL, "--%s %s is missing: %s",
                                 option_name(field, name), option_value(field, value), field->doc);
        }
        return 0;
}

static int read_line(struct words *words, struct cursor *cursor, const char **given, size_t *ret_n,
                     struct error *reterr)
{
        bool options = true, begins;
        const struct command *row = NULL;

        for (; cursor->at < cursor->argc; cursor->at++) {
                const char *text = cursor->argv[cursor->at];
                int r = 0;

                if (options && strcmp(text, "--") == 0)
                        options = false;
                else if (options && strcmp(text, "-h") == 0)
                        words->help = true;
                else if (options && strncmp(text, "--", 2) == 0)
                        r = read_option(words, row, cursor, reterr);
                else if (options && text[0] == '-' && text[1] != '\0')
                        r = error_set(reterr, -EINVAL,
                                      "unknown option %s (behind -- it is no option)", text);
                else
                        given[(*ret_n)++] = text;
                if (r < 0)
                        return r;
                (void) row_match(given, *ret_n, &row, &begins);
        }
        return 0;
}

int words_parse(int argc, char *argv[], struct words *ret, struct error *reterr)
{
        cleanup_free_ const char **given = calloc((size_t) argc + 1, sizeof *given);
        struct cursor cursor = { .argc = argc, .at = 1, .argv = argv };
        const struct command *row;
        size_t n = 0;
        bool begins;
        int r, n_literals;

        *ret = (struct words){ .values = json_object_new_object() };
        if (!given || !ret->values)
                return error_oom(reterr);
        r = read_line(ret, &cursor, given, &n, reterr);
        n_literals = row_match(given, n, &row, &begins);
        ret->command = row ? row_choose(row, n_literals, given, n) : NULL;
        if (r < 0 || ret->help || ret->version || n == 0)
                return r;
        if (!ret->command) {
                /* as far as the words lead anywhere */
                size_t known = 0;

                for (size_t i = 1; i <= n; i++) {
                        (void) row_match(given, i, &row, &begins);
                        known = begins ? i : known;
                }
                return row_unknown(given, known, n, reterr);
        }
        r = take_arguments(ret, given, n, reterr);
        return r < 0 ? r : check_required(ret, reterr);
}

void words_done(struct words *words)
{
        json_object_put(words->values);
        words->values = NULL;
}

int words_default(struct words *words, const char *name, const char *text, struct error *reterr)
{
        const struct command_field *field = words->command ? words->command->input : NULL;

        if (!text || !*text || json_object_object_get_ex(words->values, name, NULL))
                return 0;
        for (; field && field->name; field++)
                if (strcmp(field->name, name) == 0 && command_is_option(words->command, field))
                        return words_add(words, field, text, name, false, reterr);
        return 0;
}

const char *words_string(const struct words *words, const char *name, const char *otherwise)
{
        const char *text = otherwise;

        (void) json_get_string(words->values, name, &text, NULL);
        return text;
}

bool words_bool(const struct words *words, const char *name)
{
        bool value = false;

        (void) json_get_bool(words->values, name, &value, NULL);
        return value;
}

struct json_object *words_parameters(const struct words *words)
{
        struct json_object *parameters = json_object_new_object();

        for (const struct command_field *field = words->command->input; field->name; field++) {
                struct json_object *value;

                if (field->side == COMMAND_BOTH &&
                    json_object_object_get_ex(words->values, field->name, &value))
                        json_add(parameters, field->name, json_object_get(value));
        }
        return parameters;
}
