/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a reply: who answers, what limits hold, what web pages may see. */
#pragma once
#include <stdbool.h>

struct MHD_Response;
struct request;

/* `closes`: the connection ends with this reply. */
void headers_add(struct MHD_Response *response, const struct request *request, bool closes);
