/* SPDX-License-Identifier: Apache-2.0 */
/* Names, numbers and JSON files of the state folder, for the files beside this one.
 *
 * A JSON file is read strictly: whatever it holds that is not expected is -EBADMSG with the file's
 * path; what the disk itself says (-ENOENT, -EIO, -EACCES) passes through. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct release_info;

#define RECORD_FILE_BYTES_MAX (16U << 20U)
#define RECORD_SOURCE_NAME_MAX 100 /* bytes: what a header of tar takes */
#define RECORD_PATH_SIZE 192

/* "releases/000042", "releases/000042/FILE" where there is a `file`.  → `path`. */
const char *record_path(uint32_t number, const char *file, char path[static RECORD_PATH_SIZE]);

/* Numbers of the entries NNNNNN`suffix` of a folder, ascending; heap array.  An absent folder
 * has none. */
int record_numbers(int dirfd, const char *folder, const char *suffix, uint32_t **ret, size_t *ret_n,
                   struct error *reterr);

/* An object. */
int record_read_json(int dirfd, const char *path, struct json_object **ret, struct error *reterr);
int record_write_json(int dirfd, const char *path, struct json_object *object,
                      struct error *reterr);
/* -EBADMSG from what a typed member's reader said about the file's content. */
int record_damaged(const char *path, int r, struct error *reterr);

/* A member that must be there, of a file's object; -EBADMSG.  `ret` has room for `size`. */
int record_get_text(struct json_object *object, const char *path, const char *key, char *ret,
                    size_t size, struct error *reterr);
/* RFC 3339 in UTC as json_add_time() writes it; absent: 0. */
int record_get_time(struct json_object *object, const char *path, const char *key, uint64_t *ret,
                    struct error *reterr);
/* Exactly `len` bytes in hexadecimal. */
int record_get_hex(struct json_object *object, const char *path, const char *key, uint8_t *ret,
                   size_t len, struct error *reterr);

/* A release's folder wherever it lies, `folder` below `dirfd`: its manifest, a new reference; and
 * every file that this names against it, by size, with `digests` by digest as well.  -EBADMSG. */
int record_read_manifest(int dirfd, const char *folder, struct json_object **ret,
                         struct error *reterr);
int record_check_files(int dirfd, const char *folder, struct json_object *manifest, bool digests,
                       struct error *reterr);
/* What manifest and meta say, not its state; -EBADMSG where ret->number is set and another.  `via` is "" where nobody but
 * a start made releases and none had a state. */
int record_read_facts(int dirfd, const char *folder, struct json_object *manifest,
                      struct release_info *ret, struct error *reterr);
/* Whether a manifest may name it: "effective.toml", "meta.json", "plan.json", "source/NAME". */
bool record_is_file(const char *name);

/* State, since when, and why of release info->number, whose facts are read.  One without a state
 * is SUPERSEDED where it is so early. */
int record_read_state(int state_dirfd, struct release_info *info, struct error *reterr);
