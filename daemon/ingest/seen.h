/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream said of each document so far, found by its id: in an unlinked file, so that memory
 * does not grow with the stream.  One thread. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct seen;

struct seen_document {
        uint64_t bytes;
        uint32_t chunks;
};

/* The file lies in the folder of `dirfd`. */
int seen_new(int dirfd, struct seen **ret, struct error *reterr);
struct seen *seen_free(struct seen *seen);

/* 1: it was named before, *ret_before is what was said of it; 0: it was not.  -ENOSPC. */
int seen_put(struct seen *seen, const char *external_id, const struct seen_document *document,
             struct seen_document *ret_before, struct error *reterr);
/* The same without saying anything. */
bool seen_find(const struct seen *seen, const char *external_id, struct seen_document *ret);
