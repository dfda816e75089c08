/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a listener as a profile writes it: `host:port`, `[address]:port`, `unix:/path`
 * or `systemd` (sockets that the service manager passes).  Pure functions. */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

enum listen_kind {
        LISTEN_TCP,
        LISTEN_UNIX,
        LISTEN_SYSTEMD,
        LISTEN_KIND_MAX,
        LISTEN_KIND_INVALID = -EINVAL,
};

struct listen_address {
        enum listen_kind kind;
        char host[256]; /* numeric address or name, without brackets; of LISTEN_TCP */
        uint16_t port;  /* 0: any free one */
        char path[108]; /* of LISTEN_UNIX */
};

/* -EINVAL: none of the forms, or too long. */
int listen_parse(const char *text, struct listen_address *ret);

/* Only this machine can reach it.  A systemd socket counts as such: its unit decides. */
bool listen_is_local(const struct listen_address *address);
