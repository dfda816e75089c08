/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the record: one release, all of them, the one with a digest. */
#include "release/record.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "config/effective.h"
#include "config/load.h"
#include "release/record_files.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

void release_info_done(struct release_info *info)
{
        free(info->reason);
        free(info->profile);
        free(info->why);
        *info = (struct release_info){ 0 };
}

struct release_info *release_infos_free(struct release_info *infos, size_t n)
{
        for (size_t i = 0; infos && i < n; i++)
                release_info_done(&infos[i]);
        free(infos);
        return NULL;
}

static int check_there(int state_dirfd, uint32_t number, struct error *reterr)
{
        char folder[RECORD_PATH_SIZE];
        struct stat st;

        if (fstatat(state_dirfd, record_path(number, NULL, folder), &st, AT_SYMLINK_NOFOLLOW) == 0)
                return S_ISDIR(st.st_mode)
                               ? 0
                               : error_set(reterr, -EBADMSG, "%s is not a folder", folder);
        if (errno == ENOENT)
                return error_set(reterr, -ENOENT, "there is no release %u", number);
        return error_set_errno(reterr, -errno, "cannot look at %s", folder);
}

/* Its files by size at least; the manifest is a new reference. */
static int read_release(int state_dirfd, uint32_t number, bool digests, struct release_info *info,
                        struct json_object **ret_manifest, struct error *reterr)
{
        char folder[RECORD_PATH_SIZE];
        int r = check_there(state_dirfd, number, reterr);

        (void) record_path(number, NULL, folder);
        info->number = number;
        if (r == 0)
                r = record_read_manifest(state_dirfd, folder, ret_manifest, reterr);
        if (r == -ENOENT && check_there(state_dirfd, number, NULL) == 0)
                r = error_set(reterr, -EBADMSG, "%s/manifest.json is missing", folder);
        if (r == 0)
                r = record_read_facts(state_dirfd, folder, *ret_manifest, info, reterr);
        if (r == 0)
                r = record_read_state(state_dirfd, info, reterr);
        if (r == 0 && info->state != RELEASE_PRUNED)
                r = record_check_files(state_dirfd, folder, *ret_manifest, digests, reterr);
        return r;
}

int release_read(int state_dirfd, uint32_t number, struct release_info *ret, struct error *reterr)
{
        cleanup_(release_info_done) struct release_info info = { 0 };
        cleanup_json_ struct json_object *manifest = NULL;
        int r = read_release(state_dirfd, number, false, &info, &manifest, reterr);

        if (r < 0)
                return r;
        *ret = info;
        info = (struct release_info){ 0 };
        return 0;
}

int release_verify(int state_dirfd, uint32_t number, struct error *reterr)
{
        cleanup_(release_info_done) struct release_info info = { 0 };
        cleanup_json_ struct json_object *manifest = NULL;
        int r = read_release(state_dirfd, number, true, &info, &manifest, reterr);

        if (r == 0 && info.state == RELEASE_PRUNED)
                r = error_set(reterr, -ENOENT, "release %u was pruned: its profile is gone", number);
        return r;
}

int release_list(int state_dirfd, struct release_info **ret, size_t *ret_n, size_t *ret_damaged,
                 struct error *reterr)
{
        cleanup_free_ uint32_t *numbers = NULL;
        struct release_info *infos;
        size_t n = 0, n_infos = 0, damaged = 0;
        int r = record_numbers(state_dirfd, "releases", "", &numbers, &n, reterr);

        if (r < 0)
                return r;
        infos = calloc(n + 1, sizeof *infos);
        if (!infos)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                r = release_read(state_dirfd, numbers[i], &infos[n_infos], reterr);
                if (r < 0 && r != -EBADMSG && r != -ENOENT) {
                        (void) release_infos_free(infos, n_infos);
                        return r;
                }
                damaged += r == -EBADMSG;
                n_infos += r == 0;
        }
        *ret = infos;
        *ret_n = n_infos;
        *ret_damaged = damaged;
        return 0;
}

int release_find(int state_dirfd, const char *effective_sha256, uint32_t *ret_number,
                 struct error *reterr)
{
        struct release_info *infos = NULL;
        size_t n = 0, damaged = 0;
        uint32_t found = 0;
        int r = release_list(state_dirfd, &infos, &n, &damaged, reterr);

        if (r < 0)
                return r;
        for (size_t i = n; i-- > 0 && found == 0;)
                if (release_state_is_target(infos[i].state) &&
                    strcmp(infos[i].effective_sha256, effective_sha256) == 0 &&
                    release_verify(state_dirfd, infos[i].number, NULL) == 0)
                        found = infos[i].number;
        (void) release_infos_free(infos, n);
        *ret_number = found;
        return 0;
}

int release_digest(const struct config *config, char ret[static RELEASE_DIGEST_SIZE],
                   struct error *reterr)
{
        cleanup_(buf_done) struct buf effective = BUF_EMPTY;
        uint8_t digest[crypto_hash_sha256_BYTES];

        config_write_effective(config, &effective);
        if (buf_failed(&effective))
                return error_oom(reterr);
        (void) crypto_hash_sha256(digest, (const unsigned char *) buf_text(&effective),
                                  effective.len);
        (void) sodium_bin2hex(ret, RELEASE_DIGEST_SIZE, digest, sizeof digest);
        return 0;
}

int release_load_config(int state_dirfd, uint32_t number, struct config **ret,
                        struct config_diagnostics *diagnostics, struct error *reterr)
{
        char path[RECORD_PATH_SIZE];
        cleanup_free_ char *text = NULL;
        size_t len = 0;
        int r = release_verify(state_dirfd, number, reterr);

        if (r == 0)
                r = io_read_file(state_dirfd, record_path(number, "effective.toml", path),
                                 RECORD_FILE_BYTES_MAX, &text, &len, reterr);
        if (r == 0)
                r = config_load_memory(path, text, len, NULL, ret, diagnostics, reterr);
        return r;
}

struct json_object *release_info_json(const struct release_info *info)
{
        char identity[2 * sizeof info->identity + 1];
        struct json_object *row = json_object_new_object();

        if (!row)
                return NULL;
        json_add_u64(row, "number", info->number);
        json_add_string(row, "state", release_state_name(info->state));
        json_add_time(row, "state_at", info->state_usec);
        json_add_string(row, "why", info->why);
        json_add_bool(row, "was_stable", info->was_stable);
        json_add_time(row, "created_at", info->created_usec);
        json_add_string(row, "reason", info->reason);
        json_add_string(row, "via", *info->via ? info->via : "start");
        json_add_u64(row, "uid", info->uid);
        json_add_u64(row, "pid", (uint64_t) info->pid);
        json_add(row, "parent", info->parent ? json_object_new_uint64(info->parent) : NULL);
        json_add(row, "rolled_back_to",
                 info->rolled_back_to ? json_object_new_uint64(info->rolled_back_to) : NULL);
        json_add_string(row, "profile", info->profile);
        json_add_string(row, "stage", info->stage);
        json_add_string(row, "ragd", info->version);
        json_add_string(row, "effective_sha256", info->effective_sha256);
        json_add_string(row, "generation_identity",
                        sodium_bin2hex(identity, sizeof identity, info->identity,
                                       sizeof info->identity));
        return row;
}
