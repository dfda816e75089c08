/* SPDX-License-Identifier: Apache-2.0 */
/* What only a try can tell of a profile (coverage M8: key and connectivity tests). */
#include "tests/unit/answer/fixture.h"
#include "tests/unit/gateway/fake_provider.h"

#include "base/buf.h"
#include "base/io.h"
#include "config/load.h"
#include "ingest/ingest.h"
#include "release/live_inside.h"
#include "release/snapshot.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20U)

struct trial {
        struct fixture *fixture;
        struct snapshot_settings snapshot;
        struct live_settings settings;
        struct config *config;
        struct config_diagnostics found;
};

static int setup(void **state)
{
        struct trial *trial = calloc(1, sizeof *trial);
        void *fixture = NULL;

        assert_non_null(trial);
        assert_int_equal(fixture_setup(&fixture), 0);
        trial->fixture = fixture;
        trial->snapshot.store = trial->fixture->store;
        trial->settings.snapshot = &trial->snapshot;
        *state = trial;
        return 0;
}

static int teardown(void **state)
{
        struct trial *trial = *state;
        void *fixture = trial->fixture;

        config_diagnostics_done(&trial->found);
        trial->config = config_free(trial->config);
        free(trial);
        return fixture_teardown(&fixture);
}

/* A profile that is right as far as it can be read. */
static struct config *load(const char *text)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = NULL;
        struct error error = { 0 };
        int r = config_load_memory("trial.toml", text, strlen(text), NULL, &config, &diagnostics,
                                   &error);

        if (r < 0) {
                struct buf lines = BUF_EMPTY;

                config_diagnostics_format(&diagnostics, CONFIG_ERROR, &lines);
                fail_msg("%s", buf_text(&lines));
        }
        config_diagnostics_done(&diagnostics);
        return config;
}

static void validate(struct trial *trial, const char *text)
{
        struct error error = { 0 };

        config_diagnostics_done(&trial->found);
        trial->config = config_free(trial->config);
        trial->config = load(text);
        assert_ok(live_validate(&trial->settings, trial->config, &trial->found, &error));
}

static const struct config_diagnostic *find(const struct trial *trial, const char *code)
{
        for (size_t i = 0; i < trial->found.count; i++)
                if (strcmp(trial->found.items[i].code, code) == 0)
                        return &trial->found.items[i];
        return NULL;
}

/* Exactly this is wrong, at this key, with a remedy. */
static void assert_only(const struct trial *trial, const char *code, const char *path,
                        const char *says)
{
        const struct config_diagnostic *item = find(trial, code);
        struct buf lines = BUF_EMPTY;

        config_diagnostics_format(&trial->found, CONFIG_ERROR, &lines);
        config_diagnostics_format(&trial->found, CONFIG_WARNING, &lines);
        if (!item || trial->found.count != 1 || strcmp(item->path, path) != 0 ||
            !strstr(item->message, says) || !item->hint)
                fail_msg("not %s at %s with \"%s\" alone:\n%s", code, path, says,
                         buf_text(&lines));
        assert_string_equal(item->file, "trial.toml");
        buf_done(&lines);
}

static void assert_nothing(const struct trial *trial)
{
        struct buf lines = BUF_EMPTY;

        config_diagnostics_format(&trial->found, CONFIG_ERROR, &lines);
        config_diagnostics_format(&trial->found, CONFIG_WARNING, &lines);
        if (trial->found.count > 0)
                fail_msg("%s", buf_text(&lines));
        buf_done(&lines);
}

#define BEGIN "stage = \"development\"\n[rag.vector_storage]\ndimensions = 64\n"
#define HASHING "[rag.embedding]\ndefault_provider = \"hashing\"\n"

/* ---- Addresses ------------------------------------------------------------------------------- */

static int listen_somewhere(uint16_t *ret_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &len), 0);
        *ret_port = ntohs(address.sin_port);
        return fd;
}

static void test_a_profile_that_works_is_said_nothing_of(void **state)
{
        validate(*state, BEGIN HASHING "[rag.server]\nlisten = [\"127.0.0.1:0\"]\n");
        assert_nothing(*state);
}

