/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/release/recording.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "config/load.h"
#include "tests/lib/faultfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void test_a_release_reads_back_as_it_was_written(void **state)
{
        struct release_draft *draft = recording_draft("batch_size = 7\n");
        struct recording *r = *state;
        char digest[RELEASE_DIGEST_SIZE];
        struct release_info info = { 0 };
        struct error error = { 0 };
        uint32_t number = 0;

        draft->parent = 4;
        draft->rolled_back_to = 3;
        assert_ok(release_write(r->dirfd, draft, &number, &error));
        assert_int_equal(number, 1);
        assert_ok(release_verify(r->dirfd, 1, &error));
        assert_ok(release_read(r->dirfd, 1, &info, &error));
        assert_ok(release_digest(draft->config, digest, &error));
        assert_int_equal(info.number, 1);
        assert_int_equal(info.parent, 4);
        assert_int_equal(info.rolled_back_to, 3);
        assert_int_equal(info.state, RELEASE_PLANNED);
        assert_false(info.was_stable);
        assert_int_equal(info.uid, 7);
        assert_int_equal(info.pid, 8);
        assert_memory_equal(info.identity, recording_identity, 32);
        assert_string_equal(info.effective_sha256, digest);
        assert_string_equal(info.stage, "testing");
        assert_string_equal(info.version, "1.2.3");
        assert_string_equal(info.via, "ragctl");
        assert_string_equal(info.reason, "because");
        assert_string_equal(info.profile, "/etc/ragd/p.toml");
        assert_null(info.why);
        assert_true(info.created_usec > UINT64_C(1600000000) * 1000000);
        assert_int_equal(info.state_usec, info.created_usec);
        release_info_done(&info);
}

static void test_its_effective_profile_runs_again_as_itself(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_(config_free_cleanup) struct config *config = NULL;
        char digest[RELEASE_DIGEST_SIZE], again[RELEASE_DIGEST_SIZE];
        struct recording *r = *state;
        struct error error = { 0 };

        assert_int_equal(recording_write(r, "batch_size = 7\n", RELEASE_STABLE), 1);
        assert_ok(release_digest(recording_draft("batch_size = 7\n")->config, digest, &error));
        assert_ok(release_load_config(r->dirfd, 1, &config, &diagnostics, &error));
        assert_int_equal(config->embedding.batch_size, 7);
        assert_ok(release_digest(config, again, &error));
        assert_string_equal(digest, again);
}

static void test_sources_of_strange_or_equal_names_all_have_a_place(void **state)
{
        const struct release_source sources[] = {
                { "/etc/a/p.toml", "a", 1 }, { "/etc/b/p.toml", "b", 1 },
                { "..", "c", 1 },            { "sp\nace\\.toml", "d", 1 },
                { "", "e", 1 },
                { "0123456789012345678901234567890123456789012345678901234567890123456789"
                  "0123456789012345678901234567890123456789.toml", "f", 1 },
        };
        struct release_draft *draft = recording_draft("");
        struct recording *r = *state;
        struct error error = { 0 };
        uint32_t number = 0;

        draft->sources = sources;
        draft->n_sources = ELEMENTSOF(sources);
        assert_ok(release_write(r->dirfd, draft, &number, &error));
        assert_ok(release_verify(r->dirfd, number, &error));

        cleanup_json_ struct json_object *manifest = recording_json(r, "releases/000001/manifest.json");

        assert_int_equal(json_object_object_length(json_object_object_get(manifest, "files")),
                         ELEMENTSOF(sources) + 2);
}

static void test_any_changed_byte_of_a_file_is_named(void **state)
{
        static const char *const files[] = { "effective.toml", "meta.json", "plan.json",
                                             "source/p.toml" };
        struct release_draft *draft = recording_draft("");
        struct recording *r = *state;
        struct error error = { 0 };
        uint32_t number = 0;

        draft->plan = json_tokener_parse("{\"plan\":1}");
        assert_ok(release_write(r->dirfd, draft, &number, &error));
        json_object_put(draft->plan);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                cleanup_free_ char *text = NULL;
                char path[128];
                size_t len;

                (void) snprintf(path, sizeof path, "releases/000001/%s", files[i]);
                assert_ok(io_read_file(r->dirfd, path, 1 << 20, &text, &len, &error));
                text[len / 2] ^= 1;
                assert_ok(io_replace_file(r->dirfd, path, text, len, 0600, &error));
                assert_int_equal(release_verify(r->dirfd, 1, &error), -EBADMSG);
                assert_non_null(strstr(error.message, files[i]));
                text[len / 2] ^= 1;
                assert_ok(io_replace_file(r->dirfd, path, text, len, 0600, &error));
                assert_ok(release_verify(r->dirfd, 1, &error));
                assert_int_equal(renameat(r->dirfd, path, r->dirfd, "aside"), 0);
                assert_int_equal(release_read(r->dirfd, 1, &(struct release_info){ 0 }, &error),
                                 -EBADMSG);
                assert_non_null(strstr(error.message, files[i]));
                assert_int_equal(renameat(r->dirfd, "aside", r->dirfd, path), 0);
        }
}

