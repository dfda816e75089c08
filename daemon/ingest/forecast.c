/* SPDX-License-Identifier: Apache-2.0 */
/* What following a release would take: documents, what is to be embedded and what can be copied,
 * room on the disk, and time by what was measured on this machine. */
#include "base/cleanup.h"
#include "base/text.h"
#include "ingest/embed.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <string.h>

#define PAGE 1024
#define CHUNK_BYTES 256 /* of a chunk's rows and what its vector has beside the numbers */
#define TEXT_COPIES 4   /* of a text: the chunk, where it overlaps, its postings */
#define FADE 0.9        /* what a measurement weighs after the next one */

DEFINE_CLEANUP(struct collection *, collection_unref)
DEFINE_CLEANUP(struct generation *, generation_unref)

/* ---- Rates ---------------------------------------------------------------------------------- */

void ingest_note_rate(struct ingest *ingest, enum rate rate, uint64_t items, uint64_t usec)
{
        if (items == 0)
                return;
        pthread_mutex_lock(&ingest->lock);
        ingest->rates[rate].items = ingest->rates[rate].items * FADE + (double) items;
        ingest->rates[rate].usec = ingest->rates[rate].usec * FADE + (double) (usec ? usec : 1);
        pthread_mutex_unlock(&ingest->lock);
}

/* Microseconds for so many; negative: nobody knows yet. */
static double take(struct ingest *ingest, enum rate rate, uint64_t items)
{
        double usec;

        if (items == 0)
                return 0;
        pthread_mutex_lock(&ingest->lock);
        usec = ingest->rates[rate].items > 0
                       ? (double) items * ingest->rates[rate].usec / ingest->rates[rate].items
                       : -1;
        pthread_mutex_unlock(&ingest->lock);
        return usec;
}

static uint64_t estimate_usec(struct ingest *ingest, const struct ingest_forecast *forecast,
                              bool remote_embedder)
{
        double apply = take(ingest, RATE_APPLY, forecast->documents);
        double copy = take(ingest, RATE_COPY, forecast->copied);
        double embed = take(ingest, remote_embedder ? RATE_EMBED_REMOTE : RATE_EMBED,
                            forecast->chunks);

        /* Copying is always less than what reading and cutting takes. */
        if (apply < 0 || embed < 0)
                return 0;
        return (uint64_t) (apply + (copy < 0 ? 0 : copy) + embed);
}

/* ---- Documents ------------------------------------------------------------------------------ */

struct forecaster {
        const struct generation_spec *spec; /* in the collection's language */
        struct collection *collection;
        struct text_analyzer *analyzer;
        struct donors donors;
        bool from_client; /* its vectors are there */
        struct ingest_forecast *forecast;
};

/* In a generation, for `chunks` chunks of a text. */
static uint64_t bytes_of(const struct generation_spec *spec, uint64_t chunks, uint64_t text_bytes)
{
        uint64_t vector = (uint64_t) spec->fingerprint.dimensions * sizeof(float);
        uint64_t index = (uint64_t) spec->index.m * 3 * sizeof(uint32_t) +
                         2 * (uint64_t) spec->fingerprint.dimensions;

        return chunks * (vector + index + CHUNK_BYTES) + text_bytes * TEXT_COPIES;
}

static bool find_copy(const struct forecaster *forecaster, uint32_t docver, uint32_t *ret_chunks)
{
        for (size_t i = 0; i < forecaster->donors.n; i++)
                if (generation_count_chunks(forecaster->donors.at[i], docver, ret_chunks, NULL) ==
                    0)
                        return true;
        return false;
}

static int add_document(struct forecaster *forecaster, const struct document *document,
                        struct error *reterr)
{
        const struct document_input input = { .mime = document->mime,
                                              .title = document->title,
                                              .chunking = document->chunking,
                                              .body = document->body,
                                              .body_len = document->body_len };
        struct ingest_forecast *forecast = forecaster->forecast;
        struct ingest_estimate estimate = { 0 };
        uint32_t copied = 0;
        int r = 0;

