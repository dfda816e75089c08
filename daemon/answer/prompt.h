/* SPDX-License-Identifier: Apache-2.0 */
/* What a language model is asked: the rules, the passages, the conversation, the question.
 *
 * Passages are numbered from 1, best first, as many as max_context_tokens holds by the rule of
 * base/text.h; the first always, cut where it must be.  The conversation so far has a quarter of
 * that room, its newest turns first.  Each passage stands between two lines with a mark that
 * occurs in none of them, so that no document can end its own quotation; the mark follows from
 * the content, so that the same question over the same passages is the same prompt.
 *
 * Pure functions on an analyzer; one thread. */
#pragma once
#include "base/text.h"
#include "provider/provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROMPT_HASH_BYTES 32
#define PROMPT_TURNS_MAX 32 /* of the conversation so far */

struct prompt_rules {
        const char *system; /* NULL: the built-in text; "": none */
        const char *frame;  /* holds {context} and {question}; NULL: the built-in one */
        uint32_t max_context_tokens;
};

struct prompt_passage {
        const char *title; /* or NULL */
        const char *text;
        size_t len;
};

struct prompt_input {
        const struct prompt_passage *passages; /* best first */
        size_t n_passages;
        const struct chat_message *history; /* oldest first */
        size_t n_history;
        const char *instructions; /* of the application, behind the rules; or NULL */
        const char *question;
};

struct prompt {
        char *system;                  /* heap; or NULL */
        struct chat_message *messages; /* heap, their texts, too; the roles alternate */
        size_t n_messages;             /* the last one is the user's */
        size_t n_passages;             /* that are in it: [1] to [n_passages] */
        bool cut;                      /* the first passage is not whole */
        uint8_t hash[PROMPT_HASH_BYTES]; /* BLAKE2b of all that the model is told */
};

/* -ENOMEM. */
int prompt_write(struct text_analyzer *analyzer, const struct prompt_rules *rules,
                 const struct prompt_input *input, struct prompt *ret, struct error *reterr);
void prompt_done(struct prompt *prompt);
