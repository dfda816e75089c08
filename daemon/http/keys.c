/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a tenant.  The text of one is in the answer to its creation and nowhere else. */
#include "config.h"

#include "tenant/keyring.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/caller.h"
#include "http/routes.h"
#include "http/tenants.h"
#include "tenant/key.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLLECTIONS_MAX 64

static int refuse(const char *member, const char *why, struct error *reterr)
{
        (void) error_set(reterr, -EINVAL, "\"%s\" %s", member, why);
        error_set_origin(reterr, NULL, member, 0, 0);
        return -EINVAL;
}

/* ---- What a new one may do ------------------------------------------------------------------- */

/* RFC 3339 in UTC, to the second: "2027-01-31T12:00:00Z". */
static int read_time(const char *text, uint64_t *ret_usec, struct error *reterr)
{
        struct tm tm = { 0 };
        const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        time_t seconds = end && *end == '\0' ? timegm(&tm) : -1;

        if (seconds < 0)
                return refuse("expires_at", "must be a time like 2027-01-31T12:00:00Z", reterr);
        *ret_usec = (uint64_t) seconds * USEC_PER_SEC;
        return 0;
}

/* Each element is a string without NUL. */
static int read_words(struct json_object *json, const char *member,
                      int (*take)(struct key_info *draft, const char *word, struct error *reterr),
                      struct key_info *draft, struct error *reterr)
{
        struct json_object *array = NULL;
        int r = json_get_array(json, member, &array, reterr);

        for (size_t i = 0; r >= 0 && array && i < json_object_array_length(array); i++) {
                struct json_object *word = json_object_array_get_idx(array, i);
                const char *text = json_object_get_string(word);

                if (!json_object_is_type(word, json_type_string) ||
                    strlen(text) != (size_t) json_object_get_string_len(word))
                        return refuse(member, "must be an array of strings", reterr);
                r = take(draft, text, reterr);
                if (r < 0)
                        error_set_origin(reterr, NULL, member, 0, 0);
        }
        return r < 0 ? r : 0;
}

static int take_scope(struct key_info *draft, const char *word, struct error *reterr)
{
        uint32_t scopes = 0;
        int r = key_scopes_parse(word, &scopes, reterr);

        draft->scopes |= scopes;
        return r;
}

static int take_collection(struct key_info *draft, const char *word, struct error *reterr)
{
        size_t n = 0;

        while (draft->collections && draft->collections[n])
                n++;
        if (n == COLLECTIONS_MAX)
                return error_set(reterr, -EINVAL, "a key names %d collections at most; without any "
                                                  "it may use all", COLLECTIONS_MAX);
        if (!draft->collections)
                draft->collections = calloc(COLLECTIONS_MAX + 1, sizeof *draft->collections);
        if (draft->collections)
                draft->collections[n] = strdup(word);
        return draft->collections && draft->collections[n] ? 0 : error_oom(reterr);
}

static int read_draft(struct json_object *json, struct key_info *draft, struct error *reterr)
{
        static const char *const members[] = { "name",       "scopes",
                                               "collections", "requests_per_minute",
                                               "expires_at", NULL };
        const char *name = NULL, *expires = NULL;
        uint64_t per_minute = 0;
        int r;

        if ((r = json_refuse_unknown(json, members, reterr)) < 0 ||
            (r = json_get_string(json, "name", &name, reterr)) < 0 ||
            (r = json_get_string(json, "expires_at", &expires, reterr)) < 0 ||
            (r = json_get_u64(json, "requests_per_minute", 1, UINT32_MAX, &per_minute, reterr)) <
                    0 ||
            (r = read_words(json, "scopes", take_scope, draft, reterr)) < 0 ||
            (r = read_words(json, "collections", take_collection, draft, reterr)) < 0 ||
            (expires && (r = read_time(expires, &draft->expires_usec, reterr)) < 0))
                return r;
        if (!name || strlen(name) > STORE_NAME_MAX)
                return refuse("name", "must say what the key is for, in 1 to 64 bytes", reterr);
        (void) snprintf(draft->name, sizeof draft->name, "%s", name);
        draft->requests_per_minute = (uint32_t) per_minute;
        if (draft->scopes == 0)
                draft->scopes = KEY_READ;
        return 0;
}

