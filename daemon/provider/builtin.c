/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/builtin.h"

#include "base/text.h"

#include <stdlib.h>

#define PIECE_BYTES 16

static int embed(struct provider *provider, const struct embed_request *request,
                 struct call_result *ret, struct error *reterr)
{
        struct embed_usage usage = { 0 };
        int r;

        ret->vectors = calloc(request->n * provider->dimensions + 1, sizeof *ret->vectors);
        if (!ret->vectors)
                return error_oom(reterr);
        r = provider->ops->embed(provider, request->purpose, request->texts, request->n,
                                 ret->vectors, &usage, reterr);
        ret->input_tokens = usage.tokens;
        ret->estimated = usage.estimated;
        return r;
}

int builtin_call(struct provider *provider, const struct call_request *request,
                 struct call_result *ret, struct error *reterr)
{
        switch (request->kind) {
        case CALL_CHAT:
                return provider->ops->chat(provider, &request->chat, ret, reterr);
        case CALL_EMBED:
                return embed(provider, &request->embed, ret, reterr);
        case CALL_RERANK:
                return provider->ops->rerank(provider, &request->rerank, ret, reterr);
        default:
                ret->probe_model = PROBE_MODEL_KNOWN;
                return 0;
        }
}

int builtin_tell(const struct call_result *result,
                 int (*tell)(void *data, const char *text, size_t len), void *data)
{
        int r = 0;

        for (size_t at = 0; r >= 0 && at < result->text.len;) {
                size_t left = result->text.len - at;
                size_t len = utf8_cut(result->text.data + at, left,
                                      left < PIECE_BYTES ? left : PIECE_BYTES);

                r = tell(data, result->text.data + at, len);
                at += len;
        }
        return r < 0 ? r : 0;
}
