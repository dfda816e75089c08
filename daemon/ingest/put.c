/* SPDX-License-Identifier: Apache-2.0 */
/* One document in, one document out. */
#include "base/cleanup.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "ingest/chunk.h"
#include "ingest/followed.h"
#include "ingest/inside.h"
#include "ingest/quota.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(struct collection *, collection_unref)

static int refuse(struct error *reterr, int code, const char *key, const char *rule)
{
        (void) error_set(reterr, code, "\"%s\" %s", key, rule);
        error_set_origin(reterr, NULL, key, 0, 0);
        return code;
}

/* ---- What may come in ----------------------------------------------------------------------- */

static int check_external_id(const char *id, struct error *reterr)
{
        size_t len = strlen(id);

        if (len == 0 || len > DOCUMENT_EXTERNAL_ID_MAX)
                return refuse(reterr, -EINVAL, "external_id", "must have 1 to 512 bytes");
        if (utf8_valid_prefix(id, len) != len)
                return refuse(reterr, -EINVAL, "external_id", "is not valid UTF-8");
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) id[i] < 0x20 || id[i] == 0x7F)
                        return refuse(reterr, -EINVAL, "external_id",
                                      "must not hold control characters");
        return 0;
}

static int check_sizes(const struct ingest_settings *settings, const struct document_input *input,
                       struct error *reterr)
{
        const struct {
                const char *key, *text;
        } texts[] = { { "title", input->title },
                      { "source_url", input->source_url },
                      { "metadata", input->metadata } };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                if (!texts[i].text)
                        continue;
                if (strlen(texts[i].text) > settings->max_input_bytes)
                        return refuse(reterr, -E2BIG, texts[i].key,
                                      "is larger than rag.security.max_input_size_kb");
                if (utf8_valid_prefix(texts[i].text, strlen(texts[i].text)) !=
                    strlen(texts[i].text))
                        return refuse(reterr, -EINVAL, texts[i].key, "is not valid UTF-8");
        }
        if (input->body_len > settings->max_document_bytes)
                return error_set(reterr, -EFBIG, "the document has %zu bytes; %zu are allowed",
                                 input->body_len, settings->max_document_bytes);
        return 0;
}

static int check_vector(const struct gateway *gateway, const struct document_vector *vector,
                        struct error *reterr)
{
        size_t bytes = vector->dimensions * sizeof *vector->values;
        cleanup_free_ float *copy = malloc(bytes + 1);

        if (!copy)
                return error_oom(reterr);
        memcpy(copy, vector->values, bytes);
        return gateway_admit_vector(gateway, copy, vector->dimensions, reterr);
}

static int check_vectors(const struct gateway *gateway, const struct document_input *input,
                         struct error *reterr)
{
        bool from_client = gateway_embedder(gateway)->from_client;

        if (from_client && input->n_vectors == 0)
                return refuse(reterr, -EINVAL, "vector",
                              "is missing: this profile's provider takes vectors from the client");
        if (!from_client && input->n_vectors > 0)
                return refuse(reterr, -EINVAL, "vector",
                              "is not taken: this profile's provider computes the vectors itself");
        for (size_t i = 0; i < input->n_vectors; i++) {
                int r = check_vector(gateway, &input->vectors[i], reterr);

                if (r < 0) {
                        error_set_origin(reterr, NULL, "vector", 0, 0);
                        return error_prefix(reterr, r, "vector %zu", i + 1);
                }
        }
        return 0;
}

struct chunk_rules ingest_chunk_rules(const struct generation_spec *spec)
{
        return (struct chunk_rules){
                .strategy = chunk_strategy_from_name(spec->chunking.strategy),
                .chunk_size = spec->chunking.chunk_size,
                .overlap = spec->chunking.overlap,
                .max_chunk_size = spec->chunking.max_chunk_size,
                .min_chunk_size = spec->chunking.min_chunk_size,
        };
}

static int check_chunking(const struct generation_spec *spec, const struct document_input *input,
                          struct error *reterr)
{
        struct chunk_rules rules = ingest_chunk_rules(spec);

        return input->chunking ? chunk_rules_override(&rules, input->chunking, reterr) : 0;
}

int ingest_check_input(struct ingest *ingest, const struct document_input *input,
                       struct error *reterr)
{
        cleanup_(followed_unref_cleanup) struct followed *followed = followed_ref(ingest);
        const struct ingest_release *release = followed_serving(followed, reterr);
        int r = release ? check_external_id(input->external_id, reterr) : -EAGAIN;

        if (r == 0)
                r = check_sizes(&ingest->settings, input, reterr);
        if (r == 0)
                r = docs_check_metadata(input->metadata, reterr);
        if (r == 0)
                r = check_chunking(release->spec, input, reterr);
        if (r == 0)
                r = check_vectors(release->gateway, input, reterr);
        return r;
}

