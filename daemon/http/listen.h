/* SPDX-License-Identifier: Apache-2.0 */
/* From an address of the configuration to listening sockets. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct listening {
        int fd;
        char *address; /* heap: as in http_addresses() */
        char *path;    /* heap: of a Unix socket that we made and remove again; or NULL */
};

/* Appends to *sockets (heap, *n of them): one for an address, as many as were passed under
 * `systemd_name` for "systemd" (duplicates: the service manager's own go on listening).  They do
 * not block.  Errors as in http_new(). */
int listen_open(const char *address, const char *systemd_name, struct listening **sockets,
                size_t *n, struct error *reterr);
/* Whether other machines can reach it: it is bound to more than a loopback address. */
bool listen_is_exposed(int fd);
/* Closes the socket unless its fd is -1, removes the path. */
void listening_done(struct listening *listening);
