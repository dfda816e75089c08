/* SPDX-License-Identifier: Apache-2.0 */
#include "store/golden.h"

#include "base/clock.h"
#include "base/text.h"
#include "store/collection_inside.h"
#include "store/store.h"

#include <inttypes.h>
#include <string.h>

static void question_done(struct golden_question *question)
{
        for (size_t i = 0; i < question->n_relevant; i++)
                free(question->relevant[i].external_id);
        free(question->relevant);
        free(question->query);
        free(question->set);
        free(question->collection);
}

void golden_set_done(struct golden_set *set)
{
        for (size_t i = 0; i < set->n_questions; i++)
                question_done(&set->questions[i]);
        free(set->questions);
        memset(set, 0, sizeof *set);
}

/* ---- Writing -------------------------------------------------------------------------------- */

struct writing {
        const struct collection_info *info;
        const char *name;
        const struct golden_set *set;
        bool replace;
        struct golden_receipt receipt;
};

static int check_question(const struct writing *writing, size_t at, struct error *reterr)
{
        const struct golden_question *question = &writing->set->questions[at];
        size_t len = strlen(question->query), relevant = 0;

        for (size_t i = 0; i < question->n_relevant; i++) {
                relevant += question->relevant[i].gain > 0;
                if (question->relevant[i].gain > GOLDEN_GAIN_MAX)
                        return error_set(reterr, -EINVAL, "question %zu: the gain of \"%s\" is "
                                         "above %d", at + 1, question->relevant[i].external_id,
                                         GOLDEN_GAIN_MAX);
        }
        if (len == 0 || len > GOLDEN_QUERY_MAX_BYTES)
                return error_set(reterr, -EINVAL, "question %zu has %zu bytes, not 1 to %d",
                                 at + 1, len, GOLDEN_QUERY_MAX_BYTES);
        if (utf8_valid_prefix(question->query, len) != len)
                return error_set(reterr, -EINVAL, "question %zu is not valid UTF-8", at + 1);
        if (relevant == 0)
                return error_set(reterr, -EINVAL,
                                 "question %zu: no document answers it: it needs one of a gain "
                                 "above 0", at + 1);
        if (question->collection && strcmp(question->collection, writing->info->name) != 0)
                return error_set(reterr, -EINVAL,
                                 "question %zu is of collection \"%s\", not of \"%s\"", at + 1,
                                 question->collection, writing->info->name);
        return 0;
}

static int check_set(const struct writing *writing, struct error *reterr)
{
        int r = store_check_name("golden set", writing->name, reterr);

        if (r == 0 && writing->set->n_questions > GOLDEN_QUESTIONS_MAX)
                r = error_set(reterr, -E2BIG, "a golden set holds at most %d questions",
                              GOLDEN_QUESTIONS_MAX);
        for (size_t i = 0; r == 0 && i < writing->set->n_questions; i++)
                r = check_question(writing, i, reterr);
        return r;
}

static int find_document(struct db *db, const char *external_id, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT 1 FROM document WHERE external_id = ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, external_id);
        return db_step(db, statement, reterr);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static size_t count_different(const char **names, size_t n)
{
        size_t different = n > 0;

        qsort(names, n, sizeof *names, compare_names);
        for (size_t i = 1; i < n; i++)
                different += strcmp(names[i], names[i - 1]) != 0;
        return different;
}

/* All documents of the set are there, or the first that is not and how many more. */
static int check_documents(struct db *db, const struct writing *writing, struct error *reterr)
{
        const struct golden_set *set = writing->set;
        cleanup_free_ const char **unknown = NULL;
        const char *first;
        size_t n = 0, room = 1, question = 0, different;

        for (size_t i = 0; i < set->n_questions; i++)
                room += set->questions[i].n_relevant;
        unknown = calloc(room, sizeof *unknown);
        if (!unknown)
                return error_oom(reterr);
        for (size_t i = 0; i < set->n_questions; i++)
                for (size_t j = 0; j < set->questions[i].n_relevant; j++) {
                        const char *id = set->questions[i].relevant[j].external_id;
                        int r = find_document(db, id, reterr);

                        if (r < 0)
                                return r;
                        if (r > 0)
                                continue;
                        if (n == 0)
                                question = i + 1;
                        unknown[n++] = id;
                }
        if (n == 0)
                return 0;
        first = unknown[0];
        different = count_different(unknown, n);
        if (different == 1)
                return error_set(reterr, -EINVAL,
                                 "question %zu names document \"%s\", which collection \"%s\" does "
                                 "not hold: ingest it first", question, first, writing->info->name);
        return error_set(reterr, -EINVAL,
                         "question %zu names document \"%s\", which collection \"%s\" does not "
                         "hold; %zu documents of the set are unknown: ingest them first", question, first,
                         writing->info->name, different);
}

