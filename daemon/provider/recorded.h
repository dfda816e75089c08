/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings: what providers answered, as JSON lines, for a provider of kind `recorded` to play.
 *
 * One line for each text embedded, each chat, each reranking; of two for the same request the last
 * counts:
 *
 *     {"kind":"embed","model":…,"purpose":"document" or "query","text":…,
 *      "vector_base64":…,"tokens":…}
 *     {"kind":"chat","key":…,"system":…,"messages":[{"role":…,"content":…}],"max_tokens":…,
 *      "temperature":…,"top_p":…,"stop":[…],
 *      "answer":{"text":…,"finish":…,"input_tokens":…,"output_tokens":…,"model":…}}
 *     {"kind":"rerank","key":…,"query":…,"documents":[…],"top_n":…,"model":…,
 *      "scores":[{"index":…,"score":…}],"tokens":…}
 *
 * Vectors are little-endian float32.  A key is the BLAKE2b-256, in hexadecimal, of all that the
 * request says, whether streamed or not: what else the line holds of it is for people to read. */
#pragma once
#include "base/buf.h"
#include "provider/provider.h"

#define RECORDED_KEY_BYTES 32

/* Writes the lines of one call that was answered; nothing of a probe. */
void recorded_write(const struct provider *provider, const struct call_request *request,
                    const struct call_result *result, struct buf *ret_lines);

/* Appends them to a file, which is made (mode 0600) where it is not there.  The errno of the file;
 * -ENOMEM. */
int recorded_append(const char *path, const struct provider *provider,
                    const struct call_request *request, const struct call_result *result,
                    struct error *reterr);

/* The keys; private to recorded*.c. */
void recorded_key_embed(enum embed_purpose purpose, const char *text, size_t len,
                        unsigned char ret[static RECORDED_KEY_BYTES]);
void recorded_key_chat(const struct chat_request *request,
                       unsigned char ret[static RECORDED_KEY_BYTES]);
void recorded_key_rerank(const struct rerank_request *request,
                         unsigned char ret[static RECORDED_KEY_BYTES]);
