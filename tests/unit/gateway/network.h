/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway over fake providers, as its tests want it: every value has a default, and a test
 * changes what it is about before network_open(). */
#pragma once
#include "config/values.h"
#include "fake_provider.h"
#include "gateway/gateway.h"
#include "store/store.h"
#include "tenant/tenants.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NETWORK_WIDTH 4
#define NETWORK_PROVIDERS 3 /* "one", "two", "three": those with a fake generate in this order */

struct network {
        struct fake_settings fakes[NETWORK_PROVIDERS];
        struct fake_provider *fake[NETWORK_PROVIDERS];
        struct provider_config providers[NETWORK_PROVIDERS];
        struct provider_config embedder; /* built in, unless `embed_remotely` */
        bool embed_remotely;             /* "one" embeds, "two" is its fallback */
        bool with_store;
        bool with_cache_file; /* in the store's folder */
        bool with_tenants;    /* of the store */
        bool shared_embeddings;
        struct network *beside; /* one that is open: its servers are used, and its store */
        unsigned n; /* providers used */
        struct embedding_config embedding;
        struct generation_config generation;
        struct resilience_config resilience;
        struct budget_config budget;
        struct cache_config cache;
        const struct provider_config *tables[NETWORK_PROVIDERS];
        char *items[NETWORK_PROVIDERS], *fallback[1];
        char path[64], cache_path[96];
        struct store *store;
        struct tenants *tenants;
        struct gateway *gateway;
        struct tenant_id tenant;

        pthread_mutex_t lock;
        unsigned news[GATEWAY_NEWS_MAX]; /* how often each was told */
};

int network_set_up(void **state);
int network_tear_down(void **state);
/* Starts fakes for providers without an endpoint, and the gateway. */
void network_open(struct network *network);
void network_close(struct network *network); /* the gateway and the store; the fakes stay */
unsigned network_news(struct network *network, enum gateway_news news);

/* A chat and what came of it. */
struct talk {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct gateway_chat *chat;
        unsigned pieces, ends;
        bool stop;        /* at the first piece */
        char streamed[256];
        struct gateway_answer answer; /* its strings are copies below */
        char text[256], provider[32], from[32], reason[256], model[64];
        struct error error; /* code 0: an answer */
        unsigned attempts;
        struct gateway_attempt last;
};

void talk_begin(struct network *network, struct talk *talk, const char *question, bool stream,
                uint64_t deadline_usec);
void talk_wait(struct talk *talk);
void talk_wait_piece(struct talk *talk);
void talk_end(struct talk *talk);
/* Begins, waits, ends; the error's code. */
int talk(struct network *network, struct talk *talk, const char *question, bool stream);
