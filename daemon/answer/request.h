/* SPDX-License-Identifier: Apache-2.0 */
/* Search and answer requests from their JSON: pure functions on rules, so that they can be
 * tested and fuzzed without a store. */
#pragma once
#include "answer/answer.h"

struct retrieval_config;

#define REQUEST_INPUT_MAX_BYTES (100 * 1024) /* of a question, where nothing else is said */
#define REQUEST_GROUP_SIZE_MAX 100
#define REQUEST_MESSAGES_MAX 256
#define REQUEST_EF_SEARCH_MAX 10000
#define REQUEST_TOKENS_MIN 16
#define REQUEST_TOKENS_MAX 131072

struct request_rules {
        const struct retrieval_config *retrieval;
        uint32_t dimensions; /* of query vectors */
        size_t max_input_bytes;
        uint32_t max_tokens; /* of an answer, where the request says nothing */
        const char *stage;
        bool remember; /* responses of searches may be remembered ones */
};

void request_defaults(const struct request_rules *rules, struct search_request *ret);

/* As search_request_parse() and its sisters; `pointer` is what the errors' JSON pointers begin
 * with ("" or "/search").  `needs_query`: false where the caller has a question already.  Takes
 * `vector` (heap or NULL), which was read already, success or not. */
int request_parse(const struct request_rules *rules, struct json_object *json,
                  const char *pointer, bool needs_query, float *vector, size_t width,
                  struct search_request *ret, struct error *reterr);
int request_parse_text(const struct request_rules *rules, const char *text, size_t len,
                       struct search_request *ret, struct error *reterr);
int request_parse_vector(const struct request_rules *rules, struct json_object *options,
                         const void *bytes, size_t len, struct search_request *ret,
                         struct error *reterr);
int request_parse_answer(const struct request_rules *rules, struct json_object *json,
                         struct answer_request *ret, struct error *reterr);

/* Where `code` is negative, puts `pointer` and '/' before the member that the error names.
 * Returns `code`. */
int request_fault(int code, const char *pointer, struct error *reterr);

/* Reads the vector of a request from its members `vector` or `vector_base64`, unless it was
 * read before, checks it, and leaves it NULL where there is none.  Heap: free(). */
int request_read_vector(const struct request_rules *rules, struct json_object *json,
                        float **vector, size_t *width, struct error *reterr);
/* Of everything that decides which results there are and in which order. */
uint64_t request_digest(struct json_object *json, const struct search_request *request);

/* Where a cursor says the next page begins; -EINVAL: not ours, or of another request. */
#define CURSOR_TEXT_SIZE 24
const char *cursor_format(uint32_t offset, uint64_t digest, char text[static CURSOR_TEXT_SIZE]);
int cursor_parse(const char *text, uint64_t digest, uint32_t *ret_offset);
