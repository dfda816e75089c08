/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/recorded.h"

#include "base/cleanup.h"
#include "config/values.h"
#include "provider/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WIDTH 3

static char the_name[] = "taped", a_model[] = "m-1", another_model[] = "m-2";
static const struct chat_message question[] = { { CHAT_USER, "Why \"so\"?\n" } };
static const struct embed_text texts[] = { { "one", 3 }, { "zw\303\266lf", 6 } };
static const struct call_request chat = {
        CALL_CHAT,
        .chat = { "System", question, 1, 0.7, 1.0, 100, { "END" }, 1, false },
};
static const struct call_request embed = { CALL_EMBED, .embed = { EMBED_QUERY, texts, 2 } };
static const struct call_request rerank = { CALL_RERANK, .rerank = { "why", texts, 2, 1 } };
static const float vectors[] = { 1.0F, -0.5F, 1e-7F, 0.1F, 0.2F, 0.3F };

struct tape {
        char path[32];
        struct provider_config config;
        struct provider *provider;
};

static void record(struct tape *tape)
{
        static char said[] = "Because of [1].";
        struct provider source = { .config = &tape->config, .dimensions = WIDTH };
        struct rerank_score score = { 1, 0.75F };
        struct call_result result = { .vectors = (float[]){ 1.0F, -0.5F, 1e-7F, 0.1F, 0.2F, 0.3F },
                                      .scores = &score,
                                      .n_scores = 1,
                                      .input_tokens = 5,
                                      .output_tokens = 7,
                                      .finish = CHAT_FINISH_LENGTH,
                                      .model = "m-1-2026" };

        result.text = (struct buf){ said, strlen(said), sizeof said, false };
        assert_int_equal(recorded_append(tape->path, &source, &embed, &result, NULL), 0);
        assert_int_equal(recorded_append(tape->path, &source, &chat, &result, NULL), 0);
        assert_int_equal(recorded_append(tape->path, &source, &rerank, &result, NULL), 0);
        assert_int_equal(recorded_append(tape->path, &source,
                                         &(struct call_request){ .kind = CALL_PROBE }, &result,
                                         NULL),
                         0);
}

static void set_up(struct tape *tape)
{
        *tape = (struct tape){ .path = "/tmp/test-recorded-XXXXXX" };
        assert_non_null(mkdtemp(tape->path));
        (void) strcat(tape->path, "/t");
        tape->config = (struct provider_config){ .name = the_name,
                                                 .kind = PROVIDER_KIND_RECORDED,
                                                 .endpoint = tape->path,
                                                 .model = a_model };
}

static void tear_down(struct tape *tape)
{
        (void) provider_free(tape->provider);
        (void) unlink(tape->path);
        tape->path[strlen(tape->path) - 2] = '\0';
        assert_int_equal(rmdir(tape->path), 0);
}

