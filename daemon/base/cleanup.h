/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership by attribute: a variable frees itself when its scope ends, and take_ptr()
 * hands it on.  Destructors accept NULL and half-built objects, so no goto is needed. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup_(function) __attribute__((cleanup(function)))

/* Moves the pointer out of its variable, so that the cleanup attribute finds NULL. */
#define take_ptr(variable)                               \
        ({                                               \
                __typeof__(variable) taken_ = (variable); \
                (variable) = NULL;                       \
                taken_;                                  \
        })

/* The same for a file descriptor, whose empty value is -1. */
#define take_fd(variable)            \
        ({                           \
                int taken_ = (variable); \
                (variable) = -1;     \
                taken_;              \
        })

/* Defines name_cleanup() for `cleanup_(name_cleanup) type variable`. */
#define DEFINE_CLEANUP(type, function)                        \
        static inline void function##_cleanup(type *variable) \
        {                                                     \
                if (*variable)                                \
                        (void) function(*variable);           \
        }

static inline void free_cleanup(void *pointer)
{
        free(*(void **) pointer);
}

static inline void close_cleanup(const int *fd)
{
        if (*fd >= 0)
                (void) close(*fd);
}

DEFINE_CLEANUP(FILE *, fclose)

#define cleanup_free_ cleanup_(free_cleanup)
#define cleanup_close_ cleanup_(close_cleanup)

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
