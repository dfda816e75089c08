/* SPDX-License-Identifier: Apache-2.0 */
/* What calls cost, in whole millionths of a dollar, rounded up.  Pure functions. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chat_request;
struct embed_text;
struct provider_config;

/* Whether it costs anything: a price is set and not zero. */
bool price_is_charged(const struct provider_config *provider);
/* The price of one call; an unset price counts as none. */
uint64_t price_of(const struct provider_config *provider, uint64_t input_tokens,
                  uint64_t output_tokens);

/* Dollars of a profile as millionths. */
uint64_t price_microusd(double usd);

/* Tokens by the rule of thumb, one for each 4 bytes begun: where nobody counted. */
uint64_t price_estimate_tokens(uint64_t bytes);
uint64_t price_estimate_chat(const struct chat_request *request);
uint64_t price_estimate_texts(const struct embed_text *texts, size_t n);
