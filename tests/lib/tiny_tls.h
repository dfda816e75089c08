/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for tiny_server, with a certificate that is made for the test and signs itself. */
#pragma once
#include "tests/lib/tiny_server.h"

/* Makes a certificate for 127.0.0.1 (`other_name`: for another host) and writes it as PEM into a
 * new file, whose name (heap) the caller unlinks and frees.  One at a time. */
const struct tiny_transport *tiny_tls_begin(int other_name, char **ret_ca_file);
void tiny_tls_end(void);
