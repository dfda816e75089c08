/* SPDX-License-Identifier: Apache-2.0 */
/* The schema told to others: editors (JSON Schema), readers (ragd.toml(5)), fuzzers and shells
 * (every key).  All of it comes from the rows. */
#pragma once
#include "base/buf.h"

struct json_object;

/* JSON Schema, draft 2020-12, of a profile; NULL: out of memory. */
struct json_object *config_schema_json(void);

/* The sections with their keys in mdoc(7). */
void config_write_man(struct buf *buf);

/* Every key, one for each line. */
void config_write_keys(struct buf *buf);

/* Keys, tables and words as a libFuzzer dictionary. */
void config_write_dictionary(struct buf *buf);
