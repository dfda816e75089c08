/* SPDX-License-Identifier: Apache-2.0 */
/* From candidates to results: what the store says of them, asked for the final ones only. */
#include "answer/inside.h"

#include "store/collection.h"

#include <math.h>
#include <string.h>

static void row_done(struct row *row)
{
        (void) kept_unref(row->of_document);
        (void) kept_unref(row->of_chunk);
        free(row->highlights);
}

void rows_done(struct search_response *response)
{
        for (size_t i = 0; i < response->n_rows; i++)
                row_done(&response->rows[i]);
        free(response->rows);
        response->rows = NULL;
        response->n_rows = 0;
}

/* ---- Documents ------------------------------------------------------------------------------ */

static struct kept_key document_key(const struct search_response *response, const struct row *row)
{
        const struct pin *pin = &response->pins[row->candidate.pin];

        return (struct kept_key){
                .collection = collection_get(pin->collection)->id,
                .number = generation_view_docver(pin->view, row->candidate.slot),
        };
}

static void set_document(struct row *row, struct kept_item *takes_item)
{
        row->of_document = takes_item;
        row->document = &takes_item->document;
}

/* Passages of one document share it. */
static bool share_document(const struct search_response *response, size_t at, uint32_t docver)
{
        struct row *row = &response->rows[at];

        for (size_t i = 0; i < at; i++) {
                const struct row *other = &response->rows[i];

                if (other->document && other->candidate.pin == row->candidate.pin &&
                    other->document->docver == docver) {
                        set_document(row, kept_ref(other->of_document));
                        return true;
                }
        }
        return false;
}

/* What has to be read for one pin, each version once. */
struct missing {
        uint32_t *docvers;
        struct document *documents;
        size_t n;
};

static void missing_done(struct missing *missing)
{
        for (size_t i = 0; missing->documents && i < missing->n; i++)
                document_done(&missing->documents[i]);
        free(missing->docvers);
        free(missing->documents);
}

static void note_missing(struct missing *missing, uint32_t docver)
{
        for (size_t i = 0; i < missing->n; i++)
                if (missing->docvers[i] == docver)
                        return;
        missing->docvers[missing->n++] = docver;
}

static int read_missing(struct answer *answer, struct search_response *response, uint32_t pin,
                        struct missing *missing, struct error *reterr)
{
        int r = docs_get_versions(response->pins[pin].collection, missing->docvers, missing->n,
                                  missing->documents, reterr);

        for (size_t i = 0; r >= 0 && i < response->n_rows; i++) {
                struct row *row = &response->rows[i];
                struct kept_key key = document_key(response, row);
                struct kept_item *item;
                size_t j = 0;

                if (row->document || row->candidate.pin != pin ||
                    share_document(response, i, key.number))
                        continue;
                while (j < missing->n && missing->documents[j].docver != key.number)
                        j++;
                if (j == missing->n)
                        continue; /* deleted meanwhile */
                item = kept_put_document(answer->kept, &key, &missing->documents[j]);
                if (!item)
                        return error_oom(reterr);
                set_document(row, item);
        }
        return r;
}

