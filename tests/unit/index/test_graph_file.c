/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/index/graph_fixture.h"

#include "base/checksum.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct graph_answer before[GRAPH_QUERIES], after[GRAPH_QUERIES];

static void need_graph(const struct graph_answer *answers)
{
        for (int i = 0; i < GRAPH_QUERIES; i++)
                assert_int_equal(answers[i].plan, INDEX_PLAN_GRAPH);
}

/* ---- What was saved --------------------------------------------------------------------- */

static void test_a_graph_that_was_saved_gives_the_same_answers(void **state)
{
        static const struct {
                enum index_metric metric;
                uint32_t dimensions;
                enum index_quantization quantization;
                uint32_t rows;
        } cases[] = {
                { INDEX_COSINE, 3, INDEX_QUANTIZATION_INT8, GRAPH_ROWS },
                { INDEX_COSINE, 384, INDEX_QUANTIZATION_INT8, GRAPH_ROWS },
                { INDEX_EUCLIDEAN, 24, INDEX_QUANTIZATION_INT8, GRAPH_ROWS },
                { INDEX_INNER_PRODUCT, 24, INDEX_QUANTIZATION_INT8, GRAPH_ROWS },
                { INDEX_COSINE, 24, INDEX_QUANTIZATION_NONE, GRAPH_ROWS },
                { INDEX_EUCLIDEAN, 1, INDEX_QUANTIZATION_INT8, GRAPH_ROWS },
                { INDEX_EUCLIDEAN, 1, INDEX_QUANTIZATION_NONE, GRAPH_ROWS },
                { INDEX_INNER_PRODUCT, 4096, INDEX_QUANTIZATION_INT8, 4200 },
                { INDEX_COSINE, 4096, INDEX_QUANTIZATION_NONE, 4200 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct graph_fixture f;

                graph_fixture_init(&f, cases[i].metric, cases[i].dimensions,
                                   cases[i].quantization, cases[i].rows);
                graph_fixture_build(&f, NULL);
                assert_int_equal(graph_fixture_status(&f, NULL).nodes, cases[i].rows);
                graph_fixture_ask(&f, NULL, false, before);
                need_graph(before);
                graph_fixture_open(&f, NULL);
                assert_int_equal(graph_fixture_status(&f, NULL).nodes, cases[i].rows);
                assert_int_equal(graph_fixture_status(&f, NULL).file_number, 1);
                assert_int_equal(graph_fixture_status(&f, NULL).hot_bytes, 0);
                graph_fixture_ask(&f, NULL, false, after);
                need_graph(after);
                assert_true(graph_agreement(before, after) > 0.999); /* ties */
                assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
                assert_int_equal(graph_fixture_status(&f, NULL).file_number, 1);
                assert_true(graph_fixture_status(&f, NULL).hot_bytes > 0);
                graph_fixture_ask(&f, NULL, false, before);
                need_graph(before);
                assert_true(graph_agreement(before, after) >= 1.0);
                graph_fixture_done(&f);
        }
}

static void test_neighbours_lie_near_each_other_in_the_file(void **state)
{
        struct graph_fixture f;
        struct graph_header header;
        const uint32_t *links;
        cleanup_free_ uint8_t *bytes = NULL;
        size_t len = 0, first = 0;
        uint32_t next = 1;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        bytes = graph_fixture_read(&f, "graph.0001", &len);
        assert_non_null(bytes);
        memcpy(&header, bytes, sizeof header);
        links = (const uint32_t *) (const void *) (bytes + header.sections[GRAPH_LINKS].offset);
        /* Breadth first: what a node names for the first time has the next number. */
        for (size_t i = 0; i < (size_t) header.n_nodes * 2 * header.m; i++) {
                if (links[i] != GRAPH_NONE && links[i] >= next) {
                        first += links[i] == next;
                        next = links[i] + 1;
                }
        }
        assert_true((double) first > 0.99 * (double) header.n_nodes);
        graph_fixture_done(&f);
}

/* ---- What does not fit ------------------------------------------------------------------ */

enum outcome {
        SOUND,
        FOUND_AT_ONCE, /* by opening */
        FOUND_LATER,   /* by verifying */
        LEFT_ALONE,
};

static void check_rebuilt(struct graph_fixture *f, enum outcome outcome)
{
        graph_fixture_build(f, NULL);
        assert_int_equal(graph_fixture_status(f, NULL).file_number, outcome == SOUND ? 1 : 2);
        assert_true(outcome == SOUND || !graph_fixture_has(f, "graph.0001"));
        graph_fixture_ask(f, NULL, false, after);
        need_graph(after);
        graph_fixture_ask(f, NULL, true, before);
        assert_true(graph_recall(before, after) > 0.95);
}

/* Opens, asks, and lets it be verified. */
static void check_outcome(struct graph_fixture *f, enum outcome outcome, const char *what)
{
        cleanup_free_ char *damage = NULL;
        struct error error = { 0 };
        int r;

        graph_fixture_open(f, &damage);
        if ((damage != NULL) != (outcome == FOUND_AT_ONCE || outcome == LEFT_ALONE))
                fail_msg("%s: opened with %s", what, damage ? damage : "nothing to say");
        if (damage && !strstr(damage, "graph.0001 was "))
                fail_msg("%s: %s", what, damage);
        graph_fixture_ask(f, NULL, false, after); /* whatever comes, it does no harm */
        r = graph_fixture_maintain(f, NULL, &error);
        if ((r == -EBADMSG) != (outcome == FOUND_LATER))
                fail_msg("%s: maintained with %d %s", what, r, error_text(&error));
        if (r == -EBADMSG && !strstr(error_text(&error), "graph.0001 was set aside: "))
                fail_msg("%s: %s", what, error_text(&error));
        if (r == -EBADMSG)
                assert_false(graph_fixture_status(f, NULL).serving_graph);
        assert_int_equal(graph_fixture_has(f, "graph.0001.damaged"),
                         outcome == FOUND_AT_ONCE || outcome == FOUND_LATER);
}

/* One saved graph, whose bytes the cases change. */
struct victim {
        struct graph_fixture f;
        uint8_t *good, *bytes;
        size_t len;
        struct graph_header header;
        unsigned int tried;
};

static void victim_init(struct victim *v)
{
        *v = (struct victim){ .tried = 0 };
        graph_fixture_init_plain(&v->f);
        graph_fixture_build(&v->f, NULL);
        v->good = graph_fixture_read(&v->f, "graph.0001", &v->len);
        assert_non_null(v->good);
        v->bytes = malloc(v->len + 4096);
        assert_non_null(v->bytes);
        memcpy(&v->header, v->good, sizeof v->header);
        memcpy(v->bytes, v->good, v->len);
}

static void victim_try(struct victim *v, size_t len, enum outcome outcome, const char *what)
{
        graph_fixture_write(&v->f, "graph.0001", v->bytes, len);
        check_outcome(&v->f, outcome, what);
        if (v->tried++ % 16 == 0)
                check_rebuilt(&v->f, outcome);
        index_free(v->f.index);
        v->f.index = NULL;
        (void) unlinkat(v->f.dirfd, "graph.0001.damaged", 0);
        (void) unlinkat(v->f.dirfd, "graph.0002", 0);
        memcpy(v->bytes, v->good, v->len);
}

static void victim_done(struct victim *v)
{
        free(v->good);
        free(v->bytes);
        graph_fixture_done(&v->f);
}

static const char *const section_names[GRAPH_SECTIONS] = { "codes", "factors", "slots", "links",
                                                           "nodes", "entries", "mean",
                                                           "checksums" };

static void test_a_flipped_bit_is_found_wherever_it_is(void **state)
{
        struct victim v;

        (void) state;
        victim_init(&v);
        victim_try(&v, v.len, SOUND, "nothing");
        for (size_t at = 0; at < sizeof v.header; at += 61) {
                v.bytes[at] ^= 4;
                victim_try(&v, v.len, at >= 12 && at < 16 ? LEFT_ALONE : FOUND_AT_ONCE, "header");
        }
        for (unsigned int i = 0; i < GRAPH_SECTIONS; i++) {
                const struct graph_section *section = &v.header.sections[i];

                v.bytes[section->offset] ^= 1;
                victim_try(&v, v.len, FOUND_LATER, section_names[i]);
                v.bytes[section->offset + section->bytes / 2] ^= 128;
                victim_try(&v, v.len, FOUND_LATER, section_names[i]);
                v.bytes[section->offset + section->bytes - 1] ^= 2;
                victim_try(&v, v.len, FOUND_LATER, section_names[i]);
        }
        victim_done(&v);
}

static void test_a_file_that_is_shorter_or_longer_is_found_at_once(void **state)
{
        struct victim v;

        (void) state;
        victim_init(&v);
        victim_try(&v, 0, FOUND_AT_ONCE, "empty");
        victim_try(&v, 1, FOUND_AT_ONCE, "one byte");
        victim_try(&v, sizeof v.header - 1, FOUND_AT_ONCE, "almost a header");
        victim_try(&v, sizeof v.header, FOUND_AT_ONCE, "a header");
        for (unsigned int i = 0; i < GRAPH_SECTIONS; i++) {
                victim_try(&v, v.header.sections[i].offset, FOUND_AT_ONCE, section_names[i]);
                victim_try(&v, v.header.sections[i].offset + v.header.sections[i].bytes - 1,
                           FOUND_AT_ONCE, section_names[i]);
        }
        memset(v.bytes + v.len, 0, 4096);
        victim_try(&v, v.len + 4096, FOUND_AT_ONCE, "longer");
        victim_done(&v);
}

/* ---- Headers ---------------------------------------------------------------------------- */

#define FIELD(field) offsetof(struct graph_header, field), sizeof(((struct graph_header *) NULL)->field)

static void test_a_header_that_fits_another_index_or_none_is_refused(void **state)
{
        static const struct {
                const char *what;
                size_t at, size;
                uint64_t value;
                enum outcome outcome;
        } cases[] = {
                { "another magic", FIELD(magic), 0x31323334, FOUND_AT_ONCE },
                { "another byte order", FIELD(byte_order), 0x04030201, LEFT_ALONE },
                { "a newer version", FIELD(version), GRAPH_FILE_VERSION + 1, LEFT_ALONE },
                { "no version", FIELD(version), 0, FOUND_AT_ONCE },
                { "another metric", FIELD(metric), INDEX_EUCLIDEAN, FOUND_AT_ONCE },
                { "other dimensions", FIELD(dimensions), 25, FOUND_AT_ONCE },
                { "huge dimensions", FIELD(dimensions), UINT32_MAX, FOUND_AT_ONCE },
                { "other links", FIELD(m), 9, FOUND_AT_ONCE },
                { "no codes", FIELD(code_bytes), 0, FOUND_AT_ONCE },
                { "other codes", FIELD(code_bytes), 256, FOUND_AT_ONCE },
                { "huge codes", FIELD(code_bytes), UINT32_MAX, FOUND_AT_ONCE },
                { "no nodes", FIELD(n_nodes), 0, FOUND_AT_ONCE },
                { "more nodes", FIELD(n_nodes), GRAPH_ROWS + 1, FOUND_AT_ONCE },
                { "huge nodes", FIELD(n_nodes), UINT32_MAX, FOUND_AT_ONCE },
                { "more entries", FIELD(n_entries), 4000, FOUND_AT_ONCE },
                { "huge entries", FIELD(n_entries), UINT32_MAX - 1, FOUND_AT_ONCE },
                { "no slots", FIELD(linked_slot), 0, FOUND_AT_ONCE },
                { "huge slots", FIELD(linked_slot), UINT32_MAX, FOUND_AT_ONCE },
                { "no layers", FIELD(top_layers), 0, FOUND_LATER },
                { "many layers", FIELD(top_layers), 64, FOUND_LATER },
                { "too many layers", FIELD(top_layers), 65, FOUND_AT_ONCE },
                { "a low top", FIELD(top_at), 0, FOUND_LATER },
                { "a top that is none", FIELD(top_at), GRAPH_NONE, FOUND_AT_ONCE },
                { "an error that is none", FIELD(error_max), 0x7fc00000, FOUND_AT_ONCE },
                { "an error below 0", FIELD(error_max), 0xbf800000, FOUND_AT_ONCE },
                { "another seed", FIELD(seed), 77, FOUND_LATER },
                { "fewer layers", FIELD(max_layers), 1, FOUND_LATER },
                { "another section", FIELD(sections[GRAPH_LINKS].offset), 65536, FOUND_AT_ONCE },
                { "a section beyond", FIELD(sections[GRAPH_NODES].offset), UINT64_MAX,
                  FOUND_AT_ONCE },
                { "a longer section", FIELD(sections[GRAPH_SLOTS].bytes), 1 << 30,
                  FOUND_AT_ONCE },
                { "a wider section", FIELD(sections[GRAPH_ENTRIES].element_bytes), 4096,
                  FOUND_AT_ONCE },
                { "another length", FIELD(file_bytes), 1 << 20, FOUND_AT_ONCE },
                { "another witness", FIELD(witnesses[7].crc), 7, FOUND_LATER },
                { "an unknown witness", FIELD(witnesses[7].slot), GRAPH_NONE, SOUND },
        };
        struct victim v;

        (void) state;
        victim_init(&v);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct graph_header *header = (struct graph_header *) (void *) v.bytes;

                memcpy(v.bytes + cases[i].at, &cases[i].value, cases[i].size);
                header->crc = checksum_crc32c(0, header, offsetof(struct graph_header, crc));
                victim_try(&v, v.len, cases[i].outcome, cases[i].what);
        }
        victim_done(&v);
}

