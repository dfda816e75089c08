/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that were given, kept in memory for the same request of the same tenant.
 *
 * The key is BLAKE2b of everything that went into the answer: tenant, release, the order of
 * providers, system prompt, messages and sampling.  Only answers that came to their end are
 * kept.  Bounded in bytes, the least recently used go; each lives for its TTL.  Any thread. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "gateway/gateway.h"

struct responses;

#define RESPONSE_KEY_BYTES 32

struct response_key {
        uint8_t bytes[RESPONSE_KEY_BYTES];
};

int responses_new(size_t max_bytes, uint64_t ttl_usec, struct responses **ret,
                  struct error *reterr);
struct responses *responses_free(struct responses *responses);

/* `order`: the names of the providers, the first one first. */
void response_key(struct tenant_id tenant, uint32_t release, const char *const *order, size_t n,
                  const struct chat_request *request, struct response_key *ret);

/* 1: *ret is a copy, in one piece of memory that the caller frees; 0: it is not there; -ENOMEM. */
int responses_get(struct responses *responses, const struct response_key *key, uint64_t now_usec,
                  struct gateway_answer **ret);

/* Number that responses_forget() raises: an answer whose making began before is not kept. */
uint64_t responses_epoch(struct responses *responses);
/* Keeps a copy; what finds no room or memory is not kept.  Strings that are borrowed from the
 * profile (provider, kind) are kept as they are. */
void responses_put(struct responses *responses, const struct response_key *key,
                   struct tenant_id tenant, uint64_t epoch, const struct gateway_answer *answer,
                   uint64_t now_usec);
void responses_forget(struct responses *responses, struct tenant_id tenant);

struct responses_figures {
        uint64_t hits, misses, bytes;
};
void responses_get_figures(struct responses *responses, struct responses_figures *ret);
