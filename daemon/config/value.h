/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a config seen through the schema: one loop over all of them, whatever their
 * section and type.  Loading, freeing, dumping, comparing and showing are that loop. */
#pragma once
#include "base/buf.h"
#include "base/error.h"
#include "config/schema.h"

#include <stdbool.h>

/* Where a value was written; line 0: nowhere, it is the default or what others imply. */
struct config_origin {
        const char *file;    /* borrowed from config_origins.files */
        const char *implied; /* what gave it another value than the default; static */
        uint32_t line, column;
        bool invalid; /* refused: the default stands in, and no rule judges it */
};

struct config_origins {
        size_t file_count;
        char *files[2]; /* the profile, then what it extends */
        struct config_origin *fixed;      /* by config_row_index() */
        struct config_origin **providers; /* one array for each provider table */
        struct config_origin *tables;     /* where each provider table begins */
};

/* A place in the loop over all values. */
struct config_value {
        const struct config_section *section;
        const struct config_row *row;
        struct provider_config *provider; /* NULL unless the row is a provider's */
        struct config_origin *origin;
        void *field;
        size_t next_section, next_row, next_provider; /* private */
};

/* Steps to the next value: sections and rows in the schema's order, provider tables by name.
 * Starts from a zeroed struct; false at the end. */
bool config_value_next(const struct config *config, struct config_value *value);

/* The value of one row; `provider` where it is a provider's. */
struct config_value config_value_of(const struct config *config, const struct config_row *row,
                                    const struct provider_config *provider);

/* The full key, with the provider's own name in place of NAME. */
void config_value_path(const struct config_value *value, struct buf *buf);

/* Nothing was written and the row has no default, or an empty list where there is none. */
bool config_value_unset(const struct config_value *value);
bool config_value_equal(const struct config_value *a, const struct config_value *b);

/* As TOML; nothing where it is unset. */
void config_value_format(const struct config_value *value, struct buf *buf);
void config_format_double(double number, struct buf *buf);
void config_format_string(const char *text, struct buf *buf);

/* Sets the row's default.  -ENOMEM. */
int config_value_reset(const struct config_value *value);
void config_value_done(const struct config_value *value);

/* Sets the `has_` companion, where the row has one. */
void config_value_mark(const struct config_value *value, bool present);
