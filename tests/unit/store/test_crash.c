/* SPDX-License-Identifier: Apache-2.0 */
/* What was acknowledged survives a kill, a power cut and a disk that fails.
 *
 * A child puts, publishes, replaces and deletes documents and says through a pipe what was
 * acknowledged; the parent kills it after some number of acknowledgements, opens what is left,
 * and holds it against them.  The one operation that was under way may or may not have
 * happened, but not by half. */
#include "fixture.h"

#include "base/io.h"
#include "store/db.h"
#include "tests/lib/faultfs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_ROUNDS 50
#define POWER_ROUNDS 25
#define DOCUMENTS 24
#define CHUNKS 3 /* of each version */

/* Under a sanitizer, where each round takes ten times as long, one round of so many. */
static unsigned stride(void)
{
        return getenv("RAGD_TEST_FLAVOUR") ? 5 : 1;
}

enum act { ACT_PUT, ACT_PUBLISH, ACT_DELETE };

struct ack {
        enum act act;
        unsigned document, version;
};

/* What the acknowledgements promise of one document. */
struct promise {
        unsigned put, published; /* versions; 0: none, or deleted */
        bool touched_last;       /* an operation on it may have been under way */
};

/* ---- The work --------------------------------------------------------------------------- */

static unsigned next_random(unsigned *seed)
{
        *seed = *seed * 1103515245U + 12345U;
        return *seed >> 16;
}

static const char *external_id(unsigned document, char text[static 16])
{
        (void) snprintf(text, 16, "doc%u", document);
        return text;
}

/* A word that no other version has. */
static const char *word(unsigned document, unsigned version, char text[static 32])
{
        (void) snprintf(text, 32, "w%uv%u", document, version);
        return text;
}

static int put(struct collection *collection, unsigned document, unsigned version,
               struct docs_receipt *ret, struct error *reterr)
{
        char id[16], text[32];
        struct document_input input = { .external_id = external_id(document, id),
                                        .mime = "text/plain",
                                        .body = word(document, version, text) };

        input.body_len = strlen(text);
        return docs_put(collection, &input, 1, (struct job_id){ 0 }, ret, reterr);
}

/* In two steps, as a large document would be: staged, then published with the rest. */
static int publish(struct collection *collection, struct generation *generation,
                   unsigned document, unsigned version, struct error *reterr)
{
        struct document found = { 0 };
        float vector[FIXTURE_DIMENSIONS];
        struct generation_chunk chunks[CHUNKS];
        struct generation_change change;
        uint32_t staged = 0;
        char id[16], text[32];
        int r = docs_get(collection, external_id(document, id), &found, reterr);

        if (r < 0)
                return r;
        (void) word(document, version, text);
        fixture_vector(document, vector);
        for (uint32_t i = 0; i < CHUNKS; i++)
                chunks[i] = (struct generation_chunk){ .docver = found.docver,
                                                       .doc_no = found.doc_no,
                                                       .ordinal = i,
                                                       .text = text,
                                                       .text_len = strlen(text),
                                                       .vector = vector };
        change = (struct generation_change){ found.doc_seq, found.doc_no, found.docver, false };
        document_done(&found);
        r = generation_staged(generation, change.docver, &staged, reterr);
        if (r == 0 && staged == 0) {
                r = generation_stage(generation, chunks, 1, reterr);
                staged = 1;
        }
        return r < 0 ? r : generation_publish(generation, chunks + staged, CHUNKS - staged, &change,
                                              1, reterr);
}

static void acknowledge(int fd, enum act act, unsigned document, unsigned version)
{
        struct ack ack = { act, document, version };

        if (io_write_all(fd, &ack, sizeof ack) < 0)
                _exit(1);
}

/* What goes on beside the writing, and what a stop writes. */
static int look_after(struct fixture *fixture, unsigned *seed)
{
        enum index_step step;
        bool more;

        switch (next_random(seed) % 24) {
        case 0:
                fixture_reopen(fixture);
                return 0;
        case 1:
        case 2:
                return generation_maintain(fixture->generation, NULL, &step, NULL);
        case 3:
        case 4:
        case 5:
                return generation_tidy(fixture->generation, &more, NULL);
        default:
                return 0;
        }
}

/* Runs until it is killed.  `promises` is what is there already. */
static void work(struct fixture *fixture, int fd, unsigned seed,
                 struct promise promises[static DOCUMENTS])
{
        unsigned version = seed * 1000; /* grows from round to round */

