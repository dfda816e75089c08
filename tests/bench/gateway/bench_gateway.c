/* SPDX-License-Identifier: Apache-2.0 */
/* make bench-gateway: what a call through the gateway costs.
 *
 * First the same chat BENCH_CALLS (2000) times over bare libcurl, one easy handle on the calling
 * thread, and through the gateway, which adds its thread, limits, breaker, budget, and reads the
 * JSON; BENCH_ROUNDS (9) rounds, the two by turns.  Medians of the rounds and their ratio, both
 * in time and in processor time of this process; and as many calls with 64 under way at once, where
 * wake-ups are shared.  Then BENCH_STREAMS (1000) streams of BENCH_PIECES (50) pieces at once, one each BENCH_GAP_MSEC (20), all on the provider thread: how long they took
 * beside what the server's pace allows, and what processor time they cost. */
#include "config.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/gateway.h"
#include "stub.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define AT_ONCE 64

static const char body[] =
        "{\"model\":\"stub\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":"
        "\"user\",\"content\":\"Is all well?\"}],\"temperature\":0.5,\"top_p\":1,\"max_tokens\":50}";

static uint32_t setting(const char *name, uint32_t otherwise)
{
        const char *text = getenv(name);

        return text ? (uint32_t) strtoul(text, NULL, 10) : otherwise;
}

static _Noreturn void fail(const char *what)
{
        (void) fprintf(stderr, "bench_gateway: %s\n", what);
        exit(EXIT_FAILURE);
}

