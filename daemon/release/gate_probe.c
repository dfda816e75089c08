/* SPDX-License-Identifier: Apache-2.0 */
/* Gates that ask no golden question: what must not be found, and what a month costs. */
#include "release/gate_inside.h"

#include "answer/eval.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/ledger.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Isolation (coverage M11, M12) ----------------------------------------------------------- */

#define PROBED_MAX 16     /* collections that a document is taken from */
#define ELSEWHERE_MAX 4   /* others in which it is looked for */
#define QUERY_BYTES 240   /* of the document's beginning */

DEFINE_CLEANUP(struct collection *, collection_unref)

struct probed {
        struct tenant_id tenant;
        char collection[STORE_NAME_MAX + 1];
        bool known;               /* the collection is there */
        bool found_at_home;       /* the words find the document where it is */
        struct document_id document;
        char query[QUERY_BYTES + 1];
};

struct probing {
        const struct gate_settings *settings;
        struct probed *probed; /* heap */
        size_t n;
        uint64_t documents, searches, strangers;
        char leak[GATE_NOTE_SIZE]; /* empty: none */
};

/* The beginning of its newest text; the words need not be whole. */
static int take_words(struct collection *collection, const struct document *document,
                      struct probed *probed, struct error *reterr)
{
        struct document body = { 0 };
        size_t len;
        int r = docs_get_body(collection, document->docver, &body, reterr);

        if (r < 0)
                return r == -ENOENT ? 0 : r; /* a new version of it came meanwhile */
        len = body.body_len < QUERY_BYTES ? body.body_len : QUERY_BYTES;
        len = utf8_valid_prefix(body.body, len);
        memcpy(probed->query, body.body, len);
        probed->query[len] = '\0';
        document_done(&body);
        return 0;
}

static int choose_document(const struct gate_settings *settings,
                           const struct store_collection *at, struct probed *probed,
                           struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        struct document *documents = NULL;
        size_t n = 0;
        int r = collection_open_by_id(settings->store, at->tenant, at->collection, &collection,
                                      reterr);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        probed->tenant = at->tenant;
        probed->known = true;
        (void) snprintf(probed->collection, sizeof probed->collection, "%s",
                        collection_get(collection)->name);
        r = docs_list(collection, NULL, 1, &documents, &n, reterr);
        if (r < 0)
                return r;
        if (n > 0) {
                probed->document = documents[0].id;
                r = take_words(collection, &documents[0], probed, reterr);
        }
        (void) documents_free(documents, n);
        return r;
}

/* True where the search could be made. */
static bool look(struct probing *probing, const struct probed *document, struct tenant_id tenant,
                 const char *collection, bool *ret_found)
{
        struct error error = { 0 };

        *ret_found = false;
        return eval_probe(probing->settings->candidate->answer, tenant, collection,
                          document->query, document->document, ret_found, &error) >= 0;
}

static void leak(struct probing *probing, const struct probed *document, const char *where)
{
        if (!probing->leak[0])
                (void) snprintf(probing->leak, sizeof probing->leak,
                                "a document of collection \"%s\" was found %s",
                                document->collection, where);
}

static void probe_document(struct probing *probing, size_t at)
{
        const struct probed *document = &probing->probed[at];
        struct tenant_id nobody = { id_random() };
        size_t tried = 0, strangers = 0;
        bool found;

        for (size_t i = 1; i < probing->n && tried < ELSEWHERE_MAX; i++) {
                const struct probed *other = &probing->probed[(at + i) % probing->n];
                char where[GATE_NOTE_SIZE / 2];

                if (!other->known ||
                    !look(probing, document, other->tenant, other->collection, &found))
                        continue;
                tried++;
                probing->searches++;
                (void) snprintf(where, sizeof where, "in collection \"%s\"", other->collection);
                if (found)
                        leak(probing, document, where);
        }
        for (size_t i = 1; i < probing->n && strangers < ELSEWHERE_MAX; i++) {
                const struct probed *other = &probing->probed[(at + i) % probing->n];

                if (!other->known || id_equal(other->tenant.id, document->tenant.id))
                        continue;
                strangers++;
                if (look(probing, document, other->tenant, document->collection, &found) && found)
                        leak(probing, document, "by another tenant");
        }
        /* One who isn't there has no collection to search. */
        if (look(probing, document, nobody, document->collection, &found))
                leak(probing, document, "by a tenant who does not exist");
        probing->strangers += strangers + 1;
}

static int probe_all(struct probing *probing, struct error *reterr)
{
        cleanup_free_ struct store_collection *list = NULL;
        size_t n = 0;
        int r = store_list_collections(probing->settings->store, &list, &n, reterr);

        if (r < 0)
                return r;
        probing->n = n < PROBED_MAX ? n : PROBED_MAX;
        probing->probed = calloc(probing->n + 1, sizeof *probing->probed);
        if (!probing->probed)
                return error_oom(reterr);
        for (size_t i = 0; r >= 0 && i < probing->n; i++)
                r = choose_document(probing->settings, &list[i], &probing->probed[i], reterr);
        for (size_t i = 0; r >= 0 && i < probing->n; i++) {
                struct probed *document = &probing->probed[i];

                /* Words that do not find it at home prove nothing elsewhere. */
                if (!document->query[0] ||
                    !look(probing, document, document->tenant, document->collection,
                          &document->found_at_home) ||
                    !document->found_at_home)
                        continue;
                probing->documents++;
                probe_document(probing, i);
        }
        return r;
}

