/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl's command line, read by the rows of control/commands.h: words, arguments, options.
 * Pure; help, completion and the manual are made from the same rows. */
#pragma once
#include "base/error.h"
#include "control/commands.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* The parts of a row's usage, one after the other. */
enum usage_kind { USAGE_END, USAGE_WORD, USAGE_ARGUMENT };
struct usage_part {
        enum usage_kind kind;
        const char *name; /* borrowed from the usage, not terminated */
        size_t len;
        bool optional, rest;
};
/* `*at` begins as the usage and moves on. */
struct usage_part usage_next(const char **at);

/* The field that an argument or option names, or NULL. */
const struct command_field *command_argument(const struct command *command,
                                             const struct usage_part *part);
/* Whether the field is an option: not on the wire alone, and no argument. */
bool command_is_option(const struct command *command, const struct command_field *field);
/* The option's name without "--". */
#define OPTION_NAME_SIZE 48
const char *option_name(const struct command_field *field, char name[static OPTION_NAME_SIZE]);
/* What stands for its value in help: "<name>", "<a|b>"; "" for a flag. */
#define OPTION_VALUE_SIZE 64
const char *option_value(const struct command_field *field, char value[static OPTION_VALUE_SIZE]);

/* The options that every command takes. */
struct common_option {
        const char *name, *value, *doc; /* value NULL: a flag */
};
extern const struct common_option common_options[]; /* ends with a name of NULL */

/* A command line that was understood. */
struct words {
        const struct command *command; /* NULL: none was given */
        struct json_object *values;    /* by field name, of the fields' types */
        bool help, version, json;
        const char *socket, *state; /* borrowed from argv */
};

/* -EINVAL with a sentence that says what would be right.  `ret` is written in any case, as far
 * as it was understood, and wants words_done(). */
int words_parse(int argc, char *argv[], struct words *ret, struct error *reterr);
void words_done(struct words *words);
/* Fills in an option that the command knows and the line does not have; `text` NULL or "": does
 * nothing.  -EINVAL as above. */
int words_default(struct words *words, const char *name, const char *text, struct error *reterr);

/* A value given, or `otherwise`. */
const char *words_string(const struct words *words, const char *name, const char *otherwise);
bool words_bool(const struct words *words, const char *name);
/* The values that the method takes (a new object): those of fields that are not ragctl's own. */
struct json_object *words_parameters(const struct words *words);
