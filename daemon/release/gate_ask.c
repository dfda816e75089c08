/* SPDX-License-Identifier: Apache-2.0 */
/* Golden questions, asked of two releases in turns: who is asked first changes with each, so that
 * what else the machine does, and what one release leaves in caches, falls on both. */
#include "release/gate_inside.h"

#include "answer/eval.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "store/collection.h"
#include "store/store.h"

#include <fcntl.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t) 64 << 20U)
#define WARM_UP 5 /* questions; their times don't count */

DEFINE_CLEANUP(struct collection *, collection_unref)

static void set_done(struct gate_set *set)
{
        free(set->tenant_name);
        free(set->collection);
        golden_set_done(&set->golden);
}

void gate_asking_done(struct gate_asking *asking)
{
        for (size_t i = 0; i < asking->n_sets; i++)
                set_done(&asking->sets[i]);
        free(asking->sets);
        for (size_t i = 0; i < 2; i++)
                free(asking->arms[i].usec);
        memset(asking, 0, sizeof *asking);
}

/* ---- Which questions ------------------------------------------------------------------------- */

/* Takes the golden set, whose questions are all of this collection; counts what it lacks. */
static int add_set(struct gate_asking *asking, struct tenant_id tenant, const char *collection,
                   struct golden_set *takes_golden, struct error *reterr)
{
        struct store *store = asking->settings->store;
        struct gate_set *more =
                reallocarray(asking->sets, asking->n_sets + 1, sizeof *asking->sets);
        struct eval_missing missing;
        char name[STORE_NAME_MAX + 1];
        struct gate_set *set;
        int r;

        if (!more) {
                golden_set_done(takes_golden);
                return error_oom(reterr);
        }
        asking->sets = more;
        set = &more[asking->n_sets++];
        *set = (struct gate_set){ .tenant = tenant, .golden = *takes_golden };
        memset(takes_golden, 0, sizeof *takes_golden);
        r = store_get_tenant_name(store, tenant, name, reterr);
        if (r < 0)
                return r;
        set->tenant_name = strdup(name);
        set->collection = strdup(collection);
        if (!set->tenant_name || !set->collection)
                return error_oom(reterr);
        r = eval_find_missing(store, tenant, collection, &set->golden, &missing, reterr);
        if (r < 0)
                return r;
        set->missing = missing.n;
        asking->questions += set->golden.n_questions;
        return 0;
}

static int collect_kept(struct gate_asking *asking, const struct store_collection *at,
                        const char *name, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(golden_set_done) struct golden_set golden = { 0 };
        int r = collection_open_by_id(asking->settings->store, at->tenant, at->collection,
                                      &collection, reterr);

        if (r == -ENOENT)
                return 0; /* it went meanwhile */
        if (r >= 0)
                r = golden_list(collection, name, &golden, reterr);
        if (r < 0 || golden.n_questions == 0)
                return r;
        return add_set(asking, at->tenant, collection_get(collection)->name, &golden, reterr);
}

static int collect_all_kept(struct gate_asking *asking, const char *name, struct error *reterr)
{
        cleanup_free_ struct store_collection *list = NULL;
        size_t n = 0;
        int r = store_list_collections(asking->settings->store, &list, &n, reterr);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = collect_kept(asking, &list[i], name, reterr);
        return r;
}

static const char *collection_of(const struct golden_question *question)
{
        return question->collection ? question->collection : "default";
}

/* Moves the questions of the collection of the first one that is left into a set of their own. */
static int split_off(struct gate_asking *asking, struct golden_set *all, const char *path,
                     struct error *reterr)
{
        cleanup_(golden_set_done) struct golden_set golden = { 0 };
        struct tenant_id tenant = store_default_tenant(asking->settings->store);
        cleanup_free_ char *name = strdup(collection_of(&all->questions[0]));
        struct eval_missing missing;
        size_t left = 0;
        int r;

        golden.questions = calloc(all->n_questions, sizeof *golden.questions);
        if (!name || !golden.questions)
                return error_oom(reterr);
        for (size_t i = 0; i < all->n_questions; i++)
                if (strcmp(collection_of(&all->questions[i]), name) == 0)
                        golden.questions[golden.n_questions++] = all->questions[i];
                else
                        all->questions[left++] = all->questions[i];
        all->n_questions = left;
        r = eval_find_missing(asking->settings->store, tenant, name, &golden, &missing, reterr);
        if (r == -ENOENT)
                return error_set(reterr, -EINVAL, "%s: there is no collection \"%s\"", path, name);
        if (r < 0)
                return r;
        if (missing.n > 0)
                return error_set(reterr, -EINVAL,
                                 "%s: collection \"%s\" does not hold document \"%s\"; %ju of the "
                                 "set's documents are unknown", path, name, missing.first,
                                 (uintmax_t) missing.n);
        return add_set(asking, tenant, name, &golden, reterr);
}

static int collect_file(struct gate_asking *asking, const char *path, struct error *reterr)
{
        cleanup_(golden_set_done) struct golden_set all = { 0 };
        cleanup_free_ char *text = NULL;
        size_t len;
        int r = io_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, &len, reterr);

        if (r >= 0)
                r = golden_set_parse(text, len, &all, reterr);
        if (r < 0)
                return error_prefix(reterr, r, "rag.promotion.golden_set: %s", path);
        while (r >= 0 && all.n_questions > 0)
                r = split_off(asking, &all, path, reterr);
        return r < 0 ? error_prefix(reterr, r, "rag.promotion.golden_set") : 0;
}

