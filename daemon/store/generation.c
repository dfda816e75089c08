/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening and closing a generation.
 *
 * How deletes, publishing and crashes meet.  A document that was deleted must never be found
 * again, and one that was superseded must not come back; three things can happen at once: the
 * follower publishes version v of document d, a delete of d is committed to docs.db, and the
 * process dies.
 *
 *   - The delete is committed first: publishing looks under the generation's lock whether v is
 *     still current in docs.db, finds that it is not, and its chunks become dead.
 *   - It is committed after that look: generation_forget() waits for the same lock and kills v
 *     after it was published, before the delete is acknowledged.
 *   - The process dies between the delete's commit and the forgetting: opening applies every
 *     delete behind forgotten_seq and applied_seq before the first view exists.  applied_seq
 *     covers only changes the follower passed on in order, and forgotten_seq only moves at
 *     opening, when nothing else runs, so neither jumps over a delete that is under way.
 *   - A put supersedes v before the look: v never goes live, the older version serves on until
 *     the newer one is published.  After the look: v serves until then.
 *   - Chunks staged for a version that was never published are dead as soon as applied_seq
 *     reaches its docver, which is its doc_seq. */
#include "store/generation_inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "store/manifest.h"
#include "store/registry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `version` says which slots belong to which version: count from first_slot on, in order. */
static const struct db_migration migrations[] = {
        { .to = 1,
          .sql =
          "CREATE TABLE version("
          " docver INTEGER PRIMARY KEY, doc_no INTEGER NOT NULL, first_slot INTEGER NOT NULL,"
          " count INTEGER NOT NULL, state INTEGER NOT NULL, title TEXT);"
          "CREATE INDEX version_document ON version(doc_no);"
          "CREATE INDEX version_staged ON version(docver) WHERE state = 0;"
          "CREATE INDEX version_dead ON version(docver) WHERE state = 2;"

          "CREATE TABLE chunk("
          " slot INTEGER PRIMARY KEY, docver INTEGER NOT NULL, ordinal INTEGER NOT NULL,"
          " start INTEGER NOT NULL, stop INTEGER NOT NULL, tokens INTEGER NOT NULL,"
          " text TEXT NOT NULL);"

          "CREATE TABLE state("
          " one INTEGER PRIMARY KEY CHECK(one = 1), applied_seq INTEGER NOT NULL,"
          " forgotten_seq INTEGER NOT NULL, committed INTEGER NOT NULL,"
          " last_docver INTEGER NOT NULL);"
          "INSERT INTO state VALUES(1, 0, 0, 0, 0);" },

        { .to = 2, /* see live.h; without its row it is made from `version` */
          .sql =
          "ALTER TABLE state ADD COLUMN documents INTEGER NOT NULL DEFAULT 0;" /* live ones */
          "ALTER TABLE state ADD COLUMN chunks INTEGER NOT NULL DEFAULT 0;"    /* live slots */
          "UPDATE state SET documents = (SELECT count(*) FROM version WHERE state = 1),"
          " chunks = (SELECT ifnull(sum(count), 0) FROM version WHERE state = 1);"
          "CREATE TABLE live("
          " one INTEGER PRIMARY KEY CHECK(one = 1), slots BLOB NOT NULL, crc INTEGER NOT NULL);"
          "INSERT INTO live SELECT 1, x'', 0 WHERE NOT EXISTS(SELECT 1 FROM version);"
          "CREATE TABLE live_change("
          " id INTEGER PRIMARY KEY, first_slot INTEGER NOT NULL, count INTEGER NOT NULL,"
          " alive INTEGER NOT NULL);" },

        { .to = 3, /* the words lay in an FTS5 table, whose tokenizer is no more */
          .sql =
          "PRAGMA writable_schema=ON;"
          "DELETE FROM sqlite_schema WHERE type = 'table' AND name = 'postings';"
          "PRAGMA writable_schema=RESET;"
          "DROP TABLE IF EXISTS postings_data; DROP TABLE IF EXISTS postings_idx;"
          "DROP TABLE IF EXISTS postings_docsize; DROP TABLE IF EXISTS postings_config;",
          .edits_schema = true },
};

