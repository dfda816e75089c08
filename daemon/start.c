/* SPDX-License-Identifier: Apache-2.0 */
#include "start.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "config/diagnostics.h"
#include "config/load.h"
#include "config/values.h"
#include "release/boot.h"
#include "release/record.h"
#include "release/spec.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROFILE_BYTES_MAX (1U << 20U)
#define FILES_MAX 65536

/* ---- The profile on disk ----------------------------------------------------------------------- */

static void print_all(const struct config_diagnostics *diagnostics)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;

        config_diagnostics_format(diagnostics, CONFIG_ERROR, &text);
        config_diagnostics_format(diagnostics, CONFIG_WARNING, &text);
        (void) io_write_all(STDERR_FILENO, buf_text(&text), text.len);
}

/* -EUCLEAN where it has errors. */
static int load_profile(const char *path, struct config_diagnostics *diagnostics,
                        struct config **ret, struct error *reterr)
{
        cleanup_(config_free_cleanup) struct config *config = NULL;
        int r = config_load(path, NULL, &config, diagnostics, reterr);

        if (r == 0 && !config->enabled)
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_DISABLED", path, 0, 0,
                                       "rag.enabled",
                                       "the profile is switched off: set rag.enabled = true");
        if (diagnostics->errors > 0 || r == -EINVAL)
                return -EUCLEAN;
        if (r == 0)
                *ret = take_ptr(config);
        return r;
}

/* ---- Descriptors ------------------------------------------------------------------------------- */

void start_raise_files(void)
{
        struct rlimit files;
        rlim_t wanted;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0)
                return;
        wanted = files.rlim_max == RLIM_INFINITY || files.rlim_max > FILES_MAX ? FILES_MAX
                                                                               : files.rlim_max;
        if (files.rlim_cur >= wanted)
                return;
        files.rlim_cur = wanted;
        (void) setrlimit(RLIMIT_NOFILE, &files);
}

/* ---- The folder -------------------------------------------------------------------------------- */

static void choose_state(struct start *start, const char *state)
{
        const char *path = state;

        if (!path && start->on_disk)
                path = start->on_disk->vector_storage.persistence_path;
        if (!path)
                path = getenv("STATE_DIRECTORY");
        if (!path || !*path)
                path = STATE_DIR;
        (void) snprintf(start->state, sizeof start->state, "%s", path);
}

