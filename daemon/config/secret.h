/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets stand outside profiles; a profile says where: `credential:NAME` (a systemd
 * credential), `file:PATH` (absolute) or `env:NAME`.  Any thread may call. */
#pragma once
#include "base/error.h"

#include <stdbool.h>

#define CONFIG_SECRET_MAX (64UL * 1024) /* bytes */

/* Whether the text has one of the three forms; says nothing about the secret itself. */
bool config_secret_valid(const char *reference);

/* Whether there is a secret, without reading it. */
bool config_secret_present(const char *reference);

/* Reads the secret; one newline at its end is dropped.  -ENOENT: absent, -EINVAL: not a
 * reference, empty, or holding a NUL; the error names the reference, never the secret. */
int config_secret_read(const char *reference, char **ret_secret, struct error *reterr);

/* Overwrites and frees; accepts NULL, returns NULL. */
char *config_secret_free(char *secret);
