/* SPDX-License-Identifier: Apache-2.0 */
/* One name table per enum, from which both directions are made.
 *
 *     enum metric { METRIC_COSINE, …, METRIC_MAX, METRIC_INVALID = -EINVAL };
 *     enum metric metric_from_name(const char *name);     METRIC_INVALID when unknown
 *     const char *metric_name(enum metric value);         NULL when out of range
 *
 *     static const char *const metric_names[METRIC_MAX] = { [METRIC_COSINE] = "cosine", … };
 *     DEFINE_ENUM_NAMES(metric, enum metric)                                              */
#pragma once
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define DEFINE_ENUM_NAMES(stem, type)                                                  \
        const char *stem##_name(type value)                                            \
        {                                                                              \
                size_t at = (size_t) value;                                            \
                return at < sizeof stem##_names / sizeof stem##_names[0]               \
                               ? stem##_names[at]                                      \
                               : NULL;                                                 \
        }                                                                              \
        type stem##_from_name(const char *name)                                        \
        {                                                                              \
                for (size_t i = 0; i < sizeof stem##_names / sizeof stem##_names[0]; i++) \
                        if (stem##_names[i] && strcmp(stem##_names[i], name) == 0)     \
                                return (type) (int) i;                                 \
                return (type) -EINVAL;                                                 \
        }
