/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole reads and writes, and changes that survive a power cut. */
#pragma once
#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

/* Reads a regular file of at most `max_bytes` into heap memory that ends in a NUL the length
 * does not count; *ret_data is the caller's to free.  -EISDIR: a directory, -EFBIG: larger. */
int io_read_file(int dirfd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                 struct error *reterr);

/* Writes all of it, through interruptions and short writes. */
int io_write_all(int fd, const void *data, size_t len);

/* Replaces `path` as one step: temporary file beside it, fsync, rename, fsync of the folder. */
int io_replace_file(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
                    struct error *reterr);

/* Makes the folder's entries durable. */
int io_sync_directory(int dirfd, const char *path);

/* Creates `path` and its missing parents. */
int io_make_directories(const char *path, mode_t mode, struct error *reterr);

/* Removes a folder and all it holds, without following links.  Absent is success. */
int io_remove_tree(int dirfd, const char *path);
