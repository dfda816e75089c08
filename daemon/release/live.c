/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets, certificates, keys, and the order of it all. */
#include "config.h"

#include "release/live_inside.h"

#include "base/io.h"
#include "config/secret.h"
#include "config/value.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PEM_MAX_BYTES ((size_t) 4 << 20U)

/* ---- Places ---------------------------------------------------------------------------------- */

static const struct config_origin *find_origin(const struct config *config, const char *key)
{
        struct config_value value = { 0 };

        while (config_value_next(config, &value)) {
                cleanup_(buf_done) struct buf path = BUF_EMPTY;

                config_value_path(&value, &path);
                if (strcmp(buf_text(&path), key) == 0 && value.origin->line > 0)
                        return value.origin;
        }
        return NULL;
}

void live_report(struct live *live, enum config_severity severity, const char *code,
                 const char *key, const char *format, ...)
{
        const struct config_origins *origins = live->config->origins;
        const struct config_origin *origin = find_origin(live->config, key);
        const char *file = origin                     ? origin->file
                           : origins->file_count > 0 ? origins->files[0]
                                                     : "profile";
        va_list arguments;

        va_start(arguments, format);
        config_diagnostics_add_list(live->diagnostics, severity, code, file,
                                    origin ? origin->line : 0, origin ? origin->column : 0, key,
                                    format, arguments);
        va_end(arguments);
}

const char *live_provider_key(const char *provider, const char *leaf,
                              char text[static LIVE_KEY_SIZE])
{
        (void) snprintf(text, LIVE_KEY_SIZE, "rag.providers.%s.%s", provider, leaf);
        return text;
}

/* ---- Secrets --------------------------------------------------------------------------------- */

static bool is_used(const struct live *live, const struct provider_config *provider)
{
        for (size_t i = 0; i < live->models.n; i++)
                if (live->models.used[i] == provider)
                        return true;
        return false;
}

static void check_secret(struct live *live, const struct config_value *value)
{
        const char *reference = *(char *const *) value->field;
        bool idle = value->provider && !is_used(live, value->provider);
        cleanup_(buf_done) struct buf key = BUF_EMPTY;
        char *secret = NULL;
        struct error error = { 0 };

        if (!reference || !config_secret_valid(reference))
                return; /* unset, or a word like "off" */
        if (config_secret_read(reference, &secret, &error) == 0) {
                (void) config_secret_free(secret);
                return;
        }
        config_value_path(value, &key);
        live_report(live, idle ? CONFIG_WARNING : CONFIG_ERROR, idle ? "W_SECRET" : "E_SECRET",
                    buf_text(&key), "%s%s", error_text(&error),
                    idle ? " (the provider is not used)" : "");
        live_hint(live, "%s",
                  strncmp(reference, "credential:", 11) == 0
                          ? "give it to the unit with LoadCredential= and restart the service"
                  : strncmp(reference, "env:", 4) == 0
                          ? "set it in the service's environment and restart the service"
                          : "the file must be there and readable by the daemon's user");
}

static void check_secrets(struct live *live)
{
        struct config_value value = { 0 };

        while (config_value_next(live->config, &value))
                if (value.row->flags & CONFIG_SECRET && value.row->type == CONFIG_STRING)
                        check_secret(live, &value);
}

/* ---- Certificates and keys ------------------------------------------------------------------- */

static void check_pem(struct live *live, const char *key, const char *path, const char *what)
{
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        size_t len = 0;

        if (!path)
                return;
        if (io_read_file(AT_FDCWD, path, PEM_MAX_BYTES, &text, &len, &error) < 0) {
                live_report(live, CONFIG_ERROR, "E_FILE", key, "%s", error_text(&error));
                live_hint(live, "the file must be there and readable by the daemon's user");
        } else if (!memmem(text, len, "-----BEGIN ", 11) ||
                   !memmem(text, len, what, strlen(what))) {
                live_report(live, CONFIG_ERROR, "E_FILE", key, "%s holds no %s in PEM format",
                            path, what);
                live_hint(live, "begin it with the line -----BEGIN …%s-----", what);
        }
        if (text)
                explicit_bzero(text, len); /* it may be a key */
}

static void check_files(struct live *live)
{
        const struct server_config *server = &live->config->server;

        check_pem(live, "rag.server.tls_cert", server->tls_cert, "CERTIFICATE");
        check_pem(live, "rag.server.tls_key", server->tls_key, "PRIVATE KEY");
        for (size_t i = 0; i < live->models.n; i++) {
                const struct provider_config *provider = live->models.used[i];
                char key[LIVE_KEY_SIZE];

                check_pem(live, live_provider_key(provider->name, "ca_file", key),
                          provider->ca_file, "CERTIFICATE");
        }
}

/* ---- The whole ------------------------------------------------------------------------------- */

int live_validate(const struct live_settings *settings, const struct config *config,
                  struct config_diagnostics *diagnostics, struct error *reterr)
{
        struct live live = { .settings = settings, .config = config, .diagnostics = diagnostics };
        struct error error = { 0 };
        int r = models_choose(config, &live.models, &error);

        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0)
                live_report(&live, CONFIG_ERROR, "E_SECRET", "rag.embedding.providers", "%s",
                            error_text(&error));
        live_listen(&live);
        check_secrets(&live);
        check_files(&live);
        r = r < 0 ? 0 : live_try(&live, reterr);
        models_done(&live.models);
        config_diagnostics_sort(diagnostics);
        if (r < 0)
                return r;
        return diagnostics->failed ? error_oom(reterr) : 0;
}
