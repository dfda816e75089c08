/* SPDX-License-Identifier: Apache-2.0 */
/* A client that sends exactly the bytes it is given and shows exactly what comes back. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Connects to "127.0.0.1:port" or "unix:/path". */
int client_connect(const char *address);
void client_send(int fd, const void *bytes, size_t len); /* a closed connection is no failure */
void client_send_text(int fd, const char *text);
/* Reads until the peer closes or `wait_msec` pass without a byte; NUL-terminated heap text.
 * *ret_closed: the peer closed (or reset) the connection. */
char *client_read(int fd, int wait_msec, bool *ret_closed);
/* One whole response with its Content-Length body. */
char *client_read_response(int fd);
/* Connects, sends, reads, closes. */
char *client_exchange(const char *address, const void *bytes, size_t len, bool *ret_closed);
/* The status of a response's text, 0: there is none. */
int client_status(const char *response);
