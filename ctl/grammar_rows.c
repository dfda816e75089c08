/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar_inside.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/nearest.h"

#include <stdio.h>

/* How many of the words are the row's own, if all that are there fit; -1: another row. */
static int literals(const struct command *command, const char *const *given, size_t n,
                    bool *ret_complete)
{
        const char *at = command->usage;
        int count = 0;

        *ret_complete = false;
        for (;;) {
                struct usage_part part = usage_next(&at);

                if (part.kind != USAGE_WORD) {
                        *ret_complete = true;
                        return count;
                }
                if ((size_t) count == n)
                        return count;
                if (!same(given[count], part.name, part.len))
                        return -1;
                count++;
        }
}

int row_match(const char *const *given, size_t n, const struct command **ret_row,
                 bool *ret_begins)
{
        int best = 0;

        *ret_row = NULL;
        *ret_begins = false;
        for (size_t i = 0; i < n_commands; i++) {
                bool complete = false;
                int count = commands[i].usage ? literals(&commands[i], given, n, &complete) : -1;

                if (count > 0 && !complete)
                        *ret_begins = true;
                if (count > best && complete) {
                        best = count;
                        *ret_row = &commands[i];
                }
        }
        return best;
}

static void count_arguments(const struct command *command, size_t *ret_min, size_t *ret_max)
{
        const char *at = command->usage;

        *ret_min = *ret_max = 0;
        for (;;) {
                struct usage_part part = usage_next(&at);

                if (part.kind == USAGE_END)
                        return;
                if (part.kind != USAGE_ARGUMENT)
                        continue;
                *ret_min += part.optional ? 0 : 1;
                *ret_max = part.rest ? SIZE_MAX : *ret_max + 1;
        }
}

const struct command *row_choose(const struct command *first, int n_literals,
                                     const char *const *given, size_t n)
{
        for (size_t i = 0; i < n_commands; i++) {
                size_t min, max;
                bool complete = false;

                if (!commands[i].usage ||
                    literals(&commands[i], given, (size_t) n_literals, &complete) != n_literals ||
                    !complete)
                        continue;
                count_arguments(&commands[i], &min, &max);
                if (n - (size_t) n_literals >= min && n - (size_t) n_literals <= max)
                        return &commands[i];
        }
        return first;
}

/* The words that may stand at this place behind the ones before it, each once. */
static void words_at(const char *const *given, size_t n, char text[][OPTION_NAME_SIZE],
                     const char *ret[NEAR_MAX])
{
        size_t count = 0;

        for (size_t i = 0; i < n_commands && count < NEAR_MAX - 1; i++) {
                const char *at = commands[i].usage;
                struct usage_part part = { 0 };
                bool complete = false;

                if (!at || literals(&commands[i], given, n, &complete) != (int) n || complete)
                        continue;
                for (size_t j = 0; j <= n; j++)
                        part = usage_next(&at);
                (void) snprintf(text[count], OPTION_NAME_SIZE, "%.*s", (int) part.len, part.name);
                if (count == 0 || strcmp(text[count - 1], text[count]) != 0) {
                        ret[count] = text[count];
                        count++;
                }
        }
        ret[count] = NULL;
}

int row_unknown(const char *const *given, size_t n_known, size_t n, struct error *reterr)
{
        char text[NEAR_MAX][OPTION_NAME_SIZE];
        const char *known[NEAR_MAX], *near;
        cleanup_(buf_done) struct buf all = BUF_EMPTY, before = BUF_EMPTY;

        words_at(given, n_known, text, known);
        for (size_t i = 0; i < n_known; i++)
                buf_append_format(&before, "%s ", given[i]);
        near = n > n_known ? nearest_name(given[n_known], known) : NULL;
        if (near)
                return error_set(reterr, -EINVAL,
                                 "there is no command \"%s%s\" (did you mean \"%s%s\"?)",
                                 buf_text(&before), given[n_known], buf_text(&before), near);
        for (size_t i = 0; known[i]; i++)
                buf_append_format(&all, "%s%s", i ? ", " : "", known[i]);
        if (n == n_known)
                return error_set(reterr, -EINVAL, "%swants one more word: %s", buf_text(&before),
                                 buf_text(&all));
        return error_set(reterr, -EINVAL, "there is no command \"%s%s\"; there are: %s",
                         buf_text(&before), given[n_known], buf_text(&all));
}
