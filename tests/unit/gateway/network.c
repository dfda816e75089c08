/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

static char names[NETWORK_PROVIDERS][8] = { "one", "two", "three" };
static char embedder_name[] = "embedder", model[] = "fake-1";

int network_set_up(void **state)
{
        struct network *network = calloc(1, sizeof *network);

        assert_non_null(network);
        assert_true(sodium_init() >= 0);
        (void) pthread_mutex_init(&network->lock, NULL);
        network->n = 1;
        network->embedder = (struct provider_config){ .name = embedder_name,
                                                      .kind = PROVIDER_KIND_MOCK };
        for (size_t i = 0; i < NETWORK_PROVIDERS; i++) {
                network->fakes[i].dimensions = NETWORK_WIDTH;
                network->providers[i] = (struct provider_config){
                        .name = names[i], .kind = PROVIDER_KIND_OPENAI_COMPATIBLE, .model = model,
                        .adaptive = true, .send_sampling = true,
                };
        }
        network->embedding = (struct embedding_config){ .batch_size = 8, .timeout_seconds = 20,
                                                        .max_retries = 2, .cache_enabled = true,
                                                        .cache_size = 1000,
                                                        .cache_ttl_seconds = 3600 };
        network->generation = (struct generation_config){ .timeout_seconds = 20, .max_retries = 2,
                                                          .max_tokens = 50 };
        network->resilience = (struct resilience_config){ .breaker_failures = 100,
                                                          .breaker_reset_seconds = 1,
                                                          .backoff_initial_ms = 10,
                                                          .backoff_max_ms = 20,
                                                          .retry_budget_ratio = 0.2 };
        network->budget = (struct budget_config){ .daily_usd = 1.0, .monthly_usd = 10.0,
                                                  .alert_ratio = 0.8 };
        network->cache = (struct cache_config){ .response_cache_size_mb = 1,
                                                .response_cache_ttl_seconds = 60 };
        *state = network;
        return 0;
}

static void on_news(void *data, const struct gateway_event *event)
{
        struct network *network = data;

        (void) pthread_mutex_lock(&network->lock);
        network->news[event->news]++;
        (void) pthread_mutex_unlock(&network->lock);
}

unsigned network_news(struct network *network, enum gateway_news news)
{
        unsigned count;

        (void) pthread_mutex_lock(&network->lock);
        count = network->news[news];
        (void) pthread_mutex_unlock(&network->lock);
        return count;
}

static void open_store(struct network *network, struct error *error)
{
        if (!network->path[0]) {
                (void) snprintf(network->path, sizeof network->path, "/tmp/ragd-gateway-XXXXXX");
                assert_non_null(mkdtemp(network->path));
        }
        if (store_open(network->path, &(struct store_limits){ .max_open_collections = 1 },
                       &network->store, error) < 0)
                fail_msg("%s", error->message);
        network->tenant = store_default_tenant(network->store);
}

void network_open(struct network *network)
{
        struct network *beside = network->beside, *lends;
        struct error error = { 0 };
        struct gateway_settings settings = {
                .providers = network->tables,
                .n_providers = network->n,
                .embedder = network->embed_remotely ? &network->providers[0] : &network->embedder,
                .embedding = &network->embedding,
                .generation = &network->generation,
                .resilience = &network->resilience,
                .budget = &network->budget,
                .cache = &network->cache,
                .dimensions = NETWORK_WIDTH,
                .release = beside ? 2 : 1,
                .beside = beside ? beside->gateway : NULL,
                .news = on_news,
                .data = network,
        };

        for (size_t i = 0; i < network->n; i++) {
                if (!network->providers[i].endpoint && beside) {
                        network->providers[i].endpoint = strdup(beside->providers[i].endpoint);
                } else if (!network->providers[i].endpoint) {
                        network->fake[i] = fake_new(&network->fakes[i]);
                        network->providers[i].endpoint = strdup(fake_endpoint(network->fake[i]));
                }
                network->tables[i] = &network->providers[i];
                network->items[i] = network->providers[i].name;
        }
        network->generation.providers = (struct config_strings){ network->n, network->items };
        if (network->embed_remotely && network->n > 1) {
                network->fallback[0] = names[1];
                network->embedding.fallback = (struct config_strings){ 1, network->fallback };
        }
        if (network->with_store && !network->store)
                open_store(network, &error);
        if (network->with_tenants && !network->tenants)
                assert_int_equal(tenants_new(&(struct tenants_settings){ .store = network->store,
                                                                         .max_rates = 64 },
                                             &network->tenants, &error), 0);
        settings.tenants = network->tenants;
        settings.shared_embeddings = network->shared_embeddings;
        lends = network->with_store || !beside ? network : beside;
        network->tenant = lends->tenant;
        settings.store = lends->store;
        settings.recordings = lends->path;
        if (network->with_cache_file)
                (void) snprintf(network->cache_path, sizeof network->cache_path, "%s/embedding.db",
                                settings.recordings);
        settings.cache_path = network->with_cache_file ? network->cache_path : NULL;
        if (gateway_new(&settings, &network->gateway, &error) < 0)
                fail_msg("%s", error.message);
}

