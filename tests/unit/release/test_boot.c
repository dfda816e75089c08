/* SPDX-License-Identifier: Apache-2.0 */
/* The table of boot.h: a child that prepares, switches and confirms a release is killed at every
 * step, then the start that follows is killed at every step of its own, and the next one must come
 * to what the table says: pointer, journal and states agree. */
#include "tests/unit/release/recording.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "release/boot.h"
#include "release/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE 1
#define CANDIDATE 2

/* Every point that a start may pass. */
static const char *const boot_points[] = {
        "boot.cleaned",     "boot.tries",     "boot.tries:2",    "active.next",
        "active.renamed",   "active.synced",  "active.removed",  "boot.reverted",
        "release.state",    "release.state:2", "journal.unlinked", "journal.removed",
        "boot.given_up",
};

static void clear(struct recording *r)
{
        static const char *const all[] = { "releases", "active", "active.next", "boot_tries",
                                           "pending.json" };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(io_remove_tree(r->dirfd, all[i]), 0);
}

/* What `status` would tell: number 0 is no `active`. */
static void assert_runs(struct recording *r, uint32_t number, enum release_state base,
                        enum release_state candidate)
{
        uint32_t active = 0;

        assert_int_equal(active_read(r->dirfd, &active, NULL), number ? 0 : -ENOENT);
        assert_int_equal(active, number);
        assert_false(recording_has(r, "pending.json"));
        assert_int_equal(recording_state(r, BASE), base);
        assert_int_equal(recording_state(r, CANDIDATE), candidate);
}

static int boot_work(struct recording *r, const char *argument)
{
        struct boot boot;

        (void) argument;
        return boot_decide(r->dirfd, &boot, NULL);
}

/* ---- The switch --------------------------------------------------------------------------- */

struct scene {
        bool was_active; /* before the switch; else the base is what the profile gave */
        bool confirm;
};

/* As the engine does it. */
static int make_switch(struct recording *r, const struct scene *scene)
{
        const struct pending pending = { .id = "c1", .base = BASE, .candidate = CANDIDATE,
                                         .base_was_active = scene->was_active };
        int n = pending_write(r->dirfd, &pending, NULL);

        if (n == 0)
                n = active_write(r->dirfd, CANDIDATE, NULL);
        if (n == 0)
                n = release_set_state(r->dirfd, CANDIDATE, RELEASE_PROVISIONAL, NULL, NULL);
        if (n == 0 && scene->confirm)
                n = pending_remove(r->dirfd, NULL);
        if (n == 0 && scene->confirm)
                n = release_set_state(r->dirfd, CANDIDATE, RELEASE_STABLE, NULL, NULL);
        if (n == 0 && scene->confirm)
                n = release_set_state(r->dirfd, BASE, RELEASE_SUPERSEDED, NULL, NULL);
        return n;
}

static int switch_work(struct recording *r, const char *argument)
{
        const struct scene scene = { .was_active = *argument == 'a', .confirm = true };

        return make_switch(r, &scene);
}

static void build(struct recording *r, const struct scene *scene)
{
        struct error error = { 0 };

        clear(r);
        assert_int_equal(recording_write(r, "", RELEASE_STABLE), BASE);
        assert_int_equal(recording_write(r, "batch_size = 7\n", RELEASE_READY), CANDIDATE);
        if (scene->was_active)
                assert_ok(active_write(r->dirfd, BASE, &error));
}

/* Where a switch is killed, and what follows. */
static const struct {
        const char *point;
        bool confirmed;
        enum release_state base, candidate;
} rows[] = {
        { "journal.written", false, RELEASE_STABLE, RELEASE_REVERTED },
        { "boot.tries", false, RELEASE_STABLE, RELEASE_REVERTED },
        { "active.next", false, RELEASE_STABLE, RELEASE_REVERTED },
        { "active.renamed", false, RELEASE_STABLE, RELEASE_REVERTED },
        { "active.synced", false, RELEASE_STABLE, RELEASE_REVERTED },
        { "release.state", false, RELEASE_STABLE, RELEASE_REVERTED },
        { "journal.unlinked", true, RELEASE_STABLE, RELEASE_PROVISIONAL },
        { "journal.removed", true, RELEASE_STABLE, RELEASE_PROVISIONAL },
        { "release.state:2", true, RELEASE_SUPERSEDED, RELEASE_STABLE },
        { "release.state:3", true, RELEASE_SUPERSEDED, RELEASE_STABLE },
};

