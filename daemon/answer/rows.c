/* SPDX-License-Identifier: Apache-2.0 */
/* From candidates to results: what the store says of them, asked for the final ones only. */
#include "answer/inside.h"

#include "store/collection.h"

#include <math.h>
#include <string.h>

void rows_done(struct search_response *response)
{
        for (size_t i = 0; i < response->n_rows; i++) {
                chunk_done(&response->rows[i].chunk);
                free(response->rows[i].highlights);
        }
        for (size_t i = 0; i < response->n_documents; i++)
                document_done(&response->documents[i]);
        free(response->rows);
        free(response->documents);
        response->rows = NULL;
        response->documents = NULL;
        response->n_rows = response->n_documents = 0;
}

/* Passages of one document share it.  1: there; 0: it was deleted meanwhile. */
static int find_document(struct search_response *response, struct row *row, struct error *reterr)
{
        const struct pin *pin = &response->pins[row->candidate.pin];
        uint32_t docver = generation_view_docver(pin->view, row->candidate.slot);
        struct document *document;
        int r;

        for (size_t i = 0; i < response->n_rows; i++) {
                const struct row *other = &response->rows[i];

                if (other->candidate.pin == row->candidate.pin &&
                    other->document->docver == docver) {
                        row->document = other->document;
                        return 1;
                }
        }
        document = &response->documents[response->n_documents];
        r = docs_get_version(pin->collection, docver, document, reterr);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        response->n_documents++;
        row->document = document;
        return 1;
}

static int find_chunk(struct search_response *response, struct row *row, struct error *reterr)
{
        const struct pin *pin = &response->pins[row->candidate.pin];
        int r = generation_get_chunk(pin->generation, row->candidate.slot, &row->chunk, reterr);

        return r < 0 && r != -ENOENT ? r : r >= 0;
}

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

static int fetch(const struct search_request *request, struct search_response *response,
                 const uint32_t *chosen, size_t n, struct error *reterr)
{
        bool chunks = request->include_text || request->include_position || request->highlight;

        for (size_t i = 0; i < n; i++) {
                struct row *row = &response->rows[response->n_rows];
                int r;

                *row = (struct row){ .candidate = response->candidates.items[chosen[i]] };
                if (!is_sound(response, row))
                        continue;
                r = find_document(response, row, reterr);
                if (r > 0 && chunks)
                        r = find_chunk(response, row, reterr);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                row->chunk.slot = row->candidate.slot;
                row->chunk.ordinal = generation_view_ordinal(
                        response->pins[row->candidate.pin].view, row->candidate.slot);
                response->n_rows++;
        }
        return 0;
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

int rows_fetch(const struct search_request *request, struct search_response *response,
               const uint32_t *chosen, size_t n, struct error *reterr)
{
        int r;

        response->rows = calloc(n ? n : 1, sizeof *response->rows);
        response->documents = calloc(n ? n : 1, sizeof *response->documents);
        if (!response->rows || !response->documents)
                return error_oom(reterr);
        r = fetch(request, response, chosen, n, reterr);
        for (size_t i = 0; r >= 0 && request->highlight && request->query && i < response->n_pins;
             i++)
                r = mark_pin(request, response, i, reterr);
        return r;
}
