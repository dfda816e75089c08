/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/pool.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "http/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Head and what is read of a body at once, per connection. */
#define CONNECTION_MEMORY_BYTES ((size_t) 32 * 1024)
#define CONNECTION_INCREMENT_BYTES ((size_t) 16 * 1024)
/* The library's own limit, beyond any that a profile may set: accept.c keeps that one. */
#define CONNECTIONS_MAX 2000000U

static void take_log(void *cls, const char *format, va_list arguments)
        __attribute__((format(printf, 2, 0)));
static void take_log(void *cls, const char *format, va_list arguments)
{
        struct http *http = cls;
        char text[ERROR_MESSAGE_MAX];

        (void) vsnprintf(text, sizeof text, format, arguments);
        text[strcspn(text, "\r\n")] = '\0';
        log_debug("libmicrohttpd: %s", text);
        (void) pthread_mutex_lock(&http->log_lock);
        memcpy(http->last_message, text, sizeof text);
        (void) pthread_mutex_unlock(&http->log_lock);
}

static void start(struct pool *pool)
{
        struct http *http = pool->http;
        uint32_t threads = pool->metrics_only ? 1 : http->threads;
        const struct MHD_OptionItem end = { MHD_OPTION_END, 0, NULL };
        struct MHD_OptionItem more[] = { end, end, end, end };
        unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG |
                         MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET |
                         (pool->tls_cert ? MHD_USE_TLS : 0);
        size_t n = 0;

        if (threads > 1) /* a pool of one is refused by the library */
                more[n++] = (struct MHD_OptionItem){ MHD_OPTION_THREAD_POOL_SIZE, threads, NULL };
        if (pool->tls_cert) {
                more[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, pool->tls_cert };
                more[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, pool->tls_key };
        }
        pool->daemon = MHD_start_daemon(
                flags, 0, NULL, NULL, exchange_continue, pool,
                MHD_OPTION_EXTERNAL_LOGGER, take_log, http, /* first, so that it hears the rest */
                MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
                MHD_OPTION_CONNECTION_MEMORY_INCREMENT, CONNECTION_INCREMENT_BYTES,
                MHD_OPTION_STRICT_FOR_CLIENT, 1,
                MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, pool,
                MHD_OPTION_NOTIFY_COMPLETED, exchange_end, pool,
                MHD_OPTION_NOTIFY_CONNECTION, exchange_connection, pool,
                MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

int pool_new(struct http *http, bool metrics_only, const char *tls_cert, const char *tls_key,
             const char *address, const char *file, struct pool **ret, struct error *reterr)
{
        struct pool *pool = calloc(1, sizeof *pool);
        int r = 0;

        if (!pool)
                return error_oom(reterr);
        pool->http = http;
        pool->metrics_only = metrics_only;
        pool->address = strdup(address);
        if (tls_cert) {
                pool->tls_cert = strdup(tls_cert);
                pool->tls_key = strdup(tls_key);
        }
        if (!pool->address || (tls_cert && (!pool->tls_cert || !pool->tls_key)))
                r = error_oom(reterr);
        if (r == 0)
                start(pool);
        if (r == 0 && !pool->daemon)
                r = error_set(reterr, tls_cert ? -EINVAL : -EIO, "listen \"%s\"%s%s: %s", address,
                              tls_cert ? " with tls_cert " : "", tls_cert ? file : "",
                              http->last_message);
        if (r < 0) {
                (void) pool_free(pool);
                return r;
        }
        *ret = pool;
        return 0;
}

bool pool_has_tls(const struct pool *pool, const char *tls_cert, const char *tls_key)
{
        if (!pool->tls_cert || !tls_cert)
                return !pool->tls_cert && !tls_cert;
        return strcmp(pool->tls_cert, tls_cert) == 0 && strcmp(pool->tls_key, tls_key) == 0;
}

struct pool *pool_free(struct pool *pool)
{
        if (!pool)
                return NULL;
        if (pool->daemon)
                MHD_stop_daemon(pool->daemon);
        free(pool->address);
        free(pool->tls_cert);
        free(pool->tls_key);
        free(pool);
        return NULL;
}
