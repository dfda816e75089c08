/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle is what it was when it was written, or it is refused and leaves nothing behind.
 *
 * Of single changes to the file, only these mean nothing and are let through: time, level and
 * system in gzip's header, and bits of deflate that spell the same bytes (those that fill up its
 * last byte, lengths of codes that are not used).  Of single changes to the tar inside, made by somebody who compresses it
 * again, none: headers have a checksum, members a digest, and the rest is zero; only a space that
 * ends a number of a header may be a zero, and the other way. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create, memmem */
#endif
#include "tests/unit/release/recording.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "config/providers.h"
#include "provider/provider.h"
#include "release/bundle_inside.h"
#include "store/tarball_inside.h"
#include "release/spec.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/store.h"
#include "tests/lib/faultfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#define BLOCK 512U

struct bundling {
        struct recording *recording;
        struct store *store;
        struct generation_spec spec;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
};

static int setup(void **state)
{
        struct bundling *b = calloc(1, sizeof *b);
        struct store_limits limits = { .max_open_collections = 4 };
        const struct provider_config *embedder = NULL;
        struct release_draft *draft;
        struct error error = { 0 };
        void *recording = NULL;
        uint32_t number = 0;

        assert_non_null(b);
        assert_int_equal(recording_setup(&recording), 0);
        b->recording = recording;
        assert_ok(store_open(b->recording->path, &limits, &b->store, &error));
        draft = recording_draft("");
        assert_ok(config_embedder(draft->config, &embedder, &error));
        release_spec(draft->config, embedder, provider_ops_find("hashing"), &b->spec);
        generation_identity(&b->spec, b->identity);
        draft->identity = b->identity;
        draft->state = RELEASE_STABLE;
        assert_ok(release_write(store_dirfd(b->store), draft, &number, &error));
        *state = b;
        return 0;
}

static int teardown(void **state)
{
        struct bundling *b = *state;
        void *recording = b->recording;

        (void) store_close(b->store);
        free(b);
        return recording_teardown(&recording);
}

