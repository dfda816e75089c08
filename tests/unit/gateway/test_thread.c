/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop counts its references without a lock: while its thread runs, nobody else may touch
 * it.  What touches it, and what begins and ends threads, is wrapped by the linker. */
#include "base/clock.h"
#include "config/values.h"
#include "gateway/gateway.h"
#include "gateway/latch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <systemd/sd-event.h>

static pthread_t tester;
static atomic_int running; /* threads */
static atomic_int trespasses, touches;

static void touch(void)
{
        (void) atomic_fetch_add(&touches, 1);
        if (pthread_equal(pthread_self(), tester) && atomic_load(&running) > 0)
                (void) atomic_fetch_add(&trespasses, 1);
}

#define WRAP(type, name, parameters, ...)       \
        type __real_##name parameters;          \
        type __wrap_##name parameters;          \
        type __wrap_##name parameters           \
        {                                       \
                touch();                        \
                return __real_##name(__VA_ARGS__); \
        }

WRAP(int, sd_event_add_time, (sd_event *event, sd_event_source **ret, clockid_t clock,
                              uint64_t usec, uint64_t accuracy,
                              sd_event_time_handler_t function, void *data),
     event, ret, clock, usec, accuracy, function, data)
WRAP(int, sd_event_add_io, (sd_event *event, sd_event_source **ret, int fd, uint32_t events,
                            sd_event_io_handler_t function, void *data),
     event, ret, fd, events, function, data)
WRAP(int, sd_event_add_defer, (sd_event *event, sd_event_source **ret, sd_event_handler_t function,
                               void *data), event, ret, function, data)
WRAP(int, sd_event_source_set_enabled, (sd_event_source *source, int enabled), source, enabled)
WRAP(int, sd_event_source_set_time, (sd_event_source *source, uint64_t usec), source, usec)
WRAP(sd_event *, sd_event_ref, (sd_event *event), event)
WRAP(sd_event *, sd_event_unref, (sd_event *event), event)

sd_event_source *__real_sd_event_source_disable_unref(sd_event_source *source);
sd_event_source *__wrap_sd_event_source_disable_unref(sd_event_source *source);
sd_event_source *__wrap_sd_event_source_disable_unref(sd_event_source *source)
{
        if (source)
                touch();
        return __real_sd_event_source_disable_unref(source);
}

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *data),
                          void *data);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *data),
                          void *data);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *data),
                          void *data)
{
        int r = __real_pthread_create(ret, attr, run, data);

        if (r == 0)
                (void) atomic_fetch_add(&running, 1);
        return r;
}

int __real_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_join(pthread_t thread, void **ret)
{
        int r = __real_pthread_join(thread, ret);

        if (r == 0)
                (void) atomic_fetch_sub(&running, 1);
        return r;
}

static char one[] = "one", two[] = "two", reference[] = "file:/nowhere/at/all";
static const struct provider_config tables[] = {
        { .name = one, .kind = PROVIDER_KIND_MOCK },
        { .name = two, .kind = PROVIDER_KIND_OPENAI, .api_key = reference }, /* cannot be opened */
};
static const struct provider_config *const providers[] = { &tables[0], &tables[1] };
static const struct embedding_config embedding = { .batch_size = 8 };
static char *models[] = { two, one };
static const struct generation_config generation = { .providers = { 2, models },
                                                     .timeout_seconds = 20, .max_tokens = 10 };

static struct gateway *open_gateway(struct gateway *beside)
{
        const struct gateway_settings settings = { .providers = providers, .n_providers = 2,
                                                   .embedder = &tables[0], .embedding = &embedding,
                                                   .generation = &generation, .dimensions = 32,
                                                   .beside = beside };
        struct gateway *gateway = NULL;

        assert_int_equal(gateway_new(&settings, &gateway, NULL), 0);
        return gateway;
}

static void on_done(void *data, const struct gateway_answer *answer, const struct error *error)
{
        assert_non_null(answer);
        assert_null(error);
        latch_open(data);
}

static void ask(struct gateway *gateway)
{
        static const struct gateway_chat_events events = { .done = on_done };
        const struct chat_message message = { CHAT_USER, "hello" };
        const struct chat_request request = { .messages = &message, .n_messages = 1, .top_p = 1.0,
                                              .max_tokens = 10 };
        struct gateway_chat *chat = NULL;
        struct latch latch;

        latch_init(&latch);
        assert_int_equal(gateway_chat(gateway, (struct tenant_id){ 0 }, &request, "hello", NULL,
                                      &events, &latch, &chat, NULL), 0);
        latch_wait(&latch);
        (void) gateway_chat_free(chat);
        latch_done(&latch);
}

static void test_only_the_provider_thread_touches_its_loop(void **state)
{
        struct gateway *older, *newer;

        (void) state;
        tester = pthread_self();
        older = open_gateway(NULL);
        ask(older);
        newer = open_gateway(older);
        ask(newer);
        assert_int_equal(atomic_load(&running), 1); /* theirs */
        (void) gateway_free(older);
        ask(newer);
        (void) gateway_free(newer);
        assert_int_equal(atomic_load(&running), 0);
        assert_true(atomic_load(&touches) > 10);
        assert_int_equal(atomic_load(&trespasses), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_the_provider_thread_touches_its_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