/* ---- Putting -------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : !a && !b;
}

enum ingest_difference ingest_compare(struct collection *collection,
                                      const struct document_input *input,
                                      struct docs_receipt *ret)
{
        struct document document;
        uint8_t sha256[32];
        bool unchanged;

        if (docs_get(collection, input->external_id, &document, NULL) < 0) {
                *ret = (struct docs_receipt){ .delta = { 1, (int64_t) input->body_len,
                                                         input->chunks } };
                return INGEST_NEW;
        }
        (void) crypto_hash_sha256(sha256, input->body, input->body_len);
        unchanged = input->n_vectors == 0 && !document.failed &&
                    memcmp(sha256, document.sha256, sizeof sha256) == 0 &&
                    same(input->mime, document.mime) && same(input->title, document.title) &&
                    same(input->source_url, document.source_url) &&
                    same(input->metadata, document.metadata) &&
                    same(input->chunking, document.chunking);
        *ret = (struct docs_receipt){ .id = document.id,
                                      .version = document.version,
                                      .doc_seq = document.doc_seq,
                                      .unchanged = true };
        if (!unchanged)
                ret->delta = (struct docs_delta){
                        .bytes = (int64_t) input->body_len - (int64_t) document.size_bytes,
                        .vectors = (int64_t) input->chunks - (int64_t) document.chunks,
                };
        memcpy(ret->sha256, sha256, sizeof sha256);
        document_done(&document);
        return unchanged ? INGEST_UNCHANGED : INGEST_CHANGED;
}

/* Where others change the same document meanwhile, what it adds is looked at again. */
static int put_within(struct collection *collection, const struct document_input *input,
                      struct job_id job, struct quota_hold *hold, struct docs_receipt *ret,
                      struct error *reterr)
{
        const struct tenant_amounts none = { 0 };
        struct tenant_amounts more;
        struct docs_delta left;
        int r = docs_put_within(collection, input, 1, job, quota_left(hold, &none, &left), ret,
                                reterr);

        while (r == -ESTALE) {
                (void) ingest_compare(collection, input, ret);
                more = quota_amounts(&ret->delta);
                r = quota_hold_more(hold, &more, reterr);
                if (r == 0)
                        r = docs_put_within(collection, input, 1, job,
                                            quota_left(hold, &none, &left), ret, reterr);
        }
        return r;
}

/* Job row first, then docs.db. */
static int put_durably(struct ingest *ingest, struct collection *collection,
                       const struct document_input *input, struct quota_hold *hold,
                       struct ingest_receipt *ret, struct error *reterr)
{
        const struct collection_info *info = collection_get(collection);
        struct tenant_amounts added;
        struct error why = { 0 };
        struct job_intake intake = { 0 };
        int r = live_job_begin(ingest, info, JOB_INGEST, &ret->job, reterr);

        if (r < 0)
                return r;
        r = put_within(collection, input, ret->job, hold, &ret->document, &why);
        if (r == 0) {
                added = quota_amounts(&ret->document.delta);
                quota_settle(hold, &added);
        } else if (!quota_is_clean(r)) {
                quota_settle(hold, NULL);
        }
        if (r == 0) {
                intake.unchanged = ret->document.unchanged;
                intake.accepted = !ret->document.unchanged;
                intake.last_seq = intake.accepted ? ret->document.doc_seq : 0;
                live_job_take_in(ingest, info->id, ret->job, &intake);
        }
        live_job_close(ingest, info->id, ret->job, r < 0 ? error_text(&why) : NULL);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

int ingest_put(struct ingest *ingest, struct tenant_id tenant, const char *collection,
               const struct document_input *document, struct ingest_receipt *ret,
               struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *open = NULL;
        cleanup_(quota_give_back) struct quota_hold hold = { 0 };
        struct document_input input = *document;
        struct ingest_receipt receipt = { 0 };
        struct tenant_amounts more;
        int r = ingest_check_input(ingest, document, reterr);

        if (r == 0)
                r = ingest_check_space(ingest, reterr);
        if (r == 0)
                r = collection_open(ingest->settings.store, tenant, collection, &open, reterr);
        if (r == 0)
                r = quota_count_chunks(ingest, NULL, document, &input.chunks, reterr);
        if (r == 0 && ingest_compare(open, &input, &receipt.document) != INGEST_UNCHANGED) {
                more = quota_amounts(&receipt.document.delta);
                r = quota_hold(ingest, tenant, &more, &hold, reterr);
                if (r == 0)
                        r = put_durably(ingest, open, &input, &hold, &receipt, reterr);
        }
        if (r < 0)
                return r;
        *ret = receipt;
        return 0;
}

int ingest_forget_document(struct collection *collection, struct quota_hold *hold,
                           const char *external_id, struct error *reterr)
{
        struct docs_delta gone = { 0 };
        struct tenant_amounts added;
        int r = collection_forget_counted(collection, external_id, &gone, reterr);

        added = quota_amounts(&gone);
        if (r == 0)
                quota_settle(hold, &added);
        else if (!quota_is_clean(r)) /* the generations may have failed behind it */
                quota_settle(hold, NULL);
        return r;
}

int ingest_delete(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                  const char *external_id, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *open = NULL;
        cleanup_(quota_give_back) struct quota_hold hold = { 0 };
        int r = collection_open(ingest->settings.store, tenant, collection, &open, reterr);

        if (r == 0)
                r = quota_hold(ingest, tenant, &(struct tenant_amounts){ 0 }, &hold, reterr);
        if (r == 0)
                r = ingest_forget_document(open, &hold, external_id, reterr);
        if (r == 0) /* the log goes on behind the delete */
                follower_post(ingest, tenant, collection_get(open)->id);
        return r;
}
