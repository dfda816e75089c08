/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/chat_copy.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
        size_t size = size_of(text);
        char *copy = *at;

        if (!text)
                return NULL;
        memcpy(copy, text, size);
        *at += size;
        return copy;
}

struct chat_request *chat_request_copy(const struct chat_request *request)
{
        size_t bytes = sizeof *request + request->n_messages * sizeof *request->messages +
                       size_of(request->system);
        struct chat_message *messages;
        struct chat_request *copy;
        char *at;

        for (size_t i = 0; i < request->n_messages; i++)
                bytes += size_of(request->messages[i].text);
        for (size_t i = 0; i < request->n_stops; i++)
                bytes += size_of(request->stops[i]);
        copy = malloc(bytes);
        if (!copy)
                return NULL;
        *copy = *request;
        messages = (struct chat_message *) (copy + 1);
        at = (char *) (messages + request->n_messages);
        copy->system = put(&at, request->system);
        for (size_t i = 0; i < request->n_messages; i++) {
                messages[i].role = request->messages[i].role;
                messages[i].text = put(&at, request->messages[i].text);
        }
        for (size_t i = 0; i < request->n_stops; i++)
                copy->stops[i] = put(&at, request->stops[i]);
        copy->messages = messages;
        return copy;
}
