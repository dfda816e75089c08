/* SPDX-License-Identifier: Apache-2.0 */
#include "config/listen.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"

static int parse_unix(const char *path, struct listen_address *ret)
{
        size_t len = strlen(path);

        if (path[0] != '/' || len >= sizeof ret->path)
                return -EINVAL;
        ret->kind = LISTEN_UNIX;
        memcpy(ret->path, path, len + 1);
        return 0;
}

static int parse_port(const char *text, uint16_t *ret)
{
        size_t len = strlen(text);
        unsigned long port;

        if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
                return -EINVAL;
        port = strtoul(text, NULL, 10);
        if (port > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t) port;
        return 0;
}

static bool is_address(int family, const char *text)
{
        unsigned char bytes[sizeof(struct in6_addr)];

        return inet_pton(family, text, bytes) == 1;
}

static int parse_tcp(const char *text, struct listen_address *ret)
{
        const char *colon = strrchr(text, ':');
        bool brackets = text[0] == '[';
        size_t len;

        if (!colon || colon == text)
                return -EINVAL;
        len = (size_t) (colon - text);
        if (brackets) {
                if (len < 3 || text[len - 1] != ']')
                        return -EINVAL;
                text++;
                len -= 2;
        }
        if (len >= sizeof ret->host)
                return -EINVAL;
        memcpy(ret->host, text, len);
        ret->host[len] = 0;
        if (brackets ? !is_address(AF_INET6, ret->host)
                     : ret->host[strspn(ret->host, HOST_CHARACTERS)] != 0)
                return -EINVAL;
        /* What looks like an IPv4 address has to be one. */
        if (!brackets && ret->host[strspn(ret->host, "0123456789.")] == 0 &&
            !is_address(AF_INET, ret->host))
                return -EINVAL;
        ret->kind = LISTEN_TCP;
        return parse_port(colon + 1, &ret->port);
}

int listen_parse(const char *text, struct listen_address *ret)
{
        struct listen_address address = { .kind = LISTEN_SYSTEMD };
        int r = 0;

        if (strncmp(text, "unix:", 5) == 0)
                r = parse_unix(text + 5, &address);
        else if (strcmp(text, "systemd") != 0)
                r = parse_tcp(text, &address);
        if (r == 0)
                *ret = address;
        return r;
}

bool listen_is_local(const struct listen_address *address)
{
        return address->kind != LISTEN_TCP || strncmp(address->host, "127.", 4) == 0 ||
               strcmp(address->host, "::1") == 0 || strcmp(address->host, "localhost") == 0;
}
