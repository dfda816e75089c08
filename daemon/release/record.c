/* SPDX-License-Identifier: Apache-2.0 */
#include "release/record.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "config/effective.h"
#include "config/load.h"
#include "config/values.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROFILE_BYTES_MAX (1U << 20U)
#define HEX_SIZE 65

DEFINE_CLEANUP(DIR *, closedir)

static const char *hex(const uint8_t digest[static 32], char text[static HEX_SIZE])
{
        return sodium_bin2hex(text, HEX_SIZE, digest, 32);
}

static void digest_of(const void *data, size_t len, uint8_t ret[static 32])
{
        (void) crypto_hash_sha256(ret, data, len);
}

/* The greatest number below releases/; 0 where there is none.  Strange names are passed over. */
static int newest_number(int releases_fd, uint32_t *ret_number, struct error *reterr)
{
        int fd = openat(releases_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(closedir_cleanup) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        uint32_t newest = 0;

        if (!dir)
                return error_set_errno(reterr, -errno, "cannot list the releases");
        for (struct dirent *entry; (entry = readdir(dir));) {
                unsigned number;
                int used = 0;

                if (sscanf(entry->d_name, "%6u%n", &number, &used) == 1 && used == 6 &&
                    entry->d_name[6] == '\0' && number > newest)
                        newest = number;
        }
        *ret_number = newest;
        return 0;
}

/* Whether the release with this number has this digest of the effective profile. */
static bool has_digest(int releases_fd, uint32_t number, const char *digest_hex)
{
        cleanup_free_ char *text = NULL;
        cleanup_json_ struct json_object *manifest = NULL;
        const char *recorded = NULL;
        char path[64];
        size_t len;

        (void) snprintf(path, sizeof path, "%06u/manifest.json", number);
        return io_read_file(releases_fd, path, PROFILE_BYTES_MAX, &text, &len, NULL) == 0 &&
               json_parse(text, len, &manifest, NULL) == 0 &&
               json_get_string(manifest, "effective_sha256", &recorded, NULL) == 1 &&
               strcmp(recorded, digest_hex) == 0;
}

/* One file into the folder that is being made, and its row into the manifest. */
static int add_file(int folder_fd, const char *name, const void *data, size_t len,
                    struct json_object *files, struct error *reterr)
{
        struct json_object *row = json_object_new_object();
        uint8_t digest[32];
        char text[HEX_SIZE];

        if (!row)
                return error_oom(reterr);
        digest_of(data, len, digest);
        json_add_string(row, "sha256", hex(digest, text));
        json_add_u64(row, "size", len);
        json_add(files, name, row);
        return io_replace_file(folder_fd, name, data, len, 0600, reterr);
}

/* The profile as it was written, and the one it extends beside it. */
static int add_sources(int folder_fd, const struct config *config, const char *profile,
                       struct json_object *files, struct error *reterr)
{
        char extended[PATH_MAX] = "";
        const char *const paths[] = { profile, extended };

        if (config->extends && config_extends_path(profile, config->extends, extended) < 0)
                extended[0] = '\0';
        if (mkdirat(folder_fd, "source", 0700) < 0)
                return error_set_errno(reterr, -errno, "cannot create the release's source folder");
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                cleanup_free_ char *text = NULL;
                const char *slash = strrchr(paths[i], '/');
                char name[NAME_MAX + 8];
                size_t len;
                int r;

                if (paths[i][0] == '\0')
                        continue;
                (void) snprintf(name, sizeof name, "source/%s", slash ? slash + 1 : paths[i]);
                r = io_read_file(AT_FDCWD, paths[i], PROFILE_BYTES_MAX, &text, &len, reterr);
                if (r == 0)
                        r = add_file(folder_fd, name, text, len, files, reterr);
                if (r < 0)
                        return r;
        }
        return io_sync_directory(folder_fd, "source");
}

static int add_meta(int folder_fd, uint32_t number, const char *profile, struct error *reterr)
{
        cleanup_json_ struct json_object *meta = json_object_new_object();
        char reason[PATH_MAX + 32];
        const char *text;
        size_t len;

        if (!meta)
                return error_oom(reterr);
        (void) snprintf(reason, sizeof reason, "started with %s", profile);
        json_add_u64(meta, "number", number);
        json_add_time(meta, "created_at", clock_wall_usec());
        json_add_u64(meta, "uid", getuid());
        json_add_i64(meta, "pid", getpid());
        json_add_string(meta, "reason", reason);
        json_add(meta, "parent", number > 1 ? json_object_new_int64(number - 1) : NULL);
        text = json_text(meta, &len);
        return text ? io_replace_file(folder_fd, "meta.json", text, len, 0600, reterr)
                    : error_oom(reterr);
}

