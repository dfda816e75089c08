/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: from the key that a client sends to its tenant and what it may do.
 *
 * Rows are read from the registry and kept in a table of bounded size; a change made here is seen
 * by the next check.  An id that is not there takes the same way, with a hash that nobody has the
 * secret of, so that nothing can be learned from the time.  Any thread. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "config/words.h"
#include "store/keys.h"
#include "tenant/key.h"

#include <stdbool.h>
#include <stdint.h>

struct keyring;

/* What is known of a key that was proven: constant, counted, outlives its revocation. */
struct principal {
        struct tenant_id tenant;
        struct key_id key;
        uint32_t scopes; /* enum key_scope */
        uint32_t requests_per_minute; /* 0: as the profile says */
        const char *const *collections; /* NULL-terminated, or NULL: all */
};

struct keyring_settings {
        struct store *store;
        enum stage stage;
        uint32_t max_entries; /* held in memory; 0: 16384 */
};
int keyring_new(const struct keyring_settings *settings, struct keyring **ret,
                struct error *reterr);
/* Writes when keys were last used. */
struct keyring *keyring_free(struct keyring *keyring);
DEFINE_CLEANUP(struct keyring *, keyring_free)

/* How many live keys nobody can use, because their hash was made under another pepper: it was lost
 * or exchanged. */
int keyring_count_foreign(struct keyring *keyring, uint64_t now_wall_usec, uint64_t *ret,
                          struct error *reterr);

/* The token is proven and live.  -EINVAL: it is no key (cut, mistyped); -EXDEV: of another stage,
 * which is named; -EACCES: wrong, or revoked, or its tenant is deleted; -EKEYEXPIRED: since when;
 * anything else: the registry could not be read.  None of the messages repeats the token.
 * principal_unref() when the request is over.  *ret_id and *ret_has_id (each may be NULL) say the
 * id whenever it could be read, for the audit log. */
int keyring_check(struct keyring *keyring, const char *token, size_t len, uint64_t now_wall_usec,
                  const struct principal **ret, struct key_id *ret_id, bool *ret_has_id,
                  struct error *reterr);
const struct principal *principal_unref(const struct principal *principal);
bool principal_may_use(const struct principal *principal, const char *collection);

/* A new key: its row is durable, its text is given out this once.  `draft`: tenant, name, scopes,
 * collections, requests_per_minute, expires_usec.  -EINVAL: no scope, KEY_OPERATOR outside the
 * default tenant, an end in the past, a name that is none; -ENOENT: no such tenant. */
int keyring_create(struct keyring *keyring, const struct key_info *draft, struct key_info *ret,
                   char ret_text[static KEY_TEXT_MAX], struct error *reterr);
/* As key_revoke(); the next check refuses it. */
int keyring_revoke(struct keyring *keyring, struct tenant_id tenant, struct key_id id,
                   struct error *reterr);
/* Its keys are gone or changed in the registry: to be called after that. */
void keyring_forget_tenant(struct keyring *keyring, struct tenant_id tenant);
/* Writes when keys were last used; for a timer. */
int keyring_flush(struct keyring *keyring, struct error *reterr);

/* Its shape for every door, without hash: {id, tenant, name, scopes[], collections[]?, state:
 * live|expired|revoked, requests_per_minute (null: as the profile says), created_at, expires_at?,
 * revoked_at?, used_at?}. */
struct json_object;
struct json_object *key_json(const struct key_info *info, const char *tenant_name,
                             uint64_t now_wall_usec);
