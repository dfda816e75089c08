/* SPDX-License-Identifier: Apache-2.0 */
/* The process ends at each named step of each operation, as at a power cut; the next start makes of
 * it what the table of crashes says. */
#include "engine.h"

#include "base/io.h"
#include "base/json.h"
#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char other_width[] = "rag.vector_storage.dimensions = 256\n";
static const char hot[] = "rag.retrieval.default_top_k = 7\n";
static const struct release_request asked = { .reason = "a test", .author = { .via = "ragctl" } };

static char program[4096];

/* ---- What a child does -------------------------------------------------------------------- */

static uint32_t deploy(struct engine *engine, uint32_t confirm)
{
        return engine_deploy(engine,
                             &(struct engine_deploy){ .more = other_width, .confirm = confirm });
}

static void deploy_at_once(struct engine *engine)
{
        json_object_put(engine_finished(engine, deploy(engine, 0)));
}

static void deploy_and_confirm(struct engine *engine)
{
        uint32_t operation = deploy(engine, 60);

        json_object_put(engine_told(engine, operation));
        assert_int_equal(releases_confirm(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
}

static void deploy_and_cancel(struct engine *engine)
{
        uint32_t operation = deploy(engine, 60);

        json_object_put(engine_told(engine, operation));
        assert_int_equal(releases_cancel(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
}

static void deploy_a_canary(struct engine *engine)
{
        engine->play.canary = CANARY_GO;
        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = other_width,
                                                                       .canary = 10 })));
}

