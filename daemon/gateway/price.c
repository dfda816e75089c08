/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/price.h"

#include "config/values.h"
#include "gateway/gateway.h"

#include <math.h>
#include <string.h>

#define MTOK 1000000U
#define FRAME_TOKENS 4 /* what a message's role and marks come to */

uint64_t price_microusd(double usd)
{
        if (!(usd > 0.0))
                return 0;
        return usd * 1e6 < 1e18 ? (uint64_t) llround(usd * 1e6) : UINT64_C(1000000000000000000);
}

bool price_is_charged(const struct provider_config *provider)
{
        return (provider->has_price_input_usd_per_mtok &&
                price_microusd(provider->price_input_usd_per_mtok) > 0) ||
               (provider->has_price_output_usd_per_mtok &&
                price_microusd(provider->price_output_usd_per_mtok) > 0);
}

uint64_t price_of(const struct provider_config *provider, uint64_t input_tokens,
                  uint64_t output_tokens)
{
        unsigned __int128 sum = 0;

        if (provider->has_price_input_usd_per_mtok)
                sum += (unsigned __int128) price_microusd(provider->price_input_usd_per_mtok) *
                       input_tokens;
        if (provider->has_price_output_usd_per_mtok)
                sum += (unsigned __int128) price_microusd(provider->price_output_usd_per_mtok) *
                       output_tokens;
        sum = (sum + MTOK - 1) / MTOK;
        return sum < UINT64_MAX / 2 ? (uint64_t) sum : UINT64_MAX / 2;
}

int gateway_price(const struct provider_config *provider, uint64_t input_tokens,
                  uint64_t output_tokens, uint64_t *ret_microusd)
{
        if (!provider->has_price_input_usd_per_mtok && !provider->has_price_output_usd_per_mtok)
                return -ENODATA;
        *ret_microusd = price_of(provider, input_tokens, output_tokens);
        return 0;
}

uint64_t price_estimate_tokens(uint64_t bytes)
{
        return (bytes + 3) / 4;
}

uint64_t price_estimate_chat(const struct chat_request *request)
{
        uint64_t tokens = request->system ? price_estimate_tokens(strlen(request->system)) +
                                                    FRAME_TOKENS
                                          : 0;

        for (size_t i = 0; i < request->n_messages; i++)
                tokens += price_estimate_tokens(strlen(request->messages[i].text)) + FRAME_TOKENS;
        return tokens;
}

uint64_t price_estimate_texts(const struct embed_text *texts, size_t n)
{
        uint64_t tokens = 0;

        for (size_t i = 0; i < n; i++)
                tokens += price_estimate_tokens(texts[i].len);
        return tokens;
}
