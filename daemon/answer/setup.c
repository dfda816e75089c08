/* SPDX-License-Identifier: Apache-2.0 */
/* The object that searches and answers, and requests read by its rules. */
#include "answer/inside.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/gateway.h"

static bool remembers(const struct cache_config *cache)
{
        return cache && cache->search_cache_enabled && cache->search_cache_size > 0;
}

int answer_new(const struct answer_settings *settings, struct answer **ret, struct error *reterr)
{
        struct answer *answer = calloc(1, sizeof *answer);
        int r;

        if (!answer)
                return error_oom(reterr);
        answer->settings = *settings;
        answer->rules = (struct request_rules){
                .retrieval = settings->retrieval,
                .dimensions = gateway_dimensions(settings->gateway),
                .max_input_bytes = settings->max_input_bytes ? settings->max_input_bytes
                                                             : REQUEST_INPUT_MAX_BYTES,
                .max_tokens = settings->generation->max_tokens,
                .stage = settings->stage,
                .remember = remembers(settings->cache),
        };
        r = recall_audit_new(settings->workers, settings->recall_audit_ratio, &answer->recall,
                             reterr);
        if (r >= 0)
                r = kept_new(settings->cache_bytes, &answer->kept, reterr);
        if (r >= 0 && answer->rules.remember)
                r = remembered_new(settings->cache->search_cache_size,
                                   settings->cache->search_cache_ttl_seconds * USEC_PER_SEC,
                                   &answer->remembered, reterr);
        if (r < 0) {
                (void) answer_free(answer);
                return r;
        }
        *ret = answer;
        return 0;
}

struct answer *answer_free(struct answer *answer)
{
        struct wanted_identity *at, *next;

        if (!answer)
                return NULL;
        answer->recall = recall_audit_free(answer->recall);
        answer->kept = kept_free(answer->kept);
        answer->remembered = remembered_free(answer->remembered);
        for (at = atomic_load(&answer->identities); at; at = next) {
                next = at->next;
                free(at);
        }
        free(answer);
        return NULL;
}

void answer_forget(struct answer *answer)
{
        remembered_clear(answer->remembered);
        kept_clear(answer->kept);
}

void answer_get_cache(struct answer *answer, uint64_t *ret_hits, uint64_t *ret_misses,
                      uint64_t *ret_bytes)
{
        struct kept_figures figures;

        kept_get_figures(answer->kept, &figures);
        *ret_hits = figures.hits;
        *ret_misses = figures.misses;
        *ret_bytes = figures.bytes;
}

void answer_get_search_cache(struct answer *answer, struct answer_cache_figures *ret)
{
        struct remembered_figures figures;

        remembered_get_figures(answer->remembered, &figures);
        *ret = (struct answer_cache_figures){ figures.hits, figures.misses, figures.bytes,
                                              figures.entries };
}

bool answer_waits(const struct answer *answer)
{
        return gateway_embeds_remotely(answer->settings.gateway) ||
               gateway_reranks(answer->settings.gateway);
}

void search_request_defaults(const struct answer *answer, struct search_request *ret)
{
        request_defaults(&answer->rules, ret);
}

int search_request_parse(const struct answer *answer, struct json_object *json,
                         struct search_request *ret, struct error *reterr)
{
        return request_parse(&answer->rules, json, "", true, NULL, 0, ret, reterr);
}

int search_request_parse_text(const struct answer *answer, const char *text, size_t len,
                              struct search_request *ret, struct error *reterr)
{
        return request_parse_text(&answer->rules, text, len, ret, reterr);
}

int search_request_parse_vector(const struct answer *answer, struct json_object *options,
                                const void *bytes, size_t len, struct search_request *ret,
                                struct error *reterr)
{
        return request_parse_vector(&answer->rules, options, bytes, len, ret, reterr);
}

int answer_request_parse(const struct answer *answer, struct json_object *json,
                         struct answer_request *ret, struct error *reterr)
{
        return request_parse_answer(&answer->rules, json, ret, reterr);
}