        for (;;) {
                unsigned document = next_random(&seed) % DOCUMENTS;
                struct promise *promise = &promises[document];
                struct docs_receipt receipt;
                char id[16];
                int r;

                if (promise->published && next_random(&seed) % 4 == 0) {
                        r = collection_forget_document(fixture->collection,
                                                       external_id(document, id), NULL);
                        if (r < 0 && r != -ENOENT)
                                _exit(2);
                        acknowledge(fd, ACT_DELETE, document, 0);
                        *promise = (struct promise){ 0 };
                        continue;
                }
                version++;
                if (put(fixture->collection, document, version, &receipt, NULL) < 0)
                        _exit(3);
                acknowledge(fd, ACT_PUT, document, version);
                if (publish(fixture->collection, fixture->generation, document, version, NULL) < 0)
                        _exit(4);
                acknowledge(fd, ACT_PUBLISH, document, version);
                promise->published = version;
                if (look_after(fixture, &seed) < 0)
                        _exit(5);
        }
}

/* Kills the worker after `acks` acknowledgements and writes down what they promise. */
static void run_and_kill(struct fixture *fixture, const char *shadow, unsigned seed, unsigned acks,
                         struct promise promises[static DOCUMENTS])
{
        struct ack ack, last = { ACT_PUT, DOCUMENTS, 0 };
        int ends[2], status;
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) close(ends[0]);
                if (shadow)
                        faultfs_shadow(fixture->path, shadow);
                fixture_open(fixture);
                work(fixture, ends[1], seed, promises);
        }
        (void) close(ends[1]);
        for (unsigned i = 0; read(ends[0], &ack, sizeof ack) == sizeof ack; i++) {
                struct promise *promise = &promises[ack.document];

                if (i == acks)
                        assert_int_equal(kill(pid, SIGKILL), 0);
                if (ack.act == ACT_PUT)
                        promise->put = ack.version;
                else if (ack.act == ACT_PUBLISH)
                        promise->published = ack.version;
                else
                        *promise = (struct promise){ 0 };
                last = ack;
        }
        (void) close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
                fail_msg("the worker failed with status %#x", (unsigned) status);
        /* Any document may be what it was at when it was killed. */
        for (unsigned i = 0; i < DOCUMENTS; i++)
                promises[i].touched_last = last.act == ACT_PUT ? i == last.document : true;
}

/* ---- The check -------------------------------------------------------------------------- */

static unsigned find_live(struct fixture *fixture, unsigned document, unsigned version)
{
        struct generation_view *view = generation_view_ref(fixture->generation);
        struct index_hit hits[16];
        struct error error = { 0 };
        char text[32];
        uint32_t n = 0;

        assert_ok(generation_bm25(view, word(document, version, text), 16, NULL, NULL, hits, &n,
                                  &error));
        for (uint32_t i = 0; i < n; i++) {
                struct chunk chunk;

                assert_ok(generation_view_check(view, hits[i].slot, &error));
                assert_ok(generation_get_chunk(fixture->generation, hits[i].slot, &chunk, &error));
                assert_string_equal(chunk.text, text);
                assert_int_equal(chunk.docver, generation_view_docver(view, hits[i].slot));
                assert_int_equal(chunk.ordinal, generation_view_ordinal(view, hits[i].slot));
                chunk_done(&chunk);
        }
        (void) generation_view_unref(view);
        return n;
}

static void check_document(struct fixture *fixture, unsigned number, const struct promise *promise)
{
        struct document document = { 0 }, body = { 0 };
        struct error error = { 0 };
        unsigned current = 0;
        char id[16];
        int r = docs_get(fixture->collection, external_id(number, id), &document, &error);

        assert_true(r == 0 || r == -ENOENT);
        if (r == 0) {
                unsigned of;

                assert_ok(docs_get_body(fixture->collection, document.docver, &body, &error));
                assert_int_equal(sscanf(body.body, "w%uv%u", &of, &current), 2);
                assert_int_equal(of, number);
                document_done(&body);
        }
        document_done(&document);
        if (!promise->touched_last)
                assert_int_equal(current, promise->put);
        else if (promise->put) /* the same, or one that was not acknowledged any more, or gone */
                assert_true(current == 0 || current >= promise->put);
        if (current == promise->published && current > 0)
                assert_int_equal(find_live(fixture, number, current), CHUNKS);
        else if (promise->published && current > 0) { /* replaced, or about to be: all or nothing */
                unsigned former = find_live(fixture, number, promise->published);
                unsigned later = find_live(fixture, number, current);

                assert_true((former == CHUNKS && later == 0) || (former == 0 && later == CHUNKS));
        } else if (promise->published) /* deleted without an acknowledgement */
                assert_int_equal(find_live(fixture, number, promise->published), 0);
}