const struct db_schema generation_schema = {
        .application_id = 0x52476467, /* "RGdg" */
        .migrations = migrations,
        .n_migrations = ELEMENTSOF(migrations),
};

const char *generation_name(uint32_t number, char text[static GENERATION_NAME_SIZE])
{
        (void) snprintf(text, GENERATION_NAME_SIZE, "g%04u", number);
        return text;
}

/* ---- Making ----------------------------------------------------------------------------- */

static int check_spec(const struct generation_spec *spec, struct error *reterr)
{
        uint32_t dimensions = spec->fingerprint.dimensions;

        if (dimensions < 1 || dimensions > VECTOR_DIMENSIONS_MAX)
                return error_set(reterr, -EINVAL, "%u dimensions: 1 to %d are possible",
                                 dimensions, VECTOR_DIMENSIONS_MAX);
        if (!spec->index.metric || (int) index_metric_from_name(spec->index.metric) < 0)
                return error_set(reterr, -EINVAL, "unknown metric %s",
                                 spec->index.metric ? spec->index.metric : "");
        return 0;
}

static int create_content(int dirfd, const char *path, const struct generation_spec *spec,
                          struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        char file[PATH_MAX + sizeof "/gen.db"];
        int r;

        (void) snprintf(file, sizeof file, "%s/gen.db", path);
        r = db_open(file, &generation_schema, DB_WRITE, &db, reterr);
        if (r == 0)
                r = manifest_write(dirfd, spec, clock_wall_usec(), reterr);
        return r;
}

