/* SPDX-License-Identifier: Apache-2.0 */
/* Problem documents (RFC 9457): one table of what can go wrong at this door, and one that maps
 * the errno of the floors below to it.  Texts of failures that are the server's own matter
 * (5xx) are logged with the request's id and not told to the client. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

enum problem {
        PROBLEM_BAD_REQUEST,
        PROBLEM_REFUSED_HEAD,
        PROBLEM_MALFORMED_JSON,
        PROBLEM_INVALID_ENCODING,
        PROBLEM_MISSING_KEY,
        PROBLEM_INVALID_KEY,
        PROBLEM_EXPIRED_KEY,
        PROBLEM_WRONG_STAGE,
        PROBLEM_ORIGIN,
        PROBLEM_FORBIDDEN,
        PROBLEM_MISSING_SCOPE,
        PROBLEM_OTHER_COLLECTIONS,
        PROBLEM_SUSPENDED,
        PROBLEM_QUOTA,
        PROBLEM_NOT_FOUND,
        PROBLEM_NO_ROUTE,
        PROBLEM_METHOD,
        PROBLEM_EXISTS,
        PROBLEM_CONFLICT,
        PROBLEM_MISMATCH,
        PROBLEM_IN_PROGRESS,
        PROBLEM_TOO_LARGE,
        PROBLEM_MEDIA_TYPE,
        PROBLEM_EXPECTATION,
        PROBLEM_INVALID,
        PROBLEM_KEY_REUSED,
        PROBLEM_TOO_MANY_HEADERS,
        PROBLEM_TOO_MANY,
        PROBLEM_RATE,
        PROBLEM_OPERATIONS,
        PROBLEM_DAY,
        PROBLEM_BUDGET,
        PROBLEM_INTERNAL,
        PROBLEM_TRANSFER_ENCODING,
        PROBLEM_UNAVAILABLE,
        PROBLEM_WAKING,
        PROBLEM_AUDIT,
        PROBLEM_PROVIDER,
        PROBLEM_STORAGE,
        PROBLEM_DAMAGED,
        PROBLEM_DEADLINE,
        PROBLEM_DRAINING,
        PROBLEM_FULL,
        PROBLEM_AUDIT_FULL,
        PROBLEM_MAX,
};

struct problem_row {
        int status;
        const char *code; /* stable, for programs; the last part of the type's URN */
        const char *type; /* a registered one; NULL: that URN */
        const char *title;
        bool secret; /* details stay in the log */
        bool denied; /* no right, beyond a limit, or no head: the audit log is told */
        uint32_t retry_after_seconds;
};
const struct problem_row *problem_row(enum problem problem);

/* Where a failure came from decides what a malformed text means. */
enum problem_origin {
        PROBLEM_FROM_BODY,    /* the client's own text was read: EBADMSG is malformed JSON */
        PROBLEM_FROM_SERVICE, /* carried out below: EBADMSG is damaged data */
        PROBLEM_FROM_ANSWER,  /* the same; EDQUOT is the budget, not room on a disk,
                              * and it is a provider that took too long */
};
enum problem problem_from_error(int code, bool has_pointer, enum problem_origin origin);

/* Settles the request with a problem.  `detail` says what is the matter in this case. */
void problem_set(struct request *request, enum problem problem, const char *detail, ...)
        __attribute__((format(printf, 3, 4)));
/* The same from a failure of a floor below; logs it when it is the server's own. */
void problem_set_error(struct request *request, const struct error *error,
                       enum problem_origin origin);

/* The same where a limit refuses: which policy it is, and how long until it would pass (UINT64_MAX:
 * waiting does not help).  Retry-After is that, rounded up to whole seconds. */
void problem_set_limit(struct request *request, enum problem problem, const char *policy,
                       uint64_t wait_usec, const char *detail, ...)
        __attribute__((format(printf, 5, 6)));

/* The document itself (heap); `pointer` may be NULL. */
char *problem_text(const struct request *request, enum problem problem, const char *detail,
                   const char *pointer, size_t *ret_len);
