/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl help, version and completion. */
#include "config.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "help.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

/* Commands that begin with the words; all of the table where there are none. */
static size_t help_matching(const struct ctl *ctl, const char *words, struct buf *out)
{
        size_t n = 0, len = strlen(words);

        for (size_t i = 0; i < n_commands; i++) {
                if (!commands[i].usage || strncmp(commands[i].usage, words, len) != 0 ||
                    (commands[i].usage[len] != ' ' && commands[i].usage[len] != '\0'))
                        continue;
                if (n++ > 0)
                        buf_append_char(out, '\n');
                help_command(&ctl->out, &commands[i], out);
        }
        return n;
}

int run_help(struct ctl *ctl)
{
        cleanup_(buf_done) struct buf words = BUF_EMPTY, out = BUF_EMPTY;
        struct json_object *given = NULL;

        if (ctl->words.values)
                (void) json_object_object_get_ex(ctl->words.values, "command", &given);
        for (size_t i = 0; given && i < json_object_array_length(given); i++)
                buf_append_format(&words, "%s%s", i ? " " : "",
                                  json_object_get_string(json_object_array_get_idx(given, i)));
        if (words.len == 0)
                help_all(&ctl->out, &out);
        else if (help_matching(ctl, buf_text(&words), &out) == 0)
                return ctl_fail(ctl, EXIT_USAGE, "there is no command \"%s\"", buf_text(&words));
        (void) fputs(buf_text(&out), stdout);
        return EXIT_OK;
}

int run_completion(struct ctl *ctl)
{
        cleanup_(buf_done) struct buf out = BUF_EMPTY;

        (void) ctl;
        help_completion(&out);
        (void) fputs(buf_text(&out), stdout);
        return EXIT_OK;
}

int run_version(struct ctl *ctl)
{
        if (ctl->words.json)
                (void) printf("{ \"version\": \"%s\" }\n", PACKAGE_VERSION);
        else
                (void) printf("ragctl %s\n", PACKAGE_VERSION);
        return EXIT_OK;
}