int generation_create(struct collection *collection, uint32_t number,
                      const struct generation_spec *spec, struct error *reterr)
{
        char name[GENERATION_NAME_SIZE], path[PATH_MAX];
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *known = NULL;
        cleanup_close_ int dirfd = -1;
        int r = check_spec(spec, reterr);

        if (r == 0)
                r = text_analyzer_new(spec->language && spec->language[0] ? spec->language : "none",
                                      &known, reterr);
        if (r < 0)
                return r;
        (void) snprintf(path, sizeof path, "%s/%s", collection->path,
                        generation_name(number, name));
        if (mkdirat(collection->dirfd, name, 0700) < 0)
                return error_set_errno(reterr, -errno, "cannot create %s", path);
        dirfd = openat(collection->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = dirfd < 0 ? error_set_errno(reterr, -errno, "cannot open %s", path)
                      : create_content(dirfd, path, spec, reterr);
        if (r == 0 && fsync(collection->dirfd) < 0)
                r = error_set_errno(reterr, -errno, "cannot write %s", collection->path);
        if (r < 0)
                (void) io_remove_tree(collection->dirfd, name);
        return r;
}

/* ---- Opening ---------------------------------------------------------------------------- */

static int catch_up_with_deletes(struct generation *generation, struct error *reterr)
{
        cleanup_free_ uint32_t *doc_nos = NULL;
        uint64_t last_seq = docs_last_seq(generation->collection);
        uint64_t known = generation->facts.forgotten_seq;
        size_t n = 0;
        int r;

        if (generation->facts.applied_seq > known)
                known = generation->facts.applied_seq;
        r = docs_deletes(generation->collection, known, &doc_nos, &n, reterr);
        return r == 0 && n > 0
                       ? generation_forget_all(generation, doc_nos, n, last_seq, reterr)
                       : r;
}

static int open_content(struct generation *generation, struct error *reterr)
{
        struct generation_facts facts = { 0 };
        char file[PATH_MAX];
        int r;

        r = manifest_read(generation->dirfd, generation->path, &generation->spec,
                          &generation->created_usec, &generation->manifest, reterr);
        if (r < 0)
                return r;
        generation->metric = index_metric_from_name(generation->spec.index.metric);
        if (check_spec(&generation->spec, reterr) < 0)
                return -EBADMSG;
        generation_identity(&generation->spec, generation->identity);

        (void) snprintf(file, sizeof file, "%s/gen.db", generation->path);
        r = db_open(file, &generation_schema, DB_WRITE_EXISTING, &generation->db, reterr);
        if (r == 0)
                r = db_pool_new(file, &generation_schema, &generation->readers, reterr);
        if (r == 0)
                r = generation_read_facts(generation, &facts, reterr);
        if (r == 0)
                r = segments_open(generation->dirfd, generation->path,
                                  generation->spec.fingerprint.dimensions, facts.committed,
                                  &generation->segments, reterr);
        if (r == 0)
                r = opened_index_new(generation,
                                     (enum generation_state) atomic_load(&generation->state),
                                     &generation->opened, reterr);
        if (r == 0)
                r = generation_open_postings(generation, facts.committed, reterr);
        if (r < 0) {
                generation_facts_done(&facts);
                return r;
        }
        generation->facts = facts;
        r = catch_up_with_deletes(generation, reterr);
        if (r == 0 && !generation->view)
                r = view_publish(generation, &generation->facts, reterr);
        return r;
}

static void close_generation(struct generation *generation)
{
        if (generation->view)
                view_retire(generation);
        generation_facts_done(&generation->facts);
        generation_save(generation);
        (void) opened_index_unref(generation->opened);
        postings_free(generation->postings);
        (void) segments_close(generation->segments);
        (void) db_pool_free(generation->readers);
        (void) db_close(generation->db);
        json_object_put(generation->manifest);
        if (generation->dirfd >= 0)
                (void) close(generation->dirfd);
        (void) pthread_mutex_destroy(&generation->lock);
        (void) pthread_mutex_destroy(&generation->view_lock);
        (void) pthread_mutex_destroy(&generation->upkeep_lock);
        (void) pthread_mutex_destroy(&generation->adding_lock);
        if (generation->doomed) /* where that fails, the next start does it */
                (void) collection_sweep_generation(generation->collection, generation->number,
                                                   NULL);
        free(generation->damage);
        free(generation->path);
        free(generation);
}

int generation_open(struct collection *collection, uint32_t number, enum generation_state state,
                    struct generation **ret, struct error *reterr)
{
        struct generation *generation = calloc(1, sizeof *generation);
        char name[GENERATION_NAME_SIZE], path[PATH_MAX];
        pthread_mutexattr_t recursive;
        int r;

        if (!generation)
                return error_oom(reterr);
        (void) pthread_mutexattr_init(&recursive);
        (void) pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
        (void) pthread_mutex_init(&generation->lock, &recursive);
        (void) pthread_mutexattr_destroy(&recursive);
        (void) pthread_mutex_init(&generation->view_lock, NULL);
        (void) pthread_mutex_init(&generation->upkeep_lock, NULL);
        (void) pthread_mutex_init(&generation->adding_lock, NULL);
        generation->collection = collection;
        generation->number = number;
        atomic_init(&generation->refs, 1);
        atomic_init(&generation->state, (int) state);
        atomic_init(&generation->upkeep_due, true);
        (void) snprintf(path, sizeof path, "%s/%s", collection->path,
                        generation_name(number, name));
        generation->path = strdup(path);
        generation->dirfd = openat(collection->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (!generation->path)
                r = error_oom(reterr);
        else if (generation->dirfd < 0)
                r = error_set_errno(reterr, -errno, "cannot open %s", path);
        else
                r = open_content(generation, reterr);
        if (r < 0) {
                close_generation(generation);
                return r == -ENOENT ? -EBADMSG : r;
        }
        *ret = generation;
        return 0;
}

/* ---- References ------------------------------------------------------------------------- */

struct generation *generation_ref(struct generation *generation)
{
        (void) collection_ref(generation->collection);
        (void) atomic_fetch_add(&generation->refs, 1);
        return generation;
}

void generation_drop(struct generation *generation)
{
        if (generation && atomic_fetch_sub(&generation->refs, 1) == 1)
                close_generation(generation);
}

struct generation *generation_unref(struct generation *generation)
{
        struct collection *collection;

        if (generation) {
                collection = generation->collection;
                generation_drop(generation);
                (void) collection_unref(collection);
        }
        return NULL;
}