/* The file's content, whole; from memory, so that a thousand tries are quick. */
static int memory_file(const void *bytes, size_t len)
{
        int fd = memfd_create("bundle", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(io_write_all(fd, bytes, len), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static void export(struct bundling *b, bool vectors, struct buf *ret)
{
        cleanup_close_ int fd = memory_file("", 0);
        struct error error = { 0 };
        struct stat st;
        char *to;

        assert_ok(bundle_export(b->store, 1, vectors, fd, &error));
        assert_int_equal(fstat(fd, &st), 0);
        buf_clear(ret);
        to = buf_reserve(ret, (size_t) st.st_size);
        assert_non_null(to);
        assert_int_equal(pread(fd, to, (size_t) st.st_size, 0), st.st_size);
        ret->len = (size_t) st.st_size;
}

static int open_bytes(struct bundling *b, const void *bytes, size_t len, struct bundle *ret,
                      struct error *reterr)
{
        cleanup_close_ int fd = memory_file(bytes, len);

        return bundle_open(b->store, fd, ret, reterr);
}

static bool is_clean(struct bundling *b)
{
        int fd = openat(store_dirfd(b->store), "incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        size_t n = 0;
        DIR *dir;

        if (fd < 0)
                return true;
        dir = fdopendir(fd);
        assert_non_null(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n == 2;
}

static void assert_refused(struct bundling *b, const void *bytes, size_t len, const char *what)
{
        struct bundle bundle = { 0 };
        struct error error = { 0 };
        int r = open_bytes(b, bytes, len, &bundle, &error);

        if (r != -EBADMSG)
                fail_msg("%s: %d, %s", what, r, error_text(&error));
        if (!strstr(error.message, what))
                fail_msg("\"%s\" does not say \"%s\"", error.message, what);
        assert_true(is_clean(b));
}

/* ---- There and back ------------------------------------------------------------------------ */

static void test_a_bundle_carries_a_release_without_its_state(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY;
        struct bundling *b = *state;
        struct bundle bundle = { 0 };
        struct error error = { 0 };
        cleanup_close_ int fd = -1;

        assert_ok(release_add_evidence(store_dirfd(b->store), 1, "bake", NULL, &error));
        export(b, false, &good);
        assert_ok(open_bytes(b, buf_text(&good), good.len, &bundle, &error));
        assert_int_equal(bundle.number, 1);
        assert_string_equal(bundle.stage, "testing");
        assert_string_equal(bundle.version, "1.2.3");
        assert_memory_equal(bundle.identity, b->identity, sizeof b->identity);
        assert_false(bundle.vectors);
        fd = open(bundle.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(faccessat(fd, "release/effective.toml", R_OK, 0), 0);
        assert_int_equal(faccessat(fd, "release/source/p.toml", R_OK, 0), 0);
        assert_int_equal(faccessat(fd, "release/meta.json", R_OK, 0), 0);
        assert_int_not_equal(faccessat(fd, "release/state.json", R_OK, 0), 0);
        assert_int_not_equal(faccessat(fd, "release/evidence.json", R_OK, 0), 0);
        assert_false(is_clean(b));
        bundle_done(&bundle);
        assert_true(is_clean(b));
        bundle_done(&bundle);
}

static void test_plain_tar_and_sha256sum_read_it(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY;
        struct bundling *b = *state;
        char command[512];

        export(b, true, &good);
        assert_int_equal(io_replace_file(b->recording->dirfd, "b.tar.gz", buf_text(&good), good.len,
                                         0600, NULL), 0);
        (void) snprintf(command, sizeof command,
                        "cd %s && gzip -t b.tar.gz && tar tzf b.tar.gz > names && mkdir out && "
                        "tar xzf b.tar.gz -C out && cd out && sha256sum -c --strict --quiet "
                        "SHA256SUMS && head -n 1 ../names | grep -qx HEADER.json && "
                        "tail -n 1 ../names | grep -qx MANIFEST.json", b->recording->path);
        assert_int_equal(system(command), 0);
}

static void test_only_what_was_stable_is_exported(void **state)
{
        struct bundling *b = *state;
        cleanup_close_ int fd = memory_file("", 0);
        struct release_draft *draft = recording_draft("");
        struct error error = { 0 };
        uint32_t number = 0;

        draft->identity = b->identity;
        draft->state = RELEASE_PROVISIONAL;
        assert_ok(release_write(store_dirfd(b->store), draft, &number, &error));
        assert_int_equal(bundle_export(b->store, number, false, fd, &error), -EPERM);
        assert_int_equal(bundle_export(b->store, 9, false, fd, &error), -ENOENT);
        recording_overwrite(b->recording, "releases/000001/effective.toml", "x");
        assert_int_equal(bundle_export(b->store, 1, false, fd, &error), -EBADMSG);
        assert_int_equal(lseek(fd, 0, SEEK_END), 0);
}

/* ---- Vectors ------------------------------------------------------------------------------- */

static void put(struct bundling *b, struct collection *collection, struct generation *generation,
                unsigned i)
{
        uint32_t dimensions = b->spec.fingerprint.dimensions;
        cleanup_free_ float *vector = calloc(dimensions, sizeof *vector);
        struct docs_receipt receipt;
        struct error error = { 0 };
        char id[16], text[64];
        struct document_input input = { .external_id = id, .mime = "text/plain", .body = text,
                                        .title = i % 2 ? "The kettle" : NULL };
        struct generation_chunk chunk = { .doc_no = i, .text = text, .vector = vector };
        struct generation_change change = { .doc_no = i };

        assert_non_null(vector);
        vector[i % dimensions] = 1;
        (void) snprintf(id, sizeof id, "d%u", i);
        (void) snprintf(text, sizeof text, "copper \"%u\"\n", i);
        input.body_len = chunk.text_len = strlen(text);
        assert_ok(docs_put(collection, &input, 1, (struct job_id){ 0 }, &receipt, &error));
        change.doc_seq = receipt.doc_seq;
        change.docver = chunk.docver = (uint32_t) receipt.doc_seq;
        assert_ok(generation_publish(generation, &chunk, 1, &change, 1, &error));
}

static void fill(struct bundling *b, unsigned n)
{
        struct generation_spec spec = b->spec;
        struct generation *generation = NULL;
        struct collection *collection = NULL;
        struct collection_info info;
        struct error error = { 0 };

        assert_ok(collection_create(b->store, store_default_tenant(b->store), "things", NULL, NULL,
                                    &info, &error));
        assert_ok(collection_open(b->store, info.tenant, "things", &collection, &error));
        spec.language = info.language;
        assert_ok(collection_new_generation(collection, &spec, &generation, &error));
        for (unsigned i = 1; i <= n; i++)
                put(b, collection, generation, i);
        assert_ok(collection_forget_document(collection, "d2", &error));
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        collection_info_done(&info);
}

static int see(void *data, const struct bundle_vector *vector)
{
        unsigned *seen = data, i = 0;
        const char *at = memmem(vector->text, vector->len, "copper \"", 8);

        assert_non_null(at);
        assert_int_equal(sscanf(at, "copper \"%u\"", &i), 1);
        assert_string_equal(vector->tenant, "default");
        assert_int_equal(at != vector->text, i % 2);
        if (i % 2)
                assert_memory_equal(vector->text, "The kettle\n\n", 12);
        assert_true(vector->vector[i % vector->dimensions] == 1);
        *seen |= 1U << i;
        return i == 7 ? -ECANCELED : 0;
}

static void test_vectors_come_with_the_text_that_was_embedded(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY;
        struct bundling *b = *state;
        struct bundle bundle = { 0 };
        struct error error = { 0 };
        unsigned seen = 0;

        fill(b, 5);
        export(b, true, &good);
        assert_true(is_clean(b));
        assert_ok(open_bytes(b, buf_text(&good), good.len, &bundle, &error));
        assert_true(bundle.vectors);
        assert_ok(bundle_read_vectors(&bundle, see, &seen, &error));
        assert_int_equal(seen, 1U << 1 | 1U << 3 | 1U << 4 | 1U << 5); /* the second is deleted */
        bundle_done(&bundle);
        export(b, false, &good);
        assert_ok(open_bytes(b, buf_text(&good), good.len, &bundle, &error));
        seen = 0;
        assert_ok(bundle_read_vectors(&bundle, see, &seen, &error));
        assert_int_equal(seen, 0);
        bundle_done(&bundle);
}

static void test_whoever_takes_vectors_may_stop(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY;
        struct bundling *b = *state;
        struct bundle bundle = { 0 };
        struct error error = { 0 };
        unsigned seen = 0;

        fill(b, 9);
        export(b, true, &good);
        assert_ok(open_bytes(b, buf_text(&good), good.len, &bundle, &error));
        assert_int_equal(bundle_read_vectors(&bundle, see, &seen, &error), -ECANCELED);
        assert_int_equal(seen & 1U << 8, 0);
        bundle_done(&bundle);
}

static void test_vectors_of_an_embedder_that_changed_are_not_exported(void **state)
{
        struct bundling *b = *state;
        cleanup_close_ int fd = memory_file("", 0);
        struct release_draft *draft = recording_draft("");
        struct error error = { 0 };
        uint32_t number = 0;

        draft->state = RELEASE_STABLE;
        assert_ok(release_write(store_dirfd(b->store), draft, &number, &error));
        assert_int_equal(bundle_export(b->store, number, true, fd, &error), -ESTALE);
        assert_ok(bundle_export(b->store, number, false, fd, &error));
}

/* ---- The tar inside ------------------------------------------------------------------------ */

static void gunzip(const struct buf *file, struct buf *ret)
{
        cleanup_(gunzip_free_cleanup) struct gunzip *gunzip = NULL;
        cleanup_close_ int fd = memory_file(buf_text(file), file->len);
        struct error error = { 0 };
        const void *bytes;
        size_t len;

        assert_ok(gunzip_new("bundle", fd, &gunzip, &error));
        buf_clear(ret);
        do {
                assert_ok(gunzip_read(gunzip, &bytes, &len, &error));
                buf_append(ret, bytes, len);
        } while (len > 0);
}

static void gzip(const void *bytes, size_t len, struct buf *ret)
{
        z_stream stream = { 0 };
        char *to;

        assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8,
                                      Z_DEFAULT_STRATEGY), Z_OK);
        to = buf_reserve(ret, deflateBound(&stream, len) + 64);
        assert_non_null(to);
        stream.next_in = (unsigned char *) (uintptr_t) bytes;
        stream.avail_in = (unsigned) len;
        stream.next_out = (unsigned char *) to;
        stream.avail_out = (unsigned) (deflateBound(&stream, len) + 64);
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        ret->len += stream.total_out;
        (void) deflateEnd(&stream);
}

struct place {
        size_t at, len; /* header and data with their blocks */
        char name[101];
        size_t size;
};

static size_t find_members(const struct buf *tar, struct place *places, size_t room)
{
        size_t n = 0;

        for (size_t at = 0; at + BLOCK <= tar->len && tar->data[at];) {
                struct place *place = &places[n++];

                assert_true(n <= room);
                *place = (struct place){ .at = at };
                memcpy(place->name, tar->data + at, 100);
                place->size = strtoul(tar->data + at + 124, NULL, 8);
                place->len = BLOCK + (place->size + BLOCK - 1) / BLOCK * BLOCK;
                at += place->len;
        }
        return n;
}

static const struct place *find_member(const struct place *places, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(places[i].name, name) == 0)
                        return &places[i];
        fail_msg("no member %s", name);
        return NULL;
}

static void assert_tar_refused(struct bundling *b, const struct buf *tar, const char *what)
{
        cleanup_(buf_done) struct buf file = BUF_EMPTY;

        gzip(buf_text(tar), tar->len, &file);
        assert_refused(b, buf_text(&file), file.len, what);
}

static void replace(struct buf *buf, size_t at, size_t removed, const void *bytes, size_t len)
{
        cleanup_(buf_done) struct buf fresh = BUF_EMPTY;

        buf_append(&fresh, buf->data, at);
        buf_append(&fresh, bytes, len);
        buf_append(&fresh, buf->data + at + removed, buf->len - at - removed);
        assert_false(buf_failed(&fresh));
        buf_done(buf);
        *buf = fresh;
        fresh = BUF_EMPTY;
}

/* Makes the header's checksum right again. */
static void sign(char *header)
{
        unsigned sum = 0;

        memset(header + 148, ' ', 8);
        for (size_t i = 0; i < BLOCK; i++)
                sum += (unsigned char) header[i];
        (void) snprintf(header + 148, 8, "%06o", sum);
}

/* ---- Faults by name ------------------------------------------------------------------------ */

static void test_each_kind_of_fault_is_named(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY, tar = BUF_EMPTY, file = BUF_EMPTY;
        struct bundling *b = *state;
        struct place places[32];
        size_t n;

        export(b, false, &good);
        gunzip(&good, &tar);
        n = find_members(&tar, places, ELEMENTSOF(places));

        /* gzip */
        assert_refused(b, "", 0, "no gzip file");
        assert_refused(b, buf_text(&tar), tar.len, "no gzip file");
        assert_refused(b, buf_text(&good), good.len - 1, "cut off");
        buf_append(&file, buf_text(&good), good.len);
        buf_append_char(&file, '\0');
        assert_refused(b, buf_text(&file), file.len, "something follows the end");
        buf_clear(&file);
        buf_append(&file, buf_text(&good), good.len);
        gzip("", 0, &file);
        assert_refused(b, buf_text(&file), file.len, "second gzip member");

        /* Members of their own gzip members, cut at a boundary, as parallel writers make them. */
        buf_clear(&file);
        for (size_t i = 0; i + 1 < n; i++)
                gzip(buf_text(&tar) + places[i].at, places[i].len, &file);
        assert_refused(b, buf_text(&file), file.len, "second gzip member");

        /* the tar's end */
        buf_clear(&file);
        gzip(buf_text(&tar), places[n - 1].at + places[n - 1].len, &file);
        assert_refused(b, buf_text(&file), file.len, "no end");
        replace(&tar, tar.len, 0, buf_text(&tar), places[0].len);
        assert_tar_refused(b, &tar, "something follows the last member");

        /* whole members */
        gunzip(&good, &tar);
        tar.data[find_member(places, n, "release/effective.toml")->at + BLOCK] ^= 1;
        assert_tar_refused(b, &tar, "release/effective.toml: its name, size or digest");
        gunzip(&good, &tar);
        memset(tar.data + places[n - 1].at, 0, places[n - 1].len);
        assert_tar_refused(b, &tar, "MANIFEST.json: it is missing");
        gunzip(&good, &tar);
        replace(&tar, places[1].at, places[1].len, "", 0);
        assert_tar_refused(b, &tar, "SHA256SUMS");
}

/* One header of the good bundle is changed, with a right checksum, as a malicious writer would. */
static void test_no_header_but_that_of_a_plain_file_is_taken(void **state)
{
        static const struct {
                size_t at;
                const char *bytes;
                size_t len;
                const char *what;
        } cases[] = {
                { 156, "1", 1, "link" },                 { 156, "1HEADER.json", 12, "link" },
                { 156, "2", 1, "link" },                 { 156, "2/etc/passwd", 12, "link" },
                { 156, "3", 1, "regular file" },         { 156, "4", 1, "regular file" },
                { 156, "5", 1, "regular file" },         { 156, "6", 1, "regular file" },
                { 156, "S", 1, "regular file" },         { 156, "x", 1, "regular file" },
                { 156, "g", 1, "regular file" },         { 156, "L", 1, "regular file" },
                { 156, "K", 1, "regular file" },         { 156, "V", 1, "regular file" },
                { 156, "7", 1, "regular file" },         { 156, "\0", 1, "regular file" },
                { 157, "x", 1, "damaged at byte 157" },  { 511, "x", 1, "damaged at byte 500" },
                { 99, "x", 1, "damaged at byte 0" },
                { 257, "ustar  ", 8, "not of ustar" },   { 257, "\0\0\0\0\0", 5, "not of ustar" },
                { 0, "/etc/passwd", 12, "no bundle has" }, { 0, "../x", 5, "no bundle has" },
                { 0, "release/../x", 13, "no bundle has" },
                { 0, "release/source/../../x", 23, "no bundle has" },
                { 0, "release/source/", 16, "" },        { 0, "release/state.json", 19, "no bundle" },
                { 0, "HEADER.json", 12, "twice" },       { 0, "./HEADER.json", 14, "no bundle" },
                { 0, "vectors/x.jsonl", 16, "no bundle" },
                { 0, "SHA256SUMS", 11, "out of order" },
                { 0, "release/effective.toml/x", 25, "no bundle" },
                { 0, "release/source/p.toml\nx", 24, "no bundle" },
                { 0, "\0", 1, "damaged at byte 0" },
                { 124, "77777777777", 11, "larger than" },
                { 124, "-0000000001", 11, "damaged at byte 124" },
                { 124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12,
                  "damaged at byte 124" },
                { 345, "..", 3, "no bundle has" },       { 345, "/etc", 5, "no bundle has" },
        };
        cleanup_(buf_done) struct buf good = BUF_EMPTY, tar = BUF_EMPTY;
        struct bundling *b = *state;
        struct place places[32];
        size_t n;

        export(b, false, &good);
        gunzip(&good, &tar);
        n = find_members(&tar, places, ELEMENTSOF(places));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *header;

                gunzip(&good, &tar);
                header = tar.data + find_member(places, n, "release/effective.toml")->at;
                if (cases[i].at == 0 && cases[i].len > 1)
                        memset(header, 0, 100);
                memcpy(header + cases[i].at, cases[i].bytes, cases[i].len);
                sign(header);
                assert_tar_refused(b, &tar, cases[i].what);
        }
}

static void test_a_newer_format_says_so(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY, tar = BUF_EMPTY, file = BUF_EMPTY;
        struct bundling *b = *state;
        struct bundle bundle = { 0 };
        struct error error = { 0 };
        char *at;

        export(b, false, &good);
        gunzip(&good, &tar);
        at = memmem(tar.data, tar.len, "\"format\":1", 10);
        assert_non_null(at);
        at[9] = '2';
        gzip(buf_text(&tar), tar.len, &file);
        assert_int_equal(open_bytes(b, buf_text(&file), file.len, &bundle, &error),
                         -EPROTONOSUPPORT);
        assert_true(is_clean(b));
}

/* A bomb: two mebibytes of file that would be two gibibytes, and a size that lies. */
static void test_a_bomb_is_refused_by_its_header(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY, tar = BUF_EMPTY;
        struct bundling *b = *state;
        struct place places[32];
        const struct place *place;
        size_t n;

        export(b, false, &good);
        gunzip(&good, &tar);
        n = find_members(&tar, places, ELEMENTSOF(places));
        place = find_member(places, n, "release/effective.toml");
        (void) snprintf(tar.data + place->at + 124, 12, "%011o", 17U << 20);
        sign(tar.data + place->at);
        assert_tar_refused(b, &tar, "larger than a bundle's may be");
}

/* ---- Random changes ------------------------------------------------------------------------ */

static unsigned next_random(unsigned *seed)
{
        *seed = *seed * 1103515245U + 12345U;
        return *seed >> 8;
}

enum change {
        FLIP_FILE,
        CUT_FILE,
        INSERT_FILE,
        REMOVE_FILE,
        FLIP_TAR,
        DROP_MEMBER,
        DOUBLE_MEMBER,
        MOVE_MEMBER,
        RENAME_MEMBER,
        CHANGES,
};

/* Changes the file or its tar; false: the change may mean nothing. */
static bool change_one(enum change change, unsigned *seed, struct buf *file)
{
        cleanup_(buf_done) struct buf tar = BUF_EMPTY, copy = BUF_EMPTY;
        const struct place *one, *other;
        struct place places[32];
        size_t at = next_random(seed) % file->len, n;
        char byte;

        switch (change) {
        case FLIP_FILE:
                file->data[at] = (char) (file->data[at] ^ (1 << next_random(seed) % 8));
                return false;
        case CUT_FILE:
                file->len = at;
                return true;
        case INSERT_FILE:
                byte = (char) next_random(seed);
                replace(file, at, 0, &byte, 1);
                return true;
        case REMOVE_FILE:
                byte = file->data[at];
                replace(file, at, 1, "", 0);
                return true;
        default:
                break;
        }

        gunzip(file, &tar);
        n = find_members(&tar, places, ELEMENTSOF(places));
        one = &places[next_random(seed) % n];
        other = &places[next_random(seed) % n];
        buf_append(&copy, tar.data + one->at, one->len);
        switch (change) {
        case FLIP_TAR:
                at = next_random(seed) % (places[n - 1].at + places[n - 1].len);
                tar.data[at] = (char) (tar.data[at] ^ (1 << next_random(seed) % 8));
                break;
        case DROP_MEMBER:
                replace(&tar, one->at, one->len, "", 0);
                break;
        case DOUBLE_MEMBER:
                replace(&tar, other->at, 0, buf_text(&copy), copy.len);
                break;
        case MOVE_MEMBER:
                if (other == one || other == one + 1) /* it would stand where it stood */
                        other = &places[((size_t) (one - places) + 2) % n];
                replace(&tar, one->at, one->len, "", 0);
                replace(&tar, other->at - (other > one ? one->len : 0), 0, buf_text(&copy), copy.len);
                break;
        default:
                (void) snprintf(tar.data + one->at, 100, "release/source/%u", next_random(seed) % 3);
                sign(tar.data + one->at);
        }
        buf_clear(file);
        gzip(buf_text(&tar), tar.len, file);
        return change != FLIP_TAR;
}

/* All files below two folders are equal. */
static void assert_same(const struct bundle *a, const struct bundle *b)
{
        char command[512];

        (void) snprintf(command, sizeof command, "diff -r %s %s > /dev/null", a->folder, b->folder);
        assert_int_equal(system(command), 0);
}

static void test_a_thousand_single_changes_are_refused_or_mean_nothing(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY, tar = BUF_EMPTY;
        struct bundling *b = *state;
        unsigned seed = 20240607, through = 0;
        struct bundle original = { 0 };
        struct error error = { 0 };

        fill(b, 3);
        export(b, true, &good);
        assert_ok(open_bytes(b, buf_text(&good), good.len, &original, &error));
        gunzip(&good, &tar);
        for (unsigned i = 0; i < 1000; i++) {
                cleanup_(buf_done) struct buf file = BUF_EMPTY;
                unsigned at = seed;
                struct bundle bundle = { 0 };
                bool matters;
                int r;

                buf_append(&file, buf_text(&good), good.len);
                matters = change_one((enum change) (i % CHANGES), &seed, &file);
                r = open_bytes(b, buf_text(&file), file.len, &bundle, &error);
                if (r != -EBADMSG && (r != 0 || matters))
                        fail_msg("change %u of seed %u: %d", i % CHANGES, at, r);
                if (r == 0) {
                        cleanup_(buf_done) struct buf same = BUF_EMPTY;

                        through++;
                        assert_same(&original, &bundle);
                        gunzip(&file, &same);
                        if (i % CHANGES == FLIP_FILE) {
                                assert_int_equal(same.len, tar.len);
                                assert_memory_equal(same.data, tar.data, tar.len);
                        }
                }
                bundle_done(&bundle);
        }
        assert_true(through < 20);
        bundle_done(&original);
        assert_true(is_clean(b));
}

static void test_a_bundle_that_is_cut_anywhere_is_refused(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY;
        struct bundling *b = *state;

        export(b, false, &good);
        for (size_t len = 0; len < good.len; len += 1 + good.len / 200) {
                struct bundle bundle = { 0 };

                assert_int_equal(open_bytes(b, buf_text(&good), len, &bundle, NULL), -EBADMSG);
        }
        assert_true(is_clean(b));
}

/* ---- Disks that fail ------------------------------------------------------------------------ */

static void test_a_disk_that_fails_leaves_nothing_behind(void **state)
{
        cleanup_(buf_done) struct buf good = BUF_EMPTY;
        struct bundling *b = *state;

        fill(b, 3);
        export(b, true, &good);
        for (unsigned nth = 1;; nth++) {
                cleanup_close_ int fd = memory_file(buf_text(&good), good.len);
                unsigned before = faultfs_failures();
                struct bundle bundle = { 0 };
                struct error error = { 0 };
                int r;

                faultfs_fail(nth, ENOSPC, true);
                r = bundle_open(b->store, fd, &bundle, &error);
                faultfs_fail(0, 0, false);
                assert_int_equal(r, faultfs_failures() > before ? -ENOSPC : 0);
                bundle_done(&bundle);
                assert_true(is_clean(b));
                if (r == 0)
                        break;
        }
        for (unsigned nth = 1;; nth++) {
                cleanup_close_ int fd = memory_file("", 0);
                unsigned before = faultfs_failures();
                struct error error = { 0 };
                int r;

                faultfs_fail(nth, EIO, false);
                r = bundle_export(b->store, 1, true, fd, &error);
                faultfs_fail(0, 0, false);
                assert_int_equal(r, faultfs_failures() > before ? -EIO : 0);
                assert_true(is_clean(b));
                if (r == 0)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                TEST(test_a_bundle_carries_a_release_without_its_state),
                TEST(test_plain_tar_and_sha256sum_read_it),
                TEST(test_only_what_was_stable_is_exported),
                TEST(test_vectors_come_with_the_text_that_was_embedded),
                TEST(test_whoever_takes_vectors_may_stop),
                TEST(test_vectors_of_an_embedder_that_changed_are_not_exported),
                TEST(test_each_kind_of_fault_is_named),
                TEST(test_no_header_but_that_of_a_plain_file_is_taken),
                TEST(test_a_newer_format_says_so),
                TEST(test_a_bomb_is_refused_by_its_header),
                TEST(test_a_thousand_single_changes_are_refused_or_mean_nothing),
                TEST(test_a_bundle_that_is_cut_anywhere_is_refused),
                TEST(test_a_disk_that_fails_leaves_nothing_behind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
