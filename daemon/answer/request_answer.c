/* SPDX-License-Identifier: Apache-2.0 */
/* {question, messages[], search{…}, profile, stream, max_tokens} */
#include "answer/request.h"

#include "base/json.h"
#include "config/values.h"
#include "index/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct error *reterr, const char *member, const char *why)
{
        (void) error_set(reterr, -EINVAL, "\"%s\" %s", member, why);
        error_set_origin(reterr, NULL, member, 0, 0);
        return -EINVAL;
}

/* The content of a message: a string, or the text of the first of its parts. */
static int read_content(struct json_object *message, const char **ret, struct error *reterr)
{
        struct json_object *content = NULL, *part;
        const char *type = NULL;
        int r;

        if (!json_object_object_get_ex(message, "content", &content) ||
            !json_object_is_type(content, json_type_array)) {
                r = json_get_string(message, "content", ret, reterr);
                return r == 0 ? refuse(reterr, "content", "is missing") : r;
        }
        for (size_t i = 0; i < json_object_array_length(content); i++) {
                part = json_object_array_get_idx(content, i);
                if (!json_object_is_type(part, json_type_object))
                        break;
                r = json_get_string(part, "type", &type, reterr);
                if (r > 0 && strcmp(type, "text") == 0)
                        r = json_get_string(part, "text", ret, reterr);
                if (r < 0 || *ret)
                        return r;
        }
        return refuse(reterr, "content", "must be a string or hold a part of type text");
}

static int add_instructions(struct answer_request *request, const char *text)
{
        size_t old = request->instructions ? strlen(request->instructions) : 0;
        char *more = realloc(request->instructions, old + strlen(text) + 3);

        if (!more)
                return -ENOMEM;
        (void) snprintf(more + old, strlen(text) + 3, "%s%s", old ? "\n\n" : "", text);
        request->instructions = more;
        return 0;
}

static int add_message(struct answer_request *request, const char *role, const char *content,
                       struct error *reterr)
{
        if (!content) /* an assistant's may be null */
                return 0;
        if (strcmp(role, "system") == 0)
                return add_instructions(request, content) < 0 ? error_oom(reterr) : 0;
        request->history[request->n_history++] = (struct chat_message){
                strcmp(role, "user") == 0 ? CHAT_USER : CHAT_ASSISTANT, content
        };
        return 0;
}

/* Without a question of its own the user's last message is it; what follows it counts not. */
static void end_history(struct answer_request *request)
{
        const struct chat_message *last;
        size_t n = request->n_history;

        if (!request->question)
                while (n > 0 && !request->question)
                        if (request->history[--n].role == CHAT_USER)
                                request->question = request->history[n].text;
        last = n > 0 && n == request->n_history ? &request->history[n - 1] : NULL;
        if (last && last->role == CHAT_USER && last->text && request->question &&
            strcmp(last->text, request->question) == 0)
                n--; /* said twice */
        request->n_history = n;
}

static int read_messages(struct json_object *array, struct answer_request *request,
                         struct error *reterr)
{
        static const char *const known[] = { "role", "content", "name", NULL };

        if (json_object_array_length(array) > REQUEST_MESSAGES_MAX)
                return refuse(reterr, "messages", "holds more than 256 messages");
        request->history = calloc(json_object_array_length(array) + 1, sizeof *request->history);
        if (!request->history)
                return error_oom(reterr);
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                struct json_object *message = json_object_array_get_idx(array, i);
                const char *role = NULL, *content = NULL;
                int r;

                if (!json_object_is_type(message, json_type_object))
                        return refuse(reterr, "messages", "must hold objects");
                r = json_refuse_unknown(message, known, reterr);
                if (r >= 0)
                        r = json_get_string(message, "role", &role, reterr);
                if (r >= 0)
                        r = read_content(message, &content, reterr);
                if (r < 0)
                        return request_fault(r, "messages", reterr);
                if (!role || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 &&
                              strcmp(role, "system") != 0))
                        return request_fault(refuse(reterr, "role",
                                                    "must be user, assistant or system"),
                                             "messages", reterr);
                r = add_message(request, role, content, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_question(const struct request_rules *rules, struct json_object *json,
                         struct answer_request *request, struct error *reterr)
{
        struct json_object *messages = NULL;
        int r = json_get_string(json, "question", &request->question, reterr);

        if (r >= 0)
                r = json_get_array(json, "messages", &messages, reterr);
        if (r > 0)
                r = read_messages(messages, request, reterr);
        if (r < 0)
                return r;
        end_history(request);
        if (!request->question)
                return refuse(reterr, "question",
                              "is missing: give it, or messages of which one is the user's");
        if (strlen(request->question) > rules->max_input_bytes) {
                (void) error_set(reterr, -EINVAL, "the question has %zu bytes, %zu are allowed",
                                 strlen(request->question), rules->max_input_bytes);
                error_set_origin(reterr, NULL, "question", 0, 0);
                return -EINVAL;
        }
        if (request->question[strspn(request->question, " \t\r\n")] == '\0')
                return refuse(reterr, "question", "is empty");
        return 0;
}

static int read_rest(const struct request_rules *rules, struct json_object *json,
                     struct answer_request *request, struct error *reterr)
{
        const char *profile = NULL;
        uint64_t max_tokens = rules->max_tokens;
        int r = json_get_string(json, "profile", &profile, reterr);

        if (r > 0 && strcmp(profile, rules->stage) != 0) {
                (void) error_set(reterr, -EINVAL, "\"profile\" must be \"%s\": it is in force here",
                                 rules->stage);
                error_set_origin(reterr, NULL, "profile", 0, 0);
                return -EINVAL;
        }
        if (r >= 0)
                r = json_get_bool(json, "stream", &request->stream, reterr);
        if (r >= 0)
                r = json_get_u64(json, "max_tokens", REQUEST_TOKENS_MIN, REQUEST_TOKENS_MAX,
                                 &max_tokens, reterr);
        request->max_tokens = (uint32_t) max_tokens;
        return r;
}

int request_parse_answer(const struct request_rules *rules, struct json_object *json,
                         struct answer_request *ret, struct error *reterr)
{
        static const char *const known[] = { "question", "messages", "search", "profile",
                                             "stream", "max_tokens", NULL };
        struct answer_request request = { 0 };
        struct json_object *search = NULL;
        int r;

        if (!json_object_is_type(json, json_type_object))
                return error_set(reterr, -EINVAL, "a question is a JSON object");
        r = json_refuse_unknown(json, known, reterr);
        if (r >= 0)
                r = read_question(rules, json, &request, reterr);
        if (r >= 0)
                r = read_rest(rules, json, &request, reterr);
        if (r >= 0)
                r = json_get_object(json, "search", &search, reterr);
        if (r < 0) {
                answer_request_done(&request);
                return request_fault(r, "", reterr);
        }
        if (r > 0)
                r = request_parse(rules, search, "/search", false, NULL, 0, &request.search,
                                  reterr);
        else
                request_defaults(rules, &request.search);
        if (r < 0) {
                answer_request_done(&request);
                return r;
        }
        if (!request.search.query)
                request.search.query = request.question;
        request.json = json_object_get(json);
        *ret = request;
        return 0;
}

struct search_request answer_request_search(const struct answer_request *request)
{
        struct search_request search = request->search;

        search.include_text = search.include_position = true;
        search.highlight = search.remember = false;
        return search;
}

void answer_request_done(struct answer_request *request)
{
        search_request_done(&request->search);
        json_object_put(request->json);
        free(request->history);
        free(request->instructions);
        memset(request, 0, sizeof *request);
}