static int add_manifest(int folder_fd, struct json_object *files, const char *version,
                        const char *effective_hex, const uint8_t identity[static 32],
                        struct error *reterr)
{
        cleanup_json_ struct json_object *manifest = json_object_new_object();
        char identity_hex[HEX_SIZE];
        const char *text;
        size_t len;

        if (!manifest)
                return error_oom(reterr);
        json_add_string(manifest, "ragd", version);
        json_add_string(manifest, "effective_sha256", effective_hex);
        json_add_string(manifest, "generation_identity", hex(identity, identity_hex));
        json_add(manifest, "files", json_object_get(files));
        text = json_text(manifest, &len);
        return text ? io_replace_file(folder_fd, "manifest.json", text, len, 0600, reterr)
                    : error_oom(reterr);
}

/* All of a release inside the folder `folder_fd`, durable. */
static int fill(int folder_fd, uint32_t number, const struct config *config, const char *profile,
                const char *version, const struct buf *effective, const char *effective_hex,
                const uint8_t identity[static 32], struct error *reterr)
{
        cleanup_json_ struct json_object *files = json_object_new_object();
        int r;

        if (!files)
                return error_oom(reterr);
        r = add_sources(folder_fd, config, profile, files, reterr);
        if (r == 0)
                r = add_file(folder_fd, "effective.toml", buf_text(effective), effective->len, files,
                             reterr);
        if (r == 0)
                r = add_meta(folder_fd, number, profile, reterr);
        if (r == 0)
                r = add_manifest(folder_fd, files, version, effective_hex, identity, reterr);
        return r;
}

static int record_new(int releases_fd, uint32_t number, const struct config *config,
                      const char *profile, const char *version, const struct buf *effective,
                      const char *effective_hex, const uint8_t identity[static 32],
                      struct error *reterr)
{
        cleanup_close_ int folder_fd = -1;
        char partial[32], name[16];
        int r;

        (void) snprintf(name, sizeof name, "%06u", number);
        (void) snprintf(partial, sizeof partial, "%06u.partial", number);
        r = io_remove_tree(releases_fd, partial);
        if (r == 0 && mkdirat(releases_fd, partial, 0700) < 0)
                r = -errno;
        if (r == 0) {
                folder_fd = openat(releases_fd, partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = folder_fd < 0 ? -errno : 0;
        }
        if (r < 0)
                return error_set_errno(reterr, r, "cannot create the folder of release %u", number);

        r = fill(folder_fd, number, config, profile, version, effective, effective_hex, identity,
                 reterr);
        if (r == 0 && renameat(releases_fd, partial, releases_fd, name) < 0)
                r = error_set_errno(reterr, -errno, "cannot name release %u", number);
        if (r == 0 && io_sync_directory(releases_fd, ".") < 0)
                r = error_set_errno(reterr, -errno, "cannot make release %u durable", number);
        if (r < 0)
                (void) io_remove_tree(releases_fd, partial);
        return r;
}

int release_record(int state_dirfd, const struct config *config, const char *profile,
                   const char *version, const uint8_t identity[static 32], struct release *ret,
                   struct error *reterr)
{
        cleanup_close_ int releases_fd = -1;
        cleanup_(buf_done) struct buf effective = BUF_EMPTY;
        char effective_hex[HEX_SIZE];
        uint8_t digest[32];
        uint32_t number = 0;
        int r;

        if (mkdirat(state_dirfd, "releases", 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create the folder of releases");
        releases_fd = openat(state_dirfd, "releases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (releases_fd < 0)
                return error_set_errno(reterr, -errno, "cannot open the folder of releases");

        config_write_effective(config, &effective);
        if (buf_failed(&effective))
                return error_oom(reterr);
        digest_of(buf_text(&effective), effective.len, digest);
        (void) hex(digest, effective_hex);

        r = newest_number(releases_fd, &number, reterr);
        if (r == 0 && (number == 0 || !has_digest(releases_fd, number, effective_hex)))
                r = record_new(releases_fd, ++number, config, profile, version, &effective,
                               effective_hex, identity, reterr);
        if (r < 0)
                return error_prefix(reterr, r, "recording the release");
        ret->number = number;
        memcpy(ret->identity, identity, sizeof ret->identity);
        return 0;
}