/* Whatever stands in the files, reading gives a release or -EBADMSG with a file's name. */
static void test_json_that_is_not_a_releases_is_refused_by_name(void **state)
{
        static const char *const texts[] = {
                "", "{", "[]", "null", "{}", "{\"state\":\"great\"}", "{\"state\":7}",
                "{\"state\":\"stable\",\"since\":\"yesterday\"}", "\xff", "{\"files\":{}}",
                "{\"files\":{\"../x\":{\"sha256\":\"00\",\"size\":1}}}",
                "{\"files\":{\"effective.toml\":[]}}",
        };
        static const char *const files[] = { "manifest.json", "meta.json", "state.json" };
        struct recording *r = *state;
        struct error error = { 0 };

        (void) recording_write(r, "", RELEASE_STABLE);
        for (size_t f = 0; f < ELEMENTSOF(files); f++) {
                cleanup_free_ char *good = NULL;
                char path[128];
                size_t len;

                (void) snprintf(path, sizeof path, "releases/000001/%s", files[f]);
                assert_ok(io_read_file(r->dirfd, path, 1 << 20, &good, &len, &error));
                for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                        struct release_info info = { 0 };

                        recording_overwrite(r, path, texts[i]);
                        assert_int_equal(release_read(r->dirfd, 1, &info, &error), -EBADMSG);
                        assert_int_equal(error.code, -EBADMSG);
                        assert_non_null(strstr(error.message, "releases/000001/"));
                }
                assert_int_equal(unlinkat(r->dirfd, path, 0), 0);
                assert_int_equal(release_read(r->dirfd, 1, &(struct release_info){ 0 }, &error),
                                 -EBADMSG);
                assert_non_null(strstr(error.message, files[f]));
                assert_ok(io_replace_file(r->dirfd, path, good, len, 0600, &error));
                assert_int_equal(recording_state(r, 1), RELEASE_STABLE);
        }
        assert_int_equal(release_read(r->dirfd, 2, &(struct release_info){ 0 }, &error), -ENOENT);
}

static void test_a_list_counts_what_is_damaged_and_leaves_it_out(void **state)
{
        struct recording *r = *state;
        struct release_info *infos = NULL;
        struct error error = { 0 };
        size_t n = 0, damaged = 0;

        assert_ok(release_list(r->dirfd, &infos, &n, &damaged, &error));
        assert_int_equal(n, 0);
        (void) release_infos_free(infos, n);
        for (unsigned i = 0; i < 3; i++)
                (void) recording_write(r, "", RELEASE_STABLE);
        recording_overwrite(r, "releases/000002/manifest.json", "{");
        assert_int_equal(mkdirat(r->dirfd, "releases/7", 0700), 0);
        assert_int_equal(mkdirat(r->dirfd, "releases/000009.partial", 0700), 0);
        assert_ok(release_list(r->dirfd, &infos, &n, &damaged, &error));
        assert_int_equal(n, 2);
        assert_int_equal(damaged, 1);
        assert_int_equal(infos[0].number, 1);
        assert_int_equal(infos[1].number, 3);
        (void) release_infos_free(infos, n);
}

