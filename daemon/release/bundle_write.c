/* SPDX-License-Identifier: Apache-2.0 */
#include "release/bundle_inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "release/record.h"
#include "release/record_files.h"
#include "store/store.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define LEVEL 6

/* What a bundle cannot hold is refused before it is written. */
static int add_bytes(struct tarball_writer *writer, const char *name, const void *data, size_t len,
                     struct error *reterr)
{
        if ((int) bundle_kind_of(name) < 0)
                return error_set(reterr, -ENAMETOOLONG, "a bundle cannot hold %s", name);
        return tarball_add_bytes(writer, name, data, len, reterr);
}

static int add_piece(void *data, const char *name, int fd, uint64_t size, struct error *reterr)
{
        return tarball_add_file(data, name, fd, 0, size, reterr);
}

/* ---- The bundle ------------------------------------------------------------------------- */

static int add_header(struct tarball_writer *writer, const struct release_info *info, bool vectors,
                      struct error *reterr)
{
        cleanup_json_ struct json_object *header = json_object_new_object();
        char identity[2 * sizeof info->identity + 1];
        const char *text;
        size_t len = 0;

        json_add_u64(header, "format", BUNDLE_FORMAT);
        json_add_string(header, "ragd", info->version);
        json_add_string(header, "stage", info->stage);
        json_add_u64(header, "release", info->number);
        json_add_string(header, "generation_identity",
                        sodium_bin2hex(identity, sizeof identity, info->identity,
                                       sizeof info->identity));
        json_add_bool(header, "vectors", vectors);
        text = header ? json_text(header, &len) : NULL;
        return text ? add_bytes(writer, "HEADER.json", text, len, reterr) : error_oom(reterr);
}

static int add_file(struct tarball_writer *writer, int state_dirfd, uint32_t number,
                    const char *file, struct error *reterr)
{
        char path[RECORD_PATH_SIZE], name[RECORD_PATH_SIZE];
        cleanup_free_ char *text = NULL;
        size_t len = 0;
        int r = io_read_file(state_dirfd, record_path(number, file, path), RECORD_FILE_BYTES_MAX,
                             &text, &len, reterr);

        (void) snprintf(name, sizeof name, "release/%.160s", file);
        return r < 0 ? r : add_bytes(writer, name, text, len, reterr);
}

static int add_release(struct tarball_writer *writer, int state_dirfd, uint32_t number,
                       struct error *reterr)
{
        cleanup_json_ struct json_object *manifest = NULL;
        struct json_object *files;
        char path[RECORD_PATH_SIZE];
        int r = record_read_manifest(state_dirfd, record_path(number, NULL, path), &manifest,
                                     reterr);

        if (r == 0)
                r = add_file(writer, state_dirfd, number, "manifest.json", reterr);
        if (r < 0)
                return r;
        files = json_object_object_get(manifest, "files");
        if (!json_object_object_get_ex(files, "meta.json", NULL)) /* of an early release */
                r = add_file(writer, state_dirfd, number, "meta.json", reterr);
        json_object_object_foreach(files, file, row)
        {
                (void) row;
                if (r == 0)
                        r = add_file(writer, state_dirfd, number, file, reterr);
        }
        return r;
}

/* The two lists; the manifest has the sums as well. */
static int add_lists(struct tarball_writer *writer, struct error *reterr)
{
        cleanup_(buf_done) struct buf sums = BUF_EMPTY;
        int r;

        tarball_list_sums(tarball_added(writer), &sums);
        if (buf_failed(&sums))
                return error_oom(reterr);
        r = add_bytes(writer, "SHA256SUMS", buf_text(&sums), sums.len, reterr);
        return r < 0 ? r : tarball_add_manifest(writer, reterr);
}

static int write_all(struct tarball_writer *writer, struct store *store,
                     const struct release_info *info, bool vectors, struct error *reterr)
{
        const struct bundle_sink sink = { .piece = add_piece, .data = writer };
        int r = add_header(writer, info, vectors, reterr);

        if (r == 0)
                r = add_release(writer, store_dirfd(store), info->number, reterr);
        if (r == 0 && vectors)
                r = bundle_export_vectors(store, info->number, info->identity, &sink, reterr);
        if (r == 0)
                r = add_lists(writer, reterr);
        return r < 0 ? r : tarball_finish(writer, reterr);
}

int bundle_export(struct store *store, uint32_t number, bool vectors, int fd, struct error *reterr)
{
        cleanup_(release_info_done) struct release_info info = { 0 };
        cleanup_(tarball_writer_free_cleanup) struct tarball_writer *writer = NULL;
        int r = release_verify(store_dirfd(store), number, reterr);

        if (r == 0)
                r = release_read(store_dirfd(store), number, &info, reterr);
        if (r < 0)
                return r;
        if (!info.was_stable)
                return error_set(reterr, -EPERM, "release %u was never stable: it is %s", number,
                                 release_state_name(info.state));
        r = tarball_writer_new("bundle", fd, LEVEL, (int64_t) (info.created_usec / USEC_PER_SEC),
                               &writer, reterr);
        return r < 0 ? r : write_all(writer, store, &info, vectors, reterr);
}