static void test_a_port_of_another_program_is_refused_and_our_own_is_not(void **state)
{
        struct trial *trial = *state;
        struct snapshot running = { 0 };
        char text[512];
        uint16_t port;
        int fd = listen_somewhere(&port);

        (void) snprintf(text, sizeof text, BEGIN HASHING
                        "[rag.server]\nlisten = [\"127.0.0.1:%u\"]\n", port);
        validate(trial, text);
        assert_only(trial, "E_LISTEN", "rag.server.listen", "in use");
        assert_true(trial->found.items[0].line > 0);
        running.config = load(text);
        trial->settings.running = &running;
        validate(trial, text);
        assert_nothing(trial);
        running.config = config_free(running.config);
        (void) close(fd);
}

static void test_addresses_that_are_not_ours_are_refused(void **state)
{
        struct trial *trial = *state;
        char text[1024];

        validate(trial, BEGIN HASHING "[rag.server]\nlisten = [\"192.0.2.1:7420\"]\n");
        assert_only(trial, "E_LISTEN", "rag.server.listen", "192.0.2.1:7420");
        (void) snprintf(text, sizeof text, BEGIN HASHING
                        "[rag.server]\nlisten = [\"unix:%s/absent/socket\"]\n",
                        trial->fixture->path);
        validate(trial, text);
        assert_only(trial, "E_LISTEN", "rag.server.listen", "No such file");
        (void) snprintf(text, sizeof text, BEGIN HASHING
                        "[rag.server]\nlisten = [\"unix:%s/format\"]\n", trial->fixture->path);
        validate(trial, text);
        assert_only(trial, "E_LISTEN", "rag.server.listen", "exists");
        validate(trial, BEGIN HASHING "[rag.server]\nlisten = [\"systemd\"]\n");
        assert_only(trial, "E_LISTEN", "rag.server.listen", "passed no socket");
        (void) snprintf(text, sizeof text, BEGIN HASHING
                        "[rag.server]\nlisten = [\"unix:%s/socket\"]\n", trial->fixture->path);
        validate(trial, text);
        assert_nothing(trial);
        (void) snprintf(text, sizeof text, "%s/socket.try", trial->fixture->path);
        assert_int_equal(access(text, F_OK), -1); /* nothing is left of the try */
}

/* ---- Secrets and files ----------------------------------------------------------------------- */

static void test_secrets_and_certificates_are_opened(void **state)
{
        struct trial *trial = *state;
        char text[2048], path[600];
        struct error error = { 0 };

        (void) snprintf(path, sizeof path, "%s/cert.pem", trial->fixture->path);
        (void) snprintf(text, sizeof text, BEGIN HASHING
                        "[rag.server]\nlisten = [\"127.0.0.1:0\"]\n"
                        "tls_cert = \"%s\"\ntls_key = \"%s\"\n", path, path);
        assert_ok(io_replace_file(AT_FDCWD, path, "hello", 5, 0600, &error));
        validate(trial, text);
        assert_int_equal(trial->found.errors, 2);
        assert_string_equal(trial->found.items[0].code, "E_FILE");
        assert_ok(io_replace_file(AT_FDCWD, path,
                                  "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n",
                                  56, 0600, &error));
        validate(trial, text);
        assert_nothing(trial);
        (void) unlink(path);
        validate(trial, text);
        assert_int_equal(trial->found.errors, 2);
        validate(trial, BEGIN HASHING "[rag.server]\nlisten = [\"127.0.0.1:0\"]\n"
                                      "[rag.providers.idle]\nkind = \"openai\"\n"
                                      "model = \"m\"\napi_key = \"file:/nowhere/key\"\n");
        assert_only(trial, "W_SECRET", "rag.providers.idle.api_key", "/nowhere/key");
        assert_int_equal(trial->found.errors, 0);
}

/* ---- Providers ------------------------------------------------------------------------------- */

static void try_embedder(struct trial *trial, const char *endpoint, const char *model)
{
        char text[1024];

        (void) snprintf(text, sizeof text,
                        BEGIN "[rag.server]\nlisten = [\"127.0.0.1:0\"]\n"
                        "[rag.embedding]\ndefault_provider = \"remote\"\nmax_retries = 0\n"
                        "[rag.providers.remote]\nkind = \"openai-compatible\"\n"
                        "endpoint = \"%s\"\nmodel = \"%s\"\ndimensions = 64\n", endpoint, model);
        validate(trial, text);
}

