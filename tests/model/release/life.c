/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in a life, and what must be true after each action. */
#include "model.h"

#include "base/clock.h"
#include "base/json.h"
#include "ingest/ingest.h"
#include "release/inside.h"
#include "release/release.h"
#include "store/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_USEC (240 * USEC_PER_SEC)

static const struct release_request asked = { .reason = "a step of the model",
                                              .author = { .uid = 7, .via = "model" } };

/* ---- Operations --------------------------------------------------------------------------- */

struct seen {
        uint32_t release;
        int exit; /* -1: nothing told */
        bool finished, confirm;
        char state[16], why[160];
};

static bool see(struct world *world, uint32_t operation, struct seen *ret)
{
        cleanup_json_ struct json_object *json = NULL;
        struct json_object *value = NULL;
        const char *state = "", *why = "";
        uint64_t release = 0;

        *ret = (struct seen){ .exit = -1 };
        if (releases_operation(world->releases, operation, &json, NULL, NULL) < 0)
                return false;
        if (json_object_object_get_ex(json, "exit", &value) && value)
                ret->exit = json_object_get_int(value);
        ret->confirm = json_object_object_get_ex(json, "confirm", &value) && value;
        (void) json_get_bool(json, "finished", &ret->finished, NULL);
        (void) json_get_u64(json, "release", 0, UINT32_MAX, &release, NULL);
        (void) json_get_string(json, "state", &state, NULL);
        (void) json_get_string(json, "why", &why, NULL);
        ret->release = (uint32_t) release;
        (void) snprintf(ret->state, sizeof ret->state, "%s", state);
        (void) snprintf(ret->why, sizeof ret->why, "%s", why);
        return true;
}

/* Until it is over, or waits to be confirmed. */
static bool settle(struct world *world, uint32_t operation, struct seen *ret)
{
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (see(world, operation, ret)) {
                if (ret->finished || (ret->confirm && ret->exit >= 0))
                        return true;
                if (clock_monotonic_usec() > until)
                        model_fail(world->model, "operation %u does not end (release %u is %s)",
                                   operation, ret->release, ret->state);
                (void) usleep(300);
        }
        return false;
}

/* ---- What must be true -------------------------------------------------------------------- */

static void check_deleted(struct world *world)
{
        int versions[MODEL_DOCUMENTS];

        if (!world->model->collection)
                return;
        world_look(world, versions);
        for (int i = 0; i < MODEL_DOCUMENTS; i++)
                if (world->model->documents[i].version == 0 &&
                    world->model->documents[i].maybe < 0 && versions[i])
                        model_fail(world->model, "document %d is deleted, and version %d is shown",
                                   i, versions[i]);
}

static void compare(struct world *world)
{
        struct model *model = world->model;
        int versions[MODEL_DOCUMENTS];

        world_look(world, versions);
        for (int i = 0; i < MODEL_DOCUMENTS; i++) {
                if (versions[i] != model->documents[i].version &&
                    (model->documents[i].maybe < 0 || versions[i] != model->documents[i].maybe))
                        model_fail(model, "document %d: version %d is shown, %d was acknowledged",
                                   i, versions[i], model->documents[i].version);
                model->documents[i].version = versions[i];
                model->documents[i].maybe = -1;
        }
}

static void check_visible(struct world *world)
{
        if (!world->model->collection)
                return;
        world_quiesce(world);
        compare(world);
        world->model->quiet = true;
}

/* A switch takes nothing away, not even for a moment: forward or back, what was visible is. */
static void check_at_once(struct world *world)
{
        check_deleted(world);
        if (world->model->quiet)
                compare(world);
}

static bool has(const struct world *world, const char *file)
{
        char path[320];

        (void) snprintf(path, sizeof path, "%s/%s", world->path, file);
        return access(path, F_OK) == 0;
}

