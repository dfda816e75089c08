/* SPDX-License-Identifier: Apache-2.0 */
/* What writer and reader of bundles share. */
#pragma once
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "release/bundle.h"
#include "store/tarball.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUNDLE_PIECE_BYTES (UINT64_C(256) << 20)     /* a piece of vectors ends beyond this */
#define BUNDLE_PIECE_BYTES_MAX (UINT64_C(512) << 20) /* … and before this */
#define BUNDLE_LINE_BYTES_MAX (16U << 20)            /* of a vector and its text */

/* Kinds of members, in the order in which they come. */
enum bundle_kind {
        BUNDLE_HEADER,
        BUNDLE_RELEASE,
        BUNDLE_VECTORS,
        BUNDLE_SUMS,
        BUNDLE_MANIFEST,
        BUNDLE_KIND_MAX,
        BUNDLE_KIND_INVALID = -EINVAL,
};
/* From its name; BUNDLE_KIND_INVALID: no bundle has a member of this name. */
enum bundle_kind bundle_kind_of(const char *name);

/* Takes a piece of vectors, from the start of `fd` on. */
struct bundle_sink {
        int (*piece)(void *data, const char *name, int fd, uint64_t size, struct error *reterr);
        void *data;
};
int bundle_export_vectors(struct store *store, uint32_t number,
                          const uint8_t identity[static 32], const struct bundle_sink *sink,
                          struct error *reterr);
