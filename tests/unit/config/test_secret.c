/* SPDX-License-Identifier: Apache-2.0 */
/* References to secrets: which are valid, and what reading them gives. */
#include "profile.h"

#include "config/secret.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
        (void) state;
        (void) snprintf(folder, sizeof folder, "/tmp/ragd-test-secret-XXXXXX");
        return mkdtemp(folder) && setenv("CREDENTIALS_DIRECTORY", folder, 1) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
        char command[128];

        (void) state;
        (void) snprintf(command, sizeof command, "rm -rf %s", folder);
        return system(command);
}

static void write_secret(const char *name, const char *bytes, size_t len)
{
        char path[128];
        FILE *file;

        (void) snprintf(path, sizeof path, "%s/%s", folder, name);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, len, file), len);
        assert_int_equal(fclose(file), 0);
}

static void test_only_the_three_forms_are_references(void **state)
{
        static const char *const good[] = { "credential:key", "credential:open-ai_key.1",
                                            "file:/etc/key", "env:OPENAI_API_KEY", "env:_x" };
        static const char *const bad[] = { "",           "sk-123",      "credential:",
                                           "credential:../passwd",      "credential:a/b",
                                           "credential:.hidden",        "file:relative",
                                           "file:",      "env:",        "env:1X",
                                           "env:A B",    "Env:X",       "vault:x",
                                           "off" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(config_secret_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *secret = NULL;

                assert_false(config_secret_valid(bad[i]));
                assert_false(config_secret_present(bad[i]));
                assert_int_equal(config_secret_read(bad[i], &secret, NULL), -EINVAL);
        }
}

static void assert_secret(const char *reference, const char *expected)
{
        char *secret = NULL;

        assert_true(config_secret_present(reference));
        assert_int_equal(config_secret_read(reference, &secret, NULL), 0);
        assert_string_equal(secret, expected);
        assert_null(config_secret_free(secret));
}

static void test_secrets_are_read_without_their_last_newline(void **state)
{
        char reference[128];

        (void) state;
        write_secret("key", "s3cret\n", 7);
        write_secret("two", "a\n\n", 3);
        assert_secret("credential:key", "s3cret");
        assert_secret("credential:two", "a\n");
        (void) snprintf(reference, sizeof reference, "file:%s/key", folder);
        assert_secret(reference, "s3cret");
        assert_int_equal(setenv("TEST_SECRET", "from the environment", 1), 0);
        assert_secret("env:TEST_SECRET", "from the environment");
}

static void test_an_absent_or_empty_secret_names_its_reference(void **state)
{
        static const char *const references[] = { "credential:absent", "file:/nonexistent/key",
                                                  "env:TEST_ABSENT", "credential:empty",
                                                  "credential:binary" };

        (void) state;
        write_secret("empty", "\n", 1);
        write_secret("binary", "a\0b", 3);
        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                struct error error = { 0 };
                char *secret = NULL;
                int r = config_secret_read(references[i], &secret, &error);

                assert_int_equal(r, i < 3 ? -ENOENT : -EINVAL);
                assert_null(secret);
                assert_non_null(strstr(error.message, references[i]));
        }
        assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
        assert_false(config_secret_present("credential:key"));
        assert_int_equal(config_secret_read("credential:key", &(char *){ NULL }, NULL), -ENOENT);
        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_the_three_forms_are_references),
                cmocka_unit_test(test_secrets_are_read_without_their_last_newline),
                cmocka_unit_test(test_an_absent_or_empty_secret_names_its_reference),
        };

        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
