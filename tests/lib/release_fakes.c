/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/release_fakes.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct release_fakes release_fakes;

static void note(char *text, size_t size, const char *value)
{
        (void) snprintf(text, size, "%s", value ? value : "");
}
#define NOTE(member, value) note(release_fakes.member, sizeof release_fakes.member, value)

static int end(const char *function, struct error *reterr)
{
        int code = release_fakes.code_of_next;

        NOTE(asked, function);
        release_fakes.code_of_next = 0;
        return code < 0 ? error_set(reterr, code, "%s says no", function) : 0;
}

static void note_request(const struct release_request *request)
{
        NOTE(request_id, request->request_id);
        NOTE(reason, request->reason);
        NOTE(via, request->author.via);
        release_fakes.uid = request->author.uid;
}

static void note_profile(const struct release_profile *profile)
{
        release_fakes.has_profile = profile != NULL;
        NOTE(name, profile ? profile->name : NULL);
        NOTE(text, profile ? profile->text : NULL);
        NOTE(extends_name, profile && profile->extends ? profile->extends->name : NULL);
        NOTE(extends_text, profile && profile->extends ? profile->extends->text : NULL);
}

static struct json_object *parse(const char *text)
{
        struct json_object *json = NULL;

        (void) json_parse(text, strlen(text), &json, NULL);
        return json;
}

int releases_validate(struct releases *releases, const struct release_profile *profile, bool live,
                      struct config_diagnostics *diagnostics, struct error *reterr)
{
        int r = end("validate", reterr);

        (void) releases;
        note_profile(profile);
        release_fakes.live = live;
        if (r == -EUCLEAN)
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_DIM", "p.toml", 3, 1,
                                       "rag.vector_storage.dimensions", "it does not fit");
        return r;
}

int releases_plan(struct releases *releases, const struct release_profile *profile,
                  struct config_diagnostics *diagnostics, struct json_object **ret,
                  struct error *reterr)
{
        int r = releases_validate(releases, profile, false, diagnostics, reterr);

        NOTE(asked, "plan");
        if (r == 0)
                *ret = parse("{\"plan_id\":\"p1\",\"base\":42,\"changes\":[]}");
        return r;
}

int releases_plan_bundle(struct releases *releases, int fd, const struct release_profile *profile,
                         struct config_diagnostics *diagnostics, struct json_object **ret,
                         struct error *reterr)
{
        char bytes[sizeof release_fakes.text] = "";
        ssize_t n = read(fd, bytes, sizeof bytes - 1);
        int r = releases_plan(releases, profile, diagnostics, ret, reterr);

        NOTE(asked, "plan_bundle");
        NOTE(text, n > 0 ? bytes : "");
        return r;
}

int releases_status(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        (void) releases;
        *ret = parse("{\"serving\":42,\"state\":\"stable\"}");
        return end("status", reterr);
}

static int give(const char *function, const char *text, struct json_object **ret,
                struct error *reterr)
{
        int r = end(function, reterr);

        if (r == 0)
                *ret = parse(text);
        return r;
}

int releases_history(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        (void) releases;
        return give("history", "{\"releases\":[],\"damaged\":0}", ret, reterr);
}

int releases_show(struct releases *releases, uint32_t number, struct json_object **ret,
                  struct error *reterr)
{
        (void) releases;
        release_fakes.target = number;
        return give("show", "{\"number\":42}", ret, reterr);
}

int releases_diff(struct releases *releases, uint32_t from, uint32_t to, struct json_object **ret,
                  struct error *reterr)
{
        (void) releases;
        release_fakes.from = from;
        release_fakes.to = to;
        return give("diff", "{\"from\":41,\"to\":42,\"changes\":[],\"impact\":{}}", ret, reterr);
}

int releases_drift(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        (void) releases;
        return give("drift",
                    "{\"profile\":\"/p\",\"drift\":false,\"changes\":[],\"diagnostics\":[]}", ret,
                    reterr);
}

int releases_deploy(struct releases *releases, const struct deploy_request *request,
                    uint32_t *ret_operation, struct error *reterr)
{
        (void) releases;
        note_request(&request->request);
        NOTE(plan_id, request->plan_id);
        release_fakes.confirm_given = request->confirm_given;
        release_fakes.confirm_seconds = request->confirm_seconds;
        release_fakes.has_canary = request->canary != NULL;
        release_fakes.n_canary = (uint32_t) request->n_canary;
        if (request->n_canary > 0)
                memcpy(release_fakes.canary, request->canary,
                       request->n_canary * sizeof *request->canary);
        *ret_operation = 91;
        return end("deploy", reterr);
}

