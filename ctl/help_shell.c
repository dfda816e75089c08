/* SPDX-License-Identifier: Apache-2.0 */
/* The rows as bash completion and as mdoc(7). */
#include "help.h"

#include "control/types.h"

#include <stdio.h>
#include <string.h>

#define LITERAL_SIZE 64
#define MAN_COLUMNS 76

/* The row's own words: "collection create". */
static const char *literal(const struct command *command, char text[static LITERAL_SIZE])
{
        const char *at = command->usage;
        size_t used = 0;

        text[0] = '\0';
        for (;;) {
                struct usage_part part = usage_next(&at);

                if (part.kind != USAGE_WORD)
                        return text;
                used += (size_t) snprintf(text + used, LITERAL_SIZE - used, "%s%.*s",
                                          used > 0 ? " " : "", (int) part.len, part.name);
        }
}

/* ---- bash ----------------------------------------------------------------------------------- */

static void append_options(const struct command *command, struct buf *out)
{
        for (const struct command_field *field = command->input; field->name; field++) {
                char name[OPTION_NAME_SIZE];

                if (command_is_option(command, field))
                        buf_append_format(out, " --%s", option_name(field, name));
        }
}

/* The words behind `before` ("" at first), of all rows, each once: rows stand together. */
static void append_next_words(const char *before, struct buf *out)
{
        char last[LITERAL_SIZE] = "", text[LITERAL_SIZE];
        size_t len = strlen(before);

        for (size_t i = 0; i < n_commands; i++) {
                const char *rest;
                char word[LITERAL_SIZE];

                if (!commands[i].usage || strncmp(literal(&commands[i], text), before, len) != 0)
                        continue;
                rest = text + len + (len > 0 && text[len] == ' ');
                (void) snprintf(word, sizeof word, "%.*s", (int) strcspn(rest, " "), rest);
                if (word[0] == '\0' || strcmp(word, last) == 0 || (len > 0 && text[len] != ' '))
                        continue;
                memcpy(last, word, sizeof last);
                buf_append_format(out, " %s", word);
        }
}

static void append_enums(struct buf *out)
{
        for (size_t i = 0; i < n_commands; i++)
                for (const struct command_field *field = commands[i].input; field->name; field++) {
                        char name[OPTION_NAME_SIZE];
                        const char *word;
                        size_t at = 0, len, n = 0;

                        if (!commands[i].usage || !command_is_option(&commands[i], field))
                                continue;
                        while (type_enum_next(field->type, &at, &word, &len)) {
                                if (n++ == 0)
                                        buf_append_format(
                                                out, "        --%s) COMPREPLY=($(compgen -W \"",
                                                option_name(field, name));
                                buf_append_format(out, "%s%.*s", n > 1 ? " " : "", (int) len, word);
                        }
                        if (n > 0)
                                buf_append_text(out, "\" -- \"$cur\")); return ;;\n");
                }
}

void help_completion(struct buf *out)
{
        char text[LITERAL_SIZE], last[LITERAL_SIZE] = "";

        buf_append_text(out,
                        "# bash completion of ragctl, made from its command table\n"
                        "_ragctl() {\n"
                        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                        "    local common=\"");
        for (const struct common_option *option = common_options; option->name; option++)
                buf_append_format(out, "%s--%s", option == common_options ? "" : " ", option->name);
        buf_append_text(out,
                        "\"\n"
                        "    local words=() i word command=\"\" next options=\"\"\n"
                        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                        "        word=${COMP_WORDS[i]}\n"
                        "        case $word in\n"
                        "        --socket | --state) ((i++)) ;;\n"
                        "        -*) ;;\n"
                        "        *) words+=(\"$word\") ;;\n"
                        "        esac\n"
                        "    done\n"
                        "    case $prev in\n"
                        "        --socket) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
                        "        --state) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n");
        append_enums(out);
        buf_append_text(out, "    esac\n"
                             "    case \"${words[*]}\" in\n"
                             "    \"\") next=\"");
        append_next_words("", out);
        buf_append_text(out, "\" ;;\n");
        for (size_t i = 0; i < n_commands; i++) {
                char first[LITERAL_SIZE];

                if (!commands[i].usage || !strchr(literal(&commands[i], text), ' '))
                        continue;
                (void) snprintf(first, sizeof first, "%.*s", (int) strcspn(text, " "), text);
                if (strcmp(first, last) == 0)
                        continue;
                memcpy(last, first, sizeof last);
                buf_append_format(out, "    \"%s\") next=\"", first);
                append_next_words(first, out);
                buf_append_text(out, "\" ;;\n");
        }
        for (size_t i = 0; i < n_commands; i++) {
                const struct command *command = &commands[i];

                if (!command->usage)
                        continue;
                buf_append_format(out, "    \"%s\"*) options=\"", literal(command, text));
                append_options(command, out);
                buf_append_text(out, "\" ;;\n");
        }
        buf_append_text(out,
                        "    esac\n"
                        "    if [[ $cur == -* ]]; then\n"
                        "        COMPREPLY=($(compgen -W \"$options $common\" -- \"$cur\"))\n"
                        "    elif [[ $next ]]; then\n"
                        "        COMPREPLY=($(compgen -W \"$next\" -- \"$cur\"))\n"
                        "    else\n"
                        "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                        "    fi\n"
                        "}\n"
                        "complete -o filenames -F _ragctl ragctl\n");
}

