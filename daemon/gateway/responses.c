/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/responses.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#define BUCKETS 4096 /* a power of two */

struct response {
        struct response_key key;
        struct tenant_id tenant;
        uint64_t until_usec;
        size_t bytes;
        struct response *in_bucket;
        struct response *newer, *older;
        struct gateway_answer *answer;
};

struct responses {
        pthread_mutex_t lock;
        size_t max_bytes, bytes;
        uint64_t ttl_usec, epoch, hits, misses;
        struct response *newest, *oldest;
        struct response *buckets[BUCKETS];
};

/* ---- The key ------------------------------------------------------------------------------- */

/* Each field goes in with its length, so that no two requests make one text. */
static void hash_bytes(crypto_generichash_state *state, const void *bytes, size_t len)
{
        uint64_t length = len;

        (void) crypto_generichash_update(state, (const unsigned char *) &length, sizeof length);
        (void) crypto_generichash_update(state, bytes, len);
}

static void hash_text(crypto_generichash_state *state, const char *text)
{
        hash_bytes(state, text ? text : "", text ? strlen(text) : 0);
}

void response_key(struct tenant_id tenant, uint32_t release, const char *const *order, size_t n,
                  const struct chat_request *request, struct response_key *ret)
{
        crypto_generichash_state state;

        (void) crypto_generichash_init(&state, NULL, 0, sizeof ret->bytes);
        hash_bytes(&state, &tenant, sizeof tenant);
        hash_bytes(&state, &release, sizeof release);
        hash_bytes(&state, &n, sizeof n);
        for (size_t i = 0; i < n; i++)
                hash_text(&state, order[i]);
        hash_text(&state, request->system);
        hash_bytes(&state, &request->n_messages, sizeof request->n_messages);
        for (size_t i = 0; i < request->n_messages; i++) {
                hash_bytes(&state, &request->messages[i].role, sizeof request->messages[i].role);
                hash_text(&state, request->messages[i].text);
        }
        hash_bytes(&state, &request->temperature, sizeof request->temperature);
        hash_bytes(&state, &request->top_p, sizeof request->top_p);
        hash_bytes(&state, &request->max_tokens, sizeof request->max_tokens);
        for (size_t i = 0; i < request->n_stops; i++)
                hash_text(&state, request->stops[i]);
        (void) crypto_generichash_final(&state, ret->bytes, sizeof ret->bytes);
}

/* ---- Answers in one piece of memory ---------------------------------------------------------- */

