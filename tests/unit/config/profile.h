/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of config/: loading texts and finding what was said about them. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that no test depends on the machine it runs on. */
static const struct config_load_options test_options = {
        .profile_dir = "/nonexistent",
        .machine_memory_bytes = 1ULL << 40,
};

static inline const char *source_folder(void)
{
        const char *folder = getenv("srcdir");

        return folder ? folder : ".";
}

/* NULL where the text is not valid; the diagnostics are the caller's either way. */
static inline struct config *load(const char *text, struct config_diagnostics *diagnostics)
{
        struct config *config = NULL;

        (void) config_load_memory("test.toml", text, strlen(text), &test_options, &config,
                                  diagnostics, NULL);
        return config;
}

static inline struct config *load_valid(const char *text)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = load(text, &diagnostics);
        struct buf said = BUF_EMPTY;

        if (!config) {
                config_diagnostics_format(&diagnostics, CONFIG_ERROR, &said);
                print_error("%s\n%s", text, buf_text(&said));
        }
        buf_done(&said);
        config_diagnostics_done(&diagnostics);
        assert_non_null(config);
        return config;
}

static inline const struct config_diagnostic *find(const struct config_diagnostics *diagnostics,
                                                   const char *code)
{
        for (size_t i = 0; i < diagnostics->count; i++)
                if (strcmp(diagnostics->items[i].code, code) == 0)
                        return &diagnostics->items[i];
        return NULL;
}
