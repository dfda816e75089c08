/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins for keys, tenants, limits and the audit log beneath the HTTP door. */
#include "config.h"

#include "tests/lib/http_fakes.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "store/tenants.h"
#include "tenant/key.h"
#include "tenant/keyring.h"
#include "tenant/lifecycle.h"
#include "tenant/rate.h"
#include "tenant/tenants.h"
#include "audit/audit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct audit *fakes_audit(void *data)
{
        static char audit;

        (void) data;
        return (struct audit *) (void *) &audit;
}

void fakes_with_tenants(struct http_services *services)
{
        static char keyring, tenants, lifecycle;

        services->keyring = (struct keyring *) (void *) &keyring;
        services->tenants = (struct tenants *) (void *) &tenants;
        services->lifecycle = (struct lifecycle *) (void *) &lifecycle;
        services->audit = fakes_audit;
}

/* ---- Keys --------------------------------------------------------------------------------- */

static const char *const docs_only[] = { "docs", NULL };

static const struct {
        const char *token;
        struct principal principal;
} keys[] = {
        { "ragd_reader", { .tenant.id.bytes = { 1 }, .key.bytes = { 1 }, .scopes = KEY_READ } },
        { "ragd_writer",
          { .tenant.id.bytes = { 1 }, .key.bytes = { 2 }, .scopes = KEY_READ | KEY_WRITE } },
        { "ragd_admin",
          { .tenant.id.bytes = { 1 },
            .key.bytes = { 3 },
            .scopes = KEY_READ | KEY_WRITE | KEY_ADMIN } },
        { "ragd_limited",
          { .tenant.id.bytes = { 1 },
            .key.bytes = { 4 },
            .scopes = KEY_READ | KEY_WRITE | KEY_ADMIN,
            .collections = docs_only } },
        { "ragd_beta",
          { .tenant.id.bytes = { 2 },
            .key.bytes = { 5 },
            .scopes = KEY_READ | KEY_WRITE | KEY_ADMIN } },
        { "ragd_operator", { .key.bytes = { 6 }, .scopes = KEY_SCOPES_ALL } },
};

bool key_text_is_ours(const char *token, size_t len)
{
        return len >= 5 && memcmp(token, "ragd_", 5) == 0;
}

int keyring_check(struct keyring *keyring, const char *token, size_t len, uint64_t now_wall_usec,
                  const struct principal **ret, struct key_id *ret_id, bool *ret_has_id,
                  struct error *reterr)
{
        (void) keyring;
        (void) now_wall_usec;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (strlen(keys[i].token) != len || memcmp(keys[i].token, token, len) != 0)
                        continue;
                *ret = &keys[i].principal;
                *ret_id = keys[i].principal.key;
                *ret_has_id = true;
                fakes.principals++;
                return 0;
        }
        if (len == 10 && memcmp(token, "ragd_wrong", 10) == 0) {
                *ret_id = (struct key_id){ { 9 } };
                *ret_has_id = true;
                return error_set(reterr, -EACCES, "the key is not known");
        }
        if (len == 12 && memcmp(token, "ragd_expired", 12) == 0)
                return error_set(reterr, -EKEYEXPIRED, "the key has expired");
        if (len == 10 && memcmp(token, "ragd_stage", 10) == 0)
                return error_set(reterr, -EXDEV, "the key is for production");
        return error_set(reterr, -EINVAL, "the key is cut or mistyped");
}

const struct principal *principal_unref(const struct principal *principal)
{
        if (principal)
                fakes.principals--;
        return NULL;
}

bool principal_may_use(const struct principal *principal, const char *collection)
{
        for (size_t i = 0; principal->collections && principal->collections[i]; i++)
                if (strcmp(principal->collections[i], collection) == 0)
                        return true;
        return !principal->collections;
}

const char *key_id_format(struct key_id id, char text[static KEY_ID_TEXT_SIZE])
{
        (void) snprintf(text, KEY_ID_TEXT_SIZE, "key%u", id.bytes[0]);
        return text;
}

static const char *const scope_names[] = { "read", "write", "admin", "operator" };

const char *key_scopes_format(uint32_t scopes, char text[static KEY_SCOPES_TEXT_SIZE])
{
        size_t len = 0;

        text[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(scope_names); i++)
                if (scopes & (1U << i))
                        len += (size_t) snprintf(text + len, KEY_SCOPES_TEXT_SIZE - len, "%s%s",
                                                 len ? "," : "", scope_names[i]);
        return text;
}

/* ---- Tenants at work ------------------------------------------------------------------------ */

struct tenant_entry {
        struct tenant_id tenant;
};

int tenant_enter(struct tenants *tenants, struct tenant_id tenant, struct tenant_entry **ret,
                 struct error *reterr)
{
        struct tenant_entry *entry;

