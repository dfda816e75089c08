/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves out what a model thinks aloud: <think>…</think> where it begins a line, in text that
 * comes in pieces cut anywhere; and the white space before the first word. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Begins as zeros; nothing to free. */
struct think {
        bool begun;    /* something visible was told */
        bool mid_line; /* since the last line break */
        bool inside;
        bool skip_space; /* behind a part that was left out */
        size_t matched;  /* characters of a tag that may be one */
};

typedef int (*think_function)(void *data, const char *text, size_t len);

/* Tells `tell` what remains; returns its negative result. */
int think_feed(struct think *think, const char *text, size_t len, think_function tell, void *data);
/* The text is at its end: what only began like a tag is told. */
int think_end(struct think *think, think_function tell, void *data);