static void test_the_newest_target_of_a_digest_is_found(void **state)
{
        struct recording *r = *state;
        char digest[RELEASE_DIGEST_SIZE];
        struct error error = { 0 };
        uint32_t number = 9;

        assert_ok(release_digest(recording_draft("")->config, digest, &error));
        assert_ok(release_find(r->dirfd, digest, &number, &error));
        assert_int_equal(number, 0);
        (void) recording_write(r, "", RELEASE_SUPERSEDED);
        (void) recording_write(r, "", RELEASE_STABLE);
        (void) recording_write(r, "batch_size = 7\n", RELEASE_STABLE);
        (void) recording_write(r, "", RELEASE_REVERTED);
        assert_ok(release_find(r->dirfd, digest, &number, &error));
        assert_int_equal(number, 2);
        recording_overwrite(r, "releases/000002/effective.toml", "x");
        assert_ok(release_find(r->dirfd, digest, &number, &error));
        assert_int_equal(number, 1);
}

static void test_numbers_are_never_used_twice(void **state)
{
        struct recording *r = *state;

        assert_int_equal(recording_write(r, "", RELEASE_STABLE), 1);
        assert_int_equal(recording_write(r, "", RELEASE_STABLE), 2);
        assert_int_equal(io_remove_tree(r->dirfd, "releases/000002"), 0);
        assert_int_equal(recording_write(r, "", RELEASE_STABLE), 3);
        recording_overwrite(r, "releases/last", "garbage");
        assert_int_equal(recording_write(r, "", RELEASE_STABLE), 4);
        assert_int_equal(mkdirat(r->dirfd, "releases/000042.partial", 0700), 0);
        assert_int_equal(recording_write(r, "", RELEASE_STABLE), 43);
}

static void test_a_state_moves_along_the_table_and_remembers(void **state)
{
        struct recording *r = *state;
        struct release_info info = { 0 };
        struct error error = { 0 };

        (void) recording_write(r, "", RELEASE_PLANNED);
        assert_int_equal(release_set_state(r->dirfd, 1, RELEASE_PROVISIONAL, NULL, &error), -EPROTO);
        assert_non_null(strstr(error.message, "planned"));
        assert_ok(release_set_state(r->dirfd, 1, RELEASE_READY, NULL, &error));
        assert_ok(release_set_state(r->dirfd, 1, RELEASE_STABLE, NULL, &error));
        assert_ok(release_set_state(r->dirfd, 1, RELEASE_STABLE, NULL, &error));
        assert_ok(release_set_state(r->dirfd, 1, RELEASE_REVERTED, "too slow", &error));
        assert_ok(release_read(r->dirfd, 1, &info, &error));
        assert_true(info.was_stable);
        assert_string_equal(info.why, "too slow");
        release_info_done(&info);

        struct json_object *object = NULL, *states;

        assert_ok(release_describe(r->dirfd, 1, &object, &error));
        states = json_object_object_get(object, "states");
        assert_int_equal(json_object_array_length(states), 4);
        assert_string_equal(json_object_get_string(json_object_object_get(
                                    json_object_array_get_idx(states, 3), "state")), "reverted");
        json_object_put(object);
}

static void test_a_state_that_is_set_hundreds_of_times_stays_a_small_file(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        struct stat st;

        (void) recording_write(r, "", RELEASE_STABLE);
        for (unsigned i = 0; i < 250; i++) {
                assert_ok(release_set_state(r->dirfd, 1, RELEASE_SUPERSEDED, NULL, &error));
                assert_ok(release_set_state(r->dirfd, 1, RELEASE_STABLE, NULL, &error));
        }
        assert_int_equal(fstatat(r->dirfd, "releases/000001/state.json", &st, 0), 0);
        assert_true(st.st_size < 16384);
}

static void test_evidence_is_added_under_its_name(void **state)
{
        struct recording *r = *state;
        struct json_object *object = NULL, *evidence;
        struct error error = { 0 };

        (void) recording_write(r, "", RELEASE_READY);
        assert_int_equal(release_add_evidence(r->dirfd, 2, "gate", json_object_new_int(1), &error),
                         -ENOENT);
        assert_ok(release_add_evidence(r->dirfd, 1, "gate", json_object_new_int(1), &error));
        assert_ok(release_add_evidence(r->dirfd, 1, "bake", json_object_new_int(2), &error));
        assert_ok(release_add_evidence(r->dirfd, 1, "gate", json_object_new_int(3), &error));
        assert_ok(release_verify(r->dirfd, 1, &error));
        assert_ok(release_describe(r->dirfd, 1, &object, &error));
        evidence = json_object_object_get(object, "evidence");
        assert_int_equal(json_object_object_length(evidence), 2);
        assert_int_equal(json_object_get_int(json_object_object_get(evidence, "gate")), 3);
        json_object_put(object);
        recording_overwrite(r, "releases/000001/evidence.json", "[");
        assert_int_equal(release_add_evidence(r->dirfd, 1, "x", NULL, &error), -EBADMSG);
        assert_non_null(strstr(error.message, "evidence.json"));
}

