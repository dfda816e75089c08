/* SPDX-License-Identifier: Apache-2.0 */
/* Why a provider refused or failed, from what it said.  Private to provider/; what a class means
 * for the caller is in provider.h.
 *
 * Messages name the provider, the reference of its key and the remedy.  What the provider says is
 * repeated in short, on one line, and never with the key in it. */
#pragma once
#include "event/fetch.h"
#include "provider/provider.h"

#include <stddef.h>
#include <stdint.h>

/* What an error in the body of an answer says; empty texts where it does not.  It may come as
 * {"error":{message,type,code}}, {"error":"text"}, {"object":"error",…}, {"detail":…},
 * {"message":…}, {"errors":[…]}, or as text. */
struct fault_words {
        char code[64], type[64];
        char message[512];
        int status; /* as the body tells it; 0: it does not */
};

void fault_read_words(const char *body, size_t len, struct fault_words *ret);

/* `status` 0 or 200: an error in the midst of an answer. */
enum fault_class fault_classify(int status, const struct fault_words *words);

/* Reads a refusal, or with status 200 an error in the midst of an answer.  `fault` holds already
 * what the head told of limits and of waiting; class, status and a wait that only the words tell
 * are added.  Returns the error's code. */
int fault_read(const struct provider *provider, int status, const char *body, size_t len,
               struct fault *fault, struct error *reterr);

/* The class of an error that did not come from a provider's answer. */
enum fault_class fault_class_of(int code);
enum fault_class fault_class_of_fetch(enum fetch_result result);

/* The request's id at the provider, from the head of an answer; "" where there is none. */
void fault_read_request_id(const struct fetch_head *head, char *ret, size_t size);
