/* SPDX-License-Identifier: Apache-2.0 */
/* Which language model a question goes to: a simple one to `simple`, a complex one to `complex`
 * (for example a small local model and a large one elsewhere).
 *
 * Complexity is a number from 0 to 1, the same for the same text:
 *
 *     complexity = min(1, 0.30 * length + 0.20 * clauses + 0.25 * operations
 *                         + 0.15 * questions + 0.10 * figures)
 *
 *     length      words / 40, at most 1; four characters of a script written without spaces
 *                 count as two words
 *     clauses     commas, semicolons, colons, dashes, brackets and words that join clauses
 *                 ("and", "because", "und", "parce", …), / 4, at most 1
 *     operations  words that ask for more than looking up: comparing, causes, steps, evaluation,
 *                 derivation ("compare", "why", "explain", "warum", "pourquoi", …), / 2, at most 1
 *     questions   question marks and question words beyond the first, / 2, at most 1
 *     figures     numbers beyond the first, / 3, at most 1
 *
 * A question is complex if its complexity reaches complexity_threshold, or if it is longer than
 * query_length_threshold characters.  Pure functions. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct routing_config;

double routing_complexity(const char *question);

/* Characters, not bytes. */
size_t routing_length(const char *question);

struct routing_choice {
        bool complex;
        double complexity;
        size_t length;
};

void routing_choose(const struct routing_config *routing, const char *question,
                    struct routing_choice *ret);
