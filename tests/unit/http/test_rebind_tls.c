/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate that changes while its listener is in use. */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "release/snapshot.h"
#include "tests/lib/http_client.h"
#include "tests/lib/http_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct security_config security = { .enable_input_validation = true,
                                                 .max_input_size_kb = 1 };
static char scratch[] = "/tmp/ragd-tls-XXXXXX";
static char cert_path[64], key_path[64];
static char *listen_items[] = { (char *) "127.0.0.1:0" };

/* ---- Certificates --------------------------------------------------------------------------- */

static void write_pem(const char *path, const gnutls_datum_t *pem)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(pem->data, 1, pem->size, file), pem->size);
        (void) fclose(file);
}

/* With this serial number, by which a client tells it from others. */
static void make_certificate(unsigned char serial)
{
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t crt;
        gnutls_datum_t pem;

        assert_int_equal(gnutls_x509_privkey_init(&key), 0);
        assert_int_equal(gnutls_x509_privkey_generate(
                                 key, GNUTLS_PK_ECDSA,
                                 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
        assert_int_equal(gnutls_x509_crt_init(&crt), 0);
        assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
        assert_int_equal(gnutls_x509_crt_set_serial(crt, &serial, 1), 0);
        assert_int_equal(gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600), 0);
        assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400), 0);
        assert_int_equal(gnutls_x509_crt_set_dn(crt, "CN=test", NULL), 0);
        assert_int_equal(gnutls_x509_crt_set_key(crt, key), 0);
        assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
        assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
        write_pem(cert_path, &pem);
        gnutls_free(pem.data);
        assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
        write_pem(key_path, &pem);
        gnutls_free(pem.data);
        gnutls_x509_crt_deinit(crt);
        gnutls_x509_privkey_deinit(key);
}

/* ---- A client ------------------------------------------------------------------------------- */

struct secure {
        int fd;
        gnutls_session_t session;
        gnutls_certificate_credentials_t credentials;
};

/* The serial number of the server's certificate; -1: the handshake failed. */
static int secure_open(struct secure *secure, const char *address)
{
        const gnutls_datum_t *peer;
        unsigned char serial[20];
        size_t size = sizeof serial;
        gnutls_x509_crt_t crt;
        unsigned n = 0;
        int r;

        secure->fd = client_connect(address);
        if (secure->fd < 0)
                return -1;
        (void) gnutls_certificate_allocate_credentials(&secure->credentials);
        (void) gnutls_init(&secure->session, GNUTLS_CLIENT);
        (void) gnutls_set_default_priority(secure->session);
        (void) gnutls_credentials_set(secure->session, GNUTLS_CRD_CERTIFICATE, secure->credentials);
        gnutls_transport_set_int(secure->session, secure->fd);
        do
                r = gnutls_handshake(secure->session);
        while (r < 0 && !gnutls_error_is_fatal(r));
        peer = r < 0 ? NULL : gnutls_certificate_get_peers(secure->session, &n);
        if (!peer)
                return -1;
        (void) gnutls_x509_crt_init(&crt);
        (void) gnutls_x509_crt_import(crt, peer, GNUTLS_X509_FMT_DER);
        r = gnutls_x509_crt_get_serial(crt, serial, &size);
        gnutls_x509_crt_deinit(crt);
        return r < 0 ? -1 : serial[size - 1];
}

/* Whether a request is answered with 200; the response goes into `text`. */
static bool secure_ask(struct secure *secure, char text[static 4096])
{
        static const char request[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        size_t len = 0;

        text[0] = '\0';
        if (gnutls_record_send(secure->session, request, sizeof request - 1) < 0)
                return false;
        while (len < 4095 && !strchr(strstr(text, "\r\n\r\n") ? strstr(text, "\r\n\r\n") : "", '}')) {
                ssize_t n = gnutls_record_recv(secure->session, text + len, 4095 - len);

                if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN)
                        continue;
                if (n <= 0)
                        return false;
                len += (size_t) n;
                text[len] = '\0';
        }
        return client_status(text) == 200;
}

static void secure_close(struct secure *secure)
{
        (void) close(secure->fd);
        gnutls_deinit(secure->session);
        gnutls_certificate_free_credentials(secure->credentials);
}

/* ---- A door --------------------------------------------------------------------------------- */

static struct metrics *metrics;
static struct releases *releases;
static struct http *http;
static char *address;
static uint32_t number;

static struct server_config with_tls(bool tls)
{
        return (struct server_config){ .listen = { 1, listen_items },
                                       .tls_cert = tls ? cert_path : NULL,
                                       .tls_key = tls ? key_path : NULL,
                                       .threads = 2,
                                       .max_connections = 64,
                                       .max_body_kb = 64,
                                       .header_timeout_seconds = 10,
                                       .request_timeout_seconds = 10 };
}

static int open_door(void **state)
{
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct server_config server = with_tls(true);
        struct http_services services;

        (void) state;
        make_certificate(1);
        number = 1;
        assert_int_equal(metrics_new(&settings, &metrics, NULL), 0);
        releases = fakes_releases_new(&server, &security, number);
        services = fakes_services(metrics, releases);
        assert_int_equal(http_new(&services, &http, NULL), 0);
        address = strdup(http_addresses(http)[0]);
        return 0;
}

