/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about models: what the gateway knows of them, a try, a recording.  Comparing two is in
 * bench.c. */
#include "gateway/gateway.h"

#include "control/handlers.h"
#include "release/snapshot.h"

/* A new reference; NULL: the call has failed. */
static struct json_object *describe(struct call *call, const char *name)
{
        struct json_object *described = NULL;
        struct error error = { 0 };
        int r = gateway_describe(call_release(call)->gateway, name, &described, &error);

        if (r < 0)
                call_fail(call, r, &error);
        return r < 0 ? NULL : described;
}

static struct json_object *first_of(struct json_object *described)
{
        struct json_object *all = NULL;

        (void) json_object_object_get_ex(described, "providers", &all);
        return all && json_object_array_length(all) > 0 ? json_object_array_get_idx(all, 0) : NULL;
}

static const char *model_of(struct json_object *described)
{
        const char *model = "(none)";

        (void) json_get_string(first_of(described), "model", &model, NULL);
        return model;
}

void on_provider_list(struct call *call)
{
        struct json_object *described = describe(call, NULL);

        if (described)
                call_reply(call, described);
}

void on_provider_show(struct call *call)
{
        cleanup_json_ struct json_object *described = describe(call, call_string(call, "name", ""));

        if (described)
                reply_with(call, "provider", json_object_get(first_of(described)));
}

bool find_provider(struct call *call, const char *name)
{
        cleanup_json_ struct json_object *described = describe(call, name);

        return described != NULL;
}

static struct json_object *trial_json(const char *name, const struct gateway_trial *trial)
{
        struct json_object *object = json_object_new_object();

        json_add_string(object, "provider", name);
        json_add_bool(object, "model_listed", trial->model_listed == PROBE_MODEL_KNOWN);
        json_add_u64(object, "probe_usec", trial->probe_usec);
        if (trial->call_usec > 0 || trial->input_tokens > 0) {
                json_add_u64(object, "call_usec", trial->call_usec);
                json_add_u64(object, "input_tokens", trial->input_tokens);
                json_add_u64(object, "output_tokens", trial->output_tokens);
                json_add_u64(object, "cost_microusd", trial->cost_microusd);
        }
        if (trial->width > 0)
                json_add_u64(object, "width", trial->width);
        if (trial->model[0])
                json_add_string(object, "model", trial->model);
        if (trial->text[0])
                json_add_string(object, "text", trial->text);
        return object;
}

/* What costs nothing comes first: a model that the provider does not have is not called. */
static int try_provider(struct call *call, const char *name, const char *model,
                        struct gateway_trial *ret, struct error *reterr)
{
        struct tenant_id tenant;
        int r = call_tenant(call, &tenant, reterr);

        if (r >= 0)
                r = gateway_try(call_release(call)->gateway, tenant, name, true, ret, reterr);
        if (r < 0)
                return r;
        if (ret->model_listed == PROBE_MODEL_ABSENT)
                return error_set(reterr, -EHOSTUNREACH,
                                 "provider %s does not have the model %s: name one that it lists, "
                                 "or make it available there", name, model);
        if (call_bool(call, "probe_only"))
                return 0;
        return gateway_try(call_release(call)->gateway, tenant, name, false, ret, reterr);
}

/* Whatever a provider does wrong is one error here: that it does not answer as it should. */
void on_provider_test(struct call *call)
{
        const char *name = call_string(call, "name", "");
        cleanup_json_ struct json_object *described = describe(call, name);
        struct gateway_trial trial = { 0 };
        struct error error = { 0 };
        int r;

        if (!described)
                return;
        r = try_provider(call, name, model_of(described), &trial, &error);
        if (r < 0)
                call_fail(call, r == -ENOMEM ? r : -EHOSTUNREACH, &error);
        else
                call_reply(call, trial_json(name, &trial));
}

void on_provider_record(struct call *call)
{
        const char *name = call_string(call, "name", "");
        bool on = !call_bool(call, "stop");
        cleanup_free_ char *path = NULL;
        struct json_object *reply;
        struct error error = { 0 };
        int r = gateway_record(call_release(call)->gateway, name, on, &path, &error);

        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        reply = json_object_new_object();
        json_add_string(reply, "provider", name);
        json_add_bool(reply, "recording", on);
        json_add_string(reply, "path", path ? path : "");
        call_reply(call, reply);
}
