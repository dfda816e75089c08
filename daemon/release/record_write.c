/* SPDX-License-Identifier: Apache-2.0 */
/* A new release: its folder beside its name, file by file, each durable; then the name. */
#include "release/record.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "config/effective.h"
#include "config/values.h"
#include "release/record_files.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int release_check_reason(const char *reason, struct error *reterr)
{
        size_t len = reason ? strlen(reason) : 0;

        if (len == 0 || strspn(reason, " ") == len)
                return error_set(reterr, -EINVAL, "a reason is needed: what is this change for?");
        if (len > RELEASE_REASON_MAX)
                return error_set(reterr, -EINVAL, "the reason is longer than %d bytes",
                                 RELEASE_REASON_MAX);
        if (utf8_valid_prefix(reason, len) < len)
                return error_set(reterr, -EINVAL, "the reason is not valid UTF-8");
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) reason[i] < 0x20 || reason[i] == 0x7f)
                        return error_set(reterr, -EINVAL,
                                         "the reason is one line without control characters");
        return 0;
}

/* One file into the folder that is being made, and its row into the manifest. */
static int add_file(int folder_fd, const char *name, const void *data, size_t len,
                    struct json_object *files, struct error *reterr)
{
        struct json_object *row = json_object_new_object();
        uint8_t digest[crypto_hash_sha256_BYTES];
        char text[RELEASE_DIGEST_SIZE];

        if (!row)
                return error_oom(reterr);
        (void) crypto_hash_sha256(digest, data, len);
        json_add_string(row, "sha256", sodium_bin2hex(text, sizeof text, digest, sizeof digest));
        json_add_u64(row, "size", len);
        json_add(files, name, row);
        if (len > RECORD_FILE_BYTES_MAX)
                return error_set(reterr, -EFBIG, "%s is larger than %u bytes", name,
                                 RECORD_FILE_BYTES_MAX);
        return io_replace_file(folder_fd, name, data, len, 0600, reterr);
}

static int add_json(int folder_fd, const char *name, struct json_object *object,
                    struct json_object *files, struct error *reterr)
{
        size_t len = 0;
        const char *text = object ? json_text(object, &len) : NULL;

        return text ? add_file(folder_fd, name, text, len, files, reterr) : error_oom(reterr);
}

/* A name that a manifest may have, which no source has yet: what is behind the last slash, its
 * end where it is long, strange bytes replaced. */
static void name_source(const struct release_source *source, size_t at, struct json_object *files,
                        char ret[static RECORD_SOURCE_NAME_MAX + 16])
{
        const char *slash = strrchr(source->name, '/');
        const char *name = slash ? slash + 1 : source->name;
        size_t room = RECORD_SOURCE_NAME_MAX - 4;
        char *to;

        if (strlen(name) > room)
                name += strlen(name) - room;
        (void) snprintf(ret, RECORD_SOURCE_NAME_MAX + 16, "source/%s", name);
        to = ret + strlen("source/");
        for (char *c = to; *c; c++)
                if ((unsigned char) *c < 0x20 || *c == 0x7f || *c == '\\' || (*c & 0x80))
                        *c = '_';
        if (!record_is_file(ret) || json_object_object_get_ex(files, ret, NULL)) {
                char plain[RECORD_SOURCE_NAME_MAX + 16];

                (void) strcpy(plain, record_is_file(ret) ? to : "profile");
                (void) snprintf(ret, RECORD_SOURCE_NAME_MAX + 16, "source/%03zu-%.*s",
                                (at + 1) % 1000, (int) room, plain);
        }
}

static int add_sources(int folder_fd, const struct release_draft *draft, struct json_object *files,
                       struct error *reterr)
{
        int r;