static void test_m8_providers_are_reached_and_a_vector_is_measured(void **state)
{
        struct trial *trial = *state;
        struct fake_settings settings = { .dimensions = 64 };
        struct fake_provider *fake = fake_new(&settings);

        try_embedder(trial, fake_endpoint(fake), "fake-1");
        assert_nothing(trial);
        assert_int_equal(fake_calls(fake), 1);
        try_embedder(trial, fake_endpoint(fake), "fake-2");
        assert_only(trial, "W_MODEL", "rag.providers.remote.model", "list");
        assert_int_equal(fake_calls(fake), 2); /* what was embedded before is not remembered */
        fake = fake_free(fake);

        settings.dimensions = 32;
        fake = fake_new(&settings);
        try_embedder(trial, fake_endpoint(fake), "fake-1");
        assert_only(trial, "E_DIM", "rag.vector_storage.dimensions", "32");
        fake = fake_free(fake);

        settings.always = ACT_401;
        fake = fake_new(&settings);
        try_embedder(trial, fake_endpoint(fake), "fake-1");
        assert_only(trial, "E_PROVIDER", "rag.providers.remote.api_key", "remote");
        fake = fake_free(fake);
}

static void test_m8_a_provider_that_is_away_is_named_with_its_remedy(void **state)
{
        struct trial *trial = *state;

        try_embedder(trial, "http://127.0.0.1:9/v1", "fake-1");
        assert_only(trial, "E_PROVIDER", "rag.providers.remote.endpoint", "remote");
        assert_true(trial->found.items[0].line > 0);
}

static void test_an_embedder_without_its_key_is_an_error_and_the_rest_is_tried(void **state)
{
        struct trial *trial = *state;

        validate(trial, BEGIN "[rag.server]\nlisten = [\"192.0.2.1:0\"]\n"
                              "[rag.embedding]\ndefault_provider = \"remote\"\n"
                              "[rag.providers.remote]\nkind = \"openai\"\nmodel = \"m\"\n"
                              "dimensions = 64\napi_key = \"env:RAGD_TEST_NO_SUCH_KEY\"\n");
        assert_non_null(find(trial, "E_SECRET"));
        assert_non_null(find(trial, "E_LISTEN"));
}

/* ---- Room ------------------------------------------------------------------------------------ */

static void test_disk_and_memory_are_compared_with_what_the_change_needs(void **state)
{
        static const struct {
                uint64_t bytes, free_bytes, available;
                const char *code, *path;
        } cases[] = {
                { 0, 0, 1, NULL, NULL }, /* nothing is built */
                { 100 * MIB, 164 * MIB, 0, NULL, NULL },
                { 100 * MIB, 163 * MIB, 0, "E_DISK", "rag.vector_storage.persistence_path" },
                { 100 * MIB, 10 * MIB, 0, "E_DISK", "rag.vector_storage.persistence_path" },
                { 100 * MIB, 999 * MIB, 99 * MIB, "W_MEMORY", "rag.vector_storage.max_memory_mb" },
                { 900 * MIB, 999 * MIB, 256 * MIB, NULL, NULL }, /* the budget bounds it */
                { 900 * MIB, 999 * MIB, 255 * MIB, "W_MEMORY", "rag.vector_storage.max_memory_mb" },
        };
        struct trial *trial = *state;

        trial->config = load("stage = \"development\"\n[rag.vector_storage]\ndimensions = 64\n"
                             "max_memory_mb = 256\n" HASHING);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct ingest_forecast forecast = { .bytes = cases[i].bytes };
                struct live live = { .settings = &trial->settings,
                                     .config = trial->config,
                                     .diagnostics = &trial->found };

                config_diagnostics_done(&trial->found);
                live_judge_room(&live, &forecast, cases[i].free_bytes, cases[i].available);
                if (cases[i].code)
                        assert_only(trial, cases[i].code, cases[i].path, "MiB");
                else
                        assert_nothing(trial);
        }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(test_a_profile_that_works_is_said_nothing_of),
                CASE(test_a_port_of_another_program_is_refused_and_our_own_is_not),
                CASE(test_addresses_that_are_not_ours_are_refused),
                CASE(test_secrets_and_certificates_are_opened),
                CASE(test_m8_providers_are_reached_and_a_vector_is_measured),
                CASE(test_m8_a_provider_that_is_away_is_named_with_its_remedy),
                CASE(test_an_embedder_without_its_key_is_an_error_and_the_rest_is_tried),
                CASE(test_disk_and_memory_are_compared_with_what_the_change_needs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