        if (forecaster->from_client || !find_copy(forecaster, document->docver, &copied))
                r = ingest_estimate_cut(forecaster->spec, forecaster->analyzer, &input, &estimate,
                                        reterr);
        if (r == -ENOMEM)
                return r;
        forecast->documents++; /* one that cannot be cut is passed over, which takes a look */
        forecast->copied += copied;
        if (!forecaster->from_client) {
                forecast->chunks += estimate.chunks;
                forecast->tokens += estimate.tokens;
        }
        forecast->bytes += bytes_of(forecaster->spec, copied + estimate.chunks,
                                    document->body_len);
        return 0;
}

static int add_change(struct forecaster *forecaster, const struct docs_change *change,
                      struct error *reterr)
{
        struct document document = { 0 };
        int r;

        if (change->docver == 0 || change->superseded)
                return 0;
        r = docs_get_body(forecaster->collection, change->docver, &document, reterr);
        if (r == -ENOENT)
                return 0;
        if (r == 0 && !document.failed)
                r = add_document(forecaster, &document, reterr);
        document_done(&document);
        return r;
}

static int add_log(struct forecaster *forecaster, uint64_t applied, struct error *reterr)
{
        for (;;) {
                cleanup_free_ struct docs_change *changes = NULL;
                size_t n = 0;
                int r = docs_changes(forecaster->collection, applied, PAGE, &changes, &n, reterr);

                for (size_t i = 0; r == 0 && i < n; i++)
                        r = add_change(forecaster, &changes[i], reterr);
                if (r < 0 || n == 0)
                        return r;
                applied = changes[n - 1].doc_seq;
        }
}

/* ---- Collections ---------------------------------------------------------------------------- */

/* Those whose generation is ready need nothing, and are not opened. */

static int add_collection(struct ingest *ingest, const struct store_collection *which,
                          const struct generation_spec *any, struct text_analyzer *analyzer,
                          struct ingest_forecast *forecast, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(generation_unref_cleanup) struct generation *generation = NULL;
        cleanup_(donors_done) struct donors donors = { .n = 0 };
        struct generation_spec spec = *any;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        uint64_t before = forecast->documents;
        struct forecaster forecaster;
        int r = collection_open_by_id(ingest->settings.store, which->tenant, which->collection,
                                      &collection, reterr);

        if (r < 0)
                return r == -ENOENT ? 0 : r; /* deleted meanwhile */
        spec.language = collection_get(collection)->language;
        generation_identity(&spec, identity);
        generation = collection_find_generation(collection, identity);
        donors_find(collection, &spec, generation, &donors);
        forecaster = (struct forecaster){
                .spec = &spec,
                .collection = collection,
                .analyzer = analyzer,
                .donors = donors,
                .from_client = spec.fingerprint.provider &&
                               strcmp(spec.fingerprint.provider, "client") == 0,
                .forecast = forecast,
        };
        r = add_log(&forecaster, generation ? generation_applied_seq(generation) : 0, reterr);
        forecast->collections += forecast->documents > before;
        return r;
}

int ingest_forecast_release(struct ingest *ingest, const struct generation_spec *spec,
                            bool remote_embedder, struct ingest_forecast *ret,
                            struct error *reterr)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        cleanup_free_ struct store_collection *all = NULL;
        struct ingest_forecast forecast = { 0 };
        size_t n = 0;
        int r = text_analyzer_new("none", &analyzer, reterr);

        if (r == 0)
                r = store_list_without(ingest->settings.store, spec, &all, &n, reterr);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = add_collection(ingest, &all[i], spec, analyzer, &forecast, reterr);
        if (r < 0)
                return r;
        forecast.usec = estimate_usec(ingest, &forecast, remote_embedder);
        *ret = forecast;
        return 0;
}
