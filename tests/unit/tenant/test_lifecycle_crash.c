/* SPDX-License-Identifier: Apache-2.0 */
/* Every step of a tenant's moves is killed: afterwards it is as before or as meant, whole, and
 * nothing is left over. */
#include "life.h"

#include "base/json.h"
#include "store/tenant_archive.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program;

/* ---- What is killed ----------------------------------------------------------------------- */

static int work_on(struct life *life, const char *work)
{
        cleanup_json_ struct json_object *receipt = NULL;

        if (strcmp(work, "offload") == 0)
                return lifecycle_offload(life->lifecycle, life->acme, NULL);
        if (strcmp(work, "wake") == 0)
                return lifecycle_activate(life->lifecycle, life->acme, NULL);
        if (strcmp(work, "shut") == 0) /* one that is offloaded is suspended */
                return lifecycle_suspend(life->lifecycle, life->acme, NULL);
        if (strcmp(work, "purge") == 0)
                return lifecycle_purge(life->lifecycle, life->acme, &receipt, NULL);
        return lifecycle_delete(life->lifecycle, life->acme, NULL); /* delete, delete-offloaded */
}

/* The other program: `path`, `id` and what to do. */
static int be_killed(const char *path, const char *id, const char *work)
{
        struct life life = { 0 };
        int r;

        (void) snprintf(life.path, sizeof life.path, "%s", path);
        if (id_parse(id, &life.acme.id) < 0)
                return 2;
        life_open(&life);
        r = work_on(&life, work);
        life_close(&life);
        return r < 0 ? 1 : 0;
}

/* Whether the point was passed, and so the program killed. */
static bool killed_at(struct life *life, const char *work, const char *point)
{
        char id[ID_TEXT_SIZE];
        int status = 0;
        pid_t pid;

        life_close(life);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) setenv("RAGD_CRASH_AT", point, 1);
                (void) execl(program, program, life->path, id_format(life->acme.id, id), work,
                             (char *) NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status))
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* ---- What is found afterwards ------------------------------------------------------------- */

static void look_at_text(struct life *life)
{
        char *text = life_read(life, life->acme);

        assert_string_equal(text, "what acme wrote");
        free(text);
}

static void look_at_archive(struct life *life)
{
        struct tenant_info info = { 0 };
        struct error error = { 0 };

        assert_ok(tenant_get(life->store, life->acme, &info, &error));
        assert_non_null(info.archive);
        assert_ok(tenant_archive_verify(life->store, info.archive, NULL, &error));
        tenant_info_done(&info);
}

/* Everything of the tenant is where its state says, and nowhere else. */
static void look(struct life *life, enum tenant_state state)
{
        bool in_folder = state == TENANT_ACTIVE || state == TENANT_SUSPENDED;

        assert_int_equal(life_has_folder(life, life->acme), in_folder);
        assert_int_equal(life_count(life, "offloaded"), state == TENANT_OFFLOADED);
        assert_int_equal(life_count(life, "deleted"), state == TENANT_DELETED);
        assert_int_equal(life_count(life, "incoming"), 0);
        assert_int_equal(life_count(life, "receipts"), state == TENANT_STATE_INVALID);
        if (in_folder)
                look_at_text(life);
        if (state == TENANT_OFFLOADED || state == TENANT_DELETED)
                look_at_archive(life);
        if (state == TENANT_DELETED || state == TENANT_STATE_INVALID)
                assert_true(life_exists(life, "erased"));
}

static const struct {
        const char *work, *point;
        enum tenant_state after; /* TENANT_STATE_INVALID: purged */
} steps[] = {
        { "offload", "archive.partial", TENANT_ACTIVE },
        { "offload", "tenant.archived", TENANT_ACTIVE },
        { "offload", "tenant.verified", TENANT_ACTIVE },
        { "offload", "offload.moved", TENANT_OFFLOADED },
        { "offload", "offload.swept", TENANT_OFFLOADED },
        { "wake", "restore.staged", TENANT_OFFLOADED },
        { "wake", "restore.renamed", TENANT_OFFLOADED },
        { "wake", "wake.restored", TENANT_OFFLOADED },
        { "wake", "wake.moved", TENANT_ACTIVE },
        { "wake", "wake.swept", TENANT_ACTIVE },
        { "shut", "wake.restored", TENANT_OFFLOADED },
        { "shut", "wake.moved", TENANT_SUSPENDED },
        { "delete", "archive.partial", TENANT_ACTIVE },
        { "delete", "tenant.archived", TENANT_ACTIVE },
        { "delete", "tenant.verified", TENANT_ACTIVE },
        { "delete", "delete.marked", TENANT_ACTIVE },
        { "delete", "delete.moved", TENANT_DELETED },
        { "delete", "delete.swept", TENANT_DELETED },
        { "delete", "delete.erased", TENANT_DELETED },
        { "delete-offloaded", "delete.linked", TENANT_OFFLOADED },
        { "delete-offloaded", "delete.marked", TENANT_OFFLOADED },
        { "delete-offloaded", "delete.moved", TENANT_DELETED },
        { "delete-offloaded", "delete.swept", TENANT_DELETED },
        { "purge", "purge.noted", TENANT_STATE_INVALID },
        { "purge", "purge.archive", TENANT_STATE_INVALID },
        { "purge", "purge.rooms", TENANT_STATE_INVALID },
        { "purge", "purge.rows", TENANT_STATE_INVALID },
        { "purge", "purge.receipt", TENANT_STATE_INVALID },
};

static void prepare(struct life *life, const char *work)
{
        struct error error = { 0 };

        if (strcmp(work, "wake") == 0 || strcmp(work, "shut") == 0 ||
            strcmp(work, "delete-offloaded") == 0)
                assert_ok(lifecycle_offload(life->lifecycle, life->acme, &error));
        if (strcmp(work, "purge") == 0)
                assert_ok(lifecycle_delete(life->lifecycle, life->acme, &error));
}

static void test_a_kill_at_any_step_leaves_it_as_before_or_as_meant(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                struct life *life = life_new();
                struct error error = { 0 };
                enum tenant_state found;

                prepare(life, steps[i].work);
                if (!killed_at(life, steps[i].work, steps[i].point))
                        fail_msg("%s does not pass %s", steps[i].work, steps[i].point);
                life_open(life);
                assert_ok(lifecycle_resume(life->lifecycle, &error));
                found = life_state(life, life->acme);
                if (found != steps[i].after)
                        fail_msg("%s killed at %s: it is %d", steps[i].work, steps[i].point,
                                 (int) found);
                look(life, found);

                /* What was begun can be done, and a second start has nothing to do. */
                if (found == TENANT_ACTIVE || found == TENANT_OFFLOADED) {
                        const char *next = found == TENANT_ACTIVE ? "offload" : "wake";

                        assert_int_equal(work_on(life, next), 0);
                        look(life, life_state(life, life->acme));
                }
                found = life_state(life, life->acme);
                life_close(life);
                life_open(life);
                assert_ok(lifecycle_resume(life->lifecycle, &error));
                look(life, found);
                life_free(life);
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_kill_at_any_step_leaves_it_as_before_or_as_meant),
        };

        program = argv[0];
        if (argc == 4)
                return be_killed(argv[1], argv[2], argv[3]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