/* Refused before anything is reserved or read for them: there would be no room. */
static void test_huge_counts_take_no_memory(void **state)
{
        static const size_t fields[] = { offsetof(struct graph_header, n_nodes),
                                         offsetof(struct graph_header, n_entries),
                                         offsetof(struct graph_header, linked_slot),
                                         offsetof(struct graph_header, code_bytes) };
        struct rlimit limit, former;
        cleanup_free_ char *statm = NULL;
        size_t len = 0;
        struct victim v;

        (void) state;
        victim_init(&v);
        assert_int_equal(getrlimit(RLIMIT_AS, &former), 0);
        assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/statm", 4096, &statm, &len, NULL), 0);
        limit = former;
        limit.rlim_cur = strtoul(statm, NULL, 10) * (rlim_t) sysconf(_SC_PAGESIZE) + (16 << 20);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                struct graph_header *header = (struct graph_header *) (void *) v.bytes;
                struct index_params params = v.f.params;
                struct graph *graph = NULL;
                struct graph_file file;
                uint32_t huge = GRAPH_NODES_MAX;

                params.m = v.header.m;
                memcpy(v.bytes + fields[i], &huge, sizeof huge);
                header->linked_slot = huge;
                graph_header_complete(header);
                header->crc = checksum_crc32c(0, header, offsetof(struct graph_header, crc));
                graph_fixture_write(&v.f, "graph.0001", v.bytes, v.len);
                assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
                assert_int_equal(graph_open(&params, kernel_best(), v.f.dirfd, 1, &graph, &file,
                                            NULL),
                                 -EBADMSG);
                assert_int_equal(setrlimit(RLIMIT_AS, &former), 0);
                memcpy(v.bytes, v.good, v.len);
        }
        victim_done(&v);
}

