/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts of purges: what went, what stays by design, and which files may still hold it. */
#include "tenant/lifecycle_inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 8
#define BACKUPS_MAX 10000

/* ---- Files that may still hold it ---------------------------------------------------------- */

struct scan {
        struct json_object *backups;
        uint64_t created_usec;
        const char *why;
        char path[PATH_MAX]; /* of the folder that is looked into */
};

static uint64_t file_time(const struct stat *st)
{
        return (uint64_t) st->st_mtim.tv_sec * USEC_PER_SEC +
               (uint64_t) st->st_mtim.tv_nsec / 1000;
}

/* What is older than the tenant can't hold it. */
static void note_file(struct scan *scan, const char *name, const struct stat *st)
{
        struct json_object *row;
        char path[PATH_MAX];

        if (file_time(st) < scan->created_usec ||
            json_object_array_length(scan->backups) >= BACKUPS_MAX)
                return;
        row = json_object_new_object();
        (void) snprintf(path, sizeof path, "%.*s/%s", PATH_MAX / 2, scan->path, name);
        json_add_string(row, "path", path);
        json_add_u64(row, "bytes", (uint64_t) st->st_size);
        json_add_time(row, "made_at", file_time(st));
        json_add_string(row, "why", scan->why);
        json_add(scan->backups, NULL, row);
}

/* Takes the descriptor.  What cannot be read is told: nobody knows what is in there. */
static void scan_folder(struct scan *scan, int takes_fd, unsigned depth)
{
        DIR *dir = takes_fd < 0 ? NULL : fdopendir(takes_fd);
        size_t len = strlen(scan->path);
        struct dirent *entry;

        if (!dir) {
                if (takes_fd >= 0)
                        (void) close(takes_fd);
                return;
        }
        while ((entry = readdir(dir))) {
                struct stat st;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    fstatat(takes_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (S_ISREG(st.st_mode))
                        note_file(scan, entry->d_name, &st);
                if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX ||
                    len + strlen(entry->d_name) + 2 > sizeof scan->path)
                        continue;
                (void) snprintf(scan->path + len, sizeof scan->path - len, "/%.255s",
                                entry->d_name);
                scan_folder(scan, openat(takes_fd, entry->d_name,
                                         O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
                            depth + 1);
                scan->path[len] = '\0';
        }
        (void) closedir(dir);
}

static void scan_path(struct scan *scan, const char *path, const char *why)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        scan->why = why;
        (void) snprintf(scan->path, sizeof scan->path, "%s", path);
        if (fd < 0 && errno != ENOENT) {
                struct json_object *row = json_object_new_object();

                json_add_string(row, "path", path);
                json_add_string(row, "why", "it cannot be read, so nobody knows what is in it");
                json_add(scan->backups, NULL, row);
                return;
        }
        scan_folder(scan, fd, 1);
}

static struct json_object *list_backups(const struct lifecycle *lifecycle,
                                        const struct tenant_info *info)
{
        struct scan scan = { .backups = json_object_new_array(),
                             .created_usec = info->created_usec };
        char path[PATH_MAX];

        if (!scan.backups)
                return NULL;
        if (lifecycle->settings.backup_path)
                scan_path(&scan, lifecycle->settings.backup_path,
                          "a backup that was written after the tenant was created");
        (void) snprintf(path, sizeof path, "%.*s/recordings", PATH_MAX - 16,
                        store_path(lifecycle->settings.store));
        scan_path(&scan, path, "calls of providers were recorded in it, whoever's they were");
        return scan.backups;
}

/* ---- What stays --------------------------------------------------------------------------- */

static struct json_object *list_remembered(void)
{
        static const struct {
                const char *what, *why;
        } rows[] = {
                { "audit log", "it names the tenant, its keys and what was done with what, by "
                               "design; it holds no text of documents unless audit_texts is set" },
                { "embedding cache", "a random number beside the tenant's name; the vectors that "
                                     "were kept under it are gone" },
                { "bundles of releases", "those that were exported with vectors hold texts and "
                                         "vectors of that time; ragd does not know where they "
                                         "were taken" },
                { "receipts", "this one names the tenant" },
        };
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < ELEMENTSOF(rows); i++) {
                struct json_object *row = json_object_new_object();

                json_add_string(row, "what", rows[i].what);
                json_add_string(row, "why", rows[i].why);
                json_add(array, NULL, row);
        }
        return array;
}