        (void) tenants;
        if (fakes.tenant_refuses)
                return error_set(reterr, fakes.tenant_refuses, "the tenant says no");
        entry = calloc(1, sizeof *entry);
        entry->tenant = tenant;
        fakes.entries++;
        *ret = entry;
        return 0;
}

int tenant_enter_quietly(struct tenants *tenants, struct tenant_id tenant,
                         struct tenant_entry **ret, struct error *reterr)
{
        return tenant_enter(tenants, tenant, ret, reterr);
}

struct tenant_entry *tenant_leave(struct tenant_entry *entry)
{
        if (entry)
                fakes.entries--;
        free(entry);
        return NULL;
}

const char *tenant_policy_name(enum tenant_policy policy)
{
        static const char *const names[] = { "user", "key", "tenant", "ingest", "day" };

        return names[policy];
}

int tenant_count_request(struct tenant_entry *entry, const struct tenant_caller *caller,
                         uint64_t now_usec, uint64_t now_wall_usec, struct tenant_verdict *ret)
{
        uint32_t left = fakes.left;

        (void) now_usec;
        (void) now_wall_usec;
        fakes.counted_tenant = entry->tenant.id.bytes[0];
        fakes.counted_bytes = caller->ingest_bytes;
        fakes_note(fakes.counted_user, sizeof fakes.counted_user, caller->user);
        if (!fakes.limited)
                return 0;
        ret->policies[TENANT_POLICY_TENANT].held = true;
        ret->policies[TENANT_POLICY_TENANT].quota = 100;
        ret->policies[TENANT_POLICY_TENANT].window_sec = 60;
        ret->policies[TENANT_POLICY_TENANT].left = left;
        ret->policies[TENANT_POLICY_TENANT].reset_usec = 16000001;
        ret->policies[fakes.violated].held = true;
        ret->policies[fakes.violated].quota = 100;
        ret->policies[fakes.violated].window_sec = 60;
        if (left > 0) {
                fakes.left--;
                return 0;
        }
        ret->violated = (enum tenant_policy) fakes.violated;
        ret->wait_usec = 1200345;
        return -EDQUOT;
}

int tenant_count_ingest(struct tenant_entry *entry, uint64_t bytes, uint64_t now_usec,
                        struct tenant_verdict *ret)
{
        (void) entry;
        (void) now_usec;
        fakes.counted_bytes += bytes;
        if (!fakes.max_bytes || fakes.counted_bytes <= fakes.max_bytes)
                return 0;
        ret->policies[TENANT_POLICY_INGEST].held = true;
        ret->policies[TENANT_POLICY_INGEST].quota = fakes.max_bytes;
        ret->policies[TENANT_POLICY_INGEST].window_sec = 60;
        ret->violated = TENANT_POLICY_INGEST;
        ret->wait_usec = 5000000;
        return -EDQUOT;
}

const struct tenant_limit_row tenant_limits[TENANT_LIMIT_MAX] = {
        [TENANT_DOCUMENTS] = { "documents", "" },
        [TENANT_BYTES] = { "bytes", "" },
        [TENANT_VECTORS] = { "vectors", "" },
        [TENANT_COLLECTIONS] = { "collections", "" },
        [TENANT_REQUESTS_PER_MINUTE] = { "requests_per_minute", "" },
        [TENANT_INGEST_BYTES_PER_MINUTE] = { "ingest_bytes_per_minute", "" },
        [TENANT_CONCURRENT] = { "concurrent", "" },
        [TENANT_REQUESTS_PER_DAY] = { "requests_per_day", "" },
        [TENANT_TOKENS_PER_DAY] = { "tokens_per_day", "" },
        [TENANT_MICROUSD_PER_DAY] = { "usd_per_day", "" },
};

enum tenant_limit tenant_limit_from_name(const char *name)
{
        for (int i = 0; i < TENANT_LIMIT_MAX; i++)
                if (strcmp(tenant_limits[i].name, name) == 0)
                        return (enum tenant_limit) i;
        return TENANT_LIMIT_INVALID;
}

int store_get_tenant_name(struct store *store, struct tenant_id tenant,
                          char ret[static STORE_NAME_MAX + 1], struct error *reterr)
{
        static const char *const names[] = { "default", "acme", "beta" };

        (void) store;
        if (tenant.id.bytes[0] >= ELEMENTSOF(names))
                return error_set(reterr, -ENOENT, "no such tenant");
        (void) snprintf(ret, STORE_NAME_MAX + 1, "%s", names[tenant.id.bytes[0]]);
        return 0;
}

/* ---- Tenants as rows: "default", "acme", "beta", and "new" that is made ----------------------- */

static const char *const tenant_names[] = { "default", "acme", "beta", "new" };

