/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a profile: loading never crashes; what it accepts is written as a profile that
 * is accepted again, byte for byte the same. */
#include "config/effective.h"
#include "config/load.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct config_load_options options = {
        .profile_dir = "/nonexistent",
        .machine_memory_bytes = 1ULL << 36,
};

static struct config *load(const char *text, size_t len, struct buf *said)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = NULL;

        if (config_load_memory("/nonexistent/fuzz.toml", text, len, &options, &config,
                               &diagnostics, NULL) < 0 &&
            diagnostics.errors == 0)
                abort();
        config_diagnostics_format(&diagnostics, CONFIG_ERROR, said);
        config_diagnostics_format(&diagnostics, CONFIG_WARNING, said);
        return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_(buf_done) struct buf said = BUF_EMPTY, first = BUF_EMPTY, second = BUF_EMPTY;
        cleanup_(config_free_cleanup) struct config *config = NULL, *again = NULL;

        config = load((const char *) data, size, &said);
        if (!config)
                return 0;
        config_write_effective(config, &first);
        again = load(buf_text(&first), first.len, &said);
        if (!again)
                abort();
        config_write_effective(again, &second);
        if (strcmp(buf_text(&first), buf_text(&second)) != 0)
                abort();
        return 0;
}