static void check_databases(struct fixture *fixture)
{
        static const char *const files[] = { "docs.db", "g0001/gen.db" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                char file[FIXTURE_PATH_SIZE], path[2 * FIXTURE_PATH_SIZE];
                sqlite3_stmt *statement;
                sqlite3 *db;

                (void) snprintf(path, sizeof path, "%s/%s", fixture->path,
                                fixture_file(fixture, files[i], file));
                assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
                assert_int_equal(sqlite3_prepare_v2(db,
                                                    "SELECT count(*) FROM pragma_integrity_check"
                                                    " WHERE integrity_check <> 'ok' AND"
                                                    " integrity_check NOT LIKE '%no such%'",
                                                    -1, &statement, NULL), SQLITE_OK);
                assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
                assert_int_equal(sqlite3_column_int(statement, 0), 0);
                (void) sqlite3_finalize(statement);
                (void) sqlite3_close(db);
        }
}

/* Opens what is left, holds it against the promises, and writes down what is there. */
static void check(struct fixture *fixture, struct promise promises[static DOCUMENTS])
{
        struct error error = { 0 };
        char *damage = NULL;

        fixture_open(fixture);
        if (!fixture->generation)
                fail_msg("%s", collection_get_damage(fixture->collection));
        assert_ok(generation_scrub(fixture->generation, &error));
        if (generation_take_damage(fixture->generation, &damage) > 0)
                fail_msg("a crash left damage: %s", damage);
        for (unsigned i = 0; i < DOCUMENTS; i++)
                check_document(fixture, i, &promises[i]);
        check_databases(fixture);
        for (unsigned i = 0; i < DOCUMENTS; i++) {
                struct document document = { 0 }, body = { 0 };
                unsigned of, current;
                char id[16];

                promises[i] = (struct promise){ 0 };
                if (docs_get(fixture->collection, external_id(i, id), &document, NULL) < 0)
                        continue;
                assert_ok(docs_get_body(fixture->collection, document.docver, &body, &error));
                assert_int_equal(sscanf(body.body, "w%uv%u", &of, &current), 2);
                promises[i].put = current;
                if (find_live(fixture, i, current) == CHUNKS)
                        promises[i].published = current;
                document_done(&body);
                document_done(&document);
        }
        fixture_close(fixture);
}

static void test_what_was_acknowledged_survives_a_kill(void **state)
{
        struct fixture *fixture = *state;
        struct promise promises[DOCUMENTS] = { 0 };
        unsigned seed = 42;

        fixture_close(fixture);
        for (unsigned round = 0; round < KILL_ROUNDS / stride(); round++) {
                run_and_kill(fixture, NULL, round + 1, next_random(&seed) % 40, promises);
                check(fixture, promises);
        }
        fixture_open(fixture);
}

static void test_what_was_acknowledged_survives_a_power_cut(void **state)
{
        struct fixture *fixture = *state;
        unsigned seed = 7;

        for (unsigned round = 0; round < POWER_ROUNDS / stride(); round++) {
                struct promise promises[DOCUMENTS] = { 0 };
                char shadow[FIXTURE_PATH_SIZE], command[6 * FIXTURE_PATH_SIZE];
                struct fixture left = *fixture;

                if (fixture->store)
                        fixture_close(fixture);
                assert_true(snprintf(shadow, sizeof shadow, "%s.left", fixture->path) <
                            (int) sizeof shadow);
                assert_int_equal(io_remove_tree(AT_FDCWD, shadow), 0);
                (void) snprintf(command, sizeof command, "cp -r %s %s && mkdir -p %s.start &&"
                                " cp -r %s/. %s.start", fixture->path, shadow, fixture->path,
                                fixture->path, fixture->path);
                assert_int_equal(system(command), 0);
                run_and_kill(fixture, shadow, round + 1, next_random(&seed) % 30, promises);
                (void) strcpy(left.path, shadow);
                check(&left, promises);
                (void) snprintf(command, sizeof command, "rm -rf %s %s && mv %s.start %s",
                                fixture->path, shadow, fixture->path, fixture->path);
                assert_int_equal(system(command), 0);
        }
        fixture_open(fixture);
}

