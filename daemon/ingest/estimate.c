/* SPDX-License-Identifier: Apache-2.0 */
/* What ingesting a document would come to: compared, extracted and cut as the follower does it, but
 * kept nowhere. */
#include "base/cleanup.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "ingest/chunk.h"
#include "ingest/extract.h"
#include "ingest/inside.h"

#include <string.h>

/* The title stands before each chunk that does not begin with it. */
static int count_title(struct text_analyzer *analyzer, const char *title, size_t *ret,
                       struct error *reterr)
{
        *ret = 0;
        if (title && *title && text_count_tokens(analyzer, title, strlen(title), ret) < 0)
                return error_oom(reterr);
        return 0;
}

static int add_chunks(struct text_analyzer *analyzer, const struct document_input *input,
                      const struct extracted *text, const struct chunk_rules *rules,
                      struct ingest_estimate *estimate, struct error *reterr)
{
        cleanup_free_ struct chunk_cut *cuts = NULL;
        size_t n = 0, title_tokens, title_len = input->title ? strlen(input->title) : 0;
        int r = count_title(analyzer, input->title, &title_tokens, reterr);

        if (r == 0)
                r = chunk_cut_text(analyzer, rules, text->text, text->len, &cuts, &n, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                const char *chunk = text->text + cuts[i].start;
                bool titled = title_len <= cuts[i].end - cuts[i].start &&
                              memcmp(chunk, input->title ? input->title : "", title_len) == 0;

                estimate->tokens += cuts[i].tokens + (titled ? 0 : title_tokens);
        }
        estimate->chunks += n;
        return 0;
}

static int cut(struct ingest *ingest, struct text_analyzer *analyzer,
               const struct document_input *input, struct ingest_estimate *estimate,
               struct error *reterr)
{
        struct chunk_rules rules = ingest_chunk_rules(ingest->settings.spec);
        cleanup_free_ char *body = malloc(input->body_len + 1); /* extraction changes it */
        struct extracted text = { 0 };
        int r;

        if (!body)
                return error_oom(reterr);
        memcpy(body, input->body ? input->body : "", input->body_len);
        body[input->body_len] = '\0';
        r = input->chunking ? chunk_rules_override(&rules, input->chunking, reterr) : 0;
        if (r == 0)
                r = extract_text(input->mime ? input->mime : "text/plain", body, input->body_len,
                                 &text, reterr);
        if (r == 0)
                r = add_chunks(analyzer, input, &text, &rules, estimate, reterr);
        extracted_done(&text);
        return r;
}

int ingest_estimate_document(struct ingest *ingest, struct collection *collection,
                             struct text_analyzer *analyzer, const struct document_input *input,
                             struct ingest_estimate *estimate, struct error *reterr)
{
        struct docs_receipt receipt;
        enum ingest_difference difference =
                collection ? ingest_compare(collection, input, &receipt) : INGEST_NEW;

        if (difference == INGEST_UNCHANGED) {
                estimate->unchanged_documents++;
                return 0;
        }
        if (gateway_embedder(ingest->settings.gateway)->from_client) {
                estimate->chunks += input->n_vectors; /* which cost nothing */
        } else {
                int r = cut(ingest, analyzer, input, estimate, reterr);

                if (r < 0)
                        return r;
        }
        if (difference == INGEST_NEW)
                estimate->new_documents++;
        else
                estimate->changed_documents++;
        return 0;
}
