/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/tiny_tls.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static gnutls_certificate_credentials_t credentials;

static void must(int r)
{
        if (r >= 0)
                return;
        (void) fprintf(stderr, "GnuTLS: %s\n", gnutls_strerror(r));
        abort();
}

static void *tls_open(int fd)
{
        gnutls_session_t session;
        int r;

        must(gnutls_init(&session, GNUTLS_SERVER));
        must(gnutls_set_default_priority(session));
        must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
        gnutls_transport_set_int(session, fd);
        do
                r = gnutls_handshake(session);
        while (r < 0 && !gnutls_error_is_fatal(r));
        if (r == 0)
                return session;
        gnutls_deinit(session);
        return NULL;
}

static ssize_t tls_read(void *session, char *bytes, size_t size)
{
        ssize_t n;

        do
                n = gnutls_record_recv(session, bytes, size);
        while (n < 0 && !gnutls_error_is_fatal((int) n));
        return n;
}

static ssize_t tls_write(void *session, const char *bytes, size_t len)
{
        ssize_t n;

        do
                n = gnutls_record_send(session, bytes, len);
        while (n < 0 && !gnutls_error_is_fatal((int) n));
        return n;
}

static void tls_close(void *session)
{
        (void) gnutls_bye(session, GNUTLS_SHUT_WR);
        gnutls_deinit(session);
}

static const struct tiny_transport transport = { tls_open, tls_read, tls_write, tls_close };

const struct tiny_transport *tiny_tls_begin(int other_name, char **ret_ca_file)
{
        char path[] = "/tmp/tiny-tls-XXXXXX";
        int fd = mkstemp(path);
        struct in_addr address = { .s_addr = htonl(INADDR_LOOPBACK) };
        unsigned char serial = 1;
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t crt;
        gnutls_datum_t pem;

        must(gnutls_x509_privkey_init(&key));
        must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
        must(gnutls_x509_crt_init(&crt));
        must(gnutls_x509_crt_set_version(crt, 3));
        must(gnutls_x509_crt_set_serial(crt, &serial, 1));
        must(gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600));
        must(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400));
        must(gnutls_x509_crt_set_dn(crt, "CN=tiny", NULL));
        must(gnutls_x509_crt_set_basic_constraints(crt, 1, -1));
        must(other_name ? gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
                                                               "other.invalid", 13, GNUTLS_FSAN_SET)
                        : gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &address,
                                                               sizeof address, GNUTLS_FSAN_SET));
        must(gnutls_x509_crt_set_key(crt, key));
        must(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
        must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem));
        if (fd < 0 || write(fd, pem.data, pem.size) != (ssize_t) pem.size)
                abort();
        (void) close(fd);
        gnutls_free(pem.data);
        must(gnutls_certificate_allocate_credentials(&credentials));
        must(gnutls_certificate_set_x509_key(credentials, &crt, 1, key));
        gnutls_x509_crt_deinit(crt);
        gnutls_x509_privkey_deinit(key);
        *ret_ca_file = strdup(path);
        return &transport;
}

void tiny_tls_end(void)
{
        gnutls_certificate_free_credentials(credentials);
}
