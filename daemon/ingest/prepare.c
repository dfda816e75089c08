/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ingest/prepare.h"

#include "base/cleanup.h"
#include "gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void prepared_done(struct prepared *prepared)
{
        extracted_done(&prepared->text);
        free(prepared->cuts);
        if (prepared->vectors)
                (void) docs_vectors_free(prepared->vectors, prepared->n_chunks);
        document_done(&prepared->document);
        *prepared = (struct prepared){ 0 };
}

void prepared_fail(struct prepared *prepared, const char *why)
{
        prepared->outcome = PREPARED_FAIL;
        (void) snprintf(prepared->why, sizeof prepared->why, "%s", why);
}

const char *prepared_chunk(const struct prepared *prepared, size_t at, size_t *ret_len)
{
        const struct chunk_cut *cut = &prepared->cuts[at];

        if (prepared->vectors && prepared->vectors[at].text) {
                *ret_len = strlen(prepared->vectors[at].text);
                return prepared->vectors[at].text;
        }
        *ret_len = cut->end - cut->start;
        return prepared->text.text + cut->start;
}

/* Memory is the machine's; everything else that these steps report is the document's. */
static int blame(struct prepared *prepared, int r, const struct error *why, struct error *reterr)
{
        if (r != -ENOMEM) {
                prepared_fail(prepared, error_text(why));
                return 0;
        }
        if (reterr)
                *reterr = *why;
        return r;
}

static int cut(struct follower *follower, const struct target *target, struct prepared *prepared,
               struct error *reterr)
{
        const struct generation_spec *spec = generation_get_spec(target->generation);
        struct chunk_rules rules = ingest_chunk_rules(spec);
        int r = 0;

        if (rules.strategy < 0)
                return error_set(reterr, -EINVAL, "unknown chunking strategy %s",
                                 spec->chunking.strategy);
        if (prepared->document.chunking)
                r = chunk_rules_override(&rules, prepared->document.chunking, reterr);
        if (r == 0 && !follower->analyzer)
                r = text_analyzer_new("none", &follower->analyzer, reterr);
        return r < 0 ? r
                     : chunk_cut_text(follower->analyzer, &rules, prepared->text.text,
                                      prepared->text.len, &prepared->cuts, &prepared->n_chunks,
                                      reterr);
}

/* The client's own chunks: where each stands in the text, when it stands there at all. */
static int place_chunks(struct follower *follower, struct prepared *prepared, size_t n,
                        struct error *reterr)
{
        const char *text = prepared->text.text;
        size_t at = 0, tokens;
        int r = 0;

        if (!follower->analyzer)
                r = text_analyzer_new("none", &follower->analyzer, reterr);
        prepared->cuts = calloc(n, sizeof *prepared->cuts);
        if (r < 0 || !prepared->cuts)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                struct chunk_cut *place = &prepared->cuts[i];
                const char *own = prepared->vectors[i].text, *found = text + at;
                size_t len = own ? strlen(own) : prepared->text.len;

                if (own)
                        found = memmem(text + at, prepared->text.len - at, own, len);
                if (text_count_tokens(follower->analyzer, own ? own : text, len, &tokens) < 0)
                        return error_oom(reterr);
                place->tokens = (uint32_t) tokens;
                if (own && !found)
                        continue;
                place->start = (uint32_t) (found - text);
                place->end = place->start + (uint32_t) len;
                at = place->end;
        }
        prepared->n_chunks = n;
        return 0;
}

static int take_vectors(struct follower *follower, struct collection *collection,
                        struct prepared *prepared, struct error *reterr)
{
        struct error why = { 0 };
        size_t n = 0;
        int r = docs_get_vectors(collection, prepared->change.docver, &prepared->vectors, &n,
                                 reterr);

        if (r < 0)
                return r;
        if (n == 0) {
                prepared_fail(prepared, "it came without a vector, and this profile's provider "
                                        "takes vectors from the client: put it again with one");
                return 0;
        }
        r = place_chunks(follower, prepared, n, &why);
        prepared->n_chunks = n;
        return r < 0 ? blame(prepared, r, &why, reterr) : 0;
}

/* The document's bytes to chunks. */
static int work_out(struct follower *follower, const struct target *target,
                    struct prepared *prepared, struct error *reterr)
{
        struct document *document = &prepared->document;
        struct error why = { 0 };
        int r = extract_text(document->mime ? document->mime : "text/plain", document->body,
                             document->body_len, &prepared->text, &why);

        if (r < 0)
                return blame(prepared, r, &why, reterr);
        if (gateway_embedder(target->release->gateway)->from_client)
                return take_vectors(follower, target->collection, prepared, reterr);
        r = cut(follower, target, prepared, &why);
        return r < 0 ? blame(prepared, r, &why, reterr) : 0;
}

/* Canceled while it is not visible yet: it is not to become so.  What serves shows is there,
 * whatever became of its job. */
bool change_was_canceled(struct follower *follower, const struct target *target,
                         const struct docs_change *change)
{
        struct generation *serving;
        uint64_t served;

        if (!target->jobs) {
                serving = collection_serving(target->collection);
                served = serving ? generation_applied_seq(serving) : 0;
                (void) generation_unref(serving);
                if (change->doc_seq <= served)
                        return false;
        }
        return live_job_is_canceled(follower, change->job);
}

int prepare_change(struct follower *follower, const struct target *target,
                   const struct docs_change *change, struct prepared *ret, struct error *reterr)
{
        int r;

        *ret = (struct prepared){ .change = *change };
        if (change->docver == 0) {
                ret->outcome = PREPARED_DELETE;
                return 0;
        }
        ret->outcome = PREPARED_NOTHING;
        if (change->superseded)
                return 0;
        r = docs_get_body(target->collection, change->docver, &ret->document, reterr);
        if (r == -ENOENT) /* superseded or deleted since the log was read */
                return 0;
        if (r < 0)
                return r;
        ret->outcome = PREPARED_APPLY;
        if (ret->document.failed) {
                prepared_fail(ret, ret->document.error ? ret->document.error : "it failed before");
                ret->failed_before = true;
                return 0;
        }
        if (change_was_canceled(follower, target, change)) {
                prepared_fail(ret, "its job was canceled");
                return 0;
        }
        r = work_out(follower, target, ret, reterr);
        if (r < 0)
                prepared_done(ret);
        return r;
}
