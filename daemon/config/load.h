/* SPDX-License-Identifier: Apache-2.0 */
/* From a profile on disk to a struct config, or to everything that is wrong with it.
 *
 * A syntax error stands alone, since the parser stops there; otherwise every fault of the file,
 * of what it extends and across keys is found in one run.  Warnings do not refuse a profile. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "config/diagnostics.h"
#include "config/values.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct config_load_options {
        const char *profile_dir;       /* where `extends` looks after the file's own folder;
                                          NULL: the installed profiles */
        uint64_t machine_memory_bytes; /* what capacity is judged against; 0: this machine */
        /* What `extends` means, for a profile that was sent with it: then no file is read. */
        const char *base_name; /* in diagnostics and origins; NULL: the file is looked for */
        const char *base_text;
        size_t base_len;
};

/* Loads and validates the profile at `path`; `options` may be NULL.  Diagnostics, warnings
 * included, are added sorted; reterr sums them up.  -EINVAL: the profile has errors; another
 * errno: it cannot be read (then a diagnostic says so too); -ENOMEM: out of memory, the
 * diagnostics are incomplete.  *ret is the caller's. */
int config_load(const char *path, const struct config_load_options *options, struct config **ret,
                struct config_diagnostics *diagnostics, struct error *reterr);

/* The same from memory; `name` stands for the file in diagnostics, and its folder, if it has
 * one, is where `extends` looks first. */
int config_load_memory(const char *name, const char *text, size_t len,
                       const struct config_load_options *options, struct config **ret,
                       struct config_diagnostics *diagnostics, struct error *reterr);

struct config *config_free(struct config *config); /* returns NULL */
DEFINE_CLEANUP(struct config *, config_free)

/* The file that `extends = "name"` in `profile` means: beside it, else the installed one.
 * -ENOENT, -ENAMETOOLONG. */
int config_extends_path(const char *profile, const char *name, char path[static PATH_MAX]);

/* Where a key was written: its file (borrowed from the config) and line; NULL and 0 where it
 * has its default.  `key` is full ("rag.providers.x.model").  -ENOENT: no such key. */
int config_origin(const struct config *config, const char *key, const char **ret_file,
                  uint32_t *ret_line);
