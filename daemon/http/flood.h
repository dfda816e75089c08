/* SPDX-License-Identifier: Apache-2.0 */
/* Denials by the hundred must not fill the disk that the audit log lies on: of one client address
 * and one code so many a minute get a line each, the others are summed up in one line a minute.
 *
 * One thread of its own writes the sums, and lines that nobody can wait for.  Sums are bounded:
 * beyond so many addresses at a time those of a code are summed up together, without an address. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct audit_event;
struct flood;
struct http_services;

#define FLOOD_LINES_PER_MINUTE 600
#define FLOOD_SUMS_MAX 256

/* `services` is borrowed; `sum_usec`: how long one line sums up. */
int flood_new(const struct http_services *services, uint64_t sum_usec, struct flood **ret,
              struct error *reterr);
/* Writes what was summed up. */
struct flood *flood_free(struct flood *flood);

/* True: this denial gets a line of its own, which the caller writes.  False: it was summed up.
 * Never waits for a disk. */
bool flood_take(struct flood *flood, const struct audit_event *event, uint64_t now_usec);
/* The same where nobody can wait: the thread writes it at once. */
void flood_post(struct flood *flood, const struct audit_event *event, uint64_t now_usec);