static void test_pruning_keeps_who_when_and_why(void **state)
{
        struct recording *r = *state;
        struct release_info info = { 0 };
        struct error error = { 0 };

        (void) recording_write(r, "", RELEASE_STABLE);
        (void) recording_write(r, "", RELEASE_PROVISIONAL);
        (void) recording_write(r, "", RELEASE_SUPERSEDED);
        assert_int_equal(release_prune(r->dirfd, 1, &error), -EBUSY);
        assert_int_equal(release_prune(r->dirfd, 2, &error), -EBUSY);
        assert_ok(release_prune(r->dirfd, 3, &error));
        assert_ok(release_prune(r->dirfd, 3, &error));
        assert_false(recording_has(r, "releases/000003/effective.toml"));
        assert_false(recording_has(r, "releases/000003/source"));
        assert_ok(release_read(r->dirfd, 3, &info, &error));
        assert_int_equal(info.state, RELEASE_PRUNED);
        assert_string_equal(info.reason, "because");
        assert_string_equal(info.stage, "testing");
        release_info_done(&info);
        assert_int_equal(release_verify(r->dirfd, 3, &error), -ENOENT);
}

static int prune_work(struct recording *r, const char *argument)
{
        (void) argument;
        return release_prune(r->dirfd, 1, NULL);
}

static void test_a_pruning_that_was_killed_is_finished_by_the_next(void **state)
{
        static const char *const points[] = { "release.state", "release.pruned",
                                              "release.pruned:2", "release.pruned:3" };
        struct recording *r = *state;
        struct error error = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(points); i++) {
                (void) io_remove_tree(r->dirfd, "releases");
                (void) recording_write(r, "", RELEASE_REVERTED);
                assert_true(recording_killed_at(r, points[i], "prune", ""));
                assert_int_equal(recording_state(r, 1), RELEASE_PRUNED);
                assert_ok(release_prune(r->dirfd, 1, &error));
                assert_false(recording_has(r, "releases/000001/effective.toml"));
        }
}

/* As ragd wrote them before releases had states. */
static void test_an_early_release_is_one_that_may_be_rolled_back_to(void **state)
{
        static const char meta[] = "{\"number\":1,\"created_at\":\"2026-01-31T12:00:00.250Z\","
                                   "\"uid\":5,\"pid\":6,\"reason\":\"started with p.toml\","
                                   "\"parent\":null}";
        struct recording *r = *state;
        struct release_info info = { 0 };
        struct error error = { 0 };

        (void) recording_write(r, "", RELEASE_STABLE);

        cleanup_json_ struct json_object *manifest = recording_json(r, "releases/000001/manifest.json");

        json_object_object_del(manifest, "stage");
        json_object_object_del(json_object_object_get(manifest, "files"), "meta.json");
        recording_overwrite(r, "releases/000001/manifest.json", json_object_to_json_string(manifest));
        recording_overwrite(r, "releases/000001/meta.json", meta);
        assert_int_equal(unlinkat(r->dirfd, "releases/000001/state.json", 0), 0);
        assert_ok(release_verify(r->dirfd, 1, &error));
        assert_ok(release_read(r->dirfd, 1, &info, &error));
        assert_int_equal(info.state, RELEASE_SUPERSEDED);
        assert_true(info.was_stable);
        assert_int_equal(info.created_usec, UINT64_C(1769860800250000));
        assert_int_equal(info.state_usec, info.created_usec);
        assert_string_equal(info.stage, "testing");
        release_info_done(&info);
        assert_ok(release_set_state(r->dirfd, 1, RELEASE_STABLE, NULL, &error));
        assert_int_equal(recording_state(r, 1), RELEASE_STABLE);
}

