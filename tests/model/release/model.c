/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: whatever happens in whatever order, deploys, rollbacks, reloads, confirmations, cancels,
 * documents put and deleted, and power cuts at any named point, what serves is what a small model
 * says, every acknowledged document is visible in it, and a deleted one nowhere.
 *
 *     model [SEQUENCES [SEED]]      or the environment's SEQUENCES and SEED */
#include "model.h"

#include "base/io.h"
#include "release/snapshot.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVES_MAX 4
#define ACTIONS_MAX 8

static const char *const points[] = {
        "active.next",       "active.removed",     "active.renamed",      "active.synced",
        "bake.begun",        "bake.stable",        "boot.cleaned",        "boot.reverted",
        "boot.tries",        "confirm.removed",    "deploy.following",    "deploy.gated",
        "deploy.ready",      "deploy.recorded",    "generation.finished", "generation.made",
        "generation.removed", "generation.rested", "generation.woken",    "journal.removed",
        "journal.unlinked",  "journal.written",    "op.saved",            "release.evidence",
        "release.named",     "release.number",     "release.partial",     "release.pruned",
        "release.state",     "reload.recorded",    "reload.removed",      "revert.active",
        "revert.begun",      "revert.journal",     "rollback.recorded",   "rollback.switched",
        "switch.active",     "switch.committed",   "switch.journal",      "switch.prepared",
};

/* Xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
uint32_t model_random(struct model *model, uint32_t below)
{
        uint64_t x = model->random;

        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        model->random = x;
        return (uint32_t) ((x * UINT64_C(2685821657736338717)) >> 33) % below;
}

void model_log(struct model *model, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(model->log[model->logged++ % MODEL_LOG], sizeof model->log[0], format,
                         arguments);
        va_end(arguments);
}

void model_fail(struct model *model, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(model->failure, sizeof model->failure, format, arguments);
        va_end(arguments);
        _exit(3);
}

/* The child: one life.  The points are chosen at the first one that is passed, so that a life may
 * choose its own. */
static void live(struct model *model, const char *path, const char *point, unsigned actions)
{
        static struct snapshot_settings snapshot;
        struct world world = { .model = model, .path = path, .snapshot = &snapshot };

        if (point)
                (void) setenv("RAGD_CRASH_AT", point, 1);
        else
                (void) unsetenv("RAGD_CRASH_AT");
        (void) snprintf(world.profile, sizeof world.profile, "%s.toml", path);
        (void) alarm(900);
        world_live(&world, actions);
        _exit(0);
}

static int report(const struct model *model, uint64_t seed, int status)
{
        unsigned first = model->logged > MODEL_LOG ? model->logged - MODEL_LOG : 0;

        (void) fflush(stdout);
        (void) fprintf(stderr, "model: sequence with SEED=%llu failed: %s (status %#x)\n",
                       (unsigned long long) seed, model->failure, (unsigned) status);
        for (unsigned i = first; i < model->logged; i++)
                (void) fprintf(stderr, "  %s\n", model->log[i % MODEL_LOG]);
        return -1;
}

static int run_life(struct model *model, const char *path, uint64_t seed, bool last)
{
        unsigned actions = 1 + model_random(model, ACTIONS_MAX);
        bool killed = !last && model_random(model, 4) > 0;
        char point[64] = "";
        int status = 0;
        pid_t child;

        if (killed)
                (void) snprintf(point, sizeof point, "%s:%u",
                                points[model_random(model, sizeof points / sizeof points[0])],
                                1 + model_random(model, 3));
        model_log(model, "-- life%s%s", killed ? ", killed at " : "", point);
        child = fork();
        if (child == 0)
                live(model, path, killed ? point : NULL, actions);
        if (child < 0 || waitpid(child, &status, 0) != child)
                return report(model, seed, -1);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
                return report(model, seed, status);
        model->kills++;
        model_log(model, "   killed");
        return 0;
}

static int run_sequence(struct model *model, const char *folder, uint64_t seed)
{
        char path[128], profile[160];
        struct world world = { .model = model };
        unsigned lives;
        int r = 0;

        *model = (struct model){ .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1,
                                 .next_version = 1, .allowed = 1 };
        for (int i = 0; i < MODEL_DOCUMENTS; i++)
                model->documents[i].maybe = -1;
        (void) snprintf(path, sizeof path, "%s/state", folder);
        (void) snprintf(profile, sizeof profile, "%s.toml", path);
        (void) snprintf(world.profile, sizeof world.profile, "%s", profile);
        world_write_profile(&world, 0);
        lives = 1 + model_random(model, LIVES_MAX);
        for (unsigned i = 0; r == 0 && i <= lives; i++)
                r = run_life(model, path, seed, i == lives);
        if (r == 0)
                (void) io_remove_tree(AT_FDCWD, path);
        return r;
}

static unsigned long number(const char *text, const char *variable, unsigned long otherwise)
{
        const char *from_environment = getenv(variable);

        if (!text && from_environment && *from_environment)
                text = from_environment;
        return text ? strtoul(text, NULL, 10) : otherwise;
}

int main(int argc, char *argv[])
{
        unsigned long sequences = number(argc > 1 ? argv[1] : NULL, "SEQUENCES", 20);
        unsigned long seed = number(argc > 2 ? argv[2] : NULL, "SEED", 1);
        struct model *model = mmap(NULL, sizeof *model, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        unsigned long actions = 0, switches = 0, rollbacks = 0, kills = 0;
        char folder[64] = "/dev/shm/ragd-model-XXXXXX";
        int r = 0;

        if (model == MAP_FAILED)
                return 1;
        if (access("/dev/shm", W_OK) < 0)
                (void) strcpy(folder, "/tmp/ragd-model-XXXXXX");
        if (!mkdtemp(folder))
                return 1;
        for (unsigned long i = 0; r == 0 && i < sequences; i++) {
                r = run_sequence(model, folder, seed + i);
                actions += model->actions;
                switches += model->switches;
                rollbacks += model->rollbacks;
                kills += model->kills;
        }
        (void) printf("model: %lu sequences from seed %lu: %lu actions, %lu switches, %lu "
                      "rollbacks, %lu kills: %s\n",
                      sequences, seed, actions, switches, rollbacks, kills,
                      r == 0 ? "all as the model says" : "FAILED");
        if (r == 0)
                (void) io_remove_tree(AT_FDCWD, folder);
        else
                (void) fprintf(stderr, "model: the state is kept in %s\n", folder);
        return r == 0 ? 0 : 1;
}
