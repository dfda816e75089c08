/* SPDX-License-Identifier: Apache-2.0 */
/* A server of the OpenAI shape on 127.0.0.1 for tests of the gateway, on threads of its own.
 *
 * Each call takes the next act of the script; behind its end all is well.  A chat is answered with
 * "You said: " and the last message, 10 tokens in and 5 out; the vector of a text begins with its
 * length and its first character. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum act {
        ACT_OK,
        ACT_500,
        ACT_401,
        ACT_400,
        ACT_429,      /* without a hint */
        ACT_429_AT_1, /* again in a second */
        ACT_429_AT_99,
        ACT_CUT,      /* a stream ends after its first piece; else the head alone comes */
        ACT_HANG,     /* says nothing until the server ends */
        ACT_SLOW,     /* answers after 300 ms */
        ACT_SLOW_500, /* fails after 300 ms */
        ACT_NAN,
        ACT_EMPTY,
        ACT_STALL,    /* a stream's first piece, then nothing until the server ends */
};

#define FAKE_ACTS_MAX 64

struct fake_provider;

struct fake_settings {
        enum act acts[FAKE_ACTS_MAX];
        size_t n_acts;
        enum act always;    /* behind the script */
        size_t max_texts;   /* more in one call are refused as too many; 0: no limit */
        bool too_many_is_429; /* the rate is refused instead */
        unsigned dimensions;
};

struct fake_provider *fake_new(const struct fake_settings *settings);
struct fake_provider *fake_free(struct fake_provider *fake);
/* "http://127.0.0.1:PORT/v1" */
const char *fake_endpoint(const struct fake_provider *fake);
unsigned fake_calls(const struct fake_provider *fake);    /* that came */
unsigned fake_most(const struct fake_provider *fake);     /* under way at once */
unsigned fake_answered(const struct fake_provider *fake); /* chats that came to their end */
