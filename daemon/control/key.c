/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about keys.  The text of a key is in one reply, the one to its creation, and nowhere
 * else. */
#include "tenant/keyring.h"

#include "base/clock.h"
#include "control/amounts.h"
#include "control/handlers.h"
#include "tenant/key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define COLLECTIONS_MAX 64

static struct json_object *describe(const struct key_info *info, const char *tenant)
{
        return key_json(info, tenant, clock_wall_usec());
}

/* The tenant that the call names, whatever its state; false: the call has failed. */
static bool find_tenant(struct call *call, struct tenant_info *ret)
{
        struct error error = { 0 };
        int r = call_find_tenant(call, call_string(call, "tenant", ""), false, ret, &error);

        if (r < 0)
                call_fail(call, r, &error);
        return r >= 0;
}

/* ---- Making one ----------------------------------------------------------------------------- */

static int take_scopes(void *data, const char *word, struct error *reterr)
{
        struct key_info *draft = data;
        uint32_t scopes;
        int r = key_scopes_parse(word, &scopes, reterr);

        if (r == 0)
                draft->scopes |= scopes;
        return r;
}

static int take_collection(void *data, const char *word, struct error *reterr)
{
        struct key_info *draft = data;
        size_t n = 0;

        while (draft->collections && draft->collections[n])
                n++;
        if (n == COLLECTIONS_MAX)
                return error_set(reterr, -EINVAL, "a key names %d collections at most: without any"
                                                  " it may use all", COLLECTIONS_MAX);
        if (!draft->collections)
                draft->collections = calloc(COLLECTIONS_MAX + 1, sizeof *draft->collections);
        if (!draft->collections)
                return error_oom(reterr);
        draft->collections[n] = strdup(word);
        return draft->collections[n] ? 0 : error_oom(reterr);
}

static int read_draft(struct call *call, struct key_info *draft, struct error *reterr)
{
        const char *expires = call_string(call, "expires", NULL);
        const char *name = call_string(call, "name", "");
        uint64_t per_minute = 0;
        int r = 0;

        if (strlen(name) > STORE_NAME_MAX) {
                r = error_set(reterr, -EINVAL, "a key's name is %d bytes long at most",
                              STORE_NAME_MAX);
                error_set_origin(reterr, NULL, "name", 0, 0);
                return r;
        }
        (void) snprintf(draft->name, sizeof draft->name, "%s", name);
        if (expires) {
                r = amount_read_end(expires, clock_wall_usec(), &draft->expires_usec, reterr);
                if (r < 0)
                        error_set_origin(reterr, NULL, "expires", 0, 0);
        }
        if (r >= 0)
                r = json_get_u64(call_parameters(call), "requests_per_minute", 1, UINT32_MAX,
                                 &per_minute, reterr);
        draft->requests_per_minute = (uint32_t) per_minute;
        if (r >= 0)
                r = each_word(call, "scopes", take_scopes, draft, reterr);
        if (r >= 0)
                r = each_word(call, "collections", take_collection, draft, reterr);
        if (draft->scopes == 0)
                draft->scopes = KEY_READ;
        return r < 0 ? r : 0;
}

static int create(struct call *call, const struct tenant_info *tenant, struct key_info *ret,
                  char ret_text[static KEY_TEXT_MAX], struct error *reterr)
{
        struct keyring *keyring = call_services(call)->keyring;
        cleanup_(key_info_done) struct key_info draft = { .tenant = tenant->id };
        int r = read_draft(call, &draft, reterr);

        if (r < 0)
                return r;
        if (!keyring)
                return error_set(reterr, -EOPNOTSUPP, "there are no keys here");
        return keyring_create(keyring, &draft, ret, ret_text, reterr);
}

void on_key_create(struct call *call)
{
        cleanup_(tenant_info_done) struct tenant_info tenant = { 0 };
        cleanup_(key_info_done) struct key_info info = { 0 };
        char text[KEY_TEXT_MAX] = "";
        struct json_object *reply;
        struct error error = { 0 };
        int r;

        if (!find_tenant(call, &tenant))
                return;
        r = create(call, &tenant, &info, text, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        reply = json_object_new_object();
        json_add(reply, "key", describe(&info, tenant.name));
        json_add_string(reply, "token", text);
        sodium_memzero(text, sizeof text);
        call_reply(call, reply);
}

/* ---- Those that are ------------------------------------------------------------------------- */

void on_key_list(struct call *call)
{
        cleanup_(tenant_info_done) struct tenant_info tenant = { 0 };
        struct key_info *infos = NULL;
        struct json_object *array;
        struct error error = { 0 };
        size_t n = 0;
        int r;

        if (!find_tenant(call, &tenant))
                return;
        r = key_list(call_services(call)->store, tenant.id, &infos, &n, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_add(array, NULL, describe(&infos[i], tenant.name));
        (void) key_infos_free(infos, n);
        reply_with(call, "keys", array);
}

/* Who gives the whole key instead is told so, and not with its text. */
static int read_key_id(struct call *call, struct key_id *ret, struct error *reterr)
{
        const char *text = call_string(call, "key", "");
        int r = key_id_parse(text, ret);

        if (r == 0)
                return 0;
        r = key_text_is_ours(text, strlen(text))
                    ? error_set(reterr, -EINVAL, "that is a key, not its id: the id is its third"
                                                 " part, between the second '_' and the third")
                    : error_set(reterr, -EINVAL, "\"%.20s\" is no id of a key: ragctl key list"
                                                 " shows them", text);
        error_set_origin(reterr, NULL, "key", 0, 0);
        return r;
}

/* One of another tenant is not there. */
static int get_key(struct call *call, struct tenant_id tenant, struct key_id id,
                   struct key_info *ret, struct error *reterr)
{
        char text[KEY_ID_TEXT_SIZE];
        int r = key_get(call_services(call)->store, id, ret, reterr);

        if (r == 0 && !id_equal(ret->tenant.id, tenant.id))
                r = -ENOENT;
        if (r == -ENOENT)
                return error_set(reterr, r, "the tenant has no key %s", key_id_format(id, text));
        return r;
}

static void reply_key(struct call *call, const struct tenant_info *tenant, struct key_id id)
{
        cleanup_(key_info_done) struct key_info info = { 0 };
        struct error error = { 0 };
        int r = get_key(call, tenant->id, id, &info, &error);

        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "key", describe(&info, tenant->name));
}

void on_key_show(struct call *call)
{
        cleanup_(tenant_info_done) struct tenant_info tenant = { 0 };
        struct error error = { 0 };
        struct key_id id;

        if (!find_tenant(call, &tenant))
                return;
        if (read_key_id(call, &id, &error) < 0)
                call_fail(call, error.code, &error);
        else
                reply_key(call, &tenant, id);
}

void on_key_revoke(struct call *call)
{
        struct keyring *keyring = call_services(call)->keyring;
        cleanup_(tenant_info_done) struct tenant_info tenant = { 0 };
        struct error error = { 0 };
        struct key_id id;
        int r;

        if (!find_tenant(call, &tenant))
                return;
        r = read_key_id(call, &id, &error);
        if (r == 0)
                r = keyring ? keyring_revoke(keyring, tenant.id, id, &error)
                            : error_set(&error, -EOPNOTSUPP, "there are no keys here");
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_key(call, &tenant, id);
}
