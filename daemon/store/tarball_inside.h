/* SPDX-License-Identifier: Apache-2.0 */
/* gzip and tar as they pass, for the reader of tarballs. */
#pragma once
#include "store/tarball.h"

/* ---- gzip ------------------------------------------------------------------------------- */

/* One gzip member that begins where `fd` stands and ends where it ends. */
struct gunzip;
int gunzip_new(const char *what, int fd, struct gunzip **ret, struct error *reterr);
void gunzip_free(struct gunzip *gunzip);
DEFINE_CLEANUP(struct gunzip *, gunzip_free)
/* The next bytes, borrowed until the next call; 0 of them: the end, and all was as it should be.
 * -EBADMSG; or what reading said. */
int gunzip_read(struct gunzip *gunzip, const void **ret, size_t *ret_len, struct error *reterr);
/* Bytes so far. */
uint64_t gunzip_total(const struct gunzip *gunzip);

/* ---- tar -------------------------------------------------------------------------------- */

#define TARBALL_BLOCK 512U

/* Where the stream is; begins as zeros, but `what`. */
struct tarball_blocks {
        const char *what;
        unsigned char header[TARBALL_BLOCK]; /* the last one, or the one that is coming */
        size_t held;                         /* of the one that is coming */
        uint64_t data;                       /* of the member that are still to come */
        size_t padding;
        bool ended; /* a block of zeros stood in the place of a header */
};
/* The next bytes.  -EBADMSG: a header is not one of a plain file, or there are bytes where none
 * belong. */
int tarball_blocks_pass(struct tarball_blocks *blocks, const void *bytes, size_t len,
                        struct error *reterr);
