/* SPDX-License-Identifier: Apache-2.0 */
/* What a generation is and how much it holds. */
#include "store/generation_inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const generation_state_names[GENERATION_STATE_MAX] = {
        [GENERATION_BUILDING] = "building",
        [GENERATION_READY] = "ready",
        [GENERATION_RESTING] = "resting",
};

const char *generation_state_name(enum generation_state state)
{
        return (unsigned) state < GENERATION_STATE_MAX ? generation_state_names[state] : NULL;
}

const uint8_t *generation_get_identity(const struct generation *generation)
{
        return generation->identity;
}

const struct generation_spec *generation_get_spec(const struct generation *generation)
{
        return &generation->spec;
}

enum generation_state generation_get_state(const struct generation *generation)
{
        return (enum generation_state) atomic_load(&generation->state);
}

uint32_t generation_number(const struct generation *generation)
{
        return generation->number;
}

uint32_t generation_dimensions(const struct generation *generation)
{
        return generation->spec.fingerprint.dimensions;
}

uint64_t generation_applied_seq(struct generation *generation)
{
        struct generation_view *view = generation_view_ref(generation);
        uint64_t seq = view->applied_seq;

        (void) generation_view_unref(view);
        return seq;
}

static uint64_t folder_bytes(int dirfd)
{
        int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        uint64_t bytes = 0;
        struct stat st;

        if (!dir) {
                if (fd >= 0)
                        (void) close(fd);
                return 0;
        }
        for (struct dirent *entry; (entry = readdir(dir));)
                if (fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISREG(st.st_mode))
                        bytes += (uint64_t) st.st_size;
        (void) closedir(dir);
        return bytes;
}

int generation_get_info(struct generation *generation, struct generation_info *ret,
                        struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct generation_info info = {
                .number = generation->number,
                .state = (enum generation_state) atomic_load(&generation->state),
                .created_usec = generation->created_usec,
                .dimensions = generation->spec.fingerprint.dimensions,
                .bytes = folder_bytes(generation->dirfd),
        };
        struct generation *serving = collection_serving(generation->collection);
        struct generation_view *view;
        uint64_t staged;
        int r = db_pool_take(generation->readers, &reader, reterr);

        info.serving = serving == generation;
        (void) generation_unref(serving);
        if (r == 0)
                r = db_prepare(reader.db, "SELECT sum(count) FROM version WHERE state = 0",
                               &statement, reterr);
        if (r == 0)
                r = db_step(reader.db, statement, reterr);
        if (r < 0)
                return r;
        staged = db_column_u64(statement, 0);
        memcpy(info.identity, generation->identity, sizeof info.identity);
        (void) generation_describe(&generation->spec, info.description);
        view = generation_view_ref(generation);
        info.applied_seq = view->applied_seq;
        info.documents = view->documents;
        info.chunks_live = roaring_bitmap_get_cardinality(view->live);
        info.chunks_dead = view->committed - info.chunks_live;
        info.chunks_dead -= staged < info.chunks_dead ? staged : info.chunks_dead;
        index_get_status(view->index, &view->source, view->live, &info.index);
        postings_get_status(generation->postings, view->live, &info.words);
        info.words_complete = generation_view_bm25_complete(view);
        info.damages = atomic_load(&generation->damages);
        (void) generation_view_unref(view);
        *ret = info;
        return 0;
}