static void check_row(struct recording *r, const struct scene *scene, size_t row, bool told)
{
        uint32_t wanted = rows[row].confirmed ? CANDIDATE : scene->was_active ? BASE : 0;
        struct boot boot = { 0 };
        struct error error = { 0 };

        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, wanted);
        assert_runs(r, wanted, rows[row].base, rows[row].candidate);
        if (told) {
                assert_int_equal(boot.reverted, rows[row].confirmed ? 0 : CANDIDATE);
                assert_int_equal(boot.why[0] != '\0', !rows[row].confirmed);
        }
        /* And again: an ordinary start now. */
        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, wanted);
        assert_int_equal(boot.reverted, 0);
        assert_string_equal(boot.why, "");
        assert_runs(r, wanted, rows[row].base, rows[row].candidate);
}

static void test_a_switch_that_was_killed_is_undone_until_it_is_confirmed(void **state)
{
        struct recording *r = *state;

        for (unsigned was_active = 0; was_active <= 1; was_active++)
                for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                        struct scene scene = { .was_active = was_active, .confirm = true };

                        build(r, &scene);
                        assert_true(recording_killed_at(r, rows[i].point, "switch",
                                                        was_active ? "active" : ""));
                        check_row(r, &scene, i, true);
                }
}

static void test_a_window_that_nobody_confirmed_ends_with_the_daemon(void **state)
{
        struct recording *r = *state;
        struct scene scene = { .was_active = true, .confirm = false };

        build(r, &scene);
        assert_int_equal(make_switch(r, &scene), 0);
        check_row(r, &scene, 0, true);
}

static void test_a_start_that_is_killed_on_the_way_back_goes_on(void **state)
{
        struct recording *r = *state;
        unsigned killed = 0;

        for (unsigned was_active = 0; was_active <= 1; was_active++)
                for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                        for (size_t k = 0; k < ELEMENTSOF(boot_points); k++) {
                                struct scene scene = { .was_active = was_active, .confirm = true };

                                build(r, &scene);
                                assert_true(recording_killed_at(r, rows[i].point, "switch",
                                                                was_active ? "active" : ""));
                                if (!recording_killed_at(r, boot_points[k], "boot", ""))
                                        continue;
                                killed++;
                                check_row(r, &scene, i, false);
                        }
        assert_true(killed > 60);
}

/* ---- Recording ---------------------------------------------------------------------------- */

static int record_work(struct recording *r, const char *argument)
{
        uint32_t number;

        (void) argument;
        return release_write(r->dirfd, recording_draft("batch_size = 9\n"), &number, NULL);
}

static void test_a_release_whose_writing_was_killed_is_whole_or_gone(void **state)
{
        static const struct {
                const char *point;
                size_t n;
        } cases[] = { { "release.number", 2 }, { "release.partial", 2 }, { "release.named", 3 } };
        struct recording *r = *state;
        struct scene scene = { .was_active = true };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct release_info *infos = NULL;
                struct error error = { 0 };
                size_t n = 0, damaged = 0;
                struct boot boot;

                build(r, &scene);
                assert_true(recording_killed_at(r, cases[i].point, "record", ""));
                assert_ok(boot_decide(r->dirfd, &boot, &error));
                assert_int_equal(boot.release, BASE);
                assert_string_equal(boot.why, "");
                assert_false(recording_has(r, "releases/000003.partial"));
                assert_ok(release_list(r->dirfd, &infos, &n, &damaged, &error));
                assert_int_equal(damaged, 0);
                assert_int_equal(n, cases[i].n);
                (void) release_infos_free(infos, n);
                /* The number is spent either way. */
                assert_int_equal(recording_write(r, "", RELEASE_PLANNED), 4);
        }
}

/* ---- A release that does not start -------------------------------------------------------- */