static int find_documents(struct answer *answer, struct search_response *response,
                          struct error *reterr)
{
        for (uint32_t pin = 0; pin < response->n_pins; pin++) {
                cleanup_(missing_done) struct missing missing = { 0 };
                int r;

                for (size_t i = 0; i < response->n_rows; i++) {
                        struct row *row = &response->rows[i];
                        struct kept_key key;
                        struct kept_item *item;

                        if (row->candidate.pin != pin)
                                continue;
                        key = document_key(response, row);
                        if (share_document(response, i, key.number))
                                continue;
                        item = kept_get(answer->kept, &key);
                        if (item) {
                                set_document(row, item);
                                continue;
                        }
                        if (!missing.docvers)
                                missing.docvers = malloc(response->n_rows *
                                                         sizeof *missing.docvers);
                        if (!missing.docvers)
                                return error_oom(reterr);
                        note_missing(&missing, key.number);
                }
                if (missing.n == 0)
                        continue;
                missing.documents = calloc(missing.n, sizeof *missing.documents);
                if (!missing.documents)
                        return error_oom(reterr);
                r = read_missing(answer, response, pin, &missing, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- Chunks --------------------------------------------------------------------------------- */

int row_read_chunk(struct answer *answer, const struct search_response *response, struct row *row,
                   struct error *reterr)
{
        const struct pin *pin = &response->pins[row->candidate.pin];
        const struct kept_key key = { .collection = collection_get(pin->collection)->id,
                                      .generation = generation_number(pin->generation),
                                      .number = row->candidate.slot };
        struct chunk chunk = { 0 };
        int r;

        row->of_chunk = kept_get(answer->kept, &key);
        if (!row->of_chunk) {
                r = generation_get_chunk(pin->generation, row->candidate.slot, &chunk, reterr);
                if (r < 0)
                        return r == -ENOENT ? 0 : r;
                row->of_chunk = kept_put_chunk(answer->kept, &key, &chunk);
        }
        if (!row->of_chunk) {
                chunk_done(&chunk);
                return error_oom(reterr);
        }
        row->chunk = row->of_chunk->chunk;
        return 1;
}

/* ---- Together ------------------------------------------------------------------------------- */

/* A damaged vector has no score to show, and what nothing but it speaks for is no result. */
static bool is_sound(struct search_response *response, struct row *row)
{
        struct candidate *candidate = &row->candidate;

        if (!response->dense ||
            generation_view_check(response->pins[candidate->pin].view, candidate->slot, NULL) >= 0)
                return true;
        response->degraded_dense = true;
        candidate->dense = NAN;
        candidate->dense_rank = 0;
        return candidate->bm25_rank > 0;
}

/* What was deleted since the view was pinned is left out. */
static int complete(struct answer *answer, const struct search_request *request,
                    struct search_response *response, struct error *reterr)
{
        bool chunks = request->include_text || request->include_position || request->highlight;
        size_t kept = 0;
        int r = find_documents(answer, response, reterr);

        for (size_t i = 0; r >= 0 && i < response->n_rows; i++) {
                struct row row = response->rows[i];
                int there = row.document != NULL;

                response->rows[i] = (struct row){ 0 };
                if (there && chunks)
                        there = r = row_read_chunk(answer, response, &row, reterr);
                row.chunk.slot = row.candidate.slot;
                row.chunk.ordinal = generation_view_ordinal(
                        response->pins[row.candidate.pin].view, row.candidate.slot);
                if (there > 0)
                        response->rows[kept++] = row;
                else
                        row_done(&row);
        }
        if (r < 0)
                return r;
        response->n_rows = kept;
        return 0;
}

static int fetch(struct answer *answer, const struct search_request *request,
                 struct search_response *response, const uint32_t *chosen, size_t n,
                 struct error *reterr)
{
        for (size_t i = 0; i < n; i++) {
                struct row *row = &response->rows[response->n_rows];

                *row = (struct row){ .candidate = response->candidates.items[chosen[i]] };
                if (is_sound(response, row))
                        response->n_rows++;
        }
        return complete(answer, request, response, reterr);
}

/* Each collection has its own language. */
static int mark_pin(const struct search_request *request, struct search_response *response,
                    size_t pin, struct error *reterr)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        struct query_terms terms;
        int r;

        r = text_analyzer_new(collection_get(response->pins[pin].collection)->language, &analyzer,
                              reterr);
        if (r >= 0)
                r = query_terms_read(analyzer, request->query, strlen(request->query), &terms,
                                     reterr);
        for (size_t i = 0; r >= 0 && i < response->n_rows; i++) {
                struct row *row = &response->rows[i];

                if (row->candidate.pin == pin && row->chunk.text)
                        r = highlight(analyzer, &terms, row->chunk.text, row->chunk.text_len,
                                      &row->highlights, &row->n_highlights, reterr);
        }
        return r < 0 ? r : 0;
}

int rows_fetch(struct answer *answer, const struct search_request *request,
               struct search_response *response, const uint32_t *chosen, size_t n,
               struct error *reterr)
{
        int r;

        response->rows = calloc(n ? n : 1, sizeof *response->rows);
        if (!response->rows)
                return error_oom(reterr);
        r = fetch(answer, request, response, chosen, n, reterr);
        for (size_t i = 0; r >= 0 && request->highlight && request->query && i < response->n_pins;
             i++)
                r = mark_pin(request, response, i, reterr);
        return r;
}
