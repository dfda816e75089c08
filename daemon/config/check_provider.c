/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about the tables of providers. */
#include "config/check.h"

#include "config/implied.h"
#include "config/providers.h"

#include <string.h>

/* Kinds whose requests carry a model's name. */
static bool wants_model(const struct provider_config *provider)
{
        switch (provider->kind) {
        case PROVIDER_KIND_HASHING:
        case PROVIDER_KIND_CLIENT:
        case PROVIDER_KIND_MOCK:
        case PROVIDER_KIND_RECORDED:
        case PROVIDER_KIND_AZURE_OPENAI: /* the deployment is the model */
                return false;
        default:
                return true;
        }
}

static bool is_url(const char *text)
{
        size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
                        : strncmp(text, "http://", 7) == 0 ? 7
                                                           : 0;

        return scheme && text[scheme] && text[scheme] != '/' && !strpbrk(text, " \t\r\n");
}

static bool is_this_machine(const char *url)
{
        const char *host = url + 7; /* of http:// */

        return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
               strncmp(host, "[::1]", 5) == 0;
}

static void check_endpoint(struct config_check *check, const struct provider_config *provider)
{
        char key[CHECK_KEY_SIZE];

        if (!provider->endpoint || provider->kind == PROVIDER_KIND_RECORDED)
                return;
        check_provider_key(provider, "endpoint", key);
        if (!is_url(provider->endpoint)) {
                if (check_error(check, "E_ENDPOINT", KEYS(key), "not a URL"))
                        check_hint(check, "it begins with https:// or http://");
        } else if (strncmp(provider->endpoint, "http://", 7) == 0 && provider->api_key &&
                   !is_this_machine(provider->endpoint)) {
                if (check_warning(check, "W_CLEARTEXT", KEYS(key),
                                  "the key would travel unencrypted"))
                        check_hint(check, "use https://");
        }
}

static void check_provider(struct config_check *check, const struct provider_config *provider)
{
        const struct provider_traits *traits = provider_kind_traits(provider->kind);
        const char *kind = provider_kind_name(provider->kind);
        char key[CHECK_KEY_SIZE], kind_key[CHECK_KEY_SIZE];

        check_provider_key(provider, "kind", kind_key);
        if (traits->needs_endpoint && !provider->endpoint)
                check_error(check, "E_ENDPOINT",
                            KEYS(check_provider_key(provider, "endpoint", key), kind_key),
                            "kind %s needs an endpoint", kind);
        if (traits->needs_key && !provider->api_key &&
            check_error(check, "E_KEY",
                        KEYS(check_provider_key(provider, "api_key", key), kind_key),
                        "kind %s needs a key", kind))
                check_hint(check, "for example api_key = \"credential:%s\"", provider->name);
        if (wants_model(provider) && !provider->model)
                check_error(check, "E_MODEL",
                            KEYS(check_provider_key(provider, "model", key), kind_key),
                            "kind %s needs a model", kind);
        if (provider->kind == PROVIDER_KIND_AZURE_OPENAI && !provider->deployment)
                check_error(check, "E_MODEL",
                            KEYS(check_provider_key(provider, "deployment", key), kind_key),
                            "kind %s needs a deployment", kind);
        check_endpoint(check, provider);
}

/* Keys that say something only together with another, or only to providers of the network. */
static void check_provider_details(struct config_check *check,
                                   const struct provider_config *provider)
{
        bool remote = provider_kind_traits(provider->kind)->endpoint ||
                      (provider_kind_traits(provider->kind)->needs_endpoint &&
                       provider->kind != PROVIDER_KIND_RECORDED);
        char key[CHECK_KEY_SIZE], other[CHECK_KEY_SIZE];

        if (provider->burst && !provider->requests_per_minute)
                check_error(check, "E_BURST",
                            KEYS(check_provider_key(provider, "burst", key),
                                 check_provider_key(provider, "requests_per_minute", other)),
                            "says nothing without requests_per_minute");
        if (provider->proxy && !is_url(provider->proxy) &&
            check_error(check, "E_PROXY", KEYS(check_provider_key(provider, "proxy", key)),
                        "not a URL"))
                check_hint(check, "for example http://proxy.example:3128");
        if (provider->ca_file && provider->ca_file[0] != '/')
                check_error(check, "E_PATH", KEYS(check_provider_key(provider, "ca_file", key)),
                            "not an absolute path");
        if (!remote && (provider->proxy || provider->ca_file))
                check_warning(check, "W_UNUSED",
                              KEYS(check_provider_key(provider,
                                                      provider->proxy ? "proxy" : "ca_file", key),
                                   check_provider_key(provider, "kind", other)),
                              "has no effect: kind %s is built in",
                              provider_kind_name(provider->kind));
}

void check_providers(struct config_check *check)
{
        const struct config *config = check->config;

        for (size_t i = 0; i < config->provider_count; i++) {
                const struct provider_config *provider = &config->providers[i];
                const struct config_row *row = config_row_find(CONFIG_PROVIDER_TEMPLATE ".kind");
                struct config_value kind = config_value_of(config, row, provider);
                char key[CHECK_KEY_SIZE];

                /* Loading has taken the kind from the table's name where it could. */
                if (!kind.origin->line && !provider_implied_find(provider->name) &&
                    provider_kind_from_name(provider->name) < 0) {
                        if (check_error(check, "E_KIND",
                                        KEYS(check_provider_key(provider, "kind", key)),
                                        "the kind is missing"))
                                check_hint(check, "for example kind = \"openai-compatible\"");
                        continue;
                }
                if (!kind.origin->invalid) {
                        check_provider(check, provider);
                        check_provider_details(check, provider);
                }
        }
}
