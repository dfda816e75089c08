/* SPDX-License-Identifier: Apache-2.0 */
/* Retrieval collections in BEIR's form (Thakur et al. 2021): corpus.jsonl with {_id, title, text,
 * metadata}, queries.jsonl with {_id, text}, qrels as tab-separated query, document, gain. */
#pragma once
#include "base/buf.h"
#include "base/error.h"

#include <json-c/json.h>

/* A document line as the daemon takes it.  A new reference; the same object, where it is no
 * BEIR line; NULL: out of memory. */
struct json_object *beir_document(struct json_object *line);

/* Appends a golden set as JSON lines {query, relevant}: the file's own text, or made of
 * queries.jsonl and qrels.tsv (or qrels/test.tsv) where `path` is a folder. */
int beir_read_golden(const char *path, struct buf *out, struct error *reterr);