        if (mkdirat(folder_fd, "source", 0700) < 0)
                return error_set_errno(reterr, -errno, "cannot create the release's source folder");
        for (size_t i = 0; i < draft->n_sources; i++) {
                char name[RECORD_SOURCE_NAME_MAX + 16];

                name_source(&draft->sources[i], i, files, name);
                r = add_file(folder_fd, name, draft->sources[i].text, draft->sources[i].len, files,
                             reterr);
                if (r < 0)
                        return r;
        }
        r = io_sync_directory(folder_fd, "source");
        return r < 0 ? error_set_errno(reterr, r, "cannot make the sources durable") : 0;
}

static int add_meta(int folder_fd, uint32_t number, const struct release_draft *draft, uint64_t now,
                    struct json_object *files, struct error *reterr)
{
        cleanup_json_ struct json_object *meta = json_object_new_object();

        json_add_u64(meta, "number", number);
        json_add_time(meta, "created_at", now);
        json_add_u64(meta, "uid", draft->author.uid);
        json_add_i64(meta, "pid", draft->author.pid);
        json_add_string(meta, "via", draft->author.via);
        json_add_string(meta, "reason", draft->reason);
        json_add_string(meta, "profile", draft->profile);
        json_add(meta, "parent", draft->parent ? json_object_new_uint64(draft->parent) : NULL);
        json_add(meta, "rolled_back_to",
                 draft->rolled_back_to ? json_object_new_uint64(draft->rolled_back_to) : NULL);
        return add_json(folder_fd, "meta.json", meta, files, reterr);
}

static int add_manifest(int folder_fd, const struct release_draft *draft, const char *effective_hex,
                        struct json_object *files, struct error *reterr)
{
        cleanup_json_ struct json_object *manifest = json_object_new_object();
        char identity_hex[RELEASE_DIGEST_SIZE];

        json_add_string(manifest, "ragd", draft->version);
        json_add_string(manifest, "stage", stage_name(draft->config->stage));
        json_add_string(manifest, "effective_sha256", effective_hex);
        json_add_string(manifest, "generation_identity",
                        sodium_bin2hex(identity_hex, sizeof identity_hex, draft->identity, 32));
        if (draft->inputs)
                json_add(manifest, "inputs", json_object_get(draft->inputs));
        json_add(manifest, "files", json_object_get(files));
        return record_write_json(folder_fd, "manifest.json", manifest, reterr);
}

static int add_state(int folder_fd, const struct release_draft *draft, uint64_t now,
                     struct error *reterr)
{
        cleanup_json_ struct json_object *state = json_object_new_object();

        json_add_string(state, "state", release_state_name(draft->state));
        json_add_time(state, "since", now);
        json_add_string(state, "why", NULL);
        json_add_bool(state, "was_stable", draft->state == RELEASE_STABLE);
        json_add(state, "before", json_object_new_array());
        return record_write_json(folder_fd, "state.json", state, reterr);
}

/* All of a release inside the folder `folder_fd`, durable. */
static int fill(int folder_fd, uint32_t number, const struct release_draft *draft,
                struct error *reterr)
{
        cleanup_json_ struct json_object *files = json_object_new_object();
        cleanup_(buf_done) struct buf effective = BUF_EMPTY;
        char effective_hex[RELEASE_DIGEST_SIZE];
        uint64_t now = clock_wall_usec();
        int r;

        config_write_effective(draft->config, &effective);
        if (buf_failed(&effective) || !files)
                return error_oom(reterr);
        r = release_digest(draft->config, effective_hex, reterr);
        if (r == 0)
                r = add_sources(folder_fd, draft, files, reterr);
        if (r == 0)
                r = add_file(folder_fd, "effective.toml", buf_text(&effective), effective.len,
                             files, reterr);
        if (r == 0 && draft->plan)
                r = add_json(folder_fd, "plan.json", draft->plan, files, reterr);
        if (r == 0)
                r = add_meta(folder_fd, number, draft, now, files, reterr);
        if (r == 0)
                r = add_state(folder_fd, draft, now, reterr);
        if (r == 0)
                r = add_manifest(folder_fd, draft, effective_hex, files, reterr);
        return r;
}

