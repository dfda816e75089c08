/* SPDX-License-Identifier: Apache-2.0 */
/* A release as one file, to be carried to another stage or host: tar.gz that plain tar reads.
 *
 *     HEADER.json                  format, ragd's version, stage, release, what is inside
 *     release/…                    the release's folder, without its state and its evidence, which
 *                                  are of the stage that it comes from
 *     vectors/IDENTITY.NNNN.jsonl  {tenant, text, vector_base64} of every chunk that is live in the
 *                                  release's generations, in pieces; text: as it was embedded, its
 *                                  title before it; vector: float32, little-endian, in the form in
 *                                  which it is compared; only where asked for
 *     SHA256SUMS                   of every member before it: sha256sum -c reads it
 *     MANIFEST.json                name, size and digest of every member but itself; last
 *
 * One gzip member of ustar headers for regular files, in this order.  SHA256SUMS and MANIFEST.json
 * have one spelling, which follows from the members.  The reader is strict: no other name, no
 * duplicate, link, device or extension header, no byte more or less, no second gzip member.  What
 * it does not look at: time, level and system in gzip's header, and which of its ways deflate took
 * to spell the same bytes. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

#define BUNDLE_FORMAT 1

/* `fd` is written from its position on.  `vectors`: with those of all collections' generations of
 * the release; what is damaged of them is left out: it can be embedded again.  -ENOENT, -EBADMSG:
 * the release; -EPERM: it was never stable; -ESTALE: vectors are asked for, and its embedder is
 * another one by now (a key that is missing, an algorithm that changed). */
int bundle_export(struct store *store, uint32_t number, bool vectors, int fd, struct error *reterr);

struct bundle {
        char *folder; /* heap: unpacked below the state folder, removed by bundle_done() */
        uint32_t number;
        char stage[32], version[32];
        uint8_t identity[32];
        bool vectors;
};
void bundle_done(struct bundle *bundle);
/* Reads to the end of `fd`, checks, and unpacks beside everything (incoming/ in the state folder);
 * nothing else is touched.  -EBADMSG: it is not what its manifest says (member and kind of fault
 * are named); -EPROTONOSUPPORT: a newer format; -ENOSPC: it would not fit. */
int bundle_open(struct store *store, int fd, struct bundle *ret, struct error *reterr);

/* One by one, everything borrowed for the call; a negative result ends it and is returned.
 * -EBADMSG: a line is none, its number is told. */
struct bundle_vector {
        const char *tenant; /* its name */
        const char *text;
        size_t len;
        const float *vector;
        uint32_t dimensions;
};
int bundle_read_vectors(const struct bundle *bundle,
                        int (*each)(void *data, const struct bundle_vector *vector), void *data,
                        struct error *reterr);
