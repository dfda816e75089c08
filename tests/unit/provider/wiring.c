/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/provider/wiring.h"

#include <string.h>

static char the_name[] = "p", the_key[] = "KEY";
char wiring_endpoint[] = "http://host", wiring_v1[] = "http://host/v1/", wiring_model[] = "m";

static const struct chat_message messages[] = {
        { CHAT_USER, "One?" },
        { CHAT_ASSISTANT, "Two." },
        { CHAT_USER, "Three?" },
};
static const struct embed_text texts[] = { { "a", 1 }, { "b\"", 2 } };

struct call_request wiring_chat(bool stream)
{
        return (struct call_request){
                CALL_CHAT,
                .chat = { .system = "Be brief.",
                          .messages = messages,
                          .n_messages = 3,
                          .temperature = 1.5,
                          .top_p = 0.5,
                          .max_tokens = 400,
                          .stops = { "END" },
                          .n_stops = 1,
                          .stream = stream },
        };
}

const struct call_request wiring_embed = { CALL_EMBED, .embed = { EMBED_QUERY, texts, 2 } };
const struct call_request wiring_rerank = { CALL_RERANK, .rerank = { "q", texts, 2, 2 } };
const struct call_request wiring_probe = { .kind = CALL_PROBE };

void wiring_make(struct provider *provider, struct provider_config *config,
                 const struct provider_ops *ops, char *endpoint, char *model)
{
        *config = (struct provider_config){ .name = the_name,
                                            .kind = provider_kind_from_name(ops->kind),
                                            .endpoint = endpoint,
                                            .model = model,
                                            .send_sampling = true };
        *provider = (struct provider){
                .ops = ops, .config = config, .dimensions = WIRING_WIDTH, .key = the_key
        };
}

void wiring_begin(struct reading *reading, const struct provider_ops *ops,
                  const struct call_request *request)
{
        *reading = (struct reading){ .request = *request };
        wiring_make(&reading->provider, &reading->config, ops, wiring_endpoint, wiring_model);
        reading->answer = (struct wire_answer){ .provider = &reading->provider,
                                                .request = &reading->request,
                                                .result = &reading->result };
}

int wiring_read(struct reading *reading, const struct provider_ops *ops,
                const struct call_request *request, const char *body)
{
        int r;

        wiring_begin(reading, ops, request);
        r = wire_read(&reading->answer, body, strlen(body), &reading->error);
        return r < 0 ? r : wire_end(&reading->answer, &reading->error);
}
