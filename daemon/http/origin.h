/* SPDX-License-Identifier: Apache-2.0 */
/* Web origins (RFC 6454, the Fetch standard's CORS protocol): a page may use this API from the
 * origins in `server.allowed_origins` ("*": any) and from the server's own address.  Any other
 * page is refused whatever changes something, so that no web site can make its visitor's
 * browser write into a ragd on that person's machine.  "Own address" means an IP address or
 * localhost: with another name, somebody else's DNS could have put it there. */
#pragma once
#include <stdbool.h>

struct request;

/* Sets request->origin where it is allowed, settles a preflight, refuses (false) otherwise. */
bool origin_check(struct request *request);
