/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as rows of registry.db.  A row holds a keyed hash of the secret, never the secret
 * (tenant/key.h); what a key may do, and how long. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

#define KEY_ID_BYTES 10
#define KEY_ID_TEXT_SIZE 17 /* 16 characters of lower-case base32, and the NUL */
#define KEY_HASH_BYTES 32
#define KEY_PEPPER_ID_BYTES 4

struct key_id {
        uint8_t bytes[KEY_ID_BYTES];
};
const char *key_id_format(struct key_id id, char text[static KEY_ID_TEXT_SIZE]);
int key_id_parse(const char *text, struct key_id *ret); /* -EINVAL */

enum key_scope {
        KEY_READ = 1 << 0,     /* search, answer, look */
        KEY_WRITE = 1 << 1,    /* collections and documents */
        KEY_ADMIN = 1 << 2,    /* its own tenant's keys and limits, as far as it may look */
        KEY_OPERATOR = 1 << 3, /* every tenant, metrics; of the default tenant alone */
        KEY_SCOPES_ALL = (1 << 4) - 1,
};
/* "read,write"; -EINVAL names what is none. */
int key_scopes_parse(const char *text, uint32_t *ret, struct error *reterr);
#define KEY_SCOPES_TEXT_SIZE 32
const char *key_scopes_format(uint32_t scopes, char text[static KEY_SCOPES_TEXT_SIZE]);

struct key_info {
        struct key_id id;
        struct tenant_id tenant;
        char name[STORE_NAME_MAX + 1]; /* what it is for; may repeat */
        uint32_t scopes;
        char **collections; /* heap, NULL-terminated; NULL: every collection of its tenant */
        uint8_t hash[KEY_HASH_BYTES];
        uint8_t pepper[KEY_PEPPER_ID_BYTES]; /* tells the pepper of the hash from others */
        uint32_t requests_per_minute; /* 0: as the profile says */
        uint64_t created_usec;        /* wall, as the next ones */
        uint64_t expires_usec;        /* 0: never */
        uint64_t revoked_usec;        /* 0: it is not */
        uint64_t used_usec;           /* to within a minute; 0: never */
};
void key_info_done(struct key_info *info);
struct key_info *key_infos_free(struct key_info *infos, size_t n);

/* Durable.  -ENOENT: no such tenant; -EEXIST: the id is taken. */
int key_insert(struct store *store, const struct key_info *info, struct error *reterr);
int key_get(struct store *store, struct key_id id, struct key_info *ret, struct error *reterr);
/* Of one tenant, oldest first; those that are revoked or expired too. */
int key_list(struct store *store, struct tenant_id tenant, struct key_info **ret, size_t *ret_n,
             struct error *reterr);
/* Durable.  -ENOENT: this tenant has no such key; -EALREADY: it is revoked. */
int key_revoke(struct store *store, struct tenant_id tenant, struct key_id id,
               struct error *reterr);
/* How many that are neither revoked nor expired have a hash under another pepper: nobody can use
 * them. */
int key_count_foreign(struct store *store, const uint8_t pepper[static KEY_PEPPER_ID_BYTES],
                      uint64_t now_wall_usec, uint64_t *ret, struct error *reterr);
struct key_used {
        struct key_id id;
        uint64_t used_usec;
};
int key_set_used(struct store *store, const struct key_used *used, size_t n,
                 struct error *reterr);