/* ---- A disk that fails ------------------------------------------------------------------ */

/* Tries until it succeeds; the fault is over at some point.  What fails must say so cleanly. */
#define insist(fault, call)                                                                     \
        do {                                                                                    \
                int insist_ = -1;                                                               \
                for (int tries_ = 0; tries_ < 3 && insist_ < 0; tries_++) {                     \
                        struct error error = { 0 };                                             \
                        insist_ = (call);                                                       \
                        if (insist_ < 0) {                                                      \
                                assert_true(insist_ == -(fault) || insist_ == -EIO);            \
                                assert_int_equal(error.code, insist_);                          \
                                faultfs_fail(0, 0, false);                                      \
                        }                                                                       \
                }                                                                               \
                if (insist_ < 0)                                                                \
                        fail_msg("%s does not heal: %d", #call, insist_);                       \
        } while (0)

static void scenario(struct fixture *fixture, int fault)
{
        struct docs_receipt receipt;
        bool more;

        insist(fault, put(fixture->collection, 1, 1, &receipt, &error));
        insist(fault, publish(fixture->collection, fixture->generation, 1, 1, &error));
        insist(fault, put(fixture->collection, 2, 1, &receipt, &error));
        insist(fault, publish(fixture->collection, fixture->generation, 2, 1, &error));
        insist(fault, put(fixture->collection, 1, 2, &receipt, &error));
        /* reads go on while writes may fail */
        assert_int_equal(find_live(fixture, 1, 1), CHUNKS);
        insist(fault, publish(fixture->collection, fixture->generation, 1, 2, &error));
        insist(fault, generation_tidy(fixture->generation, &more, &error));
        {
                struct error error = { 0 };
                int r = collection_forget_document(fixture->collection, "doc2", &error);

                if (r < 0) { /* docs.db may know already: the log then tells the generation */
                        struct document document;

                        assert_true(r == -fault || r == -EIO);
                        faultfs_fail(0, 0, false);
                        r = docs_get(fixture->collection, "doc2", &document, &error);
                        if (r == 0) {
                                document_done(&document);
                                assert_ok(collection_forget_document(fixture->collection, "doc2",
                                                                     &error));
                        }
                }
        }
}

/* Each call of the scenario fails in turn. */
static void run_faults(struct fixture *fixture, int fault, bool sticky)
{
        char command[6 * FIXTURE_PATH_SIZE];

        fixture_close(fixture);
        (void) snprintf(command, sizeof command, "cp -r %s %s.start", fixture->path, fixture->path);
        assert_int_equal(system(command), 0);
        (void) snprintf(command, sizeof command, "rm -r %s && cp -r %s.start %s", fixture->path,
                        fixture->path, fixture->path);
        for (unsigned nth = 1;; nth += stride()) {
                struct promise promises[DOCUMENTS] = { [1] = { 2, 2, false } };
                unsigned before = faultfs_failures();

                fixture_open(fixture);
                faultfs_fail(nth, fault, sticky);
                scenario(fixture, fault);
                faultfs_fail(0, 0, false);
                fixture_close(fixture);
                check(fixture, promises);
                assert_int_equal(system(command), 0);
                if (faultfs_failures() == before)
                        break; /* the scenario makes fewer calls */
        }
        (void) snprintf(command, sizeof command, "rm -r %s.start", fixture->path);
        assert_int_equal(system(command), 0);
        fixture_open(fixture);
}

static void test_a_full_disk_loses_nothing_and_heals(void **state)
{
        run_faults(*state, ENOSPC, false);
        run_faults(*state, ENOSPC, true);
}

static void test_a_failing_disk_loses_nothing_and_heals(void **state)
{
        run_faults(*state, EIO, false);
        run_faults(*state, EIO, true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_what_was_acknowledged_survives_a_kill),
                TEST(test_what_was_acknowledged_survives_a_power_cut),
                TEST(test_a_full_disk_loses_nothing_and_heals),
                TEST(test_a_failing_disk_loses_nothing_and_heals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
