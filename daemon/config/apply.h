/* SPDX-License-Identifier: Apache-2.0 */
/* Puts what a TOML tree says into a config, row by row, and reports what is not right with a
 * single key: unknown, of another type, out of range.  Private to config/. */
#pragma once
#include "config/diagnostics.h"
#include "config/toml.h"
#include "config/value.h"

/* A key that already has an origin keeps its value: the profile goes first, then what it
 * extends.  `file` is borrowed by the origins.  -ENOMEM. */
int config_apply(struct config *config, const struct toml_node *root, const char *file,
                 struct config_diagnostics *diagnostics);

/* A config in which every value has its default.  -ENOMEM. */
int config_new(struct config **ret);

/* The provider table of this name, made with defaults where there is none; other providers
 * may move in memory.  -ENOMEM. */
int config_add_provider(struct config *config, const char *name, struct provider_config **ret);

/* Says that a key or table is unknown, with what was probably meant. */
void config_report_unknown(struct config_diagnostics *diagnostics, const char *file,
                           struct toml_place place, const char *path, bool table);

/* Whether some known foreign spelling lies below this table. */
bool config_foreign_below(const char *path);
