/* SPDX-License-Identifier: Apache-2.0 */
/* A release's folder against its manifest. */
#include "release/record_files.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "release/record.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool record_is_file(const char *name)
{
        static const char *const fixed[] = { "effective.toml", "meta.json", "plan.json" };
        const char *source = name + strlen("source/");
        size_t len;

        for (size_t i = 0; i < ELEMENTSOF(fixed); i++)
                if (strcmp(name, fixed[i]) == 0)
                        return true;
        if (strncmp(name, "source/", strlen("source/")) != 0)
                return false;
        len = strlen(source);
        if (len == 0 || len > RECORD_SOURCE_NAME_MAX || strcmp(source, ".") == 0 ||
            strcmp(source, "..") == 0 || utf8_valid_prefix(source, len) < len)
                return false;
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) source[i] < 0x20 || strchr("/\\\x7f", source[i]))
                        return false;
        return true;
}

int record_read_manifest(int dirfd, const char *folder, struct json_object **ret,
                         struct error *reterr)
{
        cleanup_json_ struct json_object *manifest = NULL;
        struct json_object *files = NULL;
        char path[RECORD_PATH_SIZE];
        int r;

        (void) snprintf(path, sizeof path, "%s/manifest.json", folder);
        r = record_read_json(dirfd, path, &manifest, reterr);
        if (r < 0)
                return r;
        r = json_get_object(manifest, "files", &files, reterr);
        if (r == 0 || (r > 0 && !json_object_object_get_ex(files, "effective.toml", NULL)))
                r = error_set(reterr, -EBADMSG, "it names no effective.toml");
        if (r < 0)
                return record_damaged(path, r, reterr);
        *ret = take_ptr(manifest);
        return 0;
}

/* What the manifest says of one file. */
struct row {
        const char *name;
        uint8_t sha256[crypto_hash_sha256_BYTES];
        uint64_t size;
};

static int read_row(const char *manifest_path, const char *name, struct json_object *value,
                    struct row *ret, struct error *reterr)
{
        int r;

        if (!json_object_is_type(value, json_type_object) || !record_is_file(name))
                return record_damaged(manifest_path,
                                      error_set(reterr, -EBADMSG, "it names \"%.64s\"", name),
                                      reterr);
        ret->name = name;
        r = record_get_hex(value, manifest_path, "sha256", ret->sha256, sizeof ret->sha256, reterr);
        if (r < 0)
                return r;
        r = json_get_u64(value, "size", 0, RECORD_FILE_BYTES_MAX, &ret->size, reterr);
        if (r == 0)
                r = error_set(reterr, -EINVAL, "\"size\" is missing");
        return r < 0 ? record_damaged(manifest_path, r, reterr) : 0;
}

static int check_size(int dirfd, const char *path, const struct row *row, struct error *reterr)
{
        struct stat st;

        if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT || errno == ENOTDIR
                               ? error_set(reterr, -EBADMSG, "%s is missing", path)
                               : error_set_errno(reterr, -errno, "cannot look at %s", path);
        if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size != row->size)
                return error_set(reterr, -EBADMSG, "%s is not the file of its manifest", path);
        return 0;
}

static int check_digest(int dirfd, const char *path, const struct row *row, struct error *reterr)
{
        uint8_t digest[crypto_hash_sha256_BYTES];
        cleanup_free_ char *text = NULL;
        size_t len;
        int r = io_read_file(dirfd, path, RECORD_FILE_BYTES_MAX, &text, &len, reterr);

        if (r < 0)
                return r;
        (void) crypto_hash_sha256(digest, (const unsigned char *) text, len);
        if (len != row->size || memcmp(digest, row->sha256, sizeof digest) != 0)
                return error_set(reterr, -EBADMSG, "%s is damaged: its digest is not that of its "
                                                   "manifest", path);
        return 0;
}

int record_check_files(int dirfd, const char *folder, struct json_object *manifest, bool digests,
                       struct error *reterr)
{
        char manifest_path[RECORD_PATH_SIZE], path[2 * RECORD_PATH_SIZE];
        struct json_object *files = json_object_object_get(manifest, "files");

