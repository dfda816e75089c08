/* SPDX-License-Identifier: Apache-2.0 */
#include "store/collection_purge.h"

#include "base/clock.h"
#include "base/io.h"
#include "store/generation_inside.h"
#include "store/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ASIDE ".damaged"
#define LOOK_NSEC (5L * 1000 * 1000)

/* ---- Files ------------------------------------------------------------------------------ */

/* What is seen on a walk through the folder, which is two levels deep at most. */
struct walk {
        bool remove;    /* what was set aside */
        uint64_t files; /* removed */
        uint64_t bytes; /* of all files */
};

static bool is_aside(const char *name)
{
        size_t len = strlen(name);

        return len > strlen(ASIDE) && strcmp(name + len - strlen(ASIDE), ASIDE) == 0;
}

static int walk_folder(int parent, const char *path, struct walk *walk);

static int walk_entry(int dirfd, const char *name, struct walk *walk)
{
        struct stat st;
        int r = 0;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return 0;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (walk->remove && is_aside(name)) {
                r = io_remove_tree(dirfd, name);
                walk->files += r == 0;
        } else if (S_ISDIR(st.st_mode)) {
                r = walk_folder(dirfd, name, walk);
        } else {
                walk->bytes += (uint64_t) st.st_size;
        }
        return r;
}

static int walk_folder(int parent, const char *path, struct walk *walk)
{
        int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r = 0;
        uint64_t files = walk->files;
        DIR *dir;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                (void) close(fd);
                return r;
        }
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
                r = walk_entry(fd, entry->d_name, walk);
        if (r == 0 && walk->files != files && fsync(fd) < 0)
                r = -errno;
        (void) closedir(dir);
        return r;
}

static int walk_collection(struct collection *collection, struct walk *walk, struct error *reterr)
{
        int r = walk_folder(collection->dirfd, ".", walk);

        return r < 0 ? error_set_errno(reterr, r, "cannot look through %s", collection->path) : 0;
}

/* ---- Generations ------------------------------------------------------------------------ */

/* `copy` stands for `generation` from here on, in the state that this one was in. */
static int put_in_place(struct collection *collection, struct generation *generation,
                        struct generation *copy, struct error *reterr)
{
        bool rests = atomic_load(&generation->state) == GENERATION_RESTING;
        int r = collection_finish_generation(collection, copy->number, reterr);

        return r == 0 && rests ? collection_rest_generation(collection, copy->number, reterr) : r;
}

static int replace(struct collection *collection, struct generation *generation,
                   struct error *reterr)
{
        struct generation *copy = NULL;
        int r;

        if (atomic_load(&generation->state) == GENERATION_BUILDING)
                return error_set(reterr, -EBUSY, "generation %u of %s is being built: purge "
                                                 "when it is ready", generation->number,
                                 collection->info.name);
        r = collection_new_generation(collection, &generation->spec, &copy, reterr);
        if (r < 0)
                return r == -EEXIST ? error_prefix(reterr, -EBUSY, "cannot purge") : r;
        r = generation_copy_live(generation, copy, reterr);
        if (r == 0)
                r = put_in_place(collection, generation, copy, reterr);
        else
                (void) collection_remove_generation(collection, copy->number, NULL);
        (void) generation_unref(copy);
        return r;
}

static bool has_generation(struct collection *collection, const char *name)
{
        char own[GENERATION_NAME_SIZE];
        bool found = false;

        (void) pthread_mutex_lock(&collection->generations_lock);
        for (size_t i = 0; !found && i < collection->n_generations; i++)
                found = strcmp(generation_name(collection->generations[i]->number, own), name) == 0;
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return found;
}

/* 1: there are files of one that was replaced. */
static int has_others(struct collection *collection, struct error *reterr)
{
        int fd = openat(collection->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        bool other = false;

        if (!dir) {
                int r = -errno;

                if (fd >= 0)
                        (void) close(fd);
                return error_set_errno(reterr, r, "cannot look through %s", collection->path);
        }
        for (struct dirent *entry; !other && (entry = readdir(dir));)
                other = entry->d_name[0] == 'g' && !is_aside(entry->d_name) &&
                        !has_generation(collection, entry->d_name);
        (void) closedir(dir);
        return other;
}

/* They go with whoever saw it last: a search, or upkeep of the index. */
static int wait_for_others(struct collection *collection, uint64_t wait_usec,
                           struct error *reterr)
{
        static const struct timespec look = { .tv_nsec = LOOK_NSEC };
        uint64_t until = clock_monotonic_usec() + wait_usec;
        int r;

        while ((r = has_others(collection, reterr)) > 0 && clock_monotonic_usec() < until)
                (void) nanosleep(&look, NULL);
        return r > 0 ? error_set(reterr, -EBUSY, "a search of %s goes on in files that are to go "
                                                 "with it", collection->info.name)
                     : r;
}

static int purge_generations(struct collection *collection, uint64_t wait_usec, uint64_t *files,
                             struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                bool clean = false;

                if (r == 0) {
                        r = generation_is_clean(all[i], reterr);
                        clean = r > 0;
                        r = clean ? 0 : r;
                }
                if (r == 0 && !clean) {
                        r = replace(collection, all[i], reterr);
                        *files += r == 0;
                }
                (void) generation_unref(all[i]);
        }
        return r < 0 ? r : wait_for_others(collection, wait_usec, reterr);
}

/* ---- docs.db ---------------------------------------------------------------------------- */

static int apply_compact(struct db *db, void *data, struct error *reterr)
{
        (void) data;
        return db_compact(db, reterr);
}

static int purge_docs(struct collection *collection, struct error *reterr)
{
        bool more = true;
        int r = 0;

        while (r == 0 && more)
                r = docs_tidy(collection, docs_last_seq(collection), &more, reterr);
        return r < 0 ? r : committer_run_outside(collection->docs, apply_compact, NULL, reterr);
}

static int purge(struct collection *collection, uint64_t wait_usec, struct collection_purged *ret,
                 struct error *reterr)
{
        struct walk before = { 0 }, after = { .remove = true };
        uint64_t files = 0;
        int r = walk_collection(collection, &before, reterr);

        if (r == 0)
                r = purge_generations(collection, wait_usec, &files, reterr);
        if (r == 0)
                r = purge_docs(collection, reterr);
        if (r == 0)
                r = walk_collection(collection, &after, reterr);
        if (r < 0)
                return r;
        ret->bytes = before.bytes > after.bytes ? before.bytes - after.bytes : 0;
        ret->files = files + 1 + after.files; /* docs.db was written anew, too */
        return 0;
}

int collection_purge(struct store *store, struct tenant_id tenant, struct collection_id id,
                     uint64_t wait_usec, struct collection_purged *ret, struct error *reterr)
{
        struct collection *collection = NULL;
        int r = collection_open_by_id(store, tenant, id, &collection, reterr);

        if (r < 0)
                return r;
        r = purge(collection, wait_usec, ret, reterr);
        store_tell(store, tenant, id); /* a copy's graph is still to be made */
        (void) collection_unref(collection);
        return r;
}