/* Memory, disk and what is told. */
static void check_releases(struct world *world)
{
        cleanup_json_ struct json_object *status = NULL;
        struct model *model = world->model;
        const char *degraded = NULL, *state = "";
        int serving = world_serving(world);

        if (!(model->allowed & (1U << (unsigned) serving)))
                model_fail(model, "variant %d serves, allowed are %#x", serving, model->allowed);
        model->allowed = 1U << (unsigned) serving;
        if (releases_status(world->releases, &status, NULL) < 0)
                model_fail(model, "there is no status");
        (void) json_get_string(status, "degraded", &degraded, NULL);
        (void) json_get_string(status, "state", &state, NULL);
        if (degraded)
                model_fail(model, "degraded: %s", degraded);
        if (strcmp(state, model->window ? "provisional" : "stable") != 0)
                model_fail(model, "what serves is %s", state);
        if (has(world, "pending.json") != model->window)
                model_fail(model, "the journal %s, and the window is %s",
                           model->window ? "is gone" : "stands", model->window ? "open" : "shut");
}

static int only(const struct model *model)
{
        return __builtin_ctz(model->allowed);
}

/* ---- Documents ---------------------------------------------------------------------------- */

static void put(struct world *world)
{
        struct model *model = world->model;
        uint32_t i = model_random(model, MODEL_DOCUMENTS), sentences = 1 + model_random(model, 6);
        int version = model->next_version++;
        struct ingest_receipt receipt;
        struct error error = { 0 };
        char id[16], text[2048];
        size_t len = 0;

        for (uint32_t s = 0; s < sentences; s++)
                len += (size_t) snprintf(text + len, sizeof text - len,
                                         "common zd%uver%d words of sentence %u that fill it, "
                                         "common zd%uver%d. ", i, version, s, i, version);
        (void) snprintf(id, sizeof id, "d%u", i);
        const struct document_input input = { .external_id = id, .mime = "text/plain",
                                              .body = text, .body_len = len };

        model_log(model, "put d%u version %d", i, version);
        model->quiet = false;
        model->documents[i].maybe = version;
        if (ingest_put(world->ingest, store_default_tenant(world->store), "c", &input, &receipt,
                       &error) < 0)
                model_fail(model, "put: %s", error_text(&error));
        model->documents[i].version = version;
        model->documents[i].maybe = -1;
}

static void delete(struct world *world)
{
        struct model *model = world->model;
        uint32_t i = model_random(model, MODEL_DOCUMENTS);
        struct error error = { 0 };
        char id[16];
        int r;

        (void) snprintf(id, sizeof id, "d%u", i);
        model_log(model, "delete d%u", i);
        model->documents[i].maybe = 0;
        r = ingest_delete(world->ingest, store_default_tenant(world->store), "c", id, &error);
        if (r < 0 && (r != -ENOENT || model->documents[i].version))
                model_fail(model, "delete: %s", error_text(&error));
        model->documents[i].version = 0;
        model->documents[i].maybe = -1;
        world_check_deleted(world, (int) i);
        check_deleted(world);
}

/* ---- Releases ----------------------------------------------------------------------------- */

static void concluded(struct world *world, const struct seen *seen)
{
        struct model *model = world->model;

        model->open = !seen->finished;
        model->unconfirmed &= model->open;
        model->window = !seen->finished && seen->confirm;
        if (seen->finished && seen->exit == RELEASE_OK)
                model->allowed = 1U << (unsigned) model->to;
        else if (seen->finished && seen->exit == RELEASE_FAILED)
                model->allowed = 1U << (unsigned) model->from;
        else if (seen->finished)
                model_fail(model, "exit %d: %s", seen->exit, seen->why);
        else
                model->allowed = 1U << (unsigned) model->to;
        check_at_once(world);
        check_releases(world);
        model->switches += seen->finished && seen->exit == RELEASE_OK;
}

/* It must succeed: nobody cancels, and nothing fails. */
static void await_success(struct world *world, uint32_t operation)
{
        struct seen seen;

        if (!settle(world, operation, &seen))
                model_fail(world->model, "operation %u is not there", operation);
        if (seen.exit != RELEASE_OK)
                model_fail(world->model, "exit %d: %s", seen.exit, seen.why);
        concluded(world, &seen);
}

