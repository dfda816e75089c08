/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit log is told of requests: one line for each change and each denial, and where
 * security.audit_reads says so for each search, answer and look; durable before the answer.
 *
 * A change is not begun while the log can't be written.  One that was carried out and could not be
 * recorded is answered with a failure that says so.  Routes on tenants and keys write a line before
 * they begin, too.  Texts of documents are never in it, questions with security.audit_texts.
 *
 * note_due() never waits; what writes may wait for a disk: not on a network thread. */
#pragma once
#include <stdbool.h>

struct flood;
struct request;

/* Whether its release keeps an audit log at all. */
bool note_is_on(const struct request *request);

/* False: the problem is set. */
bool note_may_change(struct request *request);
/* Before a change of a route on tenants and keys.  False: the problem is set. */
bool note_begin(struct request *request);

/* Once, when the request is settled: whether a line is to be written before it is answered. */
bool note_due(struct request *request);
/* Writes it; where that fails what was not a denial is answered with that. */
void note_write(struct request *request);
/* Of one whose client did not wait for the answer: leaves a denial to another thread. */
void note_leave(struct request *request);
/* A head that the HTTP library refused by itself, after the fact. */
void note_refused(const struct request *request);

/* What was asked, for the line of a search or answer; `text` may be NULL. */
void note_question(struct request *request, const char *text);
