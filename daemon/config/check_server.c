/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about the doors and about security. */
#include "config/check.h"

#include "config/listen.h"

#include <string.h>

void check_rag(struct config_check *check)
{
        if (!check->config->enabled &&
            check_warning(check, "W_DISABLED", KEYS("rag.enabled"),
                          "ingest, search and answers are switched off"))
                check_hint(check, "set enabled = true under [rag]");
}

/* A listener that other machines reach needs TLS, so that keys and documents are not read on
 * the way, and keys, so that not everybody is let in. */
static void check_exposed(struct config_check *check, const char *key, const char *address)
{
        const struct config *config = check->config;
        enum config_severity severity =
                config->stage == STAGE_PRODUCTION ? CONFIG_ERROR : CONFIG_WARNING;
        bool tls = config->server.tls_cert && config->server.tls_key;
        bool keys = config->multi_tenant || config->security.require_keys;

        if (tls && keys)
                return;
        if (config_check_report(check, severity,
                                severity == CONFIG_ERROR ? "E_EXPOSED" : "W_EXPOSED",
                                KEYS(key, "rag.server.tls_cert", "rag.security.require_keys",
                                     "stage"),
                                "%s can be reached from other machines, without %s", address,
                                tls    ? "keys"
                                : keys ? "TLS"
                                       : "TLS and keys"))
                check_hint(check, "%s%s%s, or listen on 127.0.0.1 behind a proxy",
                           tls ? "" : "set tls_cert and tls_key", tls || keys ? "" : ", ",
                           keys ? "" : "set rag.security.require_keys = true");
}

static void check_address(struct config_check *check, const char *key, const char *text,
                          bool metrics)
{
        struct listen_address address;

        if (listen_parse(text, &address) < 0) {
                if (check_error(check, "E_LISTEN", KEYS(key), "\"%.100s\" is not an address",
                                text))
                        check_hint(check, "\"host:port\", \"[address]:port\", \"unix:/path\" or "
                                          "\"systemd\"");
                return;
        }
        if (!metrics && !listen_is_local(&address))
                check_exposed(check, key, text);
}

void check_server(struct config_check *check)
{
        const struct server_config *server = &check->config->server;
        const struct config_strings *listen = &server->listen;

        if (listen->count == 0)
                check_error(check, "E_LISTEN", KEYS("rag.server.listen"), "no address to listen on");
        for (size_t i = 0; i < listen->count; i++) {
                check_address(check, "rag.server.listen", listen->items[i], false);
                for (size_t j = 0; j < i; j++)
                        if (strcmp(listen->items[i], listen->items[j]) == 0)
                                check_error(check, "E_TWICE", KEYS("rag.server.listen"),
                                            "\"%.100s\" stands here twice", listen->items[i]);
        }
        if (server->metrics_listen)
                check_address(check, "rag.server.metrics_listen", server->metrics_listen, true);
        if (!server->tls_cert != !server->tls_key)
                check_error(check, "E_TLS",
                            KEYS(server->tls_cert ? "rag.server.tls_cert" : "rag.server.tls_key",
                                 server->tls_cert ? "rag.server.tls_key" : "rag.server.tls_cert"),
                            "TLS needs both tls_cert and tls_key");
        if (server->header_timeout_seconds > server->request_timeout_seconds)
                check_error(check, "E_TIMEOUT",
                            KEYS("rag.server.header_timeout_seconds",
                                 "rag.server.request_timeout_seconds"),
                            "%u s is longer than the whole request may take, %u s",
                            server->header_timeout_seconds, server->request_timeout_seconds);
}

void check_security(struct config_check *check)
{
        const struct config *config = check->config;
        const struct security_config *security = &config->security;

        if (security->max_input_size_kb > config->server.max_body_kb)
                check_warning(check, "W_INPUT_SIZE",
                              KEYS("rag.security.max_input_size_kb", "rag.server.max_body_kb"),
                              "%u KiB can never arrive: a body has at most %u KiB",
                              security->max_input_size_kb, config->server.max_body_kb);
        if (config->stage != STAGE_PRODUCTION)
                return;
        if (!security->enable_audit_logging)
                check_warning(check, "W_AUDIT",
                              KEYS("rag.security.enable_audit_logging", "stage"),
                              "production without an audit log");
        if (!security->enable_rate_limiting)
                check_warning(check, "W_RATE_LIMIT",
                              KEYS("rag.security.enable_rate_limiting", "stage"),
                              "production without rate limits");
}