static void test_a_release_that_does_not_start_three_times_gives_way(void **state)
{
        struct recording *r = *state;
        struct scene scene = { .was_active = true, .confirm = true };
        struct error error = { 0 };
        struct boot boot;

        build(r, &scene);
        assert_int_equal(make_switch(r, &scene), 0);
        for (unsigned i = BOOT_TRIES; i-- > 0;) {
                assert_ok(boot_decide(r->dirfd, &boot, &error));
                assert_int_equal(boot.release, CANDIDATE);
                assert_int_equal(boot.given_up, 0);
                assert_int_equal(boot_tries_read(r->dirfd), i);
        }
        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, BASE);
        assert_int_equal(boot.given_up, CANDIDATE);
        assert_non_null(strstr(boot.why, "release 2"));
        assert_runs(r, BASE, RELEASE_STABLE, RELEASE_REVERTED);
        assert_int_equal(boot_tries_read(r->dirfd), BOOT_TRIES - 1);
        assert_ok(boot_succeeded(r->dirfd, &error));
        assert_int_equal(boot_tries_read(r->dirfd), BOOT_TRIES);
}

static void test_giving_way_goes_on_where_it_was_killed(void **state)
{
        struct recording *r = *state;
        struct scene scene = { .was_active = true, .confirm = true };
        struct error error = { 0 };
        unsigned killed = 0;

        for (size_t k = 0; k < ELEMENTSOF(boot_points); k++) {
                struct boot boot;

                build(r, &scene);
                assert_int_equal(make_switch(r, &scene), 0);
                assert_ok(boot_tries_write(r->dirfd, 0, &error));
                killed += recording_killed_at(r, boot_points[k], "boot", "");
                assert_ok(boot_decide(r->dirfd, &boot, &error));
                assert_int_equal(boot.release, BASE);
                assert_runs(r, BASE, RELEASE_STABLE, RELEASE_REVERTED);
        }
        assert_true(killed >= 7);
}

static void test_the_only_release_is_tried_for_ever(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        struct boot boot;

        (void) recording_write(r, "", RELEASE_STABLE);
        assert_ok(active_write(r->dirfd, 1, &error));
        for (unsigned i = 0; i < 2 * BOOT_TRIES; i++) {
                assert_ok(boot_decide(r->dirfd, &boot, &error));
                assert_int_equal(boot.release, 1);
                assert_int_equal(boot.given_up, 0);
        }
        assert_non_null(strstr(boot.why, "did not start"));
        assert_int_equal(recording_state(r, 1), RELEASE_STABLE);
}

static void test_a_damaged_release_gives_way_to_one_that_is_whole(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        struct boot boot;

        (void) recording_write(r, "", RELEASE_SUPERSEDED);
        (void) recording_write(r, "", RELEASE_SUPERSEDED);
        (void) recording_write(r, "", RELEASE_REVERTED);
        (void) recording_write(r, "", RELEASE_STABLE);
        recording_overwrite(r, "releases/000002/effective.toml", "x");
        recording_overwrite(r, "releases/000004/effective.toml", "x");
        assert_ok(active_write(r->dirfd, 4, &error));
        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, 1);
        assert_int_equal(boot.given_up, 4);
        assert_non_null(strstr(boot.why, "effective.toml"));
        assert_int_equal(recording_state(r, 1), RELEASE_STABLE);
}

static void test_damage_and_nothing_else_refuses_the_start(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        uint32_t active = 0;
        struct boot boot;

        (void) recording_write(r, "", RELEASE_STABLE);
        recording_overwrite(r, "releases/000001/effective.toml", "x");
        assert_ok(active_write(r->dirfd, 1, &error));
        assert_int_equal(boot_decide(r->dirfd, &boot, &error), -EBADMSG);
        assert_non_null(strstr(error.message, "releases/000001/effective.toml"));
        assert_non_null(strstr(error.message, "remove active"));
        assert_ok(active_read(r->dirfd, &active, &error));
        assert_ok(active_remove(r->dirfd, &error));
        recording_overwrite(r, "active", "");
        assert_int_equal(boot_decide(r->dirfd, &boot, &error), -EBADMSG);
        assert_non_null(strstr(error.message, "active"));
}

static void test_a_missing_release_gives_way_too(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        struct boot boot;

        (void) recording_write(r, "", RELEASE_SUPERSEDED);
        assert_ok(active_write(r->dirfd, 9, &error));
        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, 1);
        assert_int_equal(boot.given_up, 9);
}

/* ---- The rest of the table ---------------------------------------------------------------- */