/* ---- The receipt -------------------------------------------------------------------------- */

static struct json_object *tenant_json(const struct tenant_info *info)
{
        struct json_object *tenant = json_object_new_object();
        char id[ID_TEXT_SIZE];

        json_add_string(tenant, "id", id_format(info->id.id, id));
        json_add_string(tenant, "name", info->name);
        json_add_time(tenant, "created_at", info->created_usec);
        if (info->state == TENANT_DELETED)
                json_add_time(tenant, "deleted_at", info->state_usec);
        return tenant;
}

void receipt_add(struct json_object *receipt, const char *what, const char *path, const char *unit,
                 uint64_t amount)
{
        struct json_object *removed = NULL, *row = json_object_new_object();

        (void) json_object_object_get_ex(receipt, "removed", &removed);

        json_add_string(row, "what", what);
        if (path)
                json_add_string(row, "path", path);
        if (unit)
                json_add_u64(row, unit, amount);
        json_add(removed, NULL, row);
}

void receipt_add_rooms(struct json_object *receipt)
{
        receipt_add(receipt, "entries of the embedding cache, which were overwritten", NULL, NULL,
                    0);
        receipt_add(receipt, "answers that were remembered in memory", NULL, NULL, 0);
}

int receipt_begin(struct lifecycle *lifecycle, const struct tenant_info *info,
                  struct json_object **ret, struct error *reterr)
{
        struct json_object *receipt = json_object_new_object();
        struct json_object *removed = json_object_new_array();
        struct json_object *backups = list_backups(lifecycle, info);
        char id[ID_TEXT_SIZE];
        struct stat st;

        if (!receipt || !removed || !backups) {
                json_object_put(receipt);
                json_object_put(removed);
                json_object_put(backups);
                return error_oom(reterr);
        }
        json_add_string(receipt, "receipt", id_format(id_random(), id));
        json_add(receipt, "tenant", tenant_json(info));
        json_add(receipt, "removed", removed);
        if (info->archive) {
                bool there = fstatat(store_dirfd(lifecycle->settings.store), info->archive, &st,
                                     AT_SYMLINK_NOFOLLOW) == 0;

                receipt_add(receipt, "archive", info->archive, there ? "bytes" : NULL,
                            there ? (uint64_t) st.st_size : 0);
        }
        json_add(receipt, "remembered_by", list_remembered());
        json_add(receipt, "backups", backups);
        *ret = receipt;
        return 0;
}

static int sign(struct json_object *receipt, struct error *reterr)
{
        uint8_t digest[crypto_hash_sha256_BYTES];
        char hex[2 * sizeof digest + 1];
        const char *text;
        size_t len;

        text = json_text(receipt, &len);
        if (!text)
                return error_oom(reterr);
        (void) crypto_hash_sha256(digest, (const unsigned char *) text, len);
        json_add_string(receipt, "digest", sodium_bin2hex(hex, sizeof hex, digest, sizeof digest));
        return 0;
}

int receipt_end(struct lifecycle *lifecycle, struct json_object *receipt, struct tenant_id tenant,
                uint64_t now_usec, struct error *reterr)
{
        char path[LIFECYCLE_PATH_SIZE], stamp[LIFECYCLE_STAMP_SIZE], id[ID_TEXT_SIZE];
        const char *text;
        size_t len;
        int r;

        json_add_time(receipt, "purged_at", now_usec);
        r = sign(receipt, reterr);
        if (r < 0)
                return r;
        text = json_text(receipt, &len);
        (void) snprintf(path, sizeof path, "receipts/%s-%s.json", lifecycle_stamp(now_usec, stamp),
                        id_format(tenant.id, id));
        return text ? io_replace_file(store_dirfd(lifecycle->settings.store), path, text, len,
                                      0600, reterr)
                    : error_oom(reterr);
}