static void test_what_was_recorded_is_played(void **state)
{
        struct call_result result = { 0 };
        struct embed_usage usage;
        float played[2 * WIDTH];
        struct tape tape;
        struct stat st;

        (void) state;
        set_up(&tape);
        record(&tape);
        assert_int_equal(stat(tape.path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(provider_open(&tape.config, WIDTH, &tape.provider, NULL), 0);
        for (int kind = 0; kind < CALL_KIND_MAX; kind++)
                assert_true(provider_can(tape.provider, (enum call_kind) kind));

        assert_int_equal(tape.provider->ops->embed(tape.provider, EMBED_QUERY, texts, 2, played,
                                                   &usage, NULL),
                         0);
        assert_memory_equal(played, vectors, sizeof vectors);
        assert_int_equal(usage.tokens, 5);
        assert_int_equal(tape.provider->ops->chat(tape.provider, &chat.chat, &result, NULL), 0);
        assert_string_equal(buf_text(&result.text), "Because of [1].");
        assert_string_equal(result.model, "m-1-2026");
        assert_int_equal(result.finish, CHAT_FINISH_LENGTH);
        assert_int_equal(result.input_tokens, 5);
        assert_int_equal(result.output_tokens, 7);
        assert_int_equal(tape.provider->ops->rerank(tape.provider, &rerank.rerank, &result, NULL),
                         0);
        assert_int_equal(result.n_scores, 1);
        assert_int_equal(result.scores[0].index, 1);
        assert_true(result.scores[0].score == 0.75F);
        call_result_done(&result);
        tear_down(&tape);
}

static void test_what_was_not_recorded_says_how_to(void **state)
{
        struct call_request other = chat;
        struct call_result result = { 0 };
        struct embed_usage usage;
        float played[2 * WIDTH];
        struct tape tape;
        struct error error;

        (void) state;
        set_up(&tape);
        record(&tape);
        assert_int_equal(provider_open(&tape.config, WIDTH, &tape.provider, NULL), 0);
        assert_int_equal(tape.provider->ops->embed(tape.provider, EMBED_DOCUMENT, texts, 1, played,
                                                   &usage, &error),
                         -ENOENT);
        assert_string_equal(error.message,
                            "not recorded: \"one\"; record it with ragctl provider record NAME");
        other.chat.max_tokens = 101;
        assert_int_equal(tape.provider->ops->chat(tape.provider, &other.chat, &result, &error),
                         -ENOENT);
        other = chat;
        other.chat.system = NULL;
        assert_int_equal(tape.provider->ops->chat(tape.provider, &other.chat, &result, &error),
                         -ENOENT);
        other = chat;
        other.chat.stream = true; /* the same answer */
        assert_int_equal(tape.provider->ops->chat(tape.provider, &other.chat, &result, &error), 0);
        call_result_done(&result);
        tear_down(&tape);
}

static void test_another_model_or_width_is_refused(void **state)
{
        struct embed_usage usage;
        float played[4 * WIDTH];
        struct tape tape;
        struct error error;

        (void) state;
        set_up(&tape);
        record(&tape);
        tape.config.model = another_model;
        assert_int_equal(provider_open(&tape.config, WIDTH, &tape.provider, &error), -EINVAL);
        assert_non_null(strstr(error.message, "recorded with model m-1, and model is m-2"));
        assert_non_null(strstr(error.message, "/t:1: "));
        tape.config.model = a_model;
        assert_int_equal(provider_open(&tape.config, WIDTH + 1, &tape.provider, NULL), 0);
        assert_int_equal(tape.provider->ops->embed(tape.provider, EMBED_QUERY, texts, 1, played,
                                                   &usage, &error),
                         -EBADMSG);
        tear_down(&tape);
}

static void test_spoiled_files_are_refused_with_the_line(void **state)
{
        static const char *const lines[] = { "{",
                                             "[]",
                                             "{\"kind\":\"chat\"}",
                                             "{\"kind\":\"embed\"}",
                                             "{\"kind\":\"chat\",\"key\":\"00\"}",
                                             "{\"kind\":\"chat\",\"key\":\"zz\"}" };
        struct tape tape;
        struct error error;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                int fd;

                set_up(&tape);
                record(&tape);
                fd = open(tape.path, O_WRONLY | O_APPEND);
                assert_true(write(fd, "\n", 1) == 1 && write(fd, lines[i], strlen(lines[i])) > 0);
                (void) close(fd);
                if (provider_open(&tape.config, WIDTH, &tape.provider, &error) != -EBADMSG)
                        fail_msg("%s", lines[i]);
                assert_non_null(strstr(error.message, "/t:6: "));
                tear_down(&tape);
        }
        set_up(&tape);
        assert_int_equal(provider_open(&tape.config, WIDTH, &tape.provider, &error), -ENOENT);
        assert_memory_equal(error.message, "provider taped: ", 16);
        tear_down(&tape);
}

static void test_the_last_of_many_counts(void **state)
{
        struct tape tape;
        struct embed_usage usage;
        float played[WIDTH];

        (void) state;
        set_up(&tape);
        for (int i = 0; i < 1000; i++) {
                struct provider source = { .config = &tape.config, .dimensions = WIDTH };
                float vector[WIDTH] = { (float) i, 1.0F, 2.0F };
                struct call_result result = { .vectors = vector };
                char text[16];
                struct embed_text one = { text,
                                          (size_t) snprintf(text, sizeof text, "t%d", i % 500) };
                struct call_request request = { CALL_EMBED, .embed = { EMBED_DOCUMENT, &one, 1 } };

                assert_int_equal(recorded_append(tape.path, &source, &request, &result, NULL), 0);
        }
        assert_int_equal(provider_open(&tape.config, WIDTH, &tape.provider, NULL), 0);
        for (int i = 0; i < 500; i++) {
                char text[16];
                struct embed_text one = { text, (size_t) snprintf(text, sizeof text, "t%d", i) };

                assert_int_equal(tape.provider->ops->embed(tape.provider, EMBED_DOCUMENT, &one, 1,
                                                           played, &usage, NULL),
                                 0);
                assert_true(played[0] == (float) (i + 500));
        }
        tear_down(&tape);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_recorded_is_played),
                cmocka_unit_test(test_what_was_not_recorded_says_how_to),
                cmocka_unit_test(test_another_model_or_width_is_refused),
                cmocka_unit_test(test_spoiled_files_are_refused_with_the_line),
                cmocka_unit_test(test_the_last_of_many_counts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