static void test_an_unreadable_journal_refuses_the_start_and_names_both(void **state)
{
        static const char *const texts[] = {
                "{\"id\":\"c1\",\"base\":1,\"candidate\":2,",
                "{\"id\":\"c1\",\"base\":1,\"candidate\":2,\"base_was_active\":true,"
                "\"deadline_usec\":0,\"crc32c\":1}",
        };
        struct recording *r = *state;
        struct scene scene = { .was_active = true };
        struct error error = { 0 };
        uint32_t active = 0;
        struct boot boot;

        build(r, &scene);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                recording_overwrite(r, "pending.json", texts[i]);
                assert_int_equal(boot_decide(r->dirfd, &boot, &error), -EBADMSG);
                assert_non_null(strstr(error.message, "pending.json"));
                assert_non_null(strstr(error.message, "release 1"));
                assert_non_null(strstr(error.message, "release 2"));
        }
        recording_overwrite(r, "pending.json", "");
        assert_int_equal(boot_decide(r->dirfd, &boot, &error), -EBADMSG);
        assert_non_null(strstr(error.message, "unknown"));
        assert_non_null(strstr(error.message, "start again"));
        assert_true(recording_has(r, "pending.json"));
        assert_ok(active_read(r->dirfd, &active, &error));
        assert_int_equal(active, BASE);
        assert_int_equal(recording_state(r, CANDIDATE), RELEASE_READY);
}

static void test_without_active_the_profile_on_disk_decides(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        struct boot boot;

        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, 0);
        (void) recording_write(r, "", RELEASE_STABLE);
        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, 0);
        assert_string_equal(boot.why, "");
        assert_false(recording_has(r, "boot_tries"));
        assert_ok(boot_succeeded(r->dirfd, &error));
        assert_false(recording_has(r, "boot_tries"));
}

static void test_what_was_half_written_or_half_received_is_removed(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        struct boot boot;

        (void) recording_write(r, "", RELEASE_STABLE);
        assert_int_equal(mkdirat(r->dirfd, "releases/000007.partial", 0700), 0);
        recording_overwrite(r, "releases/000007.partial/meta.json", "{");
        assert_int_equal(mkdirat(r->dirfd, "incoming", 0700), 0);
        recording_overwrite(r, "incoming/x", "x");
        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_false(recording_has(r, "releases/000007.partial"));
        assert_false(recording_has(r, "incoming"));
        assert_true(recording_has(r, "releases/000001"));
}

static void test_a_release_that_baked_goes_on_baking(void **state)
{
        struct recording *r = *state;
        struct scene scene = { .was_active = true };
        struct error error = { 0 };
        struct boot boot;

        build(r, &scene);
        assert_int_equal(make_switch(r, &scene), 0);
        assert_ok(pending_remove(r->dirfd, &error));
        assert_ok(boot_decide(r->dirfd, &boot, &error));
        assert_int_equal(boot.release, CANDIDATE);
        assert_runs(r, CANDIDATE, RELEASE_STABLE, RELEASE_PROVISIONAL);
}

int main(int argc, char *argv[])
{
        static const struct recording_work works[] = {
                { "boot", boot_work }, { "record", record_work }, { "switch", switch_work },
        };
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, recording_setup, recording_teardown)
                TEST(test_a_switch_that_was_killed_is_undone_until_it_is_confirmed),
                TEST(test_a_window_that_nobody_confirmed_ends_with_the_daemon),
                TEST(test_a_start_that_is_killed_on_the_way_back_goes_on),
                TEST(test_a_release_whose_writing_was_killed_is_whole_or_gone),
                TEST(test_a_release_that_does_not_start_three_times_gives_way),
                TEST(test_giving_way_goes_on_where_it_was_killed),
                TEST(test_the_only_release_is_tried_for_ever),
                TEST(test_a_damaged_release_gives_way_to_one_that_is_whole),
                TEST(test_damage_and_nothing_else_refuses_the_start),
                TEST(test_a_missing_release_gives_way_too),
                TEST(test_an_unreadable_journal_refuses_the_start_and_names_both),
                TEST(test_without_active_the_profile_on_disk_decides),
                TEST(test_what_was_half_written_or_half_received_is_removed),
                TEST(test_a_release_that_baked_goes_on_baking),
        };

        recording_child(argc, argv, works, ELEMENTSOF(works));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