static int write_gains(struct db *db, uint64_t no, const struct golden_question *question,
                       struct error *reterr)
{
        for (size_t i = 0; i < question->n_relevant; i++) {
                cleanup_statement_ sqlite3_stmt *statement = NULL;
                int r = db_prepare(db, "INSERT OR REPLACE INTO golden_gain(golden_no, external_id,"
                                       " gain) VALUES(?,?,?)", &statement, reterr);

                if (r < 0)
                        return r;
                db_bind_u64(statement, 1, no);
                db_bind_text(statement, 2, question->relevant[i].external_id);
                db_bind_u64(statement, 3, question->relevant[i].gain);
                r = db_step(db, statement, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* 1: it is there, with its number; 0: it is not. */
static int find_question(struct db *db, const char *name, const char *query, uint64_t *ret_no,
                         struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT golden_no FROM golden WHERE name = ? AND query = ?",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, name);
        db_bind_text(statement, 2, query);
        r = db_step(db, statement, reterr);
        if (r > 0)
                *ret_no = db_column_u64(statement, 0);
        return r;
}

static int run_with_no(struct db *db, const char *sql, uint64_t no, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, no);
        return db_step(db, statement, reterr);
}

static int write_question(struct db *db, struct writing *writing,
                          const struct golden_question *question, uint64_t now_usec,
                          struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        uint64_t no = 0;
        int r = find_question(db, writing->name, question->query, &no, reterr);

        if (r > 0) {
                writing->receipt.changed++;
                r = run_with_no(db, "DELETE FROM golden_gain WHERE golden_no = ?", no, reterr);
                return r < 0 ? r : write_gains(db, no, question, reterr);
        }
        if (r == 0)
                r = db_prepare(db, "INSERT INTO golden(name, query, created_usec) VALUES(?,?,?)",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_text(statement, 1, writing->name);
        db_bind_text(statement, 2, question->query);
        db_bind_u64(statement, 3, now_usec);
        r = db_step(db, statement, reterr);
        writing->receipt.added++;
        return r < 0 ? r
                     : write_gains(db, (uint64_t) sqlite3_last_insert_rowid(db_connection(db)),
                                   question, reterr);
}

/* The whole set, or one question of it. */
static int remove_questions(struct db *db, const char *name, const char *query, uint64_t *ret_n,
                            struct error *reterr)
{
        static const char *const statements[] = {
                ("DELETE FROM golden_gain WHERE golden_no IN (SELECT golden_no FROM golden"
                 " WHERE name = ?1 AND (?2 IS NULL OR query = ?2))"),
                "DELETE FROM golden WHERE name = ?1 AND (?2 IS NULL OR query = ?2)",
        };

        for (size_t i = 0; i < ELEMENTSOF(statements); i++) {
                cleanup_statement_ sqlite3_stmt *statement = NULL;
                int r = db_prepare(db, statements[i], &statement, reterr);

                if (r < 0)
                        return r;
                db_bind_text(statement, 1, name);
                db_bind_text(statement, 2, query);
                r = db_step(db, statement, reterr);
                if (r < 0)
                        return r;
        }
        *ret_n = (uint64_t) sqlite3_changes(db_connection(db));
        return 0;
}

static int check_size(struct db *db, const char *name, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT count(*) FROM golden WHERE name = ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, name);
        r = db_step(db, statement, reterr);
        if (r > 0 && db_column_u64(statement, 0) > GOLDEN_QUESTIONS_MAX)
                return error_set(reterr, -E2BIG, "a golden set holds at most %d questions",
                                 GOLDEN_QUESTIONS_MAX);
        return r < 0 ? r : 0;
}

static int apply_import(struct db *db, void *data, struct error *reterr)
{
        struct writing *writing = data;
        uint64_t now_usec = clock_wall_usec(), removed = 0;
        int r = check_documents(db, writing, reterr);

        writing->receipt = (struct golden_receipt){ 0 };
        if (r == 0 && writing->replace)
                r = remove_questions(db, writing->name, NULL, &removed, reterr);
        writing->receipt.removed = removed;
        for (size_t i = 0; r == 0 && i < writing->set->n_questions; i++)
                r = write_question(db, writing, &writing->set->questions[i], now_usec, reterr);
        return r == 0 ? check_size(db, writing->name, reterr) : r;
}

int golden_import(struct collection *collection, const char *name, const struct golden_set *set,
                  bool replace, struct golden_receipt *ret, struct error *reterr)
{
        struct writing writing = { .info = collection_get(collection),
                                   .name = name ? name : GOLDEN_SET_USUAL,
                                   .set = set,
                                   .replace = replace };
        int r = check_set(&writing, reterr);

        if (r == 0)
                r = committer_run(collection->docs, apply_import, &writing, reterr);
        if (r == 0)
                *ret = writing.receipt;
        return r;
}

int golden_add(struct collection *collection, const char *name,
               const struct golden_question *question, struct golden_receipt *ret,
               struct error *reterr)
{
        struct golden_question one = *question; /* borrows */
        const struct golden_set set = { &one, 1 };

        return golden_import(collection, name, &set, false, ret, reterr);
}

struct removing {
        const char *name, *query;
        uint64_t removed;
};

static int apply_remove(struct db *db, void *data, struct error *reterr)
{
        struct removing *removing = data;
        int r = remove_questions(db, removing->name, removing->query, &removing->removed, reterr);

        if (r == 0 && removing->removed == 0)
                return removing->query
                               ? error_set(reterr, -ENOENT, "golden set \"%s\" has no such "
                                           "question", removing->name)
                               : error_set(reterr, -ENOENT, "there is no golden set \"%s\"",
                                           removing->name);
        return r;
}

int golden_remove(struct collection *collection, const char *name, const char *query,
                  uint64_t *ret_removed, struct error *reterr)
{
        struct removing removing = { name ? name : GOLDEN_SET_USUAL, query, 0 };
        int r = committer_run(collection->docs, apply_remove, &removing, reterr);

        if (r == 0)
                *ret_removed = removing.removed;
        return r;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int grow(void **items, size_t n, size_t size, struct error *reterr)
{
        void *more;

        if (n & (n - 1)) /* there is room until the next power of two */
                return 0;
        more = reallocarray(*items, n ? 2 * n : 1, size);
        if (!more)
                return error_oom(reterr);
        *items = more;
        return 0;
}

static int add_gain(sqlite3_stmt *statement, struct golden_question *question,
                    struct error *reterr)
{
        void *items = question->relevant;
        int r = grow(&items, question->n_relevant, sizeof *question->relevant, reterr);

        if (r < 0)
                return r;
        question->relevant = items;
        question->relevant[question->n_relevant] =
                (struct golden_gain){ NULL, db_column_u32(statement, 4) };
        r = db_column_text(statement, 3, &question->relevant[question->n_relevant].external_id,
                           reterr);
        if (r == 0)
                question->n_relevant++;
        return r;
}

static int add_question(struct collection *collection, sqlite3_stmt *statement,
                        struct golden_set *set, struct error *reterr)
{
        void *items = set->questions;
        struct golden_question *question;
        int r = grow(&items, set->n_questions, sizeof *set->questions, reterr);

        if (r < 0)
                return r;
        set->questions = items;
        question = &set->questions[set->n_questions++];
        *question = (struct golden_question){ .collection =
                                                      strdup(collection_get(collection)->name) };
        if (!question->collection)
                return error_oom(reterr);
        r = db_column_text(statement, 1, &question->set, reterr);
        return r < 0 ? r : db_column_text(statement, 2, &question->query, reterr);
}

static int read_rows(struct collection *collection, struct db *db, const char *name,
                     struct golden_set *set, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        uint64_t last = 0;
        int r = db_prepare(db, "SELECT g.golden_no, g.name, g.query, r.external_id, r.gain"
                               " FROM golden g JOIN golden_gain r ON r.golden_no = g.golden_no"
                               " WHERE ?1 IS NULL OR g.name = ?1"
                               " ORDER BY g.golden_no, r.external_id", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, name);
        while ((r = db_step(db, statement, reterr)) > 0) {
                uint64_t no = db_column_u64(statement, 0);

                r = 0;
                if (no != last || set->n_questions == 0)
                        r = add_question(collection, statement, set, reterr);
                last = no;
                if (r == 0)
                        r = add_gain(statement, &set->questions[set->n_questions - 1], reterr);
                if (r < 0)
                        return r;
        }
        return r;
}

int golden_list(struct collection *collection, const char *name, struct golden_set *ret,
                struct error *reterr)
{
        cleanup_(golden_set_done) struct golden_set set = { 0 };
        cleanup_reader_ struct db_reader reader = { 0 };
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = read_rows(collection, reader.db, name, &set, reterr);
        if (r < 0)
                return r;
        *ret = set;
        memset(&set, 0, sizeof set);
        return 0;
}
