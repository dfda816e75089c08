/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of everything that a profile may say.
 *
 * A row is a key: its name, type, place in struct config, range, default, unit, impact and
 * meaning.  Parser, range check, diff with the impact class, `ragctl config show`, JSON Schema,
 * ragd.toml(5) and the fuzz dictionary all read these rows; nothing about a key is written
 * down a second time.  Rows of `rag.providers.NAME.` are templates: they hold for each provider
 * table and their offsets count from struct provider_config.  Constant data; any thread. */
#pragma once
#include "config/values.h"

#include <stdbool.h>
#include <stddef.h>

struct config_check;

enum config_type {
        CONFIG_BOOL,
        CONFIG_U32,
        CONFIG_U64,
        CONFIG_DOUBLE,
        CONFIG_STRING,
        CONFIG_STRINGS, /* list of strings */
        CONFIG_NUMBERS, /* list of integers */
        CONFIG_ENUM,    /* one of `names` */
        CONFIG_TYPE_MAX,
        CONFIG_TYPE_INVALID = -EINVAL,
};

enum config_unit {
        UNIT_NONE,
        UNIT_TEXTS,
        UNIT_TOKENS,
        UNIT_CHARACTERS,
        UNIT_ENTRIES,
        UNIT_KB,
        UNIT_MB,
        UNIT_MSEC,
        UNIT_SECONDS,
        UNIT_MINUTES,
        UNIT_HOURS,
        UNIT_DAYS,
        UNIT_PER_MINUTE,
        UNIT_PER_DAY,
        UNIT_USD,
        UNIT_USD_PER_MTOK,
        UNIT_RATIO,
        UNIT_PERCENT,
        UNIT_MAX,
        UNIT_INVALID = -EINVAL,
};

/* What a change of the key costs, rising. */
enum config_impact {
        IMPACT_HOT,            /* in force with the next request */
        IMPACT_REBIND,         /* listeners are opened anew */
        IMPACT_RELOAD_MODEL,   /* a provider is opened beside the running one, then swapped */
        IMPACT_REBUILD_INDEX,  /* graph or codes are built from the stored vectors */
        IMPACT_REEMBED,        /* documents are chunked and embedded again */
        IMPACT_RESTART,        /* the old value runs until the next start */
        IMPACT_MAX,
        IMPACT_INVALID = -EINVAL,
};

CONFIG_DECLARE_ENUM(config_type)
CONFIG_DECLARE_ENUM(config_unit)
CONFIG_DECLARE_ENUM(config_impact)

enum {
        CONFIG_SECRET = 1 << 0,        /* a reference to a secret, never the secret */
        CONFIG_STAGE_VARIANT = 1 << 1, /* may differ between stages on promotion */
        CONFIG_SOURCE_ONLY = 1 << 2,   /* resolved by loading, absent from the effective profile */
        CONFIG_MAY_BE_EMPTY = 1 << 3,  /* "" is a value of its own, not a mistake */
};

struct config_row {
        const char *key; /* full, dotted */
        enum config_type type;
        size_t offset;
        enum config_type field_type; /* what the C field is; equals type */
        size_t has_offset;           /* of the `has_` companion; 0: none */
        const char *const *names;    /* of CONFIG_ENUM, ends in NULL */
        double min, max;             /* of numbers, and of a list's items; both 0: no limit */
        const char *dflt;            /* as text, lists separated by commas; NULL: unset */
        enum config_unit unit;
        enum config_impact impact;
        unsigned flags;
        const char *since;
        const char *doc;
};

struct config_section {
        const char *path; /* "" for the top level; "rag.providers.NAME" is the template */
        const char *doc;
        const struct config_row *rows;
        const size_t *count;
        void (*check)(struct config_check *check); /* rules across keys; NULL: none */
};

/* What kind of C field an expression is. */
#define CONFIG_FIELD_TYPE(expression)                      \
        _Generic((expression), bool : CONFIG_BOOL,         \
                 uint32_t : CONFIG_U32,                    \
                 uint64_t : CONFIG_U64,                    \
                 double : CONFIG_DOUBLE,                   \
                 char * : CONFIG_STRING,                   \
                 struct config_strings : CONFIG_STRINGS,   \
                 struct config_numbers : CONFIG_NUMBERS,   \
                 int : CONFIG_ENUM)
#define CONFIG_FIELD_OF(container, field) \
        offsetof(container, field), CONFIG_FIELD_TYPE(((container *) 0)->field)
#define CONFIG_FIELD(field) CONFIG_FIELD_OF(struct config, field)
#define PROVIDER_FIELD(field) CONFIG_FIELD_OF(struct provider_config, field)

#define CONFIG_PROVIDERS "rag.providers"
#define CONFIG_PROVIDER_TEMPLATE "rag.providers.NAME"

extern const struct config_section config_sections[];
extern const size_t config_section_count;

/* The section's row, or NULL.  `path` is exact; provider tables by the template's name. */
const struct config_section *config_section_find(const char *path);

/* The row with this key, or NULL.  A provider's key ("rag.providers.x.kind") finds its
 * template. */
const struct config_row *config_row_find(const char *key);

/* Rows in one config with no provider, and rows of one provider. */
size_t config_fixed_row_count(void);
size_t config_provider_row_count(void);

/* The row's number among the fixed rows, or among the template's. */
size_t config_row_index(const struct config_row *row);

bool config_row_is_provider(const struct config_row *row);

/* The part of the key behind its last dot. */
const char *config_row_leaf(const struct config_row *row);

/* The largest value of the type or row, and the smallest. */
double config_row_min(const struct config_row *row);
double config_row_max(const struct config_row *row);
