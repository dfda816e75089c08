/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle that somebody else made: it is refused, or it is one; nothing is written outside its
 * folder, and nothing is left behind.
 *
 * Input: how (0: the rest is the file; 1: the rest is the tar in it; 2: the rest are patches of the
 * tar of a good bundle, three bytes offset and one byte content, headers' checksums made right;
 * 3: the same without that), then the rest. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "config/load.h"
#include "release/bundle_inside.h"
#include "store/tarball_inside.h"
#include "release/record.h"
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[64];
static struct store *store;
static struct buf good; /* the tar of a sound bundle */

static void need(int r)
{
        if (r < 0)
                abort();
}

static void make_release(void)
{
        static const char text[] = "stage = \"testing\"\nrag.enabled = true\n"
                                   "rag.embedding.default_provider = \"hashing\"\n";
        static const uint8_t identity[32] = { 1 };
        static const struct release_source source = { "p.toml", text, sizeof text - 1 };
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = NULL;
        struct release_draft draft = { .profile = "p.toml", .sources = &source, .n_sources = 1,
                                       .identity = identity, .version = "1", .reason = "fuzz",
                                       .author = { .via = "start" }, .state = RELEASE_STABLE };
        uint32_t number;

        need(config_load_memory("p.toml", text, sizeof text - 1, NULL, &config, &diagnostics, NULL));
        draft.config = config;
        need(release_write(store_dirfd(store), &draft, &number, NULL));
        (void) config_free(config);
        config_diagnostics_done(&diagnostics);
}

static int file_of(const void *bytes, size_t len)
{
        char path[96];
        int fd;

        (void) snprintf(path, sizeof path, "%s/input", root);
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        need(fd);
        need(io_write_all(fd, bytes, len));
        need((int) lseek(fd, 0, SEEK_SET));
        return fd;
}

static void prepare(void)
{
        struct gunzip *gunzip;
        const void *bytes;
        size_t len;
        int fd;

        need(sodium_init());
        (void) strcpy(root, "/dev/shm/fuzz-bundle-XXXXXX");
        if (!mkdtemp(root)) {
                (void) strcpy(root, "/tmp/fuzz-bundle-XXXXXX");
                need(mkdtemp(root) ? 0 : -1);
        }
        need(store_open(root, &(struct store_limits){ .max_open_collections = 4 }, &store, NULL));
        make_release();
        fd = file_of("", 0);
        need(bundle_export(store, 1, false, fd, NULL));
        need((int) lseek(fd, 0, SEEK_SET));
        need(gunzip_new("bundle", fd, &gunzip, NULL));
        do {
                need(gunzip_read(gunzip, &bytes, &len, NULL));
                buf_append(&good, bytes, len);
        } while (len > 0);
        gunzip_free(gunzip);
        (void) close(fd);
}

static void gzip(const void *bytes, size_t len, struct buf *ret)
{
        z_stream stream = { 0 };
        size_t room = len + len / 100 + 1024;

        if (deflateInit2(&stream, 0, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
                abort();
        stream.next_out = (unsigned char *) buf_reserve(ret, room);
        stream.avail_out = (unsigned) room;
        stream.next_in = (unsigned char *) (uintptr_t) bytes;
        stream.avail_in = (unsigned) len;
        if (!stream.next_out || deflate(&stream, Z_FINISH) != Z_STREAM_END)
                abort();
        ret->len += stream.total_out;
        (void) deflateEnd(&stream);
}

static void sign(char *header)
{
        unsigned sum = 0;

        memset(header + 148, ' ', 8);
        for (size_t i = 0; i < TARBALL_BLOCK; i++)
                sum += (unsigned char) header[i];
        (void) snprintf(header + 148, 8, "%06o", sum);
}

static void patch(struct buf *tar, const uint8_t *data, size_t size, bool signs)
{
        buf_append(tar, buf_text(&good), good.len);
        for (; size >= 4; data += 4, size -= 4) {
                size_t at = ((size_t) data[0] << 16 | (size_t) data[1] << 8 | data[2]) % tar->len;
                size_t header = at / TARBALL_BLOCK * TARBALL_BLOCK;

                tar->data[at] = (char) data[3];
                if (signs && memcmp(tar->data + header + 257, "ustar", 5) == 0)
                        sign(tar->data + header);
        }
}

/* Whether incoming/ holds nothing. */
static void check_clean(void)
{
        char path[96];
        size_t n = 0;
        DIR *dir;

        (void) snprintf(path, sizeof path, "%s/incoming", root);
        dir = opendir(path);
        while (dir && readdir(dir))
                n++;
        if (dir)
                (void) closedir(dir);
        if (n > 2)
                abort();
}

static int pass(void *data, const struct bundle_vector *vector)
{
        (void) data;
        (void) vector;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_(buf_done) struct buf tar = BUF_EMPTY, file = BUF_EMPTY;
        struct bundle bundle = { 0 };
        struct error error = { 0 };
        int fd, r;

        if (size < 1)
                return 0;
        if (!root[0])
                prepare();
        switch (data[0] % 4) {
        case 0:
                buf_append(&file, data + 1, size - 1);
                break;
        case 1:
                gzip(data + 1, size - 1, &file);
                break;
        default:
                patch(&tar, data + 1, size - 1, data[0] % 4 == 2);
                gzip(buf_text(&tar), tar.len, &file);
        }
        fd = file_of(buf_text(&file), file.len);
        r = bundle_open(store, fd, &bundle, &error);
        if (r < 0 && (r != error.code || !*error.message))
                abort();
        if (r == 0)
                (void) bundle_read_vectors(&bundle, pass, NULL, NULL);
        bundle_done(&bundle);
        (void) close(fd);
        check_clean();
        return 0;
}
