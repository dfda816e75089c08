/* SPDX-License-Identifier: Apache-2.0 */
/* What ingesting a document, or building a generation anew, would come to: compared, extracted and
 * cut as the follower does it, but kept nowhere. */
#include "base/cleanup.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "ingest/chunk.h"
#include "ingest/extract.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <string.h>

#define ESTIMATE_PAGE 100 /* documents listed at once */

DEFINE_CLEANUP(struct collection *, collection_unref)

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

int ingest_estimate_cut(const struct generation_spec *spec, struct text_analyzer *analyzer,
                        const struct document_input *input, struct ingest_estimate *estimate,
                        struct error *reterr)
{
        struct chunk_rules rules = ingest_chunk_rules(spec);
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
        cleanup_(followed_unref_cleanup) struct followed *followed = followed_ref(ingest);
        const struct ingest_release *release = followed_serving(followed, reterr);
        struct docs_receipt receipt;
        enum ingest_difference difference =
                collection ? ingest_compare(collection, input, &receipt) : INGEST_NEW;

        if (!release)
                return -EAGAIN;
        if (difference == INGEST_UNCHANGED) {
                estimate->unchanged_documents++;
                return 0;
        }
        if (gateway_embedder(release->gateway)->from_client) {
                estimate->chunks += input->n_vectors; /* which cost nothing */
        } else {
                int r = ingest_estimate_cut(release->spec, analyzer, input, estimate, reterr);

                if (r < 0)
                        return r;
        }
        if (difference == INGEST_NEW)
                estimate->new_documents++;
        else
                estimate->changed_documents++;
        return 0;
}

/* ---- Of what is there already ---------------------------------------------------------------- */

static int add_stored(const struct ingest_release *release, struct collection *collection,
                      struct text_analyzer *analyzer, uint32_t docver,
                      struct ingest_estimate *estimate, struct error *reterr)
{
        struct document document = { 0 };
        int r = docs_get_body(collection, docver, &document, reterr);

        if (r == 0) {
                const struct document_input input = { .mime = document.mime,
                                                      .title = document.title,
                                                      .chunking = document.chunking,
                                                      .body = document.body,
                                                      .body_len = document.body_len };

                r = gateway_embedder(release->gateway)->from_client
                            ? 0 /* the vectors are there */
                            : ingest_estimate_cut(release->spec, analyzer, &input, estimate,
                                                  reterr);
                estimate->changed_documents += r == 0;
        }
        document_done(&document);
        return r == -ENOMEM || r == -EIO ? r : 0; /* a rebuild passes over the others, too */
}

static int add_page(const struct ingest_release *release, struct collection *collection,
                    struct text_analyzer *analyzer, const struct document *documents, size_t n,
                    struct ingest_estimate *estimate, struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = add_stored(release, collection, analyzer, documents[i].docver, estimate,
                               reterr);
        return r;
}

int ingest_estimate_rebuild(struct ingest *ingest, struct tenant_id tenant, const char *name,
                            struct ingest_estimate *ret, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        cleanup_(followed_unref_cleanup) struct followed *followed = followed_ref(ingest);
        const struct ingest_release *release = followed_serving(followed, reterr);
        struct ingest_estimate estimate = { 0 };
        cleanup_free_ char *after = NULL;
        size_t n = ESTIMATE_PAGE;
        int r = release ? collection_open(ingest->settings.store, tenant, name, &collection, reterr)
                        : -EAGAIN;

        if (r == 0)
                r = text_analyzer_new("none", &analyzer, reterr);
        while (r == 0 && n == ESTIMATE_PAGE) {
                struct document *documents = NULL;

                n = 0;
                r = docs_list(collection, after, ESTIMATE_PAGE, &documents, &n, reterr);
                if (r == 0)
                        r = add_page(release, collection, analyzer, documents, n, &estimate,
                                     reterr);
                free(after);
                after = n > 0 ? take_ptr(documents[n - 1].external_id) : NULL;
                (void) documents_free(documents, n);
        }
        if (r == 0)
                *ret = estimate;
        return r;
}