static void deploy(struct world *world)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_json_ struct json_object *plan = NULL;
        struct model *model = world->model;
        int to = (int) model_random(model, MODEL_VARIANTS);
        const struct release_profile profile = { .name = "sent.toml",
                                                 .text = world_profile(to),
                                                 .len = strlen(world_profile(to)) };
        struct deploy_request request = { .request = asked, .confirm_given = true };
        bool waits = model_random(model, 3) > 0;
        struct error error = { 0 };
        const char *id = NULL;
        uint32_t operation;

        request.confirm_seconds = model_random(model, 2) ? 600 : 0;
        model_log(model, "deploy variant %d%s%s", to, request.confirm_seconds ? ", window" : "",
                  waits ? "" : ", not waited for");
        if (releases_plan(world->releases, &profile, &diagnostics, &plan, &error) < 0 ||
            json_get_string(plan, "plan_id", &id, &error) != 1)
                model_fail(model, "plan: %s", error_text(&error));
        request.plan_id = id;
        model->from = only(model);
        model->to = to;
        model->allowed |= 1U << (unsigned) to;
        model->open = true;
        model->unconfirmed = request.confirm_seconds > 0;
        if (releases_deploy(world->releases, &request, &operation, &error) < 0)
                model_fail(model, "deploy: %s", error_text(&error));
        if (waits)
                await_success(world, operation);
}

/* A deploy that nobody waited for. */
static void await_open(struct world *world)
{
        model_log(world->model, "wait for the deploy");
        await_success(world, 0);
}

static void confirm(struct world *world)
{
        struct model *model = world->model;
        struct error error = { 0 };
        uint32_t operation;

        model_log(model, "confirm");
        model->allowed |= 1U << (unsigned) model->from; /* until it is durable */
        model->unconfirmed = false;
        if (releases_confirm(world->releases, NULL, &asked.author, &operation, &error) < 0)
                model_fail(model, "confirm: %s", error_text(&error));
        for (struct seen seen = { 0 }; !seen.finished;)
                if (!see(world, operation, &seen) || (seen.finished && seen.exit != RELEASE_OK))
                        model_fail(model, "confirm: exit %d: %s", seen.exit, seen.why);
                else if (seen.finished)
                        concluded(world, &seen);
                else
                        (void) usleep(300);
}

static void cancel(struct world *world, bool by_rollback)
{
        struct model *model = world->model;
        struct error error = { 0 };
        uint32_t operation = 0;
        struct seen seen = { 0 };
        int r;

        model_log(model, by_rollback ? "roll back, which is a cancel" : "cancel");
        if (model->window)
                model->allowed |= 1U << (unsigned) model->from;
        r = by_rollback ? releases_rollback(world->releases, &asked, 0, false, true, NULL,
                                            &operation, &error)
                        : releases_cancel(world->releases, NULL, &asked.author, &operation, &error);
        if (r < 0 && model->window)
                model_fail(model, "cancel: %s", error_text(&error));
        if (r < 0) { /* it had ended before */
                await_success(world, 0);
                return;
        }
        while (see(world, operation, &seen) && !seen.finished)
                (void) usleep(300);
        if (model->window && seen.exit != RELEASE_FAILED)
                model_fail(model, "cancel: exit %d: %s", seen.exit, seen.why);
        concluded(world, &seen);
}

static void extend(struct world *world)
{
        struct error error = { 0 };

        model_log(world->model, "extend");
        if (releases_extend(world->releases, NULL, 60, &error) < 0)
                model_fail(world->model, "extend: %s", error_text(&error));
}

static void roll_back(struct world *world)
{
        struct model *model = world->model;
        uint32_t target = model_random(model, 2) ? 0 : 1 + model_random(model, 12);
        unsigned before = model->allowed;
        struct json_object *cost = NULL;
        struct error error = { 0 };
        struct seen seen = { 0 };
        uint32_t operation;
        int r;

        model_log(model, "roll back to %u", target);
        model->from = only(model);
        model->allowed = (1U << MODEL_VARIANTS) - 1; /* until it is known which */
        r = releases_rollback(world->releases, &asked, target, false, true, &cost, &operation,
                              &error);
        json_object_put(cost);
        if (r < 0) {
                model->allowed = before;
                if (r != -ENOENT && r != -EPERM && r != -EALREADY)
                        model_fail(model, "rollback: %s", error_text(&error));
                return;
        }
        if (!see(world, operation, &seen))
                model_fail(model, "the rollback is not there");
        model->to = world_variant_of(world, seen.release);
        if (model->to < 0)
                model_fail(model, "release %u cannot be read", seen.release);
        model->allowed = 1U << (unsigned) model->to; /* whatever happens: it is run again */
        model->rollbacks++;
        await_success(world, operation);
}

