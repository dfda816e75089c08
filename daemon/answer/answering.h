/* SPDX-License-Identifier: Apache-2.0 */
/* An answer on its way, shared by answer.c, which leads it, and endings.c, which tells whoever
 * asked what comes and how it ended.  Who may touch it when: see answer.c. */
#pragma once
#include "answer/prompt.h"
#include "answer/trace.h"
#include "answer/writing.h"

struct answering {
        struct answer *answer;
        struct tenant_id tenant;
        struct answer_events events;
        struct writing writing;
        struct trace trace;

        struct text_analyzer *analyzer;
        struct passage *sources; /* heap; texts borrowed from the response */
        struct prompt prompt;
        struct cite *cite;
        struct gateway_chat *chat;
        bool prompted;    /* there is a prompt, and its hash */
        bool text_told;   /* a delta was: from here on a failure is an error */
        size_t taken;     /* bytes of the model's text that cite has read */
        uint64_t search_usec, chat_begin_usec, first_usec;
        uint32_t arm;
        int failed_code; /* of the model that was quoted in the place of; or 0 */
        _Atomic bool ended;
};

/* The sources, a piece of text, a citation: told to who listens; below 0: nobody does any more. */
int answering_tell_sources(struct answering *answering);
/* As of struct cite_events; `data` is the answering. */
int answering_tell_text(void *data, const char *text, size_t len);
int answering_tell_citation(void *data, const struct citation *citation);

/* The end, once: the answer as a whole, or why there is none; with its trace and its figures. */
void answering_end_well(struct answering *answering, struct writing_facts *facts);
void answering_end_failed(struct answering *answering, const struct error *error);
/* Parts of an end, for one that nobody hears of. */
void answering_put_trace(struct answering *answering, struct trace_facts *facts);
void answering_tell_ended(struct answering *answering, int code, bool grounded, uint64_t cost);
