/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors of a bundle that was opened, a line in memory at a time. */
#include "release/bundle_inside.h"

#include "base/json.h"

#include <endian.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct reader {
        struct json_object *object; /* of the line; the texts are its */
        char *line;
        size_t room;
        float *vector;
        size_t room_chars; /* of base64 that `vector` has room for */
};

static void reader_done(struct reader *reader)
{
        json_object_put(reader->object);
        free(reader->line);
        free(reader->vector);
}

/* Little-endian float32, to those of this machine. */
static int decode(struct reader *reader, const char *base64, uint32_t *ret_dimensions,
                  struct error *reterr)
{
        size_t chars = strlen(base64), len = 0;
        uint32_t bits;

        if (chars > reader->room_chars) {
                float *more = reallocarray(reader->vector, chars, sizeof *more);

                if (!more)
                        return error_oom(reterr);
                reader->vector = more;
                reader->room_chars = chars;
        }
        if (chars == 0 ||
            sodium_base642bin((unsigned char *) reader->vector, chars * sizeof *reader->vector,
                              base64, chars, NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) < 0 ||
            len % sizeof bits != 0)
                return error_set(reterr, -EBADMSG, "its vector is no base64 of float32");
        for (size_t i = 0; i < len / sizeof bits; i++) {
                memcpy(&bits, &reader->vector[i], sizeof bits);
                bits = le32toh(bits);
                memcpy(&reader->vector[i], &bits, sizeof bits);
        }
        *ret_dimensions = (uint32_t) (len / sizeof bits);
        return 0;
}

static int parse_line(struct reader *reader, size_t len, struct bundle_vector *ret,
                      struct error *reterr)
{
        static const char *const known[] = { "tenant", "text", "vector_base64", NULL };
        const char *base64 = NULL;
        struct json_object *text = NULL;
        int r;

        json_object_put(take_ptr(reader->object));
        r = json_parse(reader->line, len, &reader->object, reterr);
        if (r == 0 && !json_object_is_type(reader->object, json_type_object))
                r = error_set(reterr, -EBADMSG, "it is no object");
        if (r == 0)
                r = json_refuse_unknown(reader->object, known, reterr);
        if (r == 0)
                r = json_get_string(reader->object, "tenant", &ret->tenant, reterr);
        if (r >= 0)
                r = json_get_string(reader->object, "vector_base64", &base64, reterr);
        if (r >= 0 && (!ret->tenant || !base64 ||
                       !json_object_object_get_ex(reader->object, "text", &text) ||
                       !json_object_is_type(text, json_type_string)))
                r = error_set(reterr, -EBADMSG, "a member is missing");
        if (r < 0)
                return r;
        r = decode(reader, base64, &ret->dimensions, reterr);
        if (r < 0)
                return r;
        ret->text = json_object_get_string(text);
        ret->len = (size_t) json_object_get_string_len(text);
        ret->vector = reader->vector;
        return 0;
}

/* 1: there is no such piece. */
static int read_piece(const char *folder, const char *identity, unsigned piece,
                      int (*each)(void *data, const struct bundle_vector *vector), void *data,
                      struct error *reterr)
{
        cleanup_(reader_done) struct reader reader = { 0 };
        cleanup_(fclose_cleanup) FILE *stream = NULL;
        cleanup_(buf_done) struct buf path = BUF_EMPTY;
        size_t number = 0;

        buf_append_format(&path, "%s/vectors/%s.%04u.jsonl", folder, identity, piece);
        if (buf_failed(&path))
                return error_oom(reterr);
        stream = fopen(buf_text(&path), "re");
        if (!stream)
                return errno == ENOENT ? 1
                                       : error_set_errno(reterr, -errno, "cannot read the vectors");
        for (;;) {
                ssize_t len = getline(&reader.line, &reader.room, stream);
                struct bundle_vector vector = { 0 };
                int r;

                if (len < 0)
                        return ferror(stream) ? error_set(reterr, -EIO, "cannot read the vectors")
                                              : 0;
                number++;
                r = (size_t) len > BUNDLE_LINE_BYTES_MAX
                            ? error_set(reterr, -EBADMSG, "it is too long")
                            : parse_line(&reader, (size_t) len, &vector, reterr);
                if (r < 0 && r != -ENOMEM) {
                        (void) error_prefix(reterr, -EBADMSG, "vectors/%s.%04u.jsonl line %zu",
                                            identity, piece, number);
                        if (reterr)
                                reterr->code = -EBADMSG;
                        return -EBADMSG;
                }
                if (r == 0)
                        r = each(data, &vector);
                if (r < 0)
                        return r;
        }
}

int bundle_read_vectors(const struct bundle *bundle,
                        int (*each)(void *data, const struct bundle_vector *vector), void *data,
                        struct error *reterr)
{
        char identity[2 * sizeof bundle->identity + 1];
        int r = 0;

        (void) sodium_bin2hex(identity, sizeof identity, bundle->identity, sizeof bundle->identity);
        for (unsigned piece = 1; bundle->vectors && r == 0 && piece <= 9999; piece++)
                r = read_piece(bundle->folder, identity, piece, each, data, reterr);
        return r < 0 ? r : 0;
}
