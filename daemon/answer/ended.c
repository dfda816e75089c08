/* SPDX-License-Identifier: Apache-2.0 */
/* How searches and answers ended, told to whoever compares releases. */
#include "answer/inside.h"

#include "base/clock.h"
#include "gateway/gateway.h"

/* Every other code is a failure of ours or of the profile.  -EREMOTEIO is also what a provider
 * answers to a request that it does not like: which of both sides is at fault is not known, so it
 * is no evidence against a release. */
static const struct {
        int code;
        enum answer_outcome outcome;
} outcomes[] = {
        { -EINVAL, ANSWER_REFUSED },        { -ERANGE, ANSWER_REFUSED },
        { -EILSEQ, ANSWER_REFUSED },        { -ENOENT, ANSWER_REFUSED },
        { -E2BIG, ANSWER_REFUSED },         { -EFBIG, ANSWER_REFUSED },
        { -EACCES, ANSWER_REFUSED },        { -EOPNOTSUPP, ANSWER_REFUSED },
        { -ECANCELED, ANSWER_LEFT },        { -EPIPE, ANSWER_LEFT },
        { -ESHUTDOWN, ANSWER_LEFT },        { -EHOSTUNREACH, ANSWER_PROVIDER },
        { -ECONNREFUSED, ANSWER_PROVIDER }, { -ECONNRESET, ANSWER_PROVIDER },
        { -ETIMEDOUT, ANSWER_PROVIDER },    { -EREMOTEIO, ANSWER_PROVIDER },
        { -EPROTO, ANSWER_PROVIDER },       { -EAGAIN, ANSWER_PROVIDER },
        { -EDQUOT, ANSWER_PROVIDER },
};

enum answer_outcome answer_outcome_of(int code)
{
        if (code >= 0)
                return ANSWER_WELL;
        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (outcomes[i].code == code)
                        return outcomes[i].outcome;
        return ANSWER_FAILED;
}

enum answer_outcome outcome_of_all(int code, int degraded_code, int response_code)
{
        const int lesser[] = { degraded_code, response_code };
        enum answer_outcome worst = answer_outcome_of(code);

        if (code < 0)
                return worst;
        for (size_t i = 0; i < ELEMENTSOF(lesser); i++) {
                enum answer_outcome outcome = answer_outcome_of(lesser[i]);

                /* A text that a model refuses is the request's, and was done without it. */
                if (outcome >= ANSWER_PROVIDER && outcome > worst)
                        worst = outcome;
        }
        return worst;
}

bool response_is_degraded(const struct search_response *response)
{
        return response->degraded_dense || response->degraded_bm25 || response->degraded_rerank;
}

void answer_tell_ended(const struct answer *answer, const struct answer_ended *ended)
{
        if (answer->settings.ended)
                answer->settings.ended(answer->settings.ended_data, ended);
}

/* ---- Searches -------------------------------------------------------------------------------- */

struct told_search {
        const struct search_request *request;
        uint64_t cost_microusd; /* summed up before the calls return */
};

static void on_attempt(void *data, const struct gateway_attempt *attempt)
{
        struct told_search *told = data;

        told->cost_microusd += attempt->cost_microusd;
        if (told->request->attempt)
                told->request->attempt(told->request->attempt_data, attempt);
}

int search_run(struct answer *answer, struct tenant_id tenant, const struct search_request *request,
               struct search_response **ret, struct error *reterr)
{
        struct told_search told = { .request = request };
        struct search_request search = *request; /* borrows what the request owns */
        uint64_t begin = clock_monotonic_usec();
        const struct search_response *response;
        struct answer_ended ended = { .arm = request->arm };
        int r;

        if (!answer->settings.ended)
                return search_untold(answer, tenant, request, ret, reterr);
        search.attempt = on_attempt;
        search.attempt_data = &told;
        r = search_untold(answer, tenant, &search, ret, reterr);
        response = r >= 0 ? *ret : NULL;
        ended.outcome = outcome_of_all(r, 0, response ? response->degraded_code : 0);
        ended.empty = response && search_response_count(response) == 0;
        ended.degraded = response && response_is_degraded(response);
        ended.took_usec = ended.first_usec = clock_monotonic_usec() - begin;
        ended.cost_microusd = told.cost_microusd;
        answer_tell_ended(answer, &ended);
        return r;
}
