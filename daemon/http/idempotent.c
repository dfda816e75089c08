/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/idempotent.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/caller.h"
#include "http/request.h"
#include "http/routes.h"
#include "store/idempotency.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BYTES 32
#define HASH_TEXT_LEN ((size_t) 2 * HASH_BYTES)

/* The state lives in request->hash while the key is of use. */
struct claim {
        crypto_generichash_state state;
        bool claimed;  /* ours to finish or to give back */
        struct idempotent_response stored; /* of a body not yet compared */
};

void idempotent_begin(struct request *request)
{
        const struct header *key = request_header(request, "Idempotency-Key");
        const char *text;
        size_t len;
        struct claim *claim;

        if (!key)
                return;
        text = key->value;
        len = key->value_len;
        if (len >= 2 && text[0] == '"' && text[len - 1] == '"') { /* a structured field's string */
                text++;
                len -= 2;
        }
        if (len == 0 || len >= sizeof request->key) {
                problem_set(request, PROBLEM_BAD_REQUEST,
                            "Idempotency-Key must have 1 to %zu characters",
                            sizeof request->key - 1);
                return;
        }
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) text[i] <= 0x20 || (unsigned char) text[i] >= 0x7f) {
                        problem_set(request, PROBLEM_BAD_REQUEST,
                                    "Idempotency-Key must be of visible ASCII characters");
                        return;
                }
        claim = calloc(1, sizeof *claim);
        if (!claim) {
                problem_set(request, PROBLEM_UNAVAILABLE, "out of memory");
                return;
        }
        memcpy(request->key, text, len);
        request->key[len] = '\0';
        request->hash = claim;
        (void) crypto_generichash_init(&claim->state, NULL, 0, HASH_BYTES);
        idempotent_hash(request, request->method_text, strlen(request->method_text) + 1);
        idempotent_hash(request, request->target, strlen(request->target) + 1);
        /* What one key may see another one may not. */
        if (caller_is_limited(request))
                idempotent_hash(request, (const char *) request->key_id.bytes, KEY_ID_BYTES);
}

void idempotent_hash(struct request *request, const char *bytes, size_t len)
{
        struct claim *claim = request->hash;

        if (claim && len > 0)
                (void) crypto_generichash_update(&claim->state, (const unsigned char *) bytes, len);
}

/* The hash of what has been added so far. */
static void current_hash(const struct claim *claim, uint8_t hash[static HASH_BYTES])
{
        crypto_generichash_state copy = claim->state;

        (void) crypto_generichash_final(&copy, hash, HASH_BYTES);
}

static void give_stored(struct request *request, struct idempotent_response *stored, size_t skip)
{
        size_t len = stored->body_len - skip;
        char *body = malloc(len + 1);

        if (body) {
                if (len > 0)
                        memcpy(body, stored->body + skip, len);
                body[len] = '\0';
        }
        if (len == 0 && body) {
                free(body);
                request_reply_empty(request, stored->status);
        } else {
                request_reply_text(request, stored->status,
                                   stored->status >= 400 ? "application/problem+json"
                                                         : "application/json",
                                   body, len);
        }
        request->reply.replayed = body != NULL;
        request->reply.location = take_ptr(stored->location);
}

static bool begin(struct request *request, struct idempotent_response *ret_stored)
{
        struct claim *claim = request->hash;
        uint8_t hash[HASH_BYTES];
        struct error error = { 0 };
        int r;

        current_hash(claim, hash);
        r = idempotency_begin(request->door->services.store, request->tenant, request->key, hash,
                              clock_wall_usec(), ret_stored, &error);
        if (r == 0)
                claim->claimed = true;
        else if (r == -EINPROGRESS)
                problem_set(request, PROBLEM_IN_PROGRESS, "try again when it has ended");
        else if (r == -EEXIST)
                problem_set(request, PROBLEM_KEY_REUSED,
                            "a key belongs to one method, path and body for 24 hours");
        else if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        return r == 1;
}

bool idempotent_claim(struct request *request)
{
        struct idempotent_response stored = { 0 };

        if (!request->hash)
                return true;
        if (begin(request, &stored)) {
                give_stored(request, &stored, 0);
                idempotent_response_done(&stored);
        }
        return !request_settled(request);
}

bool idempotent_claim_lines(struct request *request)
{
        struct claim *claim = request->hash;

        if (!claim || claim->claimed || claim->stored.body)
                return true;
        if (begin(request, &claim->stored) && (!claim->stored.body ||
                                               claim->stored.body_len < HASH_TEXT_LEN)) {
                idempotent_response_done(&claim->stored);
                problem_set(request, PROBLEM_KEY_REUSED, "the key was used with another request");
        }
        return !request_settled(request);
}

bool idempotent_is_replay(const struct request *request)
{
        const struct claim *claim = request->hash;

        return claim && claim->stored.body;
}

static void hash_text(const struct claim *claim, char text[static HASH_TEXT_LEN + 1])
{
        uint8_t hash[HASH_BYTES];

        current_hash(claim, hash);
        (void) sodium_bin2hex(text, HASH_TEXT_LEN + 1, hash, sizeof hash);
}

void idempotent_replay_lines(struct request *request)
{
        struct claim *claim = request->hash;
        char text[HASH_TEXT_LEN + 1];

        hash_text(claim, text);
        if (memcmp(text, claim->stored.body, HASH_TEXT_LEN) == 0)
                give_stored(request, &claim->stored, HASH_TEXT_LEN);
        else
                problem_set(request, PROBLEM_KEY_REUSED,
                            "a key belongs to one method, path and body for 24 hours");
}

/* What is stored: the body, behind its request's hash where that could not bind the key. */
static char *stored_body(const struct request *request, size_t *ret_len)
{
        const struct reply *reply = &request->reply;
        size_t prefix = request->route->lines ? HASH_TEXT_LEN : 0;
        char *body = malloc(prefix + reply->body_len + 1);

        if (!body)
                return NULL;
        if (prefix)
                hash_text(request->hash, body);
        if (reply->body_len)
                memcpy(body + prefix, reply->body, reply->body_len);
        body[prefix + reply->body_len] = '\0';
        *ret_len = prefix + reply->body_len;
        return body;
}

void idempotent_end(struct request *request)
{
        struct claim *claim = request->hash;
        cleanup_free_ char *body = NULL;
        struct idempotent_response response = { .status = request->reply.status,
                                                .location = request->reply.location };
        struct error error = { 0 };

        if (!claim || !claim->claimed)
                return;
        /* What was denied may be allowed the next time.  A refused stream was not hashed to its
         * end, so its answer can't be compared later. */
        if (response.status >= 500 || request->reply.denied ||
            (response.status >= 400 && request->route->lines)) {
                idempotent_abandon(request);
                return;
        }
        body = stored_body(request, &response.body_len);
        response.body = body;
        if (!body || idempotency_finish(request->door->services.store, request->tenant,
                                        request->key, &response, &error) < 0) {
                log_warning("the answer for an Idempotency-Key was not stored: %s [request %s]",
                            body ? error_text(&error) : "out of memory", request->id);
                idempotent_abandon(request);
                return;
        }
        claim->claimed = false;
}

void idempotent_abandon(struct request *request)
{
        struct claim *claim = request->hash;

        if (!claim)
                return;
        if (claim->claimed)
                idempotency_abandon(request->door->services.store, request->tenant, request->key);
        claim->claimed = false;
        idempotent_response_done(&claim->stored);
        memset(&claim->stored, 0, sizeof claim->stored);
}
