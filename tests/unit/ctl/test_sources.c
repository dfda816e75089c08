/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "base/json.h"
#include "ctl/beir.h"
#include "ctl/files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
        (void) state;
        (void) strcpy(folder, "/tmp/ragctl-test-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        (void) state;
        return io_remove_tree(AT_FDCWD, folder);
}

static const char *in_folder(const char *name)
{
        static char path[256];

        (void) snprintf(path, sizeof path, "%s/%s", folder, name);
        return path;
}

static void put(const char *name, const char *text)
{
        FILE *file = fopen(in_folder(name), "we");

        assert_non_null(file);
        (void) fputs(text, file);
        (void) fclose(file);
}

static void test_a_folder_gives_its_files_in_order(void **state)
{
        static const char *const ids[] = { "a.md", "deep/b.TXT", "lines.jsonl" };
        struct source_files files = { 0 };

        (void) state;
        assert_int_equal(mkdir(in_folder("deep"), 0700), 0);
        assert_int_equal(mkdir(in_folder(".hidden"), 0700), 0);
        put("deep/b.TXT", "b");
        put("a.md", "# a");
        put("lines.jsonl", "{}\n");
        put("image.png", "png");
        put(".hidden/c.md", "c");
        assert_int_equal(symlink(".", in_folder("loop")), 0);
        assert_int_equal(source_files_add(&files, folder, NULL), 0);
        assert_int_equal(files.n, ELEMENTSOF(ids));
        for (size_t i = 0; i < files.n; i++)
                assert_string_equal(files.items[i].external_id, ids[i]);
        assert_int_equal(files.items[2].kind, FILE_LINES);
        assert_string_equal(files.items[0].mime, "text/markdown");
        assert_int_equal(files.n_skipped, 1);
        assert_int_equal(files.size_bytes, 3 + 1 + 3);
        source_files_done(&files);
}

static void test_two_documents_of_one_id_are_refused(void **state)
{
        struct source_files files = { 0 };
        struct error error = { 0 };

        (void) state;
        assert_int_equal(mkdir(in_folder("x"), 0700), 0);
        assert_int_equal(mkdir(in_folder("y"), 0700), 0);
        put("x/same.md", "1");
        put("y/same.md", "2");
        assert_int_equal(source_files_add(&files, in_folder("x"), NULL), 0);
        assert_int_equal(source_files_add(&files, in_folder("y"), &error), -EEXIST);
        assert_non_null(strstr(error_text(&error), "same.md"));
        assert_int_equal(source_files_add(&files, in_folder("absent"), NULL), -ENOENT);
        source_files_done(&files);
}

static void test_lines_of_beir_become_documents(void **state)
{
        static const struct {
                const char *line, *document;
        } cases[] = {
                { "{\"_id\":\"1\",\"title\":\"t\",\"text\":\"x\",\"metadata\":{\"a\":\"b\",\"n\":{}}}",
                  "{\"external_id\":\"1\",\"text\":\"x\",\"title\":\"t\",\"metadata\":{\"a\":\"b\"}}" },
                { "{\"_id\":\"2\",\"title\":\"\",\"text\":\"\"}",
                  "{\"external_id\":\"2\",\"text\":\"\"}" },
                { "{\"external_id\":\"3\",\"_id\":\"x\"}", "{\"external_id\":\"3\",\"_id\":\"x\"}" },
                { "[1]", "[1]" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_json_ struct json_object *line = NULL, *document = NULL, *wanted = NULL;

                assert_int_equal(json_parse(cases[i].line, strlen(cases[i].line), &line, NULL), 0);
                assert_int_equal(
                        json_parse(cases[i].document, strlen(cases[i].document), &wanted, NULL), 0);
                document = beir_document(line);
                assert_true(json_object_equal(document, wanted));
        }
}

static void test_a_folder_of_beir_becomes_a_golden_set(void **state)
{
        cleanup_(buf_done) struct buf golden = BUF_EMPTY;
        struct error error = { 0 };

        (void) state;
        put("queries.jsonl", "{\"_id\":\"1\",\"text\":\"first \\\"one\\\"\"}\n"
                             "{\"_id\":\"2\",\"text\":\"not judged\"}\n\n"
                             "{\"_id\":\"3\",\"text\":\"third\"}\n");
        assert_int_equal(beir_read_golden(folder, &golden, &error), -ENOENT);
        put("qrels.tsv", "query-id\tcorpus-id\tscore\n1\ta\t3\r\n1\tb\t0\n3\tc\t1\n");
        assert_int_equal(beir_read_golden(folder, &golden, &error), 0);
        assert_string_equal(buf_text(&golden),
                            "{\"query\":\"first \\\"one\\\"\",\"relevant\":{\"a\":3,\"b\":0}}\n"
                            "{\"query\":\"third\",\"relevant\":{\"c\":1}}\n");

        buf_clear(&golden);
        put("qrels.tsv", "query-id\tcorpus-id\tscore\n1\ta\tmany\n");
        assert_int_equal(beir_read_golden(folder, &golden, &error), -EINVAL);
        assert_non_null(strstr(error_text(&error), "qrels.tsv:2"));
        put("golden.jsonl", "{\"query\":\"q\"}\n");
        assert_int_equal(beir_read_golden(in_folder("golden.jsonl"), &golden, &error), 0);
        assert_string_equal(buf_text(&golden), "{\"query\":\"q\"}\n");
        put("golden.jsonl", "\xff\n");
        buf_clear(&golden);
        assert_int_equal(beir_read_golden(in_folder("golden.jsonl"), &golden, &error), -EILSEQ);
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(test_a_folder_gives_its_files_in_order),
                IN_A_FOLDER(test_two_documents_of_one_id_are_refused),
                cmocka_unit_test(test_lines_of_beir_become_documents),
                IN_A_FOLDER(test_a_folder_of_beir_becomes_a_golden_set),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