static bool has_active(const char *state)
{
        char path[PATH_MAX + 8];

        (void) snprintf(path, sizeof path, "%s/active", state);
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Where the service manager says, else below the state folder. */
static void choose_others(struct start *start)
{
        const char *cache = getenv("CACHE_DIRECTORY");
        bool given = cache && *cache;

        (void) snprintf(start->cache, sizeof start->cache, "%.*s%s/embedding.db", PATH_MAX - 32,
                        given ? cache : start->state, given ? "" : "/cache");
        (void) snprintf(start->recordings, sizeof start->recordings, "%.*s/recordings",
                        PATH_MAX - 32, start->state);
}

int start_find_state(const char *profile, const char *state, struct start *ret,
                     struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct error why = { 0 };
        int r;

        *ret = (struct start){ .profile = profile };
        r = load_profile(profile, &diagnostics, &ret->on_disk, &why);
        choose_state(ret, state);
        choose_others(ret);
        if (r < 0 && has_active(ret->state)) { /* it is drift, and no reason not to start */
                log_warning("%s is not valid; the active release is started all the same: %s",
                            profile, error_text(&why));
                return 0;
        }
        print_all(&diagnostics);
        if (r < 0 && r != -EUCLEAN && reterr)
                *reterr = why;
        return r;
}

/* ---- The release ------------------------------------------------------------------------------- */

/* The profile's text, and that of what it extends. */
static int read_sources(const struct start *start, struct release_source sources[static 2],
                        char *texts[static 2], size_t *ret_n, struct error *reterr)
{
        char extended[PATH_MAX] = "";
        const char *const paths[] = { start->profile, extended };
        const char *extends = start->on_disk->extends;
        size_t n = 0;

        if (extends && config_extends_path(start->profile, extends, extended) < 0)
                extended[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                const char *slash = strrchr(paths[i], '/');
                size_t len;
                int r;

                if (!*paths[i])
                        continue;
                r = io_read_file(AT_FDCWD, paths[i], PROFILE_BYTES_MAX, &texts[n], &len,
                                 reterr);
                if (r < 0)
                        return r;
                sources[n] = (struct release_source){ slash ? slash + 1 : paths[i], texts[n], len };
                n++;
        }
        *ret_n = n;
        return 0;
}

static int record(const struct start *start, int state_dirfd, const char *version,
                  uint32_t *ret_number, struct error *reterr)
{
        struct release_source sources[2];
        char *texts[2] = { NULL, NULL };
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation_spec spec;
        char reason[RELEASE_REASON_MAX];
        struct release_draft draft = {
                .config = start->on_disk,
                .profile = start->profile,
                .sources = sources,
                .identity = identity,
                .version = version,
                .reason = reason,
                .author = { .uid = getuid(), .pid = getpid(), .via = "start" },
                .state = RELEASE_STABLE,
        };
        int r = release_wants(start->on_disk, &spec, identity, NULL, reterr);

        (void) snprintf(reason, sizeof reason, "started with %.400s", start->profile);
        if (r == 0)
                r = read_sources(start, sources, texts, &draft.n_sources, reterr);
        if (r == 0)
                r = release_write(state_dirfd, &draft, ret_number, reterr);
        free(texts[0]);
        free(texts[1]);
        return r;
}

/* The newest release that may be gone back to; 0: there is none. */
static int find_newest(struct store *store, uint32_t *ret_number,
                       uint8_t ret_identity[static GENERATION_IDENTITY_BYTES],
                       struct error *reterr)
{
        struct release_info *infos = NULL;
        size_t n = 0, damaged;
        int r = release_list(store_dirfd(store), &infos, &n, &damaged, reterr);

        *ret_number = 0;
        for (size_t i = n; i > 0 && *ret_number == 0; i--)
                if (release_state_is_target(infos[i - 1].state)) {
                        *ret_number = infos[i - 1].number;
                        memcpy(ret_identity, infos[i - 1].identity, GENERATION_IDENTITY_BYTES);
                }
        (void) release_infos_free(infos, n);
        return r;
}

/* The release that goes on, where there are collections and the profile on disk asks for other
 * generations than they have; 0: the profile may be taken. */
static int find_other_identity(const struct start *start, struct store *store, uint32_t *ret_number,
                               struct error *reterr)
{
        uint8_t wanted[GENERATION_IDENTITY_BYTES], there[GENERATION_IDENTITY_BYTES];
        struct generation_spec spec;
        uint64_t n = 0;
        int r = release_wants(start->on_disk, &spec, wanted, NULL, reterr);

        *ret_number = 0;
        if (r == 0)
                r = store_count_collections(store, &n, reterr);
        if (r < 0 || n == 0)
                return r;
        r = find_newest(store, ret_number, there, reterr);
        if (r == 0 && *ret_number && memcmp(there, wanted, sizeof there) == 0)
                *ret_number = 0;
        return r;
}

static int find_or_record(struct start *start, int state_dirfd, const char *version,
                          struct error *reterr)
{
        char digest[RELEASE_DIGEST_SIZE];
        int r = release_digest(start->on_disk, digest, reterr);

        if (r == 0)
                r = release_find(state_dirfd, digest, &start->release, reterr);
        if (r == 0 && start->release == 0)
                r = record(start, state_dirfd, version, &start->release, reterr);
        if (r == 0)
                start->config = take_ptr(start->on_disk);
        return r;
}

static int load_release(struct start *start, int state_dirfd, struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        int r = release_load_config(state_dirfd, start->release, &start->config, &diagnostics,
                                    reterr);

        if (r < 0)
                print_all(&diagnostics);
        return r < 0 ? error_prefix(reterr, r, "loading release %u", start->release) : 0;
}

/* No release is active: the profile on disk is one, the same one as long as it does not change.
 * What would have every document embedded or indexed anew is not done by a start: that is drift,
 * as it is where a release is active. */
static int take_profile(struct start *start, struct store *store, const char *version,
                        struct error *reterr)
{
        uint32_t other = 0;
        int r;

        if (!start->on_disk)
                return error_set(reterr, -EINVAL, "no release is active and %s is not valid",
                                 start->profile);
        r = find_other_identity(start, store, &other, reterr);
        if (r < 0)
                return error_prefix(reterr, r, "comparing the profile with the former release");
        if (other == 0) {
                r = find_or_record(start, store_dirfd(store), version, reterr);
                return r < 0 ? error_prefix(reterr, r, "recording the release") : 0;
        }
        log_warning("%s asks for other vectors or another index than release %u, whose collections "
                    "are here: release %u goes on; `ragctl deploy %s` builds beside it and changes "
                    "over", start->profile, other, other, start->profile);
        start->release = other;
        return load_release(start, store_dirfd(store), reterr);
}

int start_choose_release(struct start *start, struct store *store, const char *version,
                         struct error *reterr)
{
        struct boot boot = { 0 };
        int r = boot_decide(store_dirfd(store), &boot, reterr);

        if (r < 0)
                return r;
        if (boot.why[0])
                log_warning("%s", boot.why);
        start->release = boot.release;
        return boot.release > 0 ? load_release(start, store_dirfd(store), reterr)
                                : take_profile(start, store, version, reterr);
}

void start_done(struct start *start)
{
        start->on_disk = config_free(start->on_disk);
        start->config = config_free(start->config);
}
