/* SPDX-License-Identifier: Apache-2.0 */
/* gzip (RFC 1952), strictly: one member, without optional fields, nothing behind it.  A file of
 * several members that is cut between two of them is whole in the eyes of others. */
#include "store/tarball_inside.h"

#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK (64U << 10U)
#define HEADER_BYTES 10

struct gunzip {
        const char *what;
        int fd;
        z_stream stream;
        bool begun, ended;
        uint64_t total;
        unsigned char in[CHUNK], out[CHUNK];
};

int gunzip_new(const char *what, int fd, struct gunzip **ret, struct error *reterr)
{
        struct gunzip *gunzip = calloc(1, sizeof *gunzip);

        if (!gunzip || inflateInit2(&gunzip->stream, 16 + MAX_WBITS) != Z_OK) {
                free(gunzip);
                return error_oom(reterr);
        }
        gunzip->what = what;
        gunzip->fd = fd;
        *ret = gunzip;
        return 0;
}

void gunzip_free(struct gunzip *gunzip)
{
        if (gunzip)
                (void) inflateEnd(&gunzip->stream);
        free(gunzip);
}

/* Reads until there are `wanted` bytes of input or no more. */
static int fill(struct gunzip *gunzip, size_t wanted, struct error *reterr)
{
        z_stream *stream = &gunzip->stream;

        while (stream->avail_in < wanted) {
                ssize_t n;

                memmove(gunzip->in, stream->next_in ? stream->next_in : gunzip->in,
                        stream->avail_in);
                stream->next_in = gunzip->in;
                n = read(gunzip->fd, gunzip->in + stream->avail_in, CHUNK - stream->avail_in);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(reterr, -errno, "cannot read the %s", gunzip->what);
                if (n == 0)
                        break;
                stream->avail_in += (unsigned) n;
        }
        return 0;
}

static int begin(struct gunzip *gunzip, struct error *reterr)
{
        const unsigned char *at;
        int r = fill(gunzip, HEADER_BYTES, reterr);

        if (r < 0)
                return r;
        at = gunzip->stream.next_in;
        if (gunzip->stream.avail_in < HEADER_BYTES || at[0] != 0x1f || at[1] != 0x8b)
                return error_set(reterr, -EBADMSG, "the %s is no gzip file", gunzip->what);
        if (at[2] != Z_DEFLATED || at[3] != 0)
                return error_set(reterr, -EBADMSG, "the %s's gzip header has optional fields",
                                 gunzip->what);
        gunzip->begun = true;
        return 0;
}

/* Behind the member nothing may follow. */
static int end(struct gunzip *gunzip, struct error *reterr)
{
        int r = fill(gunzip, 1, reterr);

        if (r < 0)
                return r;
        if (gunzip->stream.avail_in > 0)
                return error_set(reterr, -EBADMSG,
                                 gunzip->stream.next_in[0] == 0x1f
                                         ? "the %s has a second gzip member"
                                         : "something follows the end of the %s", gunzip->what);
        gunzip->ended = true;
        return 0;
}

int gunzip_read(struct gunzip *gunzip, const void **ret, size_t *ret_len, struct error *reterr)
{
        z_stream *stream = &gunzip->stream;
        int r = gunzip->begun ? 0 : begin(gunzip, reterr), z = Z_OK;

        if (r < 0)
                return r;
        stream->next_out = gunzip->out;
        stream->avail_out = CHUNK;
        while (!gunzip->ended && stream->avail_out == CHUNK) {
                r = fill(gunzip, 1, reterr);
                if (r < 0)
                        return r;
                if (stream->avail_in == 0)
                        return error_set(reterr, -EBADMSG, "the %s is cut off", gunzip->what);
                z = inflate(stream, Z_NO_FLUSH);
                if (z == Z_MEM_ERROR)
                        return error_oom(reterr);
                if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
                        return error_set(reterr, -EBADMSG, "the %s is damaged: %s", gunzip->what,
                                         stream->msg ? stream->msg : "no deflate stream");
                if (z == Z_STREAM_END) {
                        r = end(gunzip, reterr);
                        if (r < 0)
                                return r;
                }
        }
        *ret = gunzip->out;
        *ret_len = CHUNK - stream->avail_out;
        gunzip->total += *ret_len;
        return 0;
}

uint64_t gunzip_total(const struct gunzip *gunzip)
{
        return gunzip->total;
}
