/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors: where the next page begins, and a digest of the request that it belongs to. */
#include "answer/request.h"

#include "base/json.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

/* FNV-1a, 64 bits, over words: a step waits for the product of the one before, and a vector has
 * some thousand bytes. */
static uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t len)
{
        const unsigned char *at = bytes;

        for (; len >= 8; at += 8, len -= 8) {
                uint64_t word;

                memcpy(&word, at, sizeof word);
                digest = (digest ^ word) * UINT64_C(0x100000001B3);
                digest ^= digest >> 32; /* else high bits never reach low ones */
        }
        for (size_t i = 0; i < len; i++)
                /* The analyzer does not follow the single bytes of an array of numbers. */
                /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
                digest = (digest ^ at[i]) * UINT64_C(0x100000001B3);
        return digest;
}

static uint64_t digest_text(uint64_t digest, const char *text)
{
        return text ? digest_bytes(digest, text, strlen(text) + 1)
                    : digest_bytes(digest, "\xFF", 1);
}

uint64_t request_digest(struct json_object *json, const struct search_request *request)
{
        const double numbers[] = { request->weight_dense, request->weight_bm25,
                                   request->mmr_lambda, request->threshold_min };
        const uint32_t words[] = { (uint32_t) request->mode, (uint32_t) request->fusion,
                                   request->rrf_k, (uint32_t) request->threshold_of,
                                   request->group_by_document, request->group_size,
                                   request->rerank, request->rerank_top_n };
        uint64_t digest = digest_text(UINT64_C(0xCBF29CE484222325), request->query);
        struct json_object *filter;

        for (size_t i = 0; i < request->n_collections; i++)
                digest = digest_text(digest, request->collections[i]);
        if (request->vector)
                digest = digest_bytes(digest, request->vector,
                                      request->vector_width * sizeof(float));
        digest = digest_bytes(digest, numbers, sizeof numbers);
        digest = digest_bytes(digest, words, sizeof words);
        if (request->filter && json_object_object_get_ex(json, "filter", &filter))
                digest = digest_text(digest, json_text(filter, NULL));
        return digest;
}

const char *cursor_format(uint32_t offset, uint64_t digest, char text[static CURSOR_TEXT_SIZE])
{
        unsigned char bytes[12];
        const uint32_t offset_le = htole32(offset);
        const uint64_t digest_le = htole64(digest);

        memcpy(bytes, &offset_le, 4);
        memcpy(bytes + 4, &digest_le, 8);
        return sodium_bin2base64(text, CURSOR_TEXT_SIZE, bytes, sizeof bytes,
                                 sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int cursor_parse(const char *text, uint64_t digest, uint32_t *ret_offset)
{
        unsigned char bytes[12];
        uint32_t offset;
        uint64_t of;
        size_t len;

        if (sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL, &len, NULL,
                              sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
            len != sizeof bytes)
                return -EINVAL;
        memcpy(&offset, bytes, 4);
        memcpy(&of, bytes + 4, 8);
        if (le64toh(of) != digest)
                return -EINVAL;
        *ret_offset = le32toh(offset);
        return 0;
}
