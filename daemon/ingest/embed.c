/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/embed.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

/* Texts on their way to the gateway; those that were put together live in `joined`. */
struct texts {
        struct embed_text *at;
        size_t n;
        struct buf joined;
};

static void texts_done(struct texts *texts)
{
        free(texts->at);
        buf_done(&texts->joined);
}

static bool begins_with(const char *text, size_t len, const char *title)
{
        size_t title_len = strlen(title);

        return title_len <= len && memcmp(text, title, title_len) == 0;
}

/* Joined texts are noted as offsets (text NULL) until all are there: the buffer moves. */
static void add_text(struct texts *texts, const struct prepared *prepared, size_t chunk)
{
        const char *title = prepared->document.title;
        struct embed_text *text = &texts->at[texts->n++];
        size_t len;
        const char *own = prepared_chunk(prepared, chunk, &len);

        *text = (struct embed_text){ own, len };
        if (!title || !*title || begins_with(own, len, title))
                return;
        text->text = NULL;
        text->len = strlen(title) + 2 + len;
        buf_append_text(&texts->joined, title);
        buf_append_text(&texts->joined, "\n\n");
        buf_append(&texts->joined, own, len);
}

static int settle_texts(struct texts *texts, struct error *reterr)
{
        size_t at = 0;

        if (buf_failed(&texts->joined))
                return error_oom(reterr);
        for (size_t i = 0; i < texts->n; i++) {
                if (texts->at[i].text)
                        continue;
                texts->at[i].text = texts->joined.data + at;
                at += texts->at[i].len;
        }
        return 0;
}

/* Which answers of the gateway mean that the text itself is at fault. */
static bool is_fault_of_text(int code)
{
        switch (code) {
        case -EINVAL:
        case -EILSEQ:
        case -E2BIG:
        case -EBADMSG:
                return true;
        default:
                return false;
        }
}

static int call_gateway(struct follower *follower, struct texts *texts, float *ret_vectors,
                        struct error *reterr)
{
        const struct gateway_terms terms = { .low_priority = true };
        struct embed_usage usage = { 0 };
        int r = settle_texts(texts, reterr);

        if (r == 0 && texts->n > 0)
                r = gateway_embed(follower->ingest->settings.gateway, follower->tenant,
                                  EMBED_DOCUMENT, texts->at, texts->n, &terms, ret_vectors, &usage,
                                  reterr);
        /* Here -ECANCELED is what a job is given up with; this one goes on after the restart. */
        return r == -ECANCELED ? -ESHUTDOWN : r;
}

/* Vectors that came with the document. */
static int copy_vectors(struct follower *follower, const struct generation *generation,
                        const struct prepared *prepared, size_t first, size_t n,
                        float *ret_vectors, struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(generation);

        for (size_t i = 0; i < n; i++) {
                const struct document_vector *vector = &prepared->vectors[first + i];
                float *to = ret_vectors + i * dimensions;
                int r;

                if (vector->dimensions != dimensions)
                        return error_set(reterr, -EINVAL,
                                         "its vector has %u components, the generation's have %u",
                                         vector->dimensions, dimensions);
                memcpy(to, vector->values, dimensions * sizeof *to);
                r = gateway_admit_vector(follower->ingest->settings.gateway, to, dimensions,
                                         reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

int embed_chunks(struct follower *follower, const struct generation *generation,
                 struct prepared *prepared, size_t first, size_t n, float *ret_vectors,
                 struct error *reterr)
{
        cleanup_(texts_done) struct texts texts = { .joined = BUF_EMPTY };
        struct error why = { 0 };
        int r;

        if (prepared->vectors) {
                r = copy_vectors(follower, generation, prepared, first, n, ret_vectors, &why);
        } else {
                texts.at = calloc(n ? n : 1, sizeof *texts.at);
                if (!texts.at)
                        return error_oom(reterr);
                for (size_t i = 0; i < n; i++)
                        add_text(&texts, prepared, first + i);
                r = call_gateway(follower, &texts, ret_vectors, &why);
        }
        if (is_fault_of_text(r)) {
                prepared_fail(prepared, error_text(&why));
                return 0;
        }
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int embed_each(struct follower *follower, const struct generation *generation,
                      struct prepared *items, size_t n, float *ret_vectors, struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(generation);
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                if (items[i].outcome == PREPARED_APPLY)
                        r = embed_chunks(follower, generation, &items[i], 0, items[i].n_chunks,
                                         ret_vectors + items[i].first * dimensions, reterr);
        return r;
}

int embed_documents(struct follower *follower, const struct generation *generation,
                    struct prepared *items, size_t n, float *ret_vectors, struct error *reterr)
{
        cleanup_(texts_done) struct texts texts = { .joined = BUF_EMPTY };
        struct error why = { 0 };
        size_t chunks = 0;
        int r;

        for (size_t i = 0; i < n; i++)
                if (items[i].outcome == PREPARED_APPLY)
                        chunks += items[i].n_chunks;
        if (gateway_embedder(follower->ingest->settings.gateway)->from_client)
                return embed_each(follower, generation, items, n, ret_vectors, reterr);
        texts.at = calloc(chunks ? chunks : 1, sizeof *texts.at);
        if (!texts.at)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; items[i].outcome == PREPARED_APPLY && j < items[i].n_chunks; j++)
                        add_text(&texts, &items[i], j);
        r = call_gateway(follower, &texts, ret_vectors, &why);
        if (is_fault_of_text(r)) /* whose it is shows when each goes alone */
                return embed_each(follower, generation, items, n, ret_vectors, reterr);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}