static int close_door(void **state)
{
        (void) state;
        http = http_free(http, USEC_PER_SEC);
        releases = fakes_releases_free(releases);
        metrics = metrics_free(metrics);
        free(address);
        return fakes_snapshots() == 0 ? 0 : -1;
}

static int switch_to(struct server_config server, struct error *error)
{
        struct snapshot *next = fakes_snapshot_new(releases, &server, number + 1);
        void *prepared;
        int r = http_prepare(http, NULL, next, &prepared, error);

        if (r < 0) {
                (void) snapshot_unref(next);
                return r;
        }
        http_commit(http, prepared, next);
        fakes_switch(releases, next);
        http_retire(http, prepared);
        number++;
        return 0;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_a_new_certificate_is_shown_and_old_connections_go_on(void **state)
{
        struct secure before, after;
        char text[4096];

        (void) state;
        assert_int_equal(secure_open(&before, address), 1);
        assert_true(secure_ask(&before, text));
        make_certificate(2);
        assert_int_equal(switch_to(with_tls(true), NULL), 0);
        assert_int_equal(secure_open(&after, address), 2);
        assert_true(secure_ask(&after, text));
        assert_null(strstr(text, "Connection: close"));
        assert_true(secure_ask(&before, text)); /* one more answer, then it ends */
        assert_non_null(strstr(text, "Connection: close"));
        secure_close(&before);
        secure_close(&after);
}

static void test_the_same_certificate_leaves_connections_alone(void **state)
{
        struct secure secure;
        char text[4096];

        (void) state;
        assert_int_equal(secure_open(&secure, address), 1);
        for (int i = 0; i < 3; i++) {
                assert_true(secure_ask(&secure, text));
                assert_null(strstr(text, "Connection: close"));
                assert_int_equal(switch_to(with_tls(true), NULL), 0);
        }
        secure_close(&secure);
}

static void test_a_certificate_that_is_none_changes_nothing(void **state)
{
        struct secure secure;
        struct error error = { 0 };
        FILE *file = fopen(cert_path, "w");

        (void) state;
        (void) fputs("no certificate\n", file);
        (void) fclose(file);
        assert_int_equal(switch_to(with_tls(true), &error), -EINVAL);
        assert_non_null(strstr(error_text(&error), cert_path));
        assert_int_equal(secure_open(&secure, address), 1);
        secure_close(&secure);
}

static void test_tls_goes_and_comes_on_one_address(void **state)
{
        struct secure secure;
        char text[4096];
        int fd;

        (void) state;
        assert_int_equal(switch_to(with_tls(false), NULL), 0);
        assert_string_equal(http_addresses(http)[0], address);
        fd = client_connect(address);
        client_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        char *plain = client_read_response(fd);
        assert_int_equal(client_status(plain), 200);
        free(plain);
        (void) close(fd);
        assert_int_equal(switch_to(with_tls(true), NULL), 0);
        assert_int_equal(secure_open(&secure, address), 1);
        assert_true(secure_ask(&secure, text));
        secure_close(&secure);
}

static _Atomic bool stop;
static _Atomic unsigned asked, failed;

static void *ask_all_the_time(void *data)
{
        (void) data;
        while (!stop) {
                struct secure secure;
                char text[4096];

                if (secure_open(&secure, address) < 0 || !secure_ask(&secure, text))
                        failed++;
                asked++;
                secure_close(&secure);
        }
        return NULL;
}

static void test_no_connection_is_refused_while_certificates_change(void **state)
{
        pthread_t threads[2];

        (void) state;
        stop = false;
        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, ask_all_the_time, NULL), 0);
        for (unsigned char i = 0; i < 20; i++) {
                make_certificate((unsigned char) (10 + i));
                assert_int_equal(switch_to(with_tls(true), NULL), 0);
                (void) usleep(20000);
        }
        stop = true;
        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                (void) pthread_join(threads[i], NULL);
        assert_int_equal(failed, 0);
        assert_true(asked > 10);
}

static int make_scratch(void **state)
{
        (void) state;
        if (!mkdtemp(scratch))
                return -1;
        (void) snprintf(cert_path, sizeof cert_path, "%s/cert.pem", scratch);
        (void) snprintf(key_path, sizeof key_path, "%s/key.pem", scratch);
        return 0;
}

static int remove_scratch(void **state)
{
        (void) state;
        (void) unlink(cert_path);
        (void) unlink(key_path);
        return rmdir(scratch);
}

int main(void)
{
#define AT_A_DOOR(test) cmocka_unit_test_setup_teardown(test, open_door, close_door)
        const struct CMUnitTest tests[] = {
                AT_A_DOOR(test_a_new_certificate_is_shown_and_old_connections_go_on),
                AT_A_DOOR(test_the_same_certificate_leaves_connections_alone),
                AT_A_DOOR(test_a_certificate_that_is_none_changes_nothing),
                AT_A_DOOR(test_tls_goes_and_comes_on_one_address),
                AT_A_DOOR(test_no_connection_is_refused_while_certificates_change),
        };

        return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
