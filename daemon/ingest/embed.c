/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/embed.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
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

static int call_gateway(struct follower *follower, const struct target *target,
                        struct texts *texts, float *ret_vectors, struct error *reterr)
{
        const struct gateway_terms terms = { .low_priority = true };
        struct gateway *gateway = target->release->gateway;
        uint64_t began_usec = clock_monotonic_usec(), took_usec;
        struct embed_usage usage = { 0 };
        int r = settle_texts(texts, reterr);

        if (texts->n == 0)
                return r;
        if (r == 0)
                r = gateway_embed(gateway, follower->tenant, EMBED_DOCUMENT, texts->at, texts->n,
                                  &terms, ret_vectors, &usage, reterr);
        took_usec = clock_monotonic_usec() - began_usec;
        follower->vectors_usec += took_usec;
        if (r == 0) {
                ingest_note_rate(follower->ingest,
                                 gateway_embeds_remotely(gateway) ? RATE_EMBED_REMOTE : RATE_EMBED,
                                 texts->n, took_usec);
                progress_count(follower, target->pace,
                               &(struct pace_step){ .chunks = texts->n,
                                                    .embedded = texts->n,
                                                    .tokens = usage.tokens });
        }
        /* Here -ECANCELED is what a job is given up with; this one goes on after the restart.  And
         * -EDQUOT is a generation without room; spent money or tokens come back, and it waits. */
        return r == -ECANCELED ? -ESHUTDOWN : r == -EDQUOT ? -EAGAIN : r;
}

/* Vectors that came with the document. */
static int take_vectors(struct follower *follower, const struct target *target,
                        const struct prepared *prepared, size_t first, size_t n,
                        float *ret_vectors, struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(target->generation);

        for (size_t i = 0; i < n; i++) {
                const struct document_vector *vector = &prepared->vectors[first + i];
                float *to = ret_vectors + i * dimensions;
                int r;

                if (vector->dimensions != dimensions)
                        return error_set(reterr, -EINVAL,
                                         "its vector has %u components, the generation's have %u",
                                         vector->dimensions, dimensions);
                memcpy(to, vector->values, dimensions * sizeof *to);
                r = gateway_admit_vector(target->release->gateway, to, dimensions, reterr);
                if (r < 0)
                        return r;
        }
        progress_count(follower, target->pace, &(struct pace_step){ .chunks = n });
        return 0;
}

/* Vectors that another generation has. */
static bool copy_vectors(struct follower *follower, const struct target *target,
                         const struct donors *donors, const struct prepared *prepared,
                         size_t first, size_t n, float *ret_vectors)
{
        uint64_t began_usec = clock_monotonic_usec(), took_usec;

        if (donors->n == 0 || n == 0 || !donors_copy(donors, prepared, first, n, ret_vectors))
                return false;
        took_usec = clock_monotonic_usec() - began_usec;
        follower->vectors_usec += took_usec;
        ingest_note_rate(follower->ingest, RATE_COPY, n, took_usec);
        progress_count(follower, target->pace, &(struct pace_step){ .chunks = n, .copied = n });
        return true;
}

static void find_donors(const struct target *target, struct donors *ret)
{
        if (target->rebuild && target->beside) /* what is built anew is embedded anew */
                return;
        donors_find(target->collection, generation_get_spec(target->generation),
                    target->generation, ret);
}

static int embed_some(struct follower *follower, const struct target *target,
                      const struct prepared *prepared, size_t first, size_t n, float *ret_vectors,
                      struct error *reterr)
{
        cleanup_(texts_done) struct texts texts = { .joined = BUF_EMPTY };

        texts.at = calloc(n ? n : 1, sizeof *texts.at);
        if (!texts.at)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                add_text(&texts, prepared, first + i);
        return call_gateway(follower, target, &texts, ret_vectors, reterr);
}

int embed_chunks(struct follower *follower, const struct target *target, struct prepared *prepared,
                 size_t first, size_t n, float *ret_vectors, struct error *reterr)
{
        cleanup_(donors_done) struct donors donors = { .n = 0 };
        struct error why = { 0 };
        int r;

        if (prepared->vectors) {
                r = take_vectors(follower, target, prepared, first, n, ret_vectors, &why);
        } else {
                find_donors(target, &donors);
                if (copy_vectors(follower, target, &donors, prepared, first, n, ret_vectors))
                        return 0;
                r = embed_some(follower, target, prepared, first, n, ret_vectors, &why);
        }
        if (is_fault_of_text(r)) {
                prepared_fail(prepared, error_text(&why));
                return 0;
        }
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int embed_each(struct follower *follower, const struct target *target,
                      struct prepared *items, size_t n, float *ret_vectors, struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(target->generation);
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                if (items[i].outcome == PREPARED_APPLY && !items[i].copied)
                        r = embed_chunks(follower, target, &items[i], 0, items[i].n_chunks,
                                         ret_vectors + items[i].first * dimensions, reterr);
        return r;
}

/* Marks those whose vectors are there already; returns how many chunks the others have. */
static size_t copy_documents(struct follower *follower, const struct target *target,
                             struct prepared *items, size_t n, float *ret_vectors)
{
        uint32_t dimensions = generation_dimensions(target->generation);
        cleanup_(donors_done) struct donors donors = { .n = 0 };
        size_t left = 0;

        find_donors(target, &donors);
        for (size_t i = 0; i < n; i++) {
                if (items[i].outcome != PREPARED_APPLY)
                        continue;
                items[i].copied = copy_vectors(follower, target, &donors, &items[i], 0,
                                               items[i].n_chunks,
                                               ret_vectors + items[i].first * dimensions);
                left += items[i].copied ? 0 : items[i].n_chunks;
        }
        return left;
}

int embed_documents(struct follower *follower, const struct target *target,
                    struct prepared *items, size_t n, float *ret_vectors, struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(target->generation);
        cleanup_(texts_done) struct texts texts = { .joined = BUF_EMPTY };
        cleanup_free_ float *vectors = NULL;
        struct error why = { 0 };
        size_t chunks, at = 0;
        int r;

        if (gateway_embedder(target->release->gateway)->from_client)
                return embed_each(follower, target, items, n, ret_vectors, reterr);
        chunks = copy_documents(follower, target, items, n, ret_vectors);
        if (chunks == 0)
                return 0;
        texts.at = calloc(chunks, sizeof *texts.at);
        vectors = calloc(chunks * dimensions, sizeof *vectors);
        if (!texts.at || !vectors)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; items[i].outcome == PREPARED_APPLY && !items[i].copied &&
                                   j < items[i].n_chunks; j++)
                        add_text(&texts, &items[i], j);
        r = call_gateway(follower, target, &texts, vectors, &why);
        if (is_fault_of_text(r)) /* whose it is shows when each goes alone */
                return embed_each(follower, target, items, n, ret_vectors, reterr);
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (items[i].outcome != PREPARED_APPLY || items[i].copied)
                        continue;
                memcpy(ret_vectors + items[i].first * dimensions, vectors + at * dimensions,
                       items[i].n_chunks * dimensions * sizeof *vectors);
                at += items[i].n_chunks;
        }
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}
