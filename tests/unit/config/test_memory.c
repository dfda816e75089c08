/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out at any point: loading, writing and comparing fail cleanly, and what they
 * hold is freed.  The linker puts these allocators in front of the real ones. */
#include "profile.h"

#include "base/json.h"
#include "config/diff.h"
#include "config/effective.h"

#include <errno.h>

static long left = -1; /* allocations that still succeed; below 0: all of them */

static bool refuse(void)
{
        if (left < 0)
                return false;
        if (left == 0) {
                errno = ENOMEM;
                return true;
        }
        left--;
        return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size)
{
        return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
        return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
        return refuse() ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
        return refuse() ? NULL : __real_reallocarray(memory, count, size);
}

char *__wrap_strdup(const char *text)
{
        return refuse() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
        return refuse() ? NULL : __real_strndup(text, len);
}

static const char good[] = "stage = \"testing\"\n"
                           "[rag]\nenabled = true\n"
                           "[rag.server]\nlisten = [\"127.0.0.1:1\", \"[::1]:1\"]\n"
                           "[rag.providers.a]\nkind = \"mock\"\nmodel = \"m\"\n"
                           "[rag.providers.b]\nkind = \"mock\"\n"
                           "[rag.generation]\nproviders = [\"b\", \"a\"]\n"
                           "[rag.canary]\nsteps = [5]\n";

static const char bad[] = "[rag]\nenabled = 1\nunknwn = 2\n"
                          "[rag.vector_storage]\nbackend = \"hnws\"\ndimensions = 9999\n"
                          "[rag.embedding]\ndefault_provider = \"nobody\"\n"
                          "[rag.chunking]\noverlap = 1000\n";

static void test_loading_fails_cleanly_wherever_memory_ends(void **state)
{
        long points = 0;

        (void) state;
        for (;; points++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
                struct config *config = NULL;
                int r;

                left = points;
                r = config_load_memory("t", good, strlen(good), &test_options, &config,
                                       &diagnostics, NULL);
                left = -1;
                config_diagnostics_done(&diagnostics);
                config_free(config);
                if (r == 0)
                        break;
                assert_int_equal(r, -ENOMEM);
                assert_null(config);
        }
        assert_true(points > 30);
}

static void test_mistakes_are_never_taken_for_none_when_memory_ends(void **state)
{
        long points = 0;

        (void) state;
        for (;; points++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
                struct config *config = NULL;
                int r;

                left = points;
                r = config_load_memory("t", bad, strlen(bad), &test_options, &config,
                                       &diagnostics, NULL);
                left = -1;
                assert_null(config);
                assert_true(r == -ENOMEM || r == -EINVAL);
                if (r == -EINVAL)
                        assert_int_equal(diagnostics.count, 6);
                config_diagnostics_done(&diagnostics);
                if (r == -EINVAL)
                        break;
        }
        assert_true(points > 30);
}

static void test_writing_and_comparing_tell_that_memory_ended(void **state)
{
        struct config *from = load_valid(good);
        struct config *to = load_valid("[rag]\nenabled = true\n");
        bool done = false;

        (void) state;
        for (long points = 0; !done; points++) {
                char digest[CONFIG_DIGEST_SIZE];
                struct config_diff diff;
                int compared, digested;

                left = points;
                digested = config_digest(from, digest);
                left = points;
                compared = config_diff(from, to, &diff);
                left = -1;
                assert_true(compared == 0 || compared == -ENOMEM);
                assert_true(digested == 0 || digested == -ENOMEM);
                config_diff_done(&diff);
                done = compared == 0 && digested == 0;
        }
        config_free(from);
        config_free(to);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_loading_fails_cleanly_wherever_memory_ends),
                cmocka_unit_test(test_mistakes_are_never_taken_for_none_when_memory_ends),
                cmocka_unit_test(test_writing_and_comparing_tell_that_memory_ended),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