static void reload(struct world *world)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct model *model = world->model;
        int to = (int) model_random(model, MODEL_VARIANTS), before = model->on_disk;
        struct error error = { 0 };
        uint32_t operation;
        int r;

        model_log(model, "reload variant %d", to);
        model->from = only(model);
        model->to = to;
        model->allowed |= 1U << (unsigned) to;
        model->on_disk = to;
        world_write_profile(world, to);
        r = releases_reload(world->releases, &asked, &diagnostics, &operation, &error);
        if (r == -EPERM) {
                world_write_profile(world, before);
                model->on_disk = before;
                model->allowed = 1U << (unsigned) model->from;
                return;
        }
        if (r < 0)
                model_fail(model, "reload: %s", error_text(&error));
        await_success(world, operation);
}

static void refused_while_open(struct world *world)
{
        struct error error = { 0 };
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        uint32_t operation;
        int r;

        model_log(world->model, "reload while the window is open");
        r = releases_reload(world->releases, &asked, &diagnostics, &operation, &error);
        if (r != -EBUSY)
                model_fail(world->model, "a reload beside a deploy: %d", r);
}

/* ---- A life ------------------------------------------------------------------------------- */

/* The start has decided; what an interrupted operation comes to is waited for. */
static void awake(struct world *world)
{
        struct model *model = world->model;
        struct seen seen;

        if (model->window && model->allowed == 1U << (unsigned) model->to)
                model->allowed = 1U << (unsigned) model->from; /* nobody confirmed it */
        model->window = model->open = model->quiet = false;
        if (settle(world, 0, &seen)) {
                model->open = !seen.finished;
                model->window = model->open && seen.confirm;
        }
        if (model->unconfirmed && !model->window)
                model->allowed = 1U << (unsigned) model->from;
        model->unconfirmed &= model->window;
        check_releases(world);
        check_deleted(world);
        check_visible(world);
}

static void create(struct world *world)
{
        struct collection_info info = { 0 };
        struct error error = { 0 };
        int r;

        model_log(world->model, "create the collection");
        r = ingest_create_collection(world->ingest, store_default_tenant(world->store), "c", NULL,
                                     NULL, &info, &error);
        if (r < 0 && r != -EEXIST)
                model_fail(world->model, "create: %s", error_text(&error));
        if (r == 0)
                collection_info_done(&info);
        world->model->collection = true;
}

static void act(struct world *world)
{
        struct model *model = world->model;
        uint32_t chance = model_random(model, 100);

        model->actions++;
        if (!model->collection)
                create(world);
        else if (chance < 30)
                put(world);
        else if (chance < 42)
                delete(world);
        else if (chance < 50 || model_random(model, 6) == 0)
                check_visible(world);
        else if (model->window)
                chance < 65   ? confirm(world)
                : chance < 78 ? cancel(world, false)
                : chance < 86 ? cancel(world, true)
                : chance < 93 ? extend(world)
                              : refused_while_open(world);
        else if (model->open)
                chance < 80 ? await_open(world) : cancel(world, false);
        else if (chance < 75)
                deploy(world);
        else if (chance < 87)
                roll_back(world);
        else if (chance < 97)
                reload(world);
        else
                (void) raise(SIGKILL);
}

void world_live(struct world *world, unsigned actions)
{
        world_open(world);
        awake(world);
        for (unsigned i = 0; i < actions; i++)
                act(world);
        if (world->model->open && !world->model->window)
                await_open(world);
        check_visible(world);
        world_close(world);
}