/* Nobody but an operator gives what he has not, and none but an operator makes operators. */
static bool may_give(struct request *request, uint32_t scopes)
{
        char text[KEY_SCOPES_TEXT_SIZE];
        uint32_t beyond = scopes & ~(request->principal->scopes & ~(uint32_t) KEY_OPERATOR);

        if (caller_is_operator(request) || !beyond)
                return true;
        problem_set(request, PROBLEM_MISSING_SCOPE, "this key can't give the scope %s",
                    key_scopes_format(beyond, text));
        return false;
}

/* ---- Handlers -------------------------------------------------------------------------------- */

static void reply_new(struct request *request, const struct tenant_info *tenant,
                      const struct key_info *info, const char *token)
{
        struct json_object *json = json_object_new_object();
        char text[KEY_ID_TEXT_SIZE], scopes[KEY_SCOPES_TEXT_SIZE];

        if (!request->details)
                request->details = json_object_new_object();
        json_add_string(request->details, "made", key_id_format(info->id, text));
        json_add_string(request->details, "scopes", key_scopes_format(info->scopes, scopes));
        json_add(json, "key", key_json(info, tenant->name, clock_wall_usec()));
        json_add_string(json, "token", token);
        request_set_location(request, "/api/v1/tenants/%s/keys/%s", tenant->name, text);
        request_reply_json(request, 201, json);
}

void keys_create(struct request *request)
{
        cleanup_(tenant_info_done) struct tenant_info tenant = { 0 };
        cleanup_(key_info_done) struct key_info draft = { 0 }, info = { 0 };
        cleanup_json_ struct json_object *json = NULL;
        char token[KEY_TEXT_MAX] = "";
        struct error error = { 0 };

        if (request_json(request, &json) < 0)
                return;
        if (read_draft(json, &draft, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        if (tenants_find(request, &tenant) < 0 || !may_give(request, draft.scopes))
                return;
        draft.tenant = tenant.id;
        if (keyring_create(request->door->services.keyring, &draft, &info, token, &error) < 0) {
                tenants_refuse(request, &error);
                return;
        }
        reply_new(request, &tenant, &info, token);
        sodium_memzero(token, sizeof token);
}

void keys_list(struct request *request)
{
        cleanup_(tenant_info_done) struct tenant_info tenant = { 0 };
        struct json_object *array, *json;
        struct key_info *infos = NULL;
        struct error error = { 0 };
        size_t n = 0;

        if (tenants_find(request, &tenant) < 0)
                return;
        if (key_list(request->door->services.store, tenant.id, &infos, &n, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; array && i < n; i++)
                json_add(array, NULL, key_json(&infos[i], tenant.name, clock_wall_usec()));
        (void) key_infos_free(infos, n);
        json = json_object_new_object();
        if (json)
                json_add(json, "keys", array);
        else
                json_object_put(array);
        request_reply_json(request, 200, json);
}

/* An id that is none is one that is not there. */
void keys_revoke(struct request *request)
{
        cleanup_(tenant_info_done) struct tenant_info tenant = { 0 };
        struct error error = { 0 };
        struct key_id id;
        int r;

        if (tenants_find(request, &tenant) < 0)
                return;
        r = key_id_parse(request->parameters[1], &id);
        if (r >= 0)
                r = keyring_revoke(request->door->services.keyring, tenant.id, id, &error);
        else
                r = -ENOENT;
        if (r == -ENOENT)
                problem_set(request, PROBLEM_NOT_FOUND, "no such key");
        else if (r < 0)
                tenants_refuse(request, &error);
        else
                request_reply_empty(request, 204);
}
