/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/http_client.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int client_connect(const char *address)
{
        int fd;

        if (strncmp(address, "unix:", 5) == 0) {
                struct sockaddr_un un = { .sun_family = AF_UNIX };

                (void) snprintf(un.sun_path, sizeof un.sun_path, "%s", address + 5);
                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (connect(fd, (struct sockaddr *) &un, sizeof un) == 0)
                        return fd;
        } else {
                struct sockaddr_in in = { .sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

                in.sin_port = htons((uint16_t) atoi(strrchr(address, ':') + 1));
                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (connect(fd, (struct sockaddr *) &in, sizeof in) == 0)
                        return fd;
        }
        (void) close(fd);
        return -1;
}

void client_send(int fd, const void *bytes, size_t len)
{
        const char *at = bytes;

        while (len > 0) {
                ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                at += n;
                len -= (size_t) n;
        }
}

void client_send_text(int fd, const char *text)
{
        client_send(fd, text, strlen(text));
}

char *client_read(int fd, int wait_msec, bool *ret_closed)
{
        struct buf text = BUF_EMPTY;

        *ret_closed = false;
        for (;;) {
                struct pollfd look = { .fd = fd, .events = POLLIN };
                char bytes[16384];
                ssize_t n;

                if (poll(&look, 1, wait_msec) <= 0)
                        break;
                n = recv(fd, bytes, sizeof bytes, 0);
                if (n <= 0) {
                        *ret_closed = true;
                        break;
                }
                buf_append(&text, bytes, (size_t) n);
        }
        return text.data ? buf_take(&text) : strdup("");
}

char *client_read_response(int fd)
{
        struct buf text = BUF_EMPTY;
        const char *end, *length;
        char byte[1];

        for (;;) {
                struct pollfd look = { .fd = fd, .events = POLLIN };

                if (poll(&look, 1, 5000) <= 0 || recv(fd, byte, 1, 0) != 1)
                        break;
                buf_append(&text, byte, 1);
                end = strstr(buf_text(&text), "\r\n\r\n");
                length = end ? strcasestr(buf_text(&text), "\r\nContent-Length: ") : NULL;
                if (end && (!length || (size_t) (text.data + text.len - (end + 4)) >=
                                               strtoul(length + 18, NULL, 10)))
                        break;
        }
        return text.data ? buf_take(&text) : strdup("");
}

char *client_exchange(const char *address, const void *bytes, size_t len, bool *ret_closed)
{
        int fd = client_connect(address);
        char *text;

        client_send(fd, bytes, len);
        text = client_read(fd, 300, ret_closed);
        (void) close(fd);
        return text;
}

int client_status(const char *response)
{
        return strncmp(response, "HTTP/1.1 ", 9) == 0 ? atoi(response + 9) : 0;
}