void network_close(struct network *network)
{
        network->gateway = gateway_free(network->gateway);
        network->tenants = tenants_free(network->tenants);
        network->store = store_close(network->store);
}

int network_tear_down(void **state)
{
        struct network *network = *state;

        network_close(network);
        for (size_t i = 0; i < NETWORK_PROVIDERS; i++) {
                (void) fake_free(network->fake[i]);
                free(network->providers[i].endpoint);
        }
        if (network->path[0])
                assert_int_equal(io_remove_tree(AT_FDCWD, network->path), 0);
        (void) pthread_mutex_destroy(&network->lock);
        free(network);
        return 0;
}

/* ---- A chat ---------------------------------------------------------------------------------- */

static int on_text(void *data, const char *text, size_t len)
{
        struct talk *talk = data;
        size_t used = strlen(talk->streamed);

        (void) pthread_mutex_lock(&talk->lock);
        talk->pieces++;
        if (used + len < sizeof talk->streamed)
                memcpy(talk->streamed + used, text, len);
        (void) pthread_cond_broadcast(&talk->changed);
        (void) pthread_mutex_unlock(&talk->lock);
        return talk->stop ? -ECANCELED : 0;
}

static void copy(char *to, size_t size, const char *from)
{
        (void) snprintf(to, size, "%s", from ? from : "");
}

static void on_done(void *data, const struct gateway_answer *answer, const struct error *error)
{
        struct talk *talk = data;

        (void) pthread_mutex_lock(&talk->lock);
        talk->ends++;
        if (answer) {
                talk->answer = *answer;
                copy(talk->text, sizeof talk->text, answer->text);
                copy(talk->provider, sizeof talk->provider, answer->provider);
                copy(talk->from, sizeof talk->from, answer->fallback_from);
                copy(talk->reason, sizeof talk->reason, answer->reason);
                copy(talk->model, sizeof talk->model, answer->model);
        } else {
                talk->error = *error;
        }
        (void) pthread_cond_broadcast(&talk->changed);
        (void) pthread_mutex_unlock(&talk->lock);
}

static void on_attempt(void *data, const struct gateway_attempt *attempt)
{
        struct talk *talk = data;

        (void) pthread_mutex_lock(&talk->lock);
        talk->attempts++;
        talk->last = *attempt;
        (void) pthread_mutex_unlock(&talk->lock);
}

void talk_begin(struct network *network, struct talk *talk, const char *question, bool stream,
                uint64_t deadline_usec)
{
        static const struct gateway_chat_events events = { on_text, on_done };
        const struct chat_message message = { CHAT_USER, question };
        const struct chat_request request = { .messages = &message, .n_messages = 1, .top_p = 1.0,
                                              .max_tokens = 50, .stream = stream };
        const struct gateway_terms terms = { .deadline_usec = deadline_usec, .attempt = on_attempt,
                                             .data = talk };
        struct error error = { 0 };
        bool stop = talk->stop;

        *talk = (struct talk){ .stop = stop };
        (void) pthread_mutex_init(&talk->lock, NULL);
        (void) pthread_cond_init(&talk->changed, NULL);
        if (gateway_chat(network->gateway, network->tenant, &request, question, &terms, &events,
                         talk, &talk->chat, &error) < 0)
                fail_msg("%s", error.message);
}

void talk_wait(struct talk *talk)
{
        (void) pthread_mutex_lock(&talk->lock);
        while (talk->ends == 0)
                (void) pthread_cond_wait(&talk->changed, &talk->lock);
        (void) pthread_mutex_unlock(&talk->lock);
}

void talk_wait_piece(struct talk *talk)
{
        (void) pthread_mutex_lock(&talk->lock);
        while (talk->pieces == 0)
                (void) pthread_cond_wait(&talk->changed, &talk->lock);
        (void) pthread_mutex_unlock(&talk->lock);
}

void talk_end(struct talk *talk)
{
        talk->chat = gateway_chat_free(talk->chat);
        (void) pthread_cond_destroy(&talk->changed);
        (void) pthread_mutex_destroy(&talk->lock);
}

int talk(struct network *network, struct talk *talk, const char *question, bool stream)
{
        talk_begin(network, talk, question, stream, 0);
        talk_wait(talk);
        talk_end(talk);
        return talk->error.code;
}