/* ---- Nonsense with right checksums ------------------------------------------------------ */

static uint32_t *words_of(const struct victim *v, enum graph_array array)
{
        return (uint32_t *) (void *) (v->bytes + v->header.sections[array].offset);
}

static void test_nonsense_is_found_even_where_all_checksums_are_right(void **state)
{
        static const struct {
                enum graph_array array;
                uint32_t at, value;
        } cases[] = {
                { GRAPH_FACTORS, 2, 0x7f800000 }, /* infinite */
                { GRAPH_FACTORS, 9, 0x7fc00000 }, /* not a number */
                { GRAPH_SLOTS, 17, GRAPH_NONE },
                { GRAPH_SLOTS, 17, GRAPH_ROWS },
                { GRAPH_SLOTS, 17, 0 },
                { GRAPH_NODES, 40, GRAPH_NONE },
                { GRAPH_NODES, 40, GRAPH_ROWS },
                { GRAPH_NODES, 40, 0x7fffffff },
                { GRAPH_LINKS, 100, GRAPH_ROWS },
                { GRAPH_LINKS, 100, GRAPH_NONE - 1 },
                { GRAPH_ENTRIES, ENTRY_NODE, GRAPH_ROWS },
                { GRAPH_ENTRIES, ENTRY_NODE, GRAPH_NONE },
                { GRAPH_ENTRIES, ENTRY_BELOW, GRAPH_NONE },
                { GRAPH_ENTRIES, ENTRY_BELOW, 0x7fffffff },
                { GRAPH_ENTRIES, ENTRY_HEAD, 0x7fffffff },
        };
        struct victim v;
        unsigned int seed = 5;

        (void) state;
        victim_init(&v);
        graph_sign(v.bytes);
        victim_try(&v, v.len, SOUND, "signed again");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                words_of(&v, cases[i].array)[cases[i].at] = cases[i].value;
                graph_sign(v.bytes);
                victim_try(&v, v.len, FOUND_LATER, section_names[cases[i].array]);
        }
        for (unsigned int i = GRAPH_FACTORS; i < GRAPH_ARRAYS; i++) {
                for (size_t j = 0; j < v.header.sections[i].bytes / sizeof(uint32_t); j++)
                        words_of(&v, i)[j] = (uint32_t) rand_r(&seed) * (i == GRAPH_FACTORS ? 7 : 1) %
                                             (j % 2 ? GRAPH_ROWS + 100 : UINT32_MAX);
                graph_sign(v.bytes);
                victim_try(&v, v.len, FOUND_LATER, section_names[i]);
        }
        *(float *) (void *) (v.bytes + v.header.sections[GRAPH_SECTION_MEAN].offset) = 1e30F;
        graph_sign(v.bytes);
        victim_try(&v, v.len, FOUND_AT_ONCE, "mean");
        victim_done(&v);
}

