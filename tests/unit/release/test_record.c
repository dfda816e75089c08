/* SPDX-License-Identifier: Apache-2.0 */
#include "release/record.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "config/load.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char profile_text[] = "stage = \"development\"\n[rag]\nenabled = true\n"
                                   "[rag.embedding]\ndefault_provider = \"hashing\"\n";
static const uint8_t identity[32] = { 1, 2, 3 };

struct fixture {
        char path[64];
        int dirfd;
        struct config *config;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        strcpy(f->path, "/tmp/ragd-record-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->dirfd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->dirfd >= 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        f->config = config_free(f->config);
        (void) close(f->dirfd);
        assert_int_equal(io_remove_tree(AT_FDCWD, f->path), 0);
        free(f);
        return 0;
}

/* Writes the profile with `more` behind it and records it. */
static int record(struct fixture *f, const char *more, struct release *ret, struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        char text[512], path[128];

        (void) snprintf(text, sizeof text, "%s%s", profile_text, more);
        (void) snprintf(path, sizeof path, "%s/p.toml", f->path);
        assert_int_equal(io_replace_file(f->dirfd, "p.toml", text, strlen(text), 0600, NULL), 0);
        f->config = config_free(f->config);
        assert_int_equal(config_load(path, NULL, &f->config, &diagnostics, NULL), 0);
        return release_record(f->dirfd, f->config, path, "1.2.3", identity, ret, reterr);
}

static struct json_object *read_json(struct fixture *f, const char *path)
{
        cleanup_free_ char *text = NULL;
        struct json_object *object = NULL;
        size_t len;

        assert_int_equal(io_read_file(f->dirfd, path, 1 << 20, &text, &len, NULL), 0);
        assert_int_equal(json_parse(text, len, &object, NULL), 0);
        return object;
}

static void test_the_first_profile_is_release_one_with_all_its_files(void **state)
{
        struct fixture *f = *state;
        struct release release;

        assert_int_equal(record(f, "", &release, NULL), 0);
        assert_int_equal(release.number, 1);
        assert_memory_equal(release.identity, identity, sizeof identity);

        cleanup_json_ struct json_object *manifest = read_json(f, "releases/000001/manifest.json");
        cleanup_json_ struct json_object *meta = read_json(f, "releases/000001/meta.json");
        struct json_object *files = NULL;
        uint64_t number = 0;

        assert_int_equal(json_get_object(manifest, "files", &files, NULL), 1);
        assert_true(json_object_object_get_ex(files, "effective.toml", NULL));
        assert_true(json_object_object_get_ex(files, "source/p.toml", NULL));
        assert_int_equal(json_get_u64(meta, "number", 1, 1, &number, NULL), 1);
        assert_int_equal(faccessat(f->dirfd, "releases/000001/source/p.toml", R_OK, 0), 0);
}

static void test_the_same_effective_profile_is_the_same_release(void **state)
{
        struct fixture *f = *state;
        struct release release;

        assert_int_equal(record(f, "", &release, NULL), 0);
        assert_int_equal(record(f, "# a comment changes nothing\n", &release, NULL), 0);
        assert_int_equal(release.number, 1);
        assert_int_not_equal(faccessat(f->dirfd, "releases/000002", F_OK, 0), 0);
}

static void test_a_changed_profile_is_a_new_release_and_so_is_the_way_back(void **state)
{
        struct fixture *f = *state;
        struct release release;

        assert_int_equal(record(f, "", &release, NULL), 0);
        assert_int_equal(record(f, "batch_size = 7\n", &release, NULL), 0);
        assert_int_equal(release.number, 2);
        assert_int_equal(record(f, "", &release, NULL), 0);
        assert_int_equal(release.number, 3);
}

static void test_an_effective_profile_runs_again_as_itself(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct fixture *f = *state;
        struct release release;
        char path[128];

        assert_int_equal(record(f, "batch_size = 7\n", &release, NULL), 0);
        (void) snprintf(path, sizeof path, "%s/releases/000001/effective.toml", f->path);
        f->config = config_free(f->config);
        assert_int_equal(config_load(path, NULL, &f->config, &diagnostics, NULL), 0);
        assert_int_equal(f->config->embedding.batch_size, 7);
        assert_int_equal(release_record(f->dirfd, f->config, path, "1.2.3", identity, &release, NULL), 0);
        assert_int_equal(release.number, 1);
}

static void test_what_a_crash_left_half_written_is_replaced(void **state)
{
        struct fixture *f = *state;
        struct release release;

        assert_int_equal(mkdirat(f->dirfd, "releases", 0700), 0);
        assert_int_equal(mkdirat(f->dirfd, "releases/000001.partial", 0700), 0);
        assert_int_equal(io_replace_file(f->dirfd, "releases/000001.partial/meta.json", "{", 1, 0600, NULL), 0);
        assert_int_equal(record(f, "", &release, NULL), 0);
        assert_int_equal(release.number, 1);
        assert_int_not_equal(faccessat(f->dirfd, "releases/000001.partial", F_OK, 0), 0);
}

static void test_a_damaged_manifest_makes_a_new_release_not_a_failure(void **state)
{
        struct fixture *f = *state;
        struct release release;

        assert_int_equal(record(f, "", &release, NULL), 0);
        assert_int_equal(io_replace_file(f->dirfd, "releases/000001/manifest.json", "{", 1, 0600, NULL), 0);
        assert_int_equal(record(f, "", &release, NULL), 0);
        assert_int_equal(release.number, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(test_the_first_profile_is_release_one_with_all_its_files),
                TEST(test_the_same_effective_profile_is_the_same_release),
                TEST(test_a_changed_profile_is_a_new_release_and_so_is_the_way_back),
                TEST(test_an_effective_profile_runs_again_as_itself),
                TEST(test_what_a_crash_left_half_written_is_replaced),
                TEST(test_a_damaged_manifest_makes_a_new_release_not_a_failure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