/* One more than any number there ever was, and noted as such before it is used. */
static int take_number(int releases_fd, uint32_t *ret, struct error *reterr)
{
        static const char *const suffixes[] = { "", ".partial" };
        cleanup_free_ char *text = NULL;
        uint32_t greatest = 0, noted = 0;
        char line[16];
        size_t len;
        int used = 0;

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                cleanup_free_ uint32_t *numbers = NULL;
                size_t n = 0;
                int r = record_numbers(releases_fd, ".", suffixes[i], &numbers, &n, reterr);

                if (r < 0)
                        return r;
                if (n > 0 && numbers[n - 1] > greatest)
                        greatest = numbers[n - 1];
        }
        /* A damaged note is made anew from the folders. */
        if (io_read_file(releases_fd, "last", sizeof line, &text, &len, NULL) == 0 &&
            sscanf(text, "%9u%n", &noted, &used) == 1 && strcmp(text + used, "\n") == 0 &&
            noted > greatest)
                greatest = noted;
        if (greatest >= 999999999)
                return error_set(reterr, -EOVERFLOW, "there are no more numbers for releases");
        *ret = greatest + 1;
        (void) snprintf(line, sizeof line, "%u\n", *ret);
        return io_replace_file(releases_fd, "last", line, strlen(line), 0600, reterr);
}

static int open_partial(int releases_fd, const char *partial, int *ret_fd, struct error *reterr)
{
        int r = io_remove_tree(releases_fd, partial);

        if (r == 0 && mkdirat(releases_fd, partial, 0700) < 0)
                r = -errno;
        if (r == 0) {
                *ret_fd = openat(releases_fd, partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = *ret_fd < 0 ? -errno : 0;
        }
        return r < 0 ? error_set_errno(reterr, r, "cannot create the folder %s", partial) : 0;
}

static int write_folder(int releases_fd, uint32_t number, const struct release_draft *draft,
                        struct error *reterr)
{
        cleanup_close_ int folder_fd = -1;
        char partial[32], name[16];
        int r;

        (void) snprintf(name, sizeof name, "%06u", number);
        (void) snprintf(partial, sizeof partial, "%06u.partial", number);
        r = open_partial(releases_fd, partial, &folder_fd, reterr);
        if (r < 0)
                return r;
        r = fill(folder_fd, number, draft, reterr);
        if (r == 0) {
                crash_point("release.partial");
                if (renameat(releases_fd, partial, releases_fd, name) < 0)
                        r = error_set_errno(reterr, -errno, "cannot name release %u", number);
        }
        if (r < 0) {
                (void) io_remove_tree(releases_fd, partial);
                return r;
        }
        r = io_sync_directory(releases_fd, ".");
        if (r < 0) {
                (void) io_remove_tree(releases_fd, name);
                return error_set_errno(reterr, r, "cannot make release %u durable", number);
        }
        crash_point("release.named");
        return 0;
}

int release_write(int state_dirfd, const struct release_draft *draft, uint32_t *ret_number,
                  struct error *reterr)
{
        cleanup_close_ int releases_fd = -1;
        uint32_t number = 0;
        int r = release_check_reason(draft->reason, reterr);

        if (r < 0)
                return r;
        if (mkdirat(state_dirfd, "releases", 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create the folder of releases");
        releases_fd = openat(state_dirfd, "releases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (releases_fd < 0 || io_sync_directory(state_dirfd, ".") < 0)
                return error_set_errno(reterr, -errno, "cannot open the folder of releases");
        r = take_number(releases_fd, &number, reterr);
        if (r == 0) {
                crash_point("release.number");
                r = write_folder(releases_fd, number, draft, reterr);
        }
        if (r < 0)
                return error_prefix(reterr, r, "recording the release");
        *ret_number = number;
        return 0;
}
