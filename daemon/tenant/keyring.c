/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant/keyring.h"

#include "base/clock.h"
#include "tenant/keyring_inside.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX_ENTRIES 16384

int keyring_new(const struct keyring_settings *settings, struct keyring **ret,
                struct error *reterr)
{
        struct keyring *keyring = calloc(1, sizeof *keyring);
        int r;

        if (!keyring)
                return error_oom(reterr);
        keyring->store = settings->store;
        keyring->stage = settings->stage;
        r = keyring_table_init(keyring, settings->max_entries ? settings->max_entries
                                                              : DEFAULT_MAX_ENTRIES, reterr);
        if (r == 0)
                r = key_pepper_load(store_dirfd(settings->store), keyring->pepper, reterr);
        if (r < 0) {
                (void) keyring_free(keyring);
                return r;
        }
        *ret = keyring;
        return 0;
}

struct keyring *keyring_free(struct keyring *keyring)
{
        if (keyring) {
                (void) keyring_flush(keyring, NULL);
                keyring_table_done(keyring);
                sodium_memzero(keyring->pepper, sizeof keyring->pepper);
                free(keyring);
        }
        return NULL;
}

int keyring_count_foreign(struct keyring *keyring, uint64_t now_wall_usec, uint64_t *ret,
                          struct error *reterr)
{
        uint8_t id[KEY_PEPPER_ID_BYTES];

        key_pepper_id(keyring->pepper, id);
        return key_count_foreign(keyring->store, id, now_wall_usec, ret, reterr);
}

/* ---- Checking --------------------------------------------------------------------------- */

/* What becomes of a key is only told to whoever has its secret. */
static int judge(const struct held *held, bool proven, uint64_t now_wall_usec,
                 struct error *reterr)
{
        char when[CLOCK_TEXT_SIZE];

        if (!proven)
                return error_set(reterr, -EACCES, "the key is wrong");
        if (held->revoked_usec > 0)
                return error_set(reterr, -EACCES, "the key was revoked at %s",
                                 clock_format(held->revoked_usec, when));
        if (held->expires_usec > 0 && now_wall_usec >= held->expires_usec)
                return error_set(reterr, -EKEYEXPIRED, "the key expired at %s",
                                 clock_format(held->expires_usec, when));
        return 0;
}

/* One way for every id: the hash is made, an entry is found, the two are compared. */
static int prove(struct keyring *keyring, const struct key_text *key, uint64_t now_wall_usec,
                 const struct principal **ret, struct error *reterr)
{
        uint8_t hash[KEY_HASH_BYTES];
        struct held *held = NULL;
        bool proven;
        int r;

        key_hash(key, keyring->pepper, hash);
        r = keyring_find(keyring, key->id, &held, reterr);
        if (r < 0)
                return r;
        proven = sodium_memcmp(hash, held->hash, sizeof hash) == 0;
        r = judge(held, proven && held->known, now_wall_usec, reterr);
        if (r < 0) {
                (void) held_unref(held);
                return r;
        }
        keyring_note_used(keyring, held, now_wall_usec);
        *ret = &held->principal;
        return 0;
}

int keyring_check(struct keyring *keyring, const char *token, size_t len, uint64_t now_wall_usec,
                  const struct principal **ret, struct key_id *ret_id, bool *ret_has_id,
                  struct error *reterr)
{
        struct key_text key;
        int r;

        if (ret_has_id)
                *ret_has_id = false;
        r = key_text_parse(token, len, &key, reterr);
        if (r < 0)
                return r;
        if (ret_id)
                *ret_id = key.id;
        if (ret_has_id)
                *ret_has_id = true;
        if (key.stage != keyring->stage)
                r = error_set(reterr, -EXDEV, "this is a key of stage %s, and here is stage %s",
                              stage_name(key.stage), stage_name(keyring->stage));
        else
                r = prove(keyring, &key, now_wall_usec, ret, reterr);
        key_text_done(&key);
        return r;
}

const struct principal *principal_unref(const struct principal *principal)
{
        /* What is given out is constant to its holder; the count is not. */
        (void) held_unref((struct held *) (uintptr_t) principal);
        return NULL;
}

bool principal_may_use(const struct principal *principal, const char *collection)
{
        if (!principal->collections)
                return true;
        for (size_t i = 0; principal->collections[i]; i++)
                if (strcmp(principal->collections[i], collection) == 0)
                        return true;
        return false;
}