void tenant_info_done(struct tenant_info *info)
{
        free(info->archive);
}

struct tenant_info *tenant_infos_free(struct tenant_info *infos, size_t n)
{
        (void) n;
        free(infos);
        return NULL;
}

const char *tenant_state_name(enum tenant_state state)
{
        return state == TENANT_SUSPENDED ? "suspended" : "active";
}

int tenant_get(struct store *store, struct tenant_id tenant, struct tenant_info *ret,
               struct error *reterr)
{
        size_t at = tenant.id.bytes[0];

        (void) store;
        memset(ret, 0, sizeof *ret);
        if (at >= ELEMENTSOF(tenant_names))
                return error_set(reterr, -ENOENT, "no such tenant");
        ret->id = tenant;
        ret->state = fakes.suspended == at && at > 0 ? TENANT_SUSPENDED : TENANT_ACTIVE;
        (void) snprintf(ret->name, sizeof ret->name, "%s", tenant_names[at]);
        return 0;
}

int tenant_get_by_name(struct store *store, const char *name, bool deleted,
                       struct tenant_info *ret, struct error *reterr)
{
        (void) deleted;
        for (uint8_t i = 0; i < ELEMENTSOF(tenant_names); i++)
                if (strcmp(name, tenant_names[i]) == 0)
                        return tenant_get(store, (struct tenant_id){ .id.bytes = { i } }, ret,
                                          reterr);
        return error_set(reterr, -ENOENT, "no tenant is named \"%s\"", name);
}

int tenant_list(struct store *store, bool deleted, const char *after, size_t limit,
                struct tenant_info **ret, size_t *ret_n, struct error *reterr)
{
        static const uint8_t by_name[] = { 1, 2, 0 };
        struct tenant_info *infos = calloc(3, sizeof *infos);
        size_t n = 0;

        (void) deleted;
        for (size_t i = 0; i < ELEMENTSOF(by_name) && n < limit; i++)
                if (!after || strcmp(tenant_names[by_name[i]], after) > 0)
                        (void) tenant_get(store, (struct tenant_id){ .id.bytes = { by_name[i] } },
                                          &infos[n++], reterr);
        *ret = infos;
        *ret_n = n;
        return 0;
}

int tenant_set_quota(struct store *store, struct tenant_id tenant, const struct tenant_quota *quota,
                     uint32_t unset, struct error *reterr)
{
        (void) store;
        (void) tenant;
        (void) reterr;
        for (size_t i = 0; i < TENANT_LIMIT_MAX; i++)
                fakes.quota[i] = quota->limit[i];
        fakes.quota_set = quota->set;
        fakes.quota_unset = unset;
        return 0;
}

void tenants_refresh(struct tenants *tenants, struct tenant_id tenant)
{
        (void) tenants;
        (void) tenant;
        fakes.refreshed++;
}

int tenant_describe_usage(struct tenants *tenants, struct tenant_id tenant,
                          struct json_object **ret, struct error *reterr)
{
        (void) tenants;
        (void) tenant;
        (void) reterr;
        *ret = json_object_new_object();
        json_add_u64(*ret, "used", 7);
        return 0;
}

int lifecycle_create(struct lifecycle *lifecycle, const char *name, struct tenant_info *ret,
                     struct error *reterr)
{
        (void) lifecycle;
        if (tenant_get_by_name(NULL, name, false, ret, NULL) == 0 && strcmp(name, "new") != 0)
                return error_set(reterr, -EEXIST, "the tenant \"%s\" exists", name);
        if (strcmp(name, "new") != 0)
                return error_set(reterr, -EINVAL, "that is no name");
        return 0;
}

int lifecycle_suspend(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        (void) lifecycle;
        if (tenant.id.bytes[0] == 0)
                return error_set(reterr, -EPERM, "the default tenant stays");
        if (fakes.suspended == tenant.id.bytes[0])
                return error_set(reterr, -EPROTO, "it is suspended");
        fakes.suspended = tenant.id.bytes[0];
        return 0;
}

int lifecycle_activate(struct lifecycle *lifecycle, struct tenant_id tenant,
                       struct error *reterr)
{
        (void) lifecycle;
        (void) tenant;
        (void) reterr;
        fakes.suspended = 0;
        return 0;
}

int lifecycle_delete(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        (void) lifecycle;
        (void) tenant;
        (void) reterr;
        fakes.deleted++;
        return 0;
}

/* ---- Keys as rows: each tenant has one, "key1"; made ones are "key8" ----------------------- */

int key_id_parse(const char *text, struct key_id *ret)
{
        unsigned number;

        if (sscanf(text, "key%3u", &number) != 1)
                return -EINVAL;
        *ret = (struct key_id){ { (uint8_t) number } };
        return 0;
}

