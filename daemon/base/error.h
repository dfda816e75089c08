/* SPDX-License-Identifier: Apache-2.0 */
/* Why something failed, in words for the person who has to mend it.
 *
 * Functions return a negative errno and describe it in an optional `struct error`, always
 * the last argument (`reterr`), written on failure only.  The struct is inline memory:
 * reporting a failure never allocates, so it works when memory is what ran out.  `file:line`
 * is our source, `origin` the user's.  Only doors and main.c log, once; callers on the way
 * up add context with error_prefix().  NULL is accepted wherever an error is written. */
#pragma once
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>

#define ERROR_MESSAGE_MAX 256
#define ERROR_ORIGIN_MAX 128

/* A place in what the user wrote; empty fields are unknown.  Line and column count from 1. */
struct origin {
        char file[ERROR_ORIGIN_MAX];
        char key[ERROR_ORIGIN_MAX]; /* configuration key, JSON pointer or parameter */
        uint32_t line;
        uint32_t column;
};

struct error {
        int code; /* negative errno */
        const char *file;
        int line;
        struct origin origin;
        char message[ERROR_MESSAGE_MAX];
};

/* Describes the failure and returns `code`, so that `return error_set(…)` does both. */
#define error_set(reterr, code, ...) error_set_at((reterr), (code), __FILE__, __LINE__, __VA_ARGS__)

/* The same with the text of an errno appended: "open /x: No such file or directory". */
#define error_set_errno(reterr, code, ...) \
        error_set_errno_at((reterr), (code), __FILE__, __LINE__, __VA_ARGS__)

/* Out of memory, described without allocating; returns -ENOMEM. */
#define error_oom(reterr) error_set_at((reterr), -ENOMEM, __FILE__, __LINE__, "out of memory")

#ifdef __clang_analyzer__
/* The analyzer looks into one file at a time: here it learns that the result is a failure. */
#define error_failed(call)                       \
        ({                                       \
                int failed_ = (call);            \
                if (failed_ >= 0)                \
                        __builtin_unreachable(); \
                failed_;                         \
        })
#undef error_set
#undef error_set_errno
#undef error_oom
#define error_set(reterr, code, ...) \
        error_failed(error_set_at((reterr), (code), __FILE__, __LINE__, __VA_ARGS__))
#define error_set_errno(reterr, code, ...) \
        error_failed(error_set_errno_at((reterr), (code), __FILE__, __LINE__, __VA_ARGS__))
#define error_oom(reterr) \
        error_failed(error_set_at((reterr), -ENOMEM, __FILE__, __LINE__, "out of memory"))
#endif

int error_set_at(struct error *reterr, int code, const char *file, int line, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
int error_set_errno_at(struct error *reterr, int code, const char *file, int line,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Puts "context: " before the message and returns the error's code (`code` where reterr is NULL). */
int error_prefix(struct error *reterr, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Says where in the user's input the fault lies.  NULL or 0 leave a field as it is. */
void error_set_origin(struct error *reterr, const char *file, const char *key, uint32_t line,
                      uint32_t column);

/* The message, or the errno's text where nobody wrote one.  Borrowed from `error`. */
const char *error_text(const struct error *error);
