/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the kinds that compute here.  Private to provider/. */
#pragma once
#include "provider/provider.h"

/* On the calling thread.  What result owns is the caller's, also where it fails. */
int builtin_call(struct provider *provider, const struct call_request *request,
                 struct call_result *ret, struct error *reterr);

/* Tells a text in pieces, as a stream would; what `tell` returns where that is negative. */
int builtin_tell(const struct call_result *result,
                 int (*tell)(void *data, const char *text, size_t len), void *data);
