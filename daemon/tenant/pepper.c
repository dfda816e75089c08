/* SPDX-License-Identifier: Apache-2.0 */
/* The pepper: what is mixed into the hashes of keys, and lies where backups don't go. */
#include "tenant/key.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAME "keys.pepper"
#define FOLDER "secrets"
#define HEX_LEN (2 * KEY_PEPPER_BYTES)

static int read_pepper(int dirfd, const char *path, uint8_t ret[static KEY_PEPPER_BYTES],
                       struct error *reterr)
{
        char *text = NULL;
        const char *end;
        size_t len = 0, n = 0;
        int r = io_read_file(dirfd, path, HEX_LEN + 1, &text, &len, reterr);

        if (r == -EFBIG)
                return error_set(reterr, -EBADMSG, "%s is not 64 hex digits", path);
        if (r < 0)
                return r;
        if (len == HEX_LEN + 1 && text[HEX_LEN] == '\n')
                len--;
        if (len != HEX_LEN ||
            sodium_hex2bin(ret, KEY_PEPPER_BYTES, text, len, NULL, &n, &end) < 0 ||
            n != KEY_PEPPER_BYTES || end != text + len)
                r = error_set(reterr, -EBADMSG, "%s is not 64 hex digits", path);
        sodium_memzero(text, len);
        free(text);
        return r;
}

/* -ENOENT: the service manager passed none. */
static int read_credential(uint8_t ret[static KEY_PEPPER_BYTES], struct error *reterr)
{
        const char *folder = getenv("CREDENTIALS_DIRECTORY");
        char path[PATH_MAX];

        if (!folder)
                return -ENOENT;
        if (snprintf(path, sizeof path, "%s/" NAME, folder) >= (int) sizeof path)
                return error_set(reterr, -ENAMETOOLONG, "$CREDENTIALS_DIRECTORY is too long");
        return read_pepper(AT_FDCWD, path, ret, reterr);
}

static int make_pepper(int state_dirfd, uint8_t ret[static KEY_PEPPER_BYTES],
                       struct error *reterr)
{
        uint8_t pepper[KEY_PEPPER_BYTES];
        char text[HEX_LEN + 2];
        int r;

        if (mkdirat(state_dirfd, FOLDER, 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create the folder " FOLDER);
        r = io_sync_directory(state_dirfd, ".");
        if (r < 0)
                return error_set_errno(reterr, r, "cannot create the folder " FOLDER);
        randombytes_buf(pepper, sizeof pepper);
        (void) sodium_bin2hex(text, HEX_LEN + 1, pepper, sizeof pepper);
        memcpy(text + HEX_LEN, "\n", 2);
        r = io_replace_file(state_dirfd, FOLDER "/" NAME, text, HEX_LEN + 1, 0600, reterr);
        if (r == 0)
                memcpy(ret, pepper, sizeof pepper);
        sodium_memzero(text, sizeof text);
        sodium_memzero(pepper, sizeof pepper);
        return r;
}

int key_pepper_load(int state_dirfd, uint8_t ret[static KEY_PEPPER_BYTES], struct error *reterr)
{
        struct stat st;
        int r = read_credential(ret, reterr);

        if (r != -ENOENT)
                return r;
        if (fstatat(state_dirfd, FOLDER "/" NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? make_pepper(state_dirfd, ret, reterr)
                                       : error_set_errno(reterr, -errno,
                                                         "cannot read " FOLDER "/" NAME);
        if (st.st_mode & 077U)
                return error_set(reterr, -EACCES, FOLDER "/" NAME " can be read by others: its "
                                                  "mode is %04o and must be 0600",
                                 (unsigned) st.st_mode & 07777U);
        return read_pepper(state_dirfd, FOLDER "/" NAME, ret, reterr);
}
