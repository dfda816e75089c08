/* SPDX-License-Identifier: Apache-2.0 */
/* Keys are made and revoked, and shown. */
#include "tenant/keyring.h"

#include "base/clock.h"
#include "tenant/keyring_inside.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_draft(struct keyring *keyring, const struct key_info *draft, uint64_t now_usec,
                       struct error *reterr)
{
        struct tenant_id dflt = store_default_tenant(keyring->store);
        int r = store_check_name("key", draft->name, reterr);

        for (size_t i = 0; r == 0 && draft->collections && draft->collections[i]; i++)
                r = store_check_name("collection", draft->collections[i], reterr);
        if (r < 0)
                return r;
        if (draft->scopes == 0 || (draft->scopes & ~(uint32_t) KEY_SCOPES_ALL) != 0)
                return error_set(reterr, -EINVAL, "a key needs a scope: read, write, admin or "
                                                  "operator");
        if (draft->scopes & KEY_OPERATOR && !id_equal(draft->tenant.id, dflt.id))
                return error_set(reterr, -EINVAL, "only keys of the default tenant can have the "
                                                  "scope operator");
        if (draft->expires_usec > 0 && draft->expires_usec <= now_usec)
                return error_set(reterr, -EINVAL, "the key would have expired already");
        return 0;
}

static int copy_collections(char *const *names, char ***ret, struct error *reterr)
{
        struct key_info copy = { 0 };
        size_t n = 0;

        while (names && names[n])
                n++;
        if (names && !(copy.collections = calloc(n + 1, sizeof *copy.collections)))
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                if (!(copy.collections[i] = strdup(names[i]))) {
                        key_info_done(&copy);
                        return error_oom(reterr);
                }
        *ret = copy.collections;
        return 0;
}

int keyring_create(struct keyring *keyring, const struct key_info *draft, struct key_info *ret,
                   char ret_text[static KEY_TEXT_MAX], struct error *reterr)
{
        struct key_info info = { .tenant = draft->tenant,
                                 .scopes = draft->scopes,
                                 .requests_per_minute = draft->requests_per_minute,
                                 .created_usec = clock_wall_usec(),
                                 .expires_usec = draft->expires_usec };
        struct key_text key = { .stage = keyring->stage };
        int r = check_draft(keyring, draft, info.created_usec, reterr);

        if (r == 0)
                r = copy_collections(draft->collections, &info.collections, reterr);
        if (r < 0)
                return r;
        (void) snprintf(info.name, sizeof info.name, "%s", draft->name);
        randombytes_buf(key.id.bytes, sizeof key.id.bytes);
        randombytes_buf(key.secret, sizeof key.secret);
        info.id = key.id;
        key_hash(&key, keyring->pepper, info.hash);
        key_pepper_id(keyring->pepper, info.pepper);
        r = key_insert(keyring->store, &info, reterr);
        if (r == 0) {
                keyring_forget(keyring, info.id);
                (void) key_text_format(&key, ret_text);
                *ret = info;
        } else {
                key_info_done(&info);
        }
        key_text_done(&key);
        return r;
}

/* Forgotten in any case: a commit whose outcome is not known may have revoked it. */
int keyring_revoke(struct keyring *keyring, struct tenant_id tenant, struct key_id id,
                   struct error *reterr)
{
        int r = key_revoke(keyring->store, tenant, id, reterr);

        keyring_forget(keyring, id);
        return r;
}

/* ---- Shown ------------------------------------------------------------------------------ */

static void add_text(struct json_object *object, const char *name, const char *text)
{
        (void) json_object_object_add(object, name, json_object_new_string(text));
}

static void add_time(struct json_object *object, const char *name, uint64_t wall_usec)
{
        char text[CLOCK_TEXT_SIZE];

        if (wall_usec > 0)
                add_text(object, name, clock_format(wall_usec, text));
}

static struct json_object *list_scopes(uint32_t scopes)
{
        struct json_object *list = json_object_new_array();
        char text[KEY_SCOPES_TEXT_SIZE], *rest = NULL;

        (void) key_scopes_format(scopes, text);
        for (const char *at = strtok_r(text, ",", &rest); at; at = strtok_r(NULL, ",", &rest))
                (void) json_object_array_add(list, json_object_new_string(at));
        return list;
}

static const char *state_of(const struct key_info *info, uint64_t now_wall_usec)
{
        if (info->revoked_usec > 0)
                return "revoked";
        return info->expires_usec > 0 && now_wall_usec >= info->expires_usec ? "expired" : "live";
}

struct json_object *key_json(const struct key_info *info, const char *tenant_name,
                             uint64_t now_wall_usec)
{
        struct json_object *object = json_object_new_object();
        char id[KEY_ID_TEXT_SIZE];

        add_text(object, "id", key_id_format(info->id, id));
        add_text(object, "tenant", tenant_name);
        add_text(object, "name", info->name);
        (void) json_object_object_add(object, "scopes", list_scopes(info->scopes));
        if (info->collections) {
                struct json_object *list = json_object_new_array();

                for (size_t i = 0; info->collections[i]; i++)
                        (void) json_object_array_add(list,
                                                     json_object_new_string(info->collections[i]));
                (void) json_object_object_add(object, "collections", list);
        }
        add_text(object, "state", state_of(info, now_wall_usec));
        (void) json_object_object_add(object, "requests_per_minute",
                                      info->requests_per_minute
                                              ? json_object_new_int64(info->requests_per_minute)
                                              : NULL);
        add_time(object, "created_at", info->created_usec);
        add_time(object, "expires_at", info->expires_usec);
        add_time(object, "revoked_at", info->revoked_usec);
        add_time(object, "used_at", info->used_usec);
        return object;
}
