/* SPDX-License-Identifier: Apache-2.0 */
/* The files that `ragctl ingest` sends: what a path names, folders with all they hold. */
#pragma once
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum file_kind {
        FILE_DOCUMENT, /* one document with this mime type */
        FILE_LINES,    /* a document on each line */
        FILE_STDIN,    /* the same from standard input */
};

struct source_file {
        char *path;
        char *external_id; /* the path within the folder that was named; for FILE_DOCUMENT */
        const char *mime;
        enum file_kind kind;
        uint64_t size_bytes;
};

struct source_files {
        struct source_file *items;
        size_t n, capacity;
        uint64_t size_bytes;
        size_t n_skipped;
};

/* Adds what `path` names, in the order of names.  Files that ragd does not read are told on
 * standard error and counted; hidden ones and links to folders are passed over in silence.
 * -ENOENT …: the path itself; -EEXIST: two documents would have one external id. */
int source_files_add(struct source_files *files, const char *path, struct error *reterr);
void source_files_done(struct source_files *files);