/* ---- mdoc ----------------------------------------------------------------------------------- */

/* A dot at the start of a line and backslashes mean something to roff; a sentence begins a
 * line, and none is longer than a terminal is wide. */
static void append_text(struct buf *out, const char *text)
{
        size_t column = 0;

        for (const char *word = text; *word; word += strspn(word, " ")) {
                size_t len = strcspn(word, " ");
                bool sentence = word > text + 2 && word[-2] == '.' && word[-3] != '.';

                if (column > 0 && (sentence || column + len > MAN_COLUMNS)) {
                        buf_append_char(out, '\n');
                        column = 0;
                } else if (column > 0) {
                        buf_append_char(out, ' ');
                }
                if (column == 0 && (word[0] == '.' || word[0] == '\''))
                        buf_append_text(out, "\\&");
                for (size_t i = 0; i < len; i++) {
                        buf_append_char(out, word[i]);
                        if (word[i] == '\\')
                                buf_append_char(out, 'e');
                }
                column += len + 1;
                word += len;
        }
        buf_append_char(out, '\n');
}

static void man_usage(const struct command *command, struct buf *out)
{
        const char *at = command->usage;

        buf_append_text(out, ".It Xo\n.Ic");
        for (bool words = true;;) {
                struct usage_part part = usage_next(&at);

                if (part.kind == USAGE_END)
                        break;
                if (part.kind == USAGE_WORD) {
                        buf_append_format(out, " %.*s", (int) part.len, part.name);
                        continue;
                }
                if (words)
                        buf_append_char(out, '\n');
                words = false;
                buf_append_format(out, ".%sAr %.*s%s\n", part.optional ? "Op " : "", (int) part.len,
                                  part.name, part.rest ? " ..." : "");
        }
        if (out->data[out->len - 1] != '\n')
                buf_append_char(out, '\n');
        buf_append_text(out, ".Xc\n");
}

static void man_field(const struct command *command, const struct command_field *field,
                      struct buf *out)
{
        char name[OPTION_NAME_SIZE], value[OPTION_VALUE_SIZE];

        if (field->side == COMMAND_WIRE)
                return;
        if (!command_is_option(command, field)) {
                buf_append_format(out, ".It Ar %s\n", field->name);
        } else if (*option_value(field, value)) {
                value[strlen(value) - 1] = '\0'; /* without its angle brackets */
                buf_append_format(out, ".It Fl -%s Ar %s\n", option_name(field, name), value + 1);
        } else {
                buf_append_format(out, ".It Fl -%s\n", option_name(field, name));
        }
        append_text(out, field->doc);
}

static bool has_words(const struct command *command)
{
        for (const struct command_field *field = command->input; field->name; field++)
                if (field->side != COMMAND_WIRE)
                        return true;
        return false;
}

void help_man(struct buf *out)
{
        buf_append_text(out, ".Sh COMMANDS\n.Bl -tag -width Ds\n");
        for (size_t i = 0; i < n_commands; i++) {
                const struct command *command = &commands[i];

                if (!command->usage)
                        continue;
                man_usage(command, out);
                append_text(out, command->doc);
                if (!command->interface)
                        buf_append_text(out, "Needs no daemon.\n");
                else if (command->role == CONTROL_OBSERVE)
                        buf_append_text(out, "Allowed to observers.\n");
                if (!has_words(command))
                        continue;
                buf_append_text(out, ".Bl -tag -width Ds -compact\n");
                for (const struct command_field *field = command->input; field->name; field++)
                        man_field(command, field, out);
                buf_append_text(out, ".El\n");
        }
        buf_append_text(out, ".El\n.Sh OPTIONS\nThese are understood with every command.\n"
                             ".Bl -tag -width Ds\n");
        for (const struct common_option *option = common_options; option->name; option++) {
                if (option->value)
                        buf_append_format(out, ".It Fl -%s Ar %.*s\n", option->name,
                                          (int) strlen(option->value) - 2, option->value + 1);
                else
                        buf_append_format(out, ".It Fl -%s\n", option->name);
                append_text(out, option->doc);
        }
        buf_append_text(out, ".El\n");
}