int key_scopes_parse(const char *text, uint32_t *ret, struct error *reterr)
{
        for (uint32_t i = 0; i < ELEMENTSOF(scope_names); i++)
                if (strcmp(text, scope_names[i]) == 0) {
                        *ret = 1U << i;
                        return 0;
                }
        return error_set(reterr, -EINVAL, "\"%s\" is no scope", text);
}

void key_info_done(struct key_info *info)
{
        for (size_t i = 0; info->collections && info->collections[i]; i++)
                free(info->collections[i]);
        free(info->collections);
}

struct key_info *key_infos_free(struct key_info *infos, size_t n)
{
        (void) n;
        free(infos);
        return NULL;
}

int key_list(struct store *store, struct tenant_id tenant, struct key_info **ret, size_t *ret_n,
             struct error *reterr)
{
        struct key_info *infos = calloc(1, sizeof *infos);

        (void) store;
        (void) reterr;
        infos->id = (struct key_id){ { 1 } };
        infos->tenant = tenant;
        *ret = infos;
        *ret_n = 1;
        return 0;
}

struct json_object *key_json(const struct key_info *info, const char *tenant_name,
                             uint64_t now_wall_usec)
{
        struct json_object *json = json_object_new_object();
        char text[KEY_SCOPES_TEXT_SIZE];

        (void) now_wall_usec;
        json_add_string(json, "id", key_id_format(info->id, text));
        json_add_string(json, "tenant", tenant_name);
        json_add_string(json, "name", info->name);
        json_add_string(json, "scopes", key_scopes_format(info->scopes, text));
        json_add_u64(json, "expires_usec", info->expires_usec);
        return json;
}

int keyring_create(struct keyring *keyring, const struct key_info *draft, struct key_info *ret,
                   char ret_text[static 112], struct error *reterr)
{
        (void) keyring;
        if ((draft->scopes & KEY_OPERATOR) && draft->tenant.id.bytes[0] != 0)
                return error_set(reterr, -EINVAL, "operators are of the default tenant");
        memset(ret, 0, sizeof *ret);
        ret->id = (struct key_id){ { 8 } };
        ret->tenant = draft->tenant;
        ret->scopes = draft->scopes;
        ret->expires_usec = draft->expires_usec;
        (void) snprintf(ret->name, sizeof ret->name, "%s", draft->name);
        (void) strcpy(ret_text, "ragd_testing_secret");
        return 0;
}

int keyring_revoke(struct keyring *keyring, struct tenant_id tenant, struct key_id id,
                   struct error *reterr)
{
        (void) keyring;
        (void) tenant;
        return id.bytes[0] == 1 ? 0 : error_set(reterr, -ENOENT, "no such key");
}

/* ---- The audit log: the last lines, as text -------------------------------------------------- */

static struct {
        pthread_mutex_t lock;
        char lines[FAKES_LINES_MAX][1024];
} log_ = { .lock = PTHREAD_MUTEX_INITIALIZER };

int audit_healthy(struct audit *audit, struct error *reterr)
{
        (void) audit;
        return fakes.audit_sick ? error_set(reterr, fakes.audit_sick, "write /secret") : 0;
}

int audit_write(struct audit *audit, const struct audit_event *event, struct error *reterr)
{
        static const char *const outcomes[] = { "ok", "begun", "denied", "failed" };
        const char *details = event->details ? json_text(event->details, NULL) : NULL;

        (void) audit;
        if (fakes.audit_fails)
                return error_set(reterr, fakes.audit_fails, "write /secret");
        if (fakes.slow_log)
                (void) usleep(2000);
        (void) pthread_mutex_lock(&log_.lock);
        (void) snprintf(log_.lines[fakes.lines % FAKES_LINES_MAX], sizeof log_.lines[0],
                        "%s %s code=%s status=%d object=%s tenant=%s key=%s user=%s listener=%s "
                        "address=%s id=%s release=%u repeated=%llu details=%s",
                        event->action, outcomes[event->outcome], event->code ? event->code : "-",
                        event->status, event->object ? event->object : "-",
                        event->tenant ? event->tenant : "-", event->key ? event->key : "-",
                        event->user ? event->user : "-", event->listener ? event->listener : "-",
                        event->address ? event->address : "-",
                        event->request_id ? event->request_id : "-", event->release,
                        (unsigned long long) event->repeated, details ? details : "-");
        fakes.lines++;
        fakes.lines_thread = pthread_self();
        (void) pthread_mutex_unlock(&log_.lock);
        return 0;
}

const char *fakes_line(uint32_t number, char text[static 1024])
{
        (void) pthread_mutex_lock(&log_.lock);
        (void) snprintf(text, 1024, "%s", log_.lines[number % FAKES_LINES_MAX]);
        (void) pthread_mutex_unlock(&log_.lock);
        return text;
}