int releases_reload(struct releases *releases, const struct release_request *request,
                    struct config_diagnostics *diagnostics, uint32_t *ret_operation,
                    struct error *reterr)
{
        int r = releases_validate(releases, NULL, false, diagnostics, reterr);

        note_request(request);
        NOTE(asked, "reload");
        *ret_operation = 91;
        return r;
}

int releases_rollback(struct releases *releases, const struct release_request *request,
                      uint32_t target, bool config_only, bool accept_cost,
                      struct json_object **ret_cost, uint32_t *ret_operation, struct error *reterr)
{
        int r = end("rollback", reterr);

        (void) releases;
        note_request(request);
        release_fakes.target = target;
        release_fakes.config_only = config_only;
        release_fakes.accept_cost = accept_cost;
        if (r == -ECANCELED)
                *ret_cost = parse("{\"documents\":3}");
        *ret_operation = 91;
        return r;
}

static int note_end(const char *function, const char *id, const struct release_author *author,
                    uint32_t *ret_operation, struct error *reterr)
{
        NOTE(id, id);
        NOTE(via, author->via);
        *ret_operation = 91;
        return end(function, reterr);
}

int releases_confirm(struct releases *releases, const char *id, const struct release_author *author,
                     uint32_t *ret_operation, struct error *reterr)
{
        (void) releases;
        return note_end("confirm", id, author, ret_operation, reterr);
}

int releases_cancel(struct releases *releases, const char *id, const struct release_author *author,
                    uint32_t *ret_operation, struct error *reterr)
{
        (void) releases;
        return note_end("cancel", id, author, ret_operation, reterr);
}

int releases_extend(struct releases *releases, const char *id, uint32_t seconds,
                    struct error *reterr)
{
        (void) releases;
        NOTE(id, id);
        release_fakes.seconds = seconds;
        return end("extend", reterr);
}

int releases_operation(struct releases *releases, uint32_t number, struct json_object **ret,
                       uint64_t *ret_change, struct error *reterr)
{
        size_t look = release_fakes.n_looks;

        (void) releases;
        if (!release_fakes.operations || (number != 0 && number != 91))
                return error_set(reterr, -ENOENT, "there was no operation");
        release_fakes.n_looks++;
        while (look > 0 && !release_fakes.operations[look])
                look--;
        if (!release_fakes.operations[look])
                look--;
        *ret = parse(release_fakes.operations[look]);
        if (ret_change)
                *ret_change = look + 1;
        return 0;
}

int releases_gate(struct releases *releases, uint32_t candidate_or_0,
                  int (*progress)(void *data, const char *what, size_t done, size_t total),
                  void *data, struct json_object **ret, struct error *reterr)
{
        (void) releases;
        release_fakes.target = candidate_or_0;
        for (size_t i = 1; i <= 3; i++)
                if (progress(data, "asking", i, 3) != 0)
                        return error_set(reterr, -ECANCELED, "stopped");
        return give("gate", "{\"verdict\":\"pass\",\"rows\":[]}", ret, reterr);
}

int releases_gc(struct releases *releases, bool dry_run, struct json_object **ret,
                struct error *reterr)
{
        (void) releases;
        release_fakes.dry_run = dry_run;
        return give("gc", "{\"removed\":[3],\"generations\":1,\"bytes\":5}", ret, reterr);
}

int releases_override(struct releases *releases, const char *code, uint64_t until_usec,
                      const struct release_request *request, struct error *reterr)
{
        (void) releases;
        note_request(request);
        NOTE(code, code);
        release_fakes.until_usec = until_usec;
        return end("override", reterr);
}

int releases_overrides(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        (void) releases;
        (void) reterr;
        *ret = parse("{\"overrides\":[]}");
        return 0;
}

int releases_export(struct releases *releases, uint32_t number, bool vectors, int fd,
                    struct error *reterr)
{
        static const char piece[64 * 1024] = "a bundle";
        int r = end("export", reterr);

        (void) releases;
        release_fakes.target = number;
        release_fakes.accept_cost = vectors;
        for (int i = 0; r == 0 && i < 40; i++) /* 2.5 MiB */
                if (write(fd, piece, sizeof piece) != (ssize_t) sizeof piece)
                        r = error_set_errno(reterr, -EIO, "write");
        return r;
}
