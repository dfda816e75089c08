/* SPDX-License-Identifier: Apache-2.0 */
/* What writer and reader of bundles share. */
#pragma once
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "release/bundle.h"

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUNDLE_NAME_MAX 128
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

struct bundle_member {
        char name[BUNDLE_NAME_MAX];
        uint64_t size;
        uint8_t sha256[crypto_hash_sha256_BYTES];
};
struct bundle_list {
        struct bundle_member *members;
        size_t n, room;
};
void bundle_list_done(struct bundle_list *list);
int bundle_list_add(struct bundle_list *list, const struct bundle_member *member,
                    struct error *reterr);
const struct bundle_member *bundle_list_find(const struct bundle_list *list, const char *name);
/* The one spelling of SHA256SUMS and MANIFEST.json for these members. */
void bundle_list_sums(const struct bundle_list *list, struct buf *buf);
void bundle_list_manifest(const struct bundle_list *list, struct buf *buf);

/* Takes a piece of vectors, from the start of `fd` on. */
struct bundle_sink {
        int (*piece)(void *data, const char *name, int fd, uint64_t size, struct error *reterr);
        void *data;
};
int bundle_export_vectors(struct store *store, uint32_t number,
                          const uint8_t identity[static 32], const struct bundle_sink *sink,
                          struct error *reterr);

/* ---- gzip ------------------------------------------------------------------------------- */

/* One gzip member that begins where `fd` stands and ends where it ends. */
struct bundle_gunzip;
int bundle_gunzip_new(int fd, struct bundle_gunzip **ret, struct error *reterr);
void bundle_gunzip_free(struct bundle_gunzip *gunzip);
DEFINE_CLEANUP(struct bundle_gunzip *, bundle_gunzip_free)
/* The next bytes, borrowed until the next call; 0 of them: the end, and all was as it should be.
 * -EBADMSG; or what reading said. */
int bundle_gunzip_read(struct bundle_gunzip *gunzip, const void **ret, size_t *ret_len,
                       struct error *reterr);
/* Bytes so far. */
uint64_t bundle_gunzip_total(const struct bundle_gunzip *gunzip);

/* ---- tar -------------------------------------------------------------------------------- */

#define BUNDLE_BLOCK 512U

/* Where the stream is; begins as zeros. */
struct bundle_blocks {
        unsigned char header[BUNDLE_BLOCK]; /* the last one, or the one that is coming */
        size_t held;                        /* of the one that is coming */
        uint64_t data;                      /* of the member that are still to come */
        size_t padding;
        bool ended; /* a block of zeros stood in the place of a header */
};
/* The next bytes.  -EBADMSG: a header is not one of a plain file, or there are bytes where none
 * belong. */
int bundle_blocks_pass(struct bundle_blocks *blocks, const void *bytes, size_t len,
                       struct error *reterr);