static void test_the_graph_of_other_vectors_is_refused(void **state)
{
        struct victim v;

        (void) state;
        victim_init(&v);
        for (uint32_t slot = GRAPH_ROWS - 100; slot < GRAPH_ROWS; slot++) /* from there on */
                v.f.vectors[slot * v.f.dimensions] += 0.001F;
        victim_try(&v, v.len, FOUND_LATER, "other vectors");
        victim_done(&v);
}

static void test_a_graph_that_is_ahead_of_the_vectors_is_refused(void **state)
{
        struct victim v;

        (void) state;
        victim_init(&v);
        graph_fixture_grow(&v.f, GRAPH_ROWS - 200);
        graph_fixture_write(&v.f, "graph.0001", v.good, v.len);
        graph_fixture_open(&v.f, NULL);
        graph_fixture_ask(&v.f, NULL, false, after);
        for (int i = 0; i < GRAPH_QUERIES; i++)
                for (size_t j = 0; j < after[i].n; j++)
                        assert_true(after[i].hits[j].slot < GRAPH_ROWS - 200);
        assert_int_equal(graph_fixture_maintain(&v.f, NULL, NULL), -EBADMSG);
        victim_done(&v);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_graph_that_was_saved_gives_the_same_answers),
                cmocka_unit_test(test_neighbours_lie_near_each_other_in_the_file),
                cmocka_unit_test(test_a_flipped_bit_is_found_wherever_it_is),
                cmocka_unit_test(test_a_file_that_is_shorter_or_longer_is_found_at_once),
                cmocka_unit_test(test_a_header_that_fits_another_index_or_none_is_refused),
                cmocka_unit_test(test_huge_counts_take_no_memory),
                cmocka_unit_test(test_nonsense_is_found_even_where_all_checksums_are_right),
                cmocka_unit_test(test_the_graph_of_other_vectors_is_refused),
                cmocka_unit_test(test_a_graph_that_is_ahead_of_the_vectors_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
