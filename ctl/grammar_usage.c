/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar_inside.h"

#include <stdio.h>

const struct common_option common_options[] = {
        { "json", NULL, "Print the daemon's reply as JSON." },
        { "socket", "<path>", "The control socket to use." },
        { "state", "<dir>", "The state folder of the ragd to talk to." },
        { "help", NULL, "Explain the command." },
        { "version", NULL, "Print the version." },
        { NULL, NULL, NULL },
};

struct usage_part usage_next(const char **at)
{
        struct usage_part part = { .kind = USAGE_WORD };
        const char *text = *at + strspn(*at, " ");
        size_t len = strcspn(text, " ");

        *at = text + len;
        if (len == 0)
                return (struct usage_part){ .kind = USAGE_END };
        part.optional = text[0] == '[';
        if (part.optional) {
                text++;
                len -= 2;
        }
        part.rest = len > 3 && strncmp(text + len - 3, "...", 3) == 0;
        if (part.rest)
                len -= 3;
        if (text[0] == '<') {
                part.kind = USAGE_ARGUMENT;
                text++;
                len -= 2;
        }
        part.name = text;
        part.len = len;
        return part;
}

const struct command_field *command_argument(const struct command *command,
                                             const struct usage_part *part)
{
        for (const struct command_field *field = command->input; field->name; field++)
                if (field->side != COMMAND_WIRE && same(field->name, part->name, part->len))
                        return field;
        return NULL;
}

bool command_is_option(const struct command *command, const struct command_field *field)
{
        const char *at = command->usage;

        if (field->side == COMMAND_WIRE)
                return false;
        for (;;) {
                struct usage_part part = usage_next(&at);

                if (part.kind == USAGE_END)
                        return true;
                if (part.kind == USAGE_ARGUMENT && same(field->name, part.name, part.len))
                        return false;
        }
}

const char *option_name(const struct command_field *field, char name[static OPTION_NAME_SIZE])
{
        (void) snprintf(name, OPTION_NAME_SIZE, "%s", field->option ? field->option : field->name);
        for (char *c = name; *c; c++)
                if (*c == '_')
                        *c = '-';
        return name;
}

const char *option_value(const struct command_field *field, char value[static OPTION_VALUE_SIZE])
{
        const char *type = type_plain(field->type), *word;
        char name[OPTION_NAME_SIZE];
        size_t at = 0, len, used = 0;

        value[0] = '\0';
        if (field_is_flag(field))
                return value;
        while (type_enum_next(type, &at, &word, &len) && used + len + 3 < OPTION_VALUE_SIZE) {
                used += (size_t) snprintf(value + used, OPTION_VALUE_SIZE - used, "%c%.*s",
                                          used > 0 ? '|' : '<', (int) len, word);
        }
        if (used > 0)
                (void) snprintf(value + used, OPTION_VALUE_SIZE - used, ">");
        else if (strcmp(type, "int") == 0 || strcmp(type, "float") == 0)
                (void) snprintf(value, OPTION_VALUE_SIZE, "<number>");
        else if (strcmp(type, "object") == 0)
                (void) snprintf(value, OPTION_VALUE_SIZE, "<json>");
        else
                (void) snprintf(value, OPTION_VALUE_SIZE, "<%s>", option_name(field, name));
        return value;
}