static uint64_t processor_usec(void)
{
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
               (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

struct cost {
        double wall, processor; /* microseconds for one call */
};

static int compare(const void *left, const void *right)
{
        double a = *(const double *) left, b = *(const double *) right;

        return (a > b) - (a < b);
}

static double median(const struct cost *costs, size_t n, bool processor)
{
        double values[256];

        for (size_t i = 0; i < n; i++)
                values[i] = processor ? costs[i].processor : costs[i].wall;
        qsort(values, n, sizeof *values, compare);
        return values[n / 2];
}

/* ---- One call after another ------------------------------------------------------------------ */

static size_t on_bytes(char *bytes, size_t size, size_t n, void *data)
{
        size_t *got = data;

        (void) bytes;
        *got += size * n;
        return size * n;
}

static void call_bare(CURL *curl, uint32_t calls)
{
        for (uint32_t i = 0; i < calls; i++) {
                size_t got = 0;

                (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
                if (curl_easy_perform(curl) != CURLE_OK || got == 0)
                        fail("libcurl failed");
        }
}

static void call_gateway(struct gateway *gateway, uint32_t calls)
{
        const struct chat_message message = { CHAT_USER, "Is all well?" };
        const struct chat_request request = { .system = "Be brief.", .messages = &message,
                                              .n_messages = 1, .temperature = 0.5, .top_p = 1.0,
                                              .max_tokens = 50 };

        for (uint32_t i = 0; i < calls; i++) {
                struct gateway_attempt attempt;
                struct error error = { 0 };
                char *text = NULL;

                if (gateway_ask(gateway, (struct tenant_id){ 0 }, "stub", &request, NULL, &attempt,
                                &text, &error) < 0)
                        fail(error.message);
                free(text);
        }
}

static void compare_calls(struct gateway *gateway, const char *url, uint32_t calls, uint32_t rounds)
{
        struct cost bare[256], through[256];
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        CURL *curl = curl_easy_init();

        if (!curl || !headers)
                fail("no libcurl");
        (void) curl_easy_setopt(curl, CURLOPT_URL, url);
        (void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
        call_bare(curl, 100); /* warm */
        call_gateway(gateway, 100);
        for (uint32_t i = 0; i < rounds; i++) {
                uint64_t wall = clock_monotonic_usec(), processor = processor_usec();

                call_bare(curl, calls);
                bare[i] = (struct cost){ (double) (clock_monotonic_usec() - wall) / calls,
                                         (double) (processor_usec() - processor) / calls };
                wall = clock_monotonic_usec();
                processor = processor_usec();
                call_gateway(gateway, calls);
                through[i] = (struct cost){ (double) (clock_monotonic_usec() - wall) / calls,
                                            (double) (processor_usec() - processor) / calls };
        }
        (void) printf("one call: bare libcurl %.1f us, gateway %.1f us: ratio %.2f\n",
                      median(bare, rounds, false), median(through, rounds, false),
                      median(through, rounds, false) / median(bare, rounds, false));
        (void) printf("its processor time: bare libcurl %.1f us, gateway %.1f us: ratio %.2f\n",
                      median(bare, rounds, true), median(through, rounds, true),
                      median(through, rounds, true) / median(bare, rounds, true));
        curl_slist_free_all(headers);
        curl_easy_cleanup(curl);
}

/* ---- Many calls at once ---------------------------------------------------------------------- */

struct crowd {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint32_t running, failed;
};

static void on_answer(void *data, const struct gateway_answer *answer, const struct error *error)
{
        struct crowd *crowd = data;

        (void) error;
        (void) pthread_mutex_lock(&crowd->lock);
        crowd->failed += !answer;
        crowd->running--;
        (void) pthread_cond_signal(&crowd->changed);
        (void) pthread_mutex_unlock(&crowd->lock);
}

static void run_crowd(struct gateway *gateway, uint32_t calls)
{
        static const struct gateway_chat_events events = { .done = on_answer };
        const struct chat_message message = { CHAT_USER, "Is all well?" };
        const struct chat_request request = { .system = "Be brief.", .messages = &message,
                                              .n_messages = 1, .top_p = 1.0, .max_tokens = 50 };
        struct crowd crowd = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0 };
        struct gateway_chat **chats = calloc(calls, sizeof(struct gateway_chat *));
        uint64_t wall = clock_monotonic_usec(), processor = processor_usec();
        struct error error = { 0 };

        if (!chats)
                fail("out of memory");
        for (uint32_t i = 0; i < calls + AT_ONCE; i++) {
                (void) pthread_mutex_lock(&crowd.lock);
                while (crowd.running >= AT_ONCE || (i >= calls && crowd.running > 0))
                        (void) pthread_cond_wait(&crowd.changed, &crowd.lock);
                crowd.running += i < calls;
                (void) pthread_mutex_unlock(&crowd.lock);
                if (i < calls && gateway_chat(gateway, (struct tenant_id){ 0 }, &request, "x", NULL,
                                              &events, &crowd, &chats[i], &error) < 0)
                        fail(error.message);
        }
        for (uint32_t i = 0; i < calls; i++)
                (void) gateway_chat_free(chats[i]);
        free(chats);
        (void) printf("%u calls, %d at once: %u failed, %.1f us each, %.1f us of processor time "
                      "each\n", calls, AT_ONCE, crowd.failed,
                      (double) (clock_monotonic_usec() - wall) / calls,
                      (double) (processor_usec() - processor) / calls);
}

/* ---- Many streams ---------------------------------------------------------------------------- */

struct streams {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint32_t left, failed;
        uint64_t pieces;
};

static int on_text(void *data, const char *text, size_t len)
{
        struct streams *streams = data;

        (void) text;
        (void) len;
        (void) pthread_mutex_lock(&streams->lock);
        streams->pieces++;
        (void) pthread_mutex_unlock(&streams->lock);
        return 0;
}

static void on_done(void *data, const struct gateway_answer *answer, const struct error *error)
{
        struct streams *streams = data;

        (void) error;
        (void) pthread_mutex_lock(&streams->lock);
        streams->failed += !answer;
        if (--streams->left == 0)
                (void) pthread_cond_signal(&streams->changed);
        (void) pthread_mutex_unlock(&streams->lock);
}

static void run_streams(struct gateway *gateway, uint32_t n, uint32_t pieces, uint64_t gap_usec)
{
        static const struct gateway_chat_events events = { on_text, on_done };
        const struct chat_message message = { CHAT_USER, "Is all well?" };
        const struct chat_request request = { .messages = &message, .n_messages = 1, .top_p = 1.0,
                                              .max_tokens = 50, .stream = true };
        struct streams streams = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, n, 0, 0 };
        uint64_t wall = clock_monotonic_usec(), processor = processor_usec();
        struct gateway_chat **chats = calloc(n, sizeof(struct gateway_chat *));
        struct error error = { 0 };

        if (!chats)
                fail("out of memory");
        for (uint32_t i = 0; i < n; i++)
                if (gateway_chat(gateway, (struct tenant_id){ 0 }, &request, "x", NULL, &events,
                                 &streams, &chats[i], &error) < 0)
                        fail(error.message);
        (void) pthread_mutex_lock(&streams.lock);
        while (streams.left > 0)
                (void) pthread_cond_wait(&streams.changed, &streams.lock);
        (void) pthread_mutex_unlock(&streams.lock);
        for (uint32_t i = 0; i < n; i++)
                (void) gateway_chat_free(chats[i]);
        free(chats);
        wall = clock_monotonic_usec() - wall;
        processor = processor_usec() - processor;
        (void) printf("%u streams at once on one thread: %llu pieces, %u failed, %.2f s (the "
                      "server's pace: %.2f s), %.1f us of processor time a piece\n", n,
                      (unsigned long long) streams.pieces, streams.failed, (double) wall / 1e6,
                      (double) (gap_usec * pieces) / 1e6,
                      (double) processor / (double) streams.pieces);
}

int main(void)
{
        static char name[] = "stub", embedder_name[] = "embedder", model[] = "stub";
        static char *names[] = { name };
        uint32_t calls = setting("BENCH_CALLS", 2000), rounds = setting("BENCH_ROUNDS", 9);
        uint32_t streams = setting("BENCH_STREAMS", 1000), pieces = setting("BENCH_PIECES", 50);
        uint64_t gap_usec = setting("BENCH_GAP_MSEC", 20) * USEC_PER_MSEC;
        struct rlimit files = { 8192, 8192 };
        char endpoint[64], url[96];
        struct provider_config provider = { .name = name, .kind = PROVIDER_KIND_OPENAI_COMPATIBLE,
                                            .endpoint = endpoint, .model = model,
                                            .send_sampling = true };
        const struct provider_config embedder = { .name = embedder_name,
                                                  .kind = PROVIDER_KIND_MOCK };
        const struct provider_config *providers[] = { &provider };
        const struct embedding_config embedding = { .batch_size = 8 };
        const struct generation_config generation = { .providers = { 1, names },
                                                      .timeout_seconds = 600 };
        const struct gateway_settings settings = {
                .providers = providers, .n_providers = 1, .embedder = &embedder,
                .embedding = &embedding, .generation = &generation, .dimensions = 8,
        };
        struct gateway *gateway = NULL;
        struct error error = { 0 };
        struct stub stub;

        if (rounds == 0 || rounds > 256 || calls == 0)
                fail("BENCH_ROUNDS is 1 to 256, BENCH_CALLS at least 1");
        (void) setrlimit(RLIMIT_NOFILE, &files);
        if (stub_start(pieces, gap_usec, &stub) < 0)
                fail("no stub");
        (void) snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/v1", stub.port);
        (void) snprintf(url, sizeof url, "%s/chat/completions", endpoint);
        if (gateway_new(&settings, &gateway, &error) < 0) {
                stub_stop(&stub);
                fail(error.message);
        }
        compare_calls(gateway, url, calls, rounds);
        run_crowd(gateway, calls);
        run_streams(gateway, streams, pieces, gap_usec);
        (void) gateway_free(gateway);
        stub_stop(&stub);
        return 0;
}