int gate_probe_isolation(const struct gate_settings *settings, struct gate_row *ret,
                         struct error *reterr)
{
        struct probing probing = { .settings = settings };
        int r = probe_all(&probing, reterr);

        free(probing.probed);
        if (r < 0)
                return r;
        *ret = (struct gate_row){ .gate = "isolation",
                                  .base = NAN,
                                  .candidate = probing.documents ? probing.leak[0] != '\0' : NAN,
                                  .pass = 0,
                                  .fail = 1 };
        ret->verdict = probing.documents == 0 ? GATE_NO_DATA
                       : probing.leak[0]      ? GATE_FAIL
                                              : GATE_PASS;
        if (probing.leak[0])
                (void) snprintf(ret->note, sizeof ret->note, "%s", probing.leak);
        else if (probing.documents == 0)
                (void) snprintf(ret->note, sizeof ret->note,
                                "no document that a search finds in its own collection");
        else
                (void) snprintf(ret->note, sizeof ret->note,
                                "documents found in their own collection: %ju; not found by %ju "
                                "searches of other collections, nor by %ju in other tenants' "
                                "names", (uintmax_t) probing.documents,
                                (uintmax_t) probing.searches, (uintmax_t) probing.strangers);
        return 0;
}

/* ---- The month (coverage M12, M13) ----------------------------------------------------------- */

/* Who does this work in the candidate; NULL: nobody. */
static const struct provider_config *successor(const struct snapshot *candidate,
                                               const struct ledger_entry *entry)
{
        const struct config_strings *chats = &candidate->config->generation.providers;
        const struct models *models = &candidate->models;

        if (strcmp(entry->kind, "embed") == 0)
                return models->embedder;
        if (strcmp(entry->kind, "rerank") == 0)
                return models->reranker;
        for (size_t i = 0; i < models->n; i++)
                if (strcmp(models->names[i], entry->provider) == 0)
                        return models->used[i];
        for (size_t i = 0; chats->count > 0 && i < models->n; i++)
                if (strcmp(models->names[i], chats->items[0]) == 0)
                        return models->used[i];
        return NULL;
}

struct month {
        uint64_t spent_microusd, priced_microusd, requests;
        const char *unpriced; /* borrowed; the first provider without a price that took part */
};

static void add_entry(const struct snapshot *candidate, const struct ledger_entry *entry,
                      struct month *month)
{
        const struct provider_config *provider = successor(candidate, entry);
        uint64_t price = 0;

        month->requests += entry->requests;
        month->spent_microusd += entry->cost_microusd;
        if (!provider)
                return;
        if (gateway_price(provider, entry->input_tokens, entry->output_tokens, &price) < 0)
                month->unpriced = month->unpriced ? month->unpriced : provider->name;
        else
                month->priced_microusd += price;
}

/* As much for each day of the month as for those that are over; the first day counts as whole. */
static double whole_month_usd(uint64_t microusd, uint64_t now_wall_usec)
{
        const uint64_t usec_per_day = UINT64_C(86400) * USEC_PER_SEC;
        uint32_t today = ledger_day(now_wall_usec);
        double elapsed = (double) (now_wall_usec - ledger_month_begin(today) * usec_per_day) /
                         (double) usec_per_day;

        return (double) microusd / 1e6 / fmax(elapsed, 1) * ledger_month_days(today);
}

int gate_price_month(const struct gate_settings *settings, uint64_t now_wall_usec,
                     struct gate_row *ret, struct error *reterr)
{
        cleanup_free_ struct ledger_entry *entries = NULL;
        uint32_t today = ledger_day(now_wall_usec);
        const struct ledger_query query = { .first_day = ledger_month_begin(today),
                                            .last_day = today,
                                            .by = LEDGER_BY_PROVIDER | LEDGER_BY_KIND };
        struct month month = { 0 };
        size_t n = 0;
        int r = ledger_sum(settings->store, &query, &entries, &n, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                add_entry(settings->candidate, &entries[i], &month);
        *ret = (struct gate_row){ .gate = "monthly_usd",
                                  .base = NAN,
                                  .candidate = NAN,
                                  .pass = settings->promotion->max_monthly_usd,
                                  .fail = settings->promotion->rollback_monthly_usd,
                                  .verdict = GATE_NO_DATA };
        if (month.requests == 0) {
                (void) snprintf(ret->note, sizeof ret->note,
                                "no provider was called this month: there is nothing to price");
                return 0;
        }
        ret->base = whole_month_usd(month.spent_microusd, now_wall_usec);
        ret->candidate = whole_month_usd(month.priced_microusd, now_wall_usec);
        ret->verdict = gate_judge_most(ret->candidate, ret->pass, ret->fail);
        if (month.unpriced)
                (void) snprintf(ret->note, sizeof ret->note,
                                "provider %s has no price set: its calls count as free",
                                month.unpriced);
        else
                (void) snprintf(ret->note, sizeof ret->note,
                                "this month's calls to providers at the candidate's prices, "
                                "extrapolated");
        return 0;
}
