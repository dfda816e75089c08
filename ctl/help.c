/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "control/types.h"

#include <stdio.h>
#include <string.h>

#define USAGE_COLUMNS 44

/* "--limit <number>"; returns its length. */
#define OPTION_TEXT_SIZE (OPTION_NAME_SIZE + OPTION_VALUE_SIZE + 4)
static int format_option(const struct command_field *field, char text[static OPTION_TEXT_SIZE])
{
        char name[OPTION_NAME_SIZE], value[OPTION_VALUE_SIZE];

        return snprintf(text, OPTION_TEXT_SIZE, "--%s%s%s",
                        option_name(field, name), *option_value(field, value) ? " " : "",
                        option_value(field, value));
}

static void write_arguments(const struct style *style, const struct command *command,
                            struct buf *out)
{
        const char *at = command->usage;

        for (;;) {
                struct usage_part part = usage_next(&at);
                const struct command_field *field;
                char text[OPTION_NAME_SIZE + 2];

                if (part.kind == USAGE_END)
                        return;
                if (part.kind == USAGE_WORD)
                        continue;
                field = command_argument(command, &part);
                (void) snprintf(text, sizeof text, "<%.*s>", (int) part.len, part.name);
                buf_append_format(out, "  %s%-28s%s %s\n", style->bold, text, style->plain,
                                  field->doc);
        }
}

static void write_options(const struct style *style, const struct command *command,
                          struct buf *out)
{
        for (const struct command_field *field = command->input; field->name; field++) {
                char text[OPTION_TEXT_SIZE];

                if (!command_is_option(command, field))
                        continue;
                (void) format_option(field, text);
                buf_append_format(out, "  %s%-28s%s%s %s%s\n", style->bold, text, style->plain,
                                  strlen(text) > 28 ? "\n                              " : "",
                                  type_is_optional(field->type) ? "" : "Required: ", field->doc);
        }
        for (const struct common_option *option = common_options; option->name; option++) {
                char text[64];

                (void) snprintf(text, sizeof text, "--%s%s%s", option->name,
                                option->value ? " " : "", option->value ? option->value : "");
                buf_append_format(out, "  %s%-28s%s %s\n", style->dim, text, style->plain,
                                  option->doc);
        }
}

void help_command(const struct style *style, const struct command *command, struct buf *out)
{
        buf_append_format(out, "%susage:%s ragctl [options] %s\n\n%s\n\n", style->bold,
                          style->plain, command->usage, command->doc);
        write_arguments(style, command, out);
        write_options(style, command, out);
}

void help_all(const struct style *style, struct buf *out)
{
        buf_append_format(out, "%susage:%s ragctl [options] <command> …\n\n", style->bold,
                          style->plain);
        for (size_t i = 0; i < n_commands; i++)
                if (commands[i].usage)
                        buf_append_format(out, "  %s%-*s%s %s\n", style->bold, USAGE_COLUMNS,
                                          commands[i].usage, style->plain, commands[i].doc);
        buf_append_format(out,
                          "\n%sragctl <command> --help%s explains its options; --json prints JSON; "
                          "--state DIR or\n--socket PATH say which ragd. See ragctl(1).\n",
                          style->bold, style->plain);
}
