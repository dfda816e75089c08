/* SPDX-License-Identifier: Apache-2.0 */
/* What providers say of waiting and of their limits, in every form that they use.  Pure functions;
 * the time of day is an argument. */
#pragma once
#include "event/fetch.h"
#include "provider/provider.h"

#include <stdbool.h>
#include <stdint.h>

/* The longest wait that is believed. */
#define HINT_MAX_USEC (UINT64_C(366) * 24 * 3600 * 1000000)

/* A wait from now on, written as seconds ("7", "0.25"), as a duration of Go ("6m0s", "12ms",
 * "2m59.56s"), as a date of HTTP (RFC 9110, 5.6.7), as a time of RFC 3339, or as seconds or
 * milliseconds since 1970.  What is past is 0.  -EINVAL: none of these, or beyond belief. */
int hint_wait(const char *text, uint64_t wall_usec, uint64_t *ret_usec);

/* A number of milliseconds. */
int hint_milliseconds(const char *text, uint64_t *ret_usec);

/* The wait in a sentence: "Please try again in 7.66s.", "retry after 20 seconds".  -ENOENT. */
int hint_in_sentence(const char *sentence, uint64_t *ret_usec);

/* What the head of an answer says of limits; `per_day`: the window of requests is a day. */
void hints_read_limits(const struct fetch_head *head, bool per_day, uint64_t wall_usec,
                       struct call_limits *ret);

/* How long the head of an answer asks not to come back; 0: it does not. */
uint64_t hints_read_wait(const struct fetch_head *head, uint64_t wall_usec);

/* The same, of a head that did not say, from a sentence, else from the reset of a limit that is
 * used up. */
uint64_t hints_guess_wait(const char *sentence, const struct call_limits *limits);
