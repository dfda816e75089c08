/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of a ustar (POSIX.1-1988) as they pass: each header is that of a plain file, written
 * the one way, and what fills up a member's last block is zero.  libarchive, which reads behind it,
 * is lenient by design: it would guess at the rest. */
#include "store/tarball_inside.h"

#include <string.h>

#define TYPE_AT 156U
#define LINK_AT 157U
#define MAGIC_AT 257U
#define OWNER_AT 265U
#define SIZE_AT 124U
#define SIZE_LEN 12U
#define TAIL_AT 500U

static bool are_zero(const unsigned char *bytes, size_t len)
{
        while (len > 0 && bytes[len - 1] == 0)
                len--;
        return len == 0;
}

/* Octal digits, then only spaces and zeros. */
static bool is_number(const unsigned char *field, size_t len)
{
        size_t digits = 0;

        while (digits < len && field[digits] >= '0' && field[digits] <= '7')
                digits++;
        for (size_t i = digits; i < len; i++)
                if (field[i] != ' ' && field[i] != 0)
                        return false;
        return digits > 0;
}

/* A text, then only zeros. */
static bool is_text(const unsigned char *field, size_t len)
{
        const unsigned char *end = memchr(field, 0, len);

        return !end || are_zero(end, len - (size_t) (end - field));
}

static int check_header(const unsigned char *header, struct error *reterr)
{
        static const struct {
                size_t at, len;
                bool (*check)(const unsigned char *field, size_t len);
        } fields[] = {
                { 0, 100, is_text },      { 100, 8, is_number },          { 108, 8, is_number },
                { 116, 8, is_number },    { SIZE_AT, SIZE_LEN, is_number }, { 136, 12, is_number },
                { 148, 8, is_number },    { LINK_AT, 100, are_zero },     { OWNER_AT, 32, is_text },
                { 297, 32, is_text },     { 329, 8, is_number },          { 337, 8, is_number },
                { 345, 155, is_text },    { TAIL_AT, 12, are_zero },
        };

        if (memcmp(header + MAGIC_AT, "ustar\00000", 8) != 0)
                return error_set(reterr, -EBADMSG, "%.64s: its header is not of ustar", header);
        if (header[TYPE_AT] == '1' || header[TYPE_AT] == '2')
                return error_set(reterr, -EBADMSG, "%.64s: it is a link", header);
        if (header[TYPE_AT] != '0')
                return error_set(reterr, -EBADMSG, "%.64s: it is not a regular file", header);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (!fields[i].check(header + fields[i].at, fields[i].len))
                        return error_set(reterr, -EBADMSG,
                                         "%.64s: its header is damaged at byte %zu", header,
                                         fields[i].at);
        return 0;
}

static uint64_t read_size(const unsigned char *header)
{
        uint64_t size = 0;

        for (size_t i = 0; i < SIZE_LEN && header[SIZE_AT + i] >= '0' &&
                           header[SIZE_AT + i] <= '7'; i++)
                size = size * 8 + (uint64_t) (header[SIZE_AT + i] - '0');
        return size;
}

/* A header is whole: what follows it. */
static int begin_member(struct tarball_blocks *blocks, struct error *reterr)
{
        int r;

        blocks->held = 0;
        if (are_zero(blocks->header, sizeof blocks->header)) {
                blocks->ended = true;
                return 0;
        }
        if (blocks->ended)
                return error_set(reterr, -EBADMSG, "something follows the last member of the %s",
                                 blocks->what);
        r = check_header(blocks->header, reterr);
        if (r < 0)
                return r;
        blocks->data = read_size(blocks->header);
        blocks->padding = (TARBALL_BLOCK - blocks->data % TARBALL_BLOCK) % TARBALL_BLOCK;
        return 0;
}

int tarball_blocks_pass(struct tarball_blocks *blocks, const void *bytes, size_t len,
                        struct error *reterr)
{
        const unsigned char *at = bytes;

        while (len > 0) {
                size_t n;
                int r = 0;

                if (blocks->data > 0) {
                        n = len < blocks->data ? len : (size_t) blocks->data;
                        blocks->data -= n;
                } else if (blocks->padding > 0) {
                        n = len < blocks->padding ? len : blocks->padding;
                        blocks->padding -= n;
                        if (!are_zero(at, n))
                                r = error_set(reterr, -EBADMSG, "%.64s: something follows its end",
                                              blocks->header);
                } else {
                        n = TARBALL_BLOCK - blocks->held;
                        n = len < n ? len : n;
                        memcpy(blocks->header + blocks->held, at, n);
                        blocks->held += n;
                        if (blocks->held == TARBALL_BLOCK)
                                r = begin_member(blocks, reterr);
                }
                if (r < 0)
                        return r;
                at += n;
                len -= n;
        }
        return 0;
}