static size_t text_size(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

static char *copy_text(char **at, const char *text, size_t size)
{
        char *copy = *at;

        if (!text)
                return NULL;
        memcpy(copy, text, size);
        *at += size;
        return copy;
}

static struct gateway_answer *copy_answer(const struct gateway_answer *answer, size_t *ret_bytes)
{
        size_t model = text_size(answer->model), from = text_size(answer->fallback_from);
        size_t reason = text_size(answer->reason);
        size_t bytes = sizeof *answer + answer->len + 1 + model + from + reason;
        struct gateway_answer *copy = malloc(bytes);
        char *at;

        if (!copy)
                return NULL;
        at = (char *) (copy + 1);
        *copy = *answer;
        copy->text = at;
        if (answer->len > 0)
                memcpy(at, answer->text, answer->len);
        at[answer->len] = '\0';
        at += answer->len + 1;
        copy->model = copy_text(&at, answer->model, model);
        copy->fallback_from = copy_text(&at, answer->fallback_from, from);
        copy->reason = copy_text(&at, answer->reason, reason);
        *ret_bytes = bytes;
        return copy;
}

/* ---- Under the lock -------------------------------------------------------------------------- */

static struct response **bucket_of(struct responses *responses, const struct response_key *key)
{
        uint32_t hash;

        memcpy(&hash, key->bytes, sizeof hash);
        return &responses->buckets[hash & (BUCKETS - 1)];
}

static void unlink_age(struct responses *responses, struct response *response)
{
        *(response->newer ? &response->newer->older : &responses->newest) = response->older;
        *(response->older ? &response->older->newer : &responses->oldest) = response->newer;
}

static void link_newest(struct responses *responses, struct response *response)
{
        response->newer = NULL;
        response->older = responses->newest;
        *(responses->newest ? &responses->newest->newer : &responses->oldest) = response;
        responses->newest = response;
}

static void drop(struct responses *responses, struct response *response)
{
        struct response **link = bucket_of(responses, &response->key);

        while (*link != response)
                link = &(*link)->in_bucket;
        *link = response->in_bucket;
        unlink_age(responses, response);
        responses->bytes -= response->bytes;
        free(response->answer);
        free(response);
}

static struct response *find(struct responses *responses, const struct response_key *key)
{
        struct response *response = *bucket_of(responses, key);

        while (response && memcmp(&response->key, key, sizeof *key) != 0)
                response = response->in_bucket;
        return response;
}

/* ---- Outside --------------------------------------------------------------------------------- */

int responses_new(size_t max_bytes, uint64_t ttl_usec, struct responses **ret,
                  struct error *reterr)
{
        struct responses *responses = calloc(1, sizeof *responses);

        if (!responses)
                return error_oom(reterr);
        (void) pthread_mutex_init(&responses->lock, NULL);
        responses->max_bytes = max_bytes;
        responses->ttl_usec = ttl_usec;
        *ret = responses;
        return 0;
}

struct responses *responses_free(struct responses *responses)
{
        if (!responses)
                return NULL;
        while (responses->oldest)
                drop(responses, responses->oldest);
        (void) pthread_mutex_destroy(&responses->lock);
        free(responses);
        return NULL;
}

int responses_get(struct responses *responses, const struct response_key *key, uint64_t now_usec,
                  struct gateway_answer **ret)
{
        struct response *response;
        size_t bytes;
        int r = 0;

        (void) pthread_mutex_lock(&responses->lock);
        response = find(responses, key);
        if (response && response->until_usec <= now_usec) {
                drop(responses, response);
                response = NULL;
        }
        if (response) {
                unlink_age(responses, response);
                link_newest(responses, response);
                responses->hits++;
                *ret = copy_answer(response->answer, &bytes);
                r = *ret ? 1 : -ENOMEM;
        } else {
                responses->misses++;
        }
        (void) pthread_mutex_unlock(&responses->lock);
        return r;
}

uint64_t responses_epoch(struct responses *responses)
{
        uint64_t epoch;

        (void) pthread_mutex_lock(&responses->lock);
        epoch = responses->epoch;
        (void) pthread_mutex_unlock(&responses->lock);
        return epoch;
}

static struct response *new_response(const struct response_key *key, struct tenant_id tenant,
                                     const struct gateway_answer *answer)
{
        struct response *response = calloc(1, sizeof *response);

        if (!response)
                return NULL;
        response->key = *key;
        response->tenant = tenant;
        response->answer = copy_answer(answer, &response->bytes);
        response->bytes += sizeof *response;
        if (!response->answer) {
                free(response);
                return NULL;
        }
        return response;
}

void responses_put(struct responses *responses, const struct response_key *key,
                   struct tenant_id tenant, uint64_t epoch, const struct gateway_answer *answer,
                   uint64_t now_usec)
{
        struct response *response = new_response(key, tenant, answer), *old;

        if (!response)
                return;
        response->until_usec = now_usec + responses->ttl_usec;
        (void) pthread_mutex_lock(&responses->lock);
        if (epoch != responses->epoch || response->bytes > responses->max_bytes) {
                free(response->answer);
                free(response);
        } else {
                old = find(responses, key);
                if (old)
                        drop(responses, old);
                response->in_bucket = *bucket_of(responses, key);
                *bucket_of(responses, key) = response;
                link_newest(responses, response);
                responses->bytes += response->bytes;
                while (responses->bytes > responses->max_bytes)
                        drop(responses, responses->oldest);
        }
        (void) pthread_mutex_unlock(&responses->lock);
}

void responses_forget(struct responses *responses, struct tenant_id tenant)
{
        (void) pthread_mutex_lock(&responses->lock);
        responses->epoch++;
        for (struct response *at = responses->newest, *older; at; at = older) {
                older = at->older;
                if (id_equal(at->tenant.id, tenant.id))
                        drop(responses, at);
        }
        (void) pthread_mutex_unlock(&responses->lock);
}

void responses_get_figures(struct responses *responses, struct responses_figures *ret)
{
        (void) pthread_mutex_lock(&responses->lock);
        *ret = (struct responses_figures){ responses->hits, responses->misses, responses->bytes };
        (void) pthread_mutex_unlock(&responses->lock);
}