int gate_collect(struct gate_asking *asking, struct error *reterr)
{
        const char *golden = asking->settings->promotion->golden_set;
        bool file = golden && golden[0] == '/';
        int r = 0;

        if (golden && !file)
                r = store_check_name("rag.promotion.golden_set, where it is no absolute path,",
                                     golden, reterr);
        if (r >= 0)
                r = collect_all_kept(asking, file ? NULL : golden, reterr);
        if (r >= 0 && file)
                r = collect_file(asking, golden, reterr);
        if (r >= 0 && golden && !file && asking->n_sets == 0)
                r = error_set(reterr, -ENOENT, "rag.promotion.golden_set: no collection has a "
                                               "golden set \"%s\"", golden);
        return r;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

struct reply {
        bool judged;
        struct eval_asked asked;
};

/* Whoever asks for the gates is gone, or memory is: that says nothing of a release. */
static bool ends_all(int code)
{
        return code == -ENOMEM || answer_outcome_of(code) == ANSWER_LEFT;
}

static int ask_one(struct gate_arm *arm, const struct gate_set *set,
                   const struct golden_question *question, struct reply *ret, struct error *reterr)
{
        enum answer_outcome outcome;
        struct error error = { 0 };
        int r;

        *ret = (struct reply){ .judged = true };
        if (!arm->answer)
                return 0;
        r = eval_ask(arm->answer, set->tenant, set->collection, question, SEARCH_MODE_INVALID,
                     &ret->asked, &error);
        if (r < 0 && ends_all(r)) {
                if (reterr)
                        *reterr = error;
                return r;
        }
        if (r == -ENOENT) { /* the collection was removed meanwhile */
                ret->judged = false;
                return 0;
        }
        arm->asked++;
        outcome = answer_outcome_of(r < 0 ? r : ret->asked.degraded_code);
        if (r < 0)
                arm->error = error;
        else if (outcome >= ANSWER_PROVIDER)
                (void) error_set_errno(&arm->error, ret->asked.degraded_code,
                                       "a model was done without");
        if (outcome == ANSWER_PROVIDER) {
                arm->provider_faults++;
                ret->judged = false;
        } else if (r < 0 || outcome == ANSWER_FAILED) {
                arm->errors++;
        }
        return 0;
}

static void judge(struct gate_asking *asking, struct gate_set *set, const struct reply replies[2])
{
        if (!replies[GATE_BASE].judged || !replies[GATE_CANDIDATE].judged)
                return;
        asking->judged++;
        set->judged++;
        for (size_t i = 0; i < 2; i++) {
                struct gate_arm *arm = &asking->arms[i];
                const struct eval_asked *asked = &replies[i].asked;

                if (!arm->answer)
                        continue;
                arm->recall += asked->recall_at_100;
                arm->ndcg += asked->ndcg_at_10;
                set->recall[i] += asked->recall_at_100;
                set->ndcg[i] += asked->ndcg_at_10;
                if (asked->took_usec == 0)
                        continue; /* it failed */
                arm->usec[arm->n_usec++] = asked->took_usec;
                arm->sum_usec += asked->took_usec;
        }
}

static int ask_both(struct gate_asking *asking, struct gate_set *set, size_t question, size_t turn,
                    struct error *reterr)
{
        struct reply replies[2];

        for (size_t i = 0; i < 2; i++) {
                size_t at = (turn + i) % 2;
                int r = ask_one(&asking->arms[at], set, &set->golden.questions[question],
                                &replies[at], reterr);

                if (r < 0)
                        return r;
        }
        judge(asking, set, replies);
        return 0;
}

/* What is read for the first time would count as the time of whoever reads it. */
static int warm_up(struct gate_asking *asking, struct error *reterr)
{
        for (size_t i = 0; i < asking->n_sets; i++)
                for (size_t j = 0; j < asking->sets[i].golden.n_questions && j < WARM_UP; j++)
                        for (size_t arm = 0; arm < 2; arm++) {
                                struct gate_arm unheard = { .answer = asking->arms[arm].answer };
                                struct reply reply;
                                int r = ask_one(&unheard, &asking->sets[i],
                                                &asking->sets[i].golden.questions[j], &reply,
                                                reterr);

                                if (r < 0)
                                        return r;
                        }
        return 0;
}

static int tell(const struct gate_asking *asking, uint64_t total, struct error *reterr)
{
        const struct gate_settings *settings = asking->settings;

        if (settings->progress &&
            settings->progress(settings->data, "golden questions", asking->asked, total) != 0)
                return error_set(reterr, -ECANCELED, "the gates were stopped");
        return 0;
}

int gate_ask(struct gate_asking *asking, struct error *reterr)
{
        uint64_t step = asking->questions / GATE_QUESTIONS_MAX + 1, at = 0;
        uint64_t total = (asking->questions + step - 1) / step;
        int r = 0;

        for (size_t i = 0; i < 2; i++) {
                asking->arms[i].usec = calloc(total + 1, sizeof *asking->arms[i].usec);
                if (!asking->arms[i].usec)
                        return error_oom(reterr);
        }
        r = tell(asking, total, reterr);
        if (r >= 0)
                r = warm_up(asking, reterr);
        for (size_t i = 0; r >= 0 && i < asking->n_sets; i++)
                for (size_t j = 0; r >= 0 && j < asking->sets[i].golden.n_questions; j++) {
                        if (at++ % step != 0)
                                continue;
                        r = ask_both(asking, &asking->sets[i], j, asking->asked % 2, reterr);
                        asking->asked++;
                        if (r >= 0)
                                r = tell(asking, total, reterr);
                }
        for (size_t i = 0; i < 2; i++)
                eval_sort_times(asking->arms[i].usec, asking->arms[i].n_usec);
        return r < 0 ? r : 0;
}