static void reload(struct engine *engine)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        uint32_t operation = 0;

        engine_write_profile(engine, hot);
        assert_int_equal(releases_reload(engine->releases, &asked, &diagnostics, &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
}

static void roll_back(struct engine *engine)
{
        uint32_t operation = 0;

        assert_int_equal(releases_rollback(engine->releases, &asked, 1, false, true, NULL,
                                           &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
}

static const struct {
        const char *name;
        void (*run)(struct engine *engine);
} works[] = {
        { "deploy", deploy_at_once },   { "confirm", deploy_and_confirm },
        { "cancel", deploy_and_cancel }, { "canary", deploy_a_canary },
        { "reload", reload },           { "rollback", roll_back },
};

static int child(const char *path, const char *work)
{
        struct engine engine = { 0 };

        (void) snprintf(engine.path, sizeof engine.path, "%s", path);
        (void) snprintf(engine.profile, sizeof engine.profile, "%s.toml", path);
        (void) pthread_mutex_init(&engine.play.lock, NULL);
        engine_start(&engine);
        for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
                if (strcmp(works[i].name, work) == 0)
                        works[i].run(&engine);
        engine_stop(&engine);
        return 0;
}

/* True: it was killed there. */
static bool killed_at(const struct engine *engine, const char *point, const char *work)
{
        int status = 0;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                (void) setenv("RAGD_CRASH_AT", point, 1);
                (void) execl(program, program, engine->path, work, (char *) NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
                return true;
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return false;
}

/* ---- The table ---------------------------------------------------------------------------- */

enum outcome {
        BASE,     /* serves; the candidate is given up */
        WINDOW,   /* the candidate serves, in a new window */
        ARRIVED,  /* the candidate is STABLE */
        RETURNED, /* release 1 was deployed over by 2, and 3 is 1 again */
};

static const struct {
        const char *work, *point;
        enum outcome outcome;
} table[] = {
        /* Before the switch a deploy is gone on with. */
        { "deploy", "deploy.recorded", ARRIVED },
        { "deploy", "deploy.following", ARRIVED },
        { "deploy", "deploy.ready", ARRIVED },
        { "deploy", "deploy.gated", ARRIVED },
        { "canary", "deploy.canary", ARRIVED },
        { "confirm", "deploy.recorded", WINDOW },
        { "confirm", "deploy.gated", WINDOW },
        /* From the journal on the base comes back, */
        { "deploy", "switch.prepared", BASE },
        { "deploy", "switch.journal", BASE },
        { "deploy", "active.next", BASE },
        { "deploy", "active.renamed", BASE },
        { "deploy", "switch.active", BASE },
        { "deploy", "switch.committed", BASE },
        { "confirm", "switch.journal", BASE },
        { "confirm", "switch.active", BASE },
        { "confirm", "switch.committed", BASE },
        { "cancel", "revert.begun", BASE },
        { "cancel", "revert.active", BASE },
        { "cancel", "revert.journal", BASE },
        /* until the journal is gone. */
        { "deploy", "confirm.removed", ARRIVED },
        { "deploy", "bake.begun", ARRIVED },
        { "deploy", "bake.stable", ARRIVED },
        { "confirm", "confirm.removed", ARRIVED },
        { "confirm", "bake.begun", ARRIVED },
        { "confirm", "bake.stable", ARRIVED },
        { "reload", "reload.recorded", BASE },
        { "reload", "switch.journal", BASE },
        { "reload", "switch.active", BASE },
        { "reload", "switch.committed", BASE },
        { "reload", "reload.removed", ARRIVED },
        { "reload", "bake.stable", ARRIVED },
        /* A rollback is run again, or was there. */
        { "rollback", "rollback.recorded", RETURNED },
        { "rollback", "switch.prepared", RETURNED },
        { "rollback", "active.next", RETURNED },
        { "rollback", "active.renamed", RETURNED },
        { "rollback", "switch.active", RETURNED },
        { "rollback", "switch.committed", RETURNED },
        { "rollback", "rollback.switched", RETURNED },
        { "rollback", "bake.stable", RETURNED },
};

static void check(struct engine *engine, enum outcome outcome)
{
        uint32_t serves = outcome == BASE ? 1 : outcome == RETURNED ? 3 : 2;
        bool window = outcome == WINDOW;

        json_object_put(window ? engine_told(engine, 0) : engine_finished(engine, 0));
        assert_int_equal(engine_serving(engine), serves);
        assert_int_equal(engine_state(engine, serves), window ? RELEASE_PROVISIONAL
                                                              : RELEASE_STABLE);
        assert_int_equal(engine_active(engine), outcome == BASE ? 0 : serves);
        assert_int_equal(engine_pending(engine), window);
        assert_true(engine_agrees(engine));
        if (outcome == BASE)
                assert_int_equal(engine_state(engine, 2), RELEASE_REVERTED);
        else
                assert_int_equal(engine_state(engine, serves - 1),
                                 window ? RELEASE_STABLE : RELEASE_SUPERSEDED);
        assert_true(engine_follows(engine, serves, window ? serves - 1 : 0));
        cleanup_json_ struct json_object *last = engine_told(engine, 0);

        assert_int_equal(engine_number(last, "exit"), outcome == BASE ? RELEASE_FAILED
                                                                      : RELEASE_OK);
}

static void crash(const char *work, const char *point, enum outcome outcome)
{
        struct engine *engine = NULL;

        print_message("%s killed at %s\n", work, point);
        assert_int_equal(engine_set_up((void **) &engine), 0);
        if (outcome == RETURNED)
                deploy_at_once(engine);
        engine_stop(engine);
        assert_true(killed_at(engine, point, work));
        if (strcmp(work, "reload") == 0 && outcome == BASE)
                engine_write_profile(engine, ""); /* nothing was active: the file decides */
        engine->play.canary = CANARY_GO;
        engine_start(engine);
        check(engine, outcome);
        engine_restart(engine); /* and once more says the same */
        if (outcome != WINDOW)
                check(engine, outcome);
        assert_int_equal(engine_tear_down((void **) &engine), 0);
}

static void test_each_crash_ends_as_the_table_says(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
                crash(table[i].work, table[i].point, table[i].outcome);
}

static void test_a_crash_in_the_recovery_of_a_crash_changes_nothing(void **state)
{
        static const char *const points[] = { "boot.cleaned", "boot.reverted", "journal.unlinked" };

        (void) state;
        for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
                struct engine *engine = NULL;

                assert_int_equal(engine_set_up((void **) &engine), 0);
                engine_stop(engine);
                assert_true(killed_at(engine, "switch.committed", "confirm"));
                assert_true(killed_at(engine, points[i], "nothing"));
                engine_start(engine);
                check(engine, BASE);
                assert_int_equal(engine_tear_down((void **) &engine), 0);
        }
}

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_crash_ends_as_the_table_says),
                cmocka_unit_test(test_a_crash_in_the_recovery_of_a_crash_changes_nothing),
        };
        ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);

        if (len < 0)
                return 1;
        if (argc == 3)
                return child(argv[1], argv[2]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
