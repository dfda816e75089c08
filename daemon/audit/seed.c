/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/seed.h"

#include "audit/inside.h"
#include "base/io.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define SEED_FILE_MAX 4096

int seed_load(int dirfd, uint8_t ret[static CHAIN_KEY_BYTES], struct error *reterr)
{
        char *text = NULL;
        size_t len;
        int r = io_read_file(dirfd, AUDIT_SEED_FILE, SEED_FILE_MAX, &text, &len, reterr);

        if (r < 0)
                return r;
        r = chain_read_seed(text, ret, reterr);
        sodium_memzero(text, len);
        free(text);
        return r;
}

int seed_make(int dirfd, uint8_t ret[static CHAIN_KEY_BYTES], struct error *reterr)
{
        char text[CHAIN_HEX_SIZE + 1];
        int r;

        randombytes_buf(ret, CHAIN_KEY_BYTES);
        (void) sodium_bin2hex(text, CHAIN_HEX_SIZE, ret, CHAIN_KEY_BYTES);
        text[CHAIN_HEX_SIZE - 1] = '\n';
        r = io_replace_file(dirfd, AUDIT_SEED_FILE, text, CHAIN_HEX_SIZE, 0600, reterr);
        sodium_memzero(text, sizeof text);
        return r;
}

/* Overwritten before it is unlinked, for what that is worth on the file system at hand. */
static int remove_seed(int dirfd)
{
        cleanup_close_ int fd = openat(dirfd, AUDIT_SEED_FILE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        char zeros[CHAIN_HEX_SIZE] = { 0 };

        if (fd < 0)
                return -errno;
        (void) io_write_all(fd, zeros, sizeof zeros);
        (void) fsync(fd);
        if (unlinkat(dirfd, AUDIT_SEED_FILE, 0) < 0)
                return -errno;
        return io_sync_directory(dirfd, ".");
}

int audit_take_seed(struct audit *audit, char ret[static 65], struct error *reterr)
{
        uint8_t seed[CHAIN_KEY_BYTES];
        int r;

        (void) pthread_mutex_lock(&audit->retention);
        r = seed_load(audit->dirfd, seed, reterr);
        if (r == -ENOENT)
                (void) error_set(reterr, r, "the seed of the audit log was taken before");
        if (r == 0) {
                r = remove_seed(audit->dirfd);
                if (r < 0)
                        (void) error_set_errno(reterr, r,
                                               "cannot remove the seed of the audit log");
        }
        (void) pthread_mutex_unlock(&audit->retention);
        if (r == 0)
                (void) sodium_bin2hex(ret, CHAIN_HEX_SIZE, seed, sizeof seed);
        sodium_memzero(seed, sizeof seed);
        return r;
}