static void test_a_reason_is_one_line_of_text(void **state)
{
        char longest[RELEASE_REASON_MAX + 2];
        struct error error = { 0 };

        (void) state;
        memset(longest, 'x', sizeof longest);
        longest[RELEASE_REASON_MAX + 1] = '\0';
        assert_int_equal(release_check_reason(longest, &error), -EINVAL);
        longest[RELEASE_REASON_MAX] = '\0';
        assert_ok(release_check_reason(longest, &error));
        assert_ok(release_check_reason("wider vectors: größer", &error));
        assert_int_equal(release_check_reason(NULL, &error), -EINVAL);
        assert_int_equal(release_check_reason("", &error), -EINVAL);
        assert_int_equal(release_check_reason("   ", &error), -EINVAL);
        assert_int_equal(release_check_reason("two\nlines", &error), -EINVAL);
        assert_int_equal(release_check_reason("\xff", &error), -EINVAL);
}

static void test_a_release_without_a_reason_is_not_written(void **state)
{
        struct release_draft *draft = recording_draft("");
        struct recording *r = *state;
        uint32_t number = 0;

        draft->reason = " ";
        assert_int_equal(release_write(r->dirfd, draft, &number, NULL), -EINVAL);
        assert_false(recording_has(r, "releases"));
}

/* ---- Disks that fail ---------------------------------------------------------------------- */

/* Each writing call fails once: the release is there and whole, or not there at all. */
static void test_a_release_is_there_whole_or_not_at_all_whatever_write_fails(void **state)
{
        static const int errors[] = { ENOSPC, EIO };
        struct recording *r = *state;

        for (size_t e = 0; e < ELEMENTSOF(errors); e++)
                for (unsigned nth = 1;; nth++) {
                        struct release_draft *draft = recording_draft("");
                        unsigned before = faultfs_failures();
                        struct release_info *infos = NULL;
                        struct error error = { 0 };
                        size_t n = 0, damaged = 0;
                        uint32_t number = 0;
                        int result;

                        faultfs_fail(nth, errors[e], false);
                        result = release_write(r->dirfd, draft, &number, &error);
                        faultfs_fail(0, 0, false);
                        assert_ok(release_list(r->dirfd, &infos, &n, &damaged, &error));
                        assert_int_equal(damaged, 0);
                        assert_int_equal(n, result == 0);
                        if (result == 0)
                                assert_ok(release_verify(r->dirfd, number, &error));
                        else
                                assert_int_equal(result, -errors[e]);
                        (void) release_infos_free(infos, n);
                        (void) io_remove_tree(r->dirfd, "releases");
                        if (faultfs_failures() == before)
                                break;
                }
}

static void test_a_state_stays_what_it_was_when_it_cannot_be_written(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };

        (void) recording_write(r, "", RELEASE_READY);
        for (unsigned nth = 1; nth <= 2; nth++) {
                faultfs_fail(nth, ENOSPC, false);
                assert_int_equal(release_set_state(r->dirfd, 1, RELEASE_STABLE, NULL, &error),
                                 -ENOSPC);
                faultfs_fail(0, 0, false);
                assert_int_equal(recording_state(r, 1), RELEASE_READY);
        }
}

int main(int argc, char *argv[])
{
        static const struct recording_work works[] = { { "prune", prune_work } };
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, recording_setup, recording_teardown)
                TEST(test_a_release_reads_back_as_it_was_written),
                TEST(test_its_effective_profile_runs_again_as_itself),
                TEST(test_sources_of_strange_or_equal_names_all_have_a_place),
                TEST(test_any_changed_byte_of_a_file_is_named),
                TEST(test_json_that_is_not_a_releases_is_refused_by_name),
                TEST(test_a_list_counts_what_is_damaged_and_leaves_it_out),
                TEST(test_the_newest_target_of_a_digest_is_found),
                TEST(test_numbers_are_never_used_twice),
                TEST(test_a_state_moves_along_the_table_and_remembers),
                TEST(test_a_state_that_is_set_hundreds_of_times_stays_a_small_file),
                TEST(test_evidence_is_added_under_its_name),
                TEST(test_pruning_keeps_who_when_and_why),
                TEST(test_a_pruning_that_was_killed_is_finished_by_the_next),
                TEST(test_an_early_release_is_one_that_may_be_rolled_back_to),
                TEST(test_a_reason_is_one_line_of_text),
                TEST(test_a_release_without_a_reason_is_not_written),
                TEST(test_a_release_is_there_whole_or_not_at_all_whatever_write_fails),
                TEST(test_a_state_stays_what_it_was_when_it_cannot_be_written),
        };

        recording_child(argc, argv, works, ELEMENTSOF(works));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