        (void) snprintf(manifest_path, sizeof manifest_path, "%s/manifest.json", folder);
        json_object_object_foreach(files, name, value)
        {
                struct row row;
                int r = read_row(manifest_path, name, value, &row, reterr);

                if (r < 0)
                        return r;
                (void) snprintf(path, sizeof path, "%s/%s", folder, row.name);
                r = check_size(dirfd, path, &row, reterr);
                if (r == 0 && digests)
                        r = check_digest(dirfd, path, &row, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- What it says ----------------------------------------------------------------------- */

static int get_u32(struct json_object *object, const char *path, const char *key, uint32_t *ret,
                   struct error *reterr)
{
        uint64_t value = 0;
        int r = json_get_u64(object, key, 0, UINT32_MAX, &value, reterr);

        *ret = (uint32_t) value;
        return r < 0 ? record_damaged(path, r, reterr) : 0;
}

static int get_copy(struct json_object *object, const char *path, const char *key, char **ret,
                    struct error *reterr)
{
        const char *text = "";
        int r = json_get_string(object, key, &text, reterr);

        if (r < 0)
                return record_damaged(path, r, reterr);
        *ret = strdup(text);
        return *ret ? 0 : error_oom(reterr);
}

static int read_meta(int dirfd, const char *folder, struct release_info *info,
                     struct error *reterr)
{
        cleanup_json_ struct json_object *meta = NULL;
        char path[RECORD_PATH_SIZE];
        uint32_t number = 0, uid = 0, pid = 0;
        int r;

        (void) snprintf(path, sizeof path, "%s/meta.json", folder);
        r = record_read_json(dirfd, path, &meta, reterr);
        if (r == -ENOENT)
                return error_set(reterr, -EBADMSG, "%s is missing", path);
        if (r == 0)
                r = get_u32(meta, path, "number", &number, reterr);
        if (r == 0 && (number == 0 || (info->number > 0 && info->number != number)))
                r = record_damaged(path, error_set(reterr, -EINVAL, "it is of another release"),
                                   reterr);
        if (r == 0)
                r = record_get_time(meta, path, "created_at", &info->created_usec, reterr);
        if (r == 0)
                r = get_u32(meta, path, "uid", &uid, reterr);
        if (r == 0)
                r = get_u32(meta, path, "pid", &pid, reterr);
        if (r == 0)
                r = get_u32(meta, path, "parent", &info->parent, reterr);
        if (r == 0)
                r = get_u32(meta, path, "rolled_back_to", &info->rolled_back_to, reterr);
        if (r == 0)
                r = get_copy(meta, path, "reason", &info->reason, reterr);
        if (r == 0)
                r = get_copy(meta, path, "profile", &info->profile, reterr);
        if (r == 0 && json_object_object_get_ex(meta, "via", NULL))
                r = record_get_text(meta, path, "via", info->via, sizeof info->via, reterr);
        info->number = number;
        info->uid = (uid_t) uid;
        info->pid = (pid_t) pid;
        return r;
}

/* An early manifest does not name the stage; the effective profile begins with it. */
static int find_stage(int dirfd, const char *folder, struct release_info *info,
                      struct error *reterr)
{
        static const char key[] = "stage = \"";
        char path[RECORD_PATH_SIZE];
        cleanup_free_ char *text = NULL;
        const char *at;
        size_t len;
        int r;

        (void) snprintf(path, sizeof path, "%s/effective.toml", folder);
        r = io_read_file(dirfd, path, RECORD_FILE_BYTES_MAX, &text, &len, reterr);
        if (r < 0)
                return r == -ENOENT ? 0 : record_damaged(path, r, reterr);
        at = strncmp(text, key, strlen(key)) == 0 ? text : strstr(text, "\nstage = \"");
        if (!at)
                return 0;
        at = strchr(at, '"') + 1;
        len = strcspn(at, "\"\n");
        if (len < sizeof info->stage)
                (void) snprintf(info->stage, sizeof info->stage, "%.*s", (int) len, at);
        return 0;
}

/* It stands in the manifest twice. */
static int check_effective(struct json_object *manifest, const char *path,
                           const uint8_t digest[static crypto_hash_sha256_BYTES],
                           struct error *reterr)
{
        struct json_object *files = json_object_object_get(manifest, "files");
        struct row row;
        int r = read_row(path, "effective.toml", json_object_object_get(files, "effective.toml"),
                         &row, reterr);

        if (r == 0 && memcmp(row.sha256, digest, sizeof row.sha256) != 0)
                r = record_damaged(path, error_set(reterr, -EBADMSG, "its two digests of "
                                                                     "effective.toml differ"),
                                   reterr);
        return r;
}

int record_read_facts(int dirfd, const char *folder, struct json_object *manifest,
                      struct release_info *ret, struct error *reterr)
{
        uint8_t effective[crypto_hash_sha256_BYTES];
        char path[RECORD_PATH_SIZE];
        int r;

        (void) snprintf(path, sizeof path, "%s/manifest.json", folder);
        r = record_get_text(manifest, path, "ragd", ret->version, sizeof ret->version, reterr);
        if (r == 0)
                r = record_get_hex(manifest, path, "generation_identity", ret->identity,
                                   sizeof ret->identity, reterr);
        if (r == 0)
                r = record_get_hex(manifest, path, "effective_sha256", effective, sizeof effective,
                                   reterr);
        if (r == 0)
                r = check_effective(manifest, path, effective, reterr);
        if (r < 0)
                return r;
        (void) sodium_bin2hex(ret->effective_sha256, sizeof ret->effective_sha256, effective,
                              sizeof effective);
        if (json_object_object_get_ex(manifest, "stage", NULL))
                r = record_get_text(manifest, path, "stage", ret->stage, sizeof ret->stage, reterr);
        else
                r = find_stage(dirfd, folder, ret, reterr);
        return r < 0 ? r : read_meta(dirfd, folder, ret, reterr);
}
