/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/fault.h"

#include "base/cleanup.h"

#include <string.h>

static const char *const class_names[FAULT_CLASS_MAX] = {
        [FAULT_UNREACHABLE] = "unreachable", [FAULT_BROKEN] = "broken",
        [FAULT_TIMEOUT] = "timeout",         [FAULT_TLS] = "tls",
        [FAULT_SERVER] = "server",           [FAULT_RATE_LIMIT] = "rate_limit",
        [FAULT_QUOTA] = "quota",             [FAULT_KEY] = "key",
        [FAULT_MODEL] = "model",             [FAULT_REQUEST] = "request",
        [FAULT_TOO_LARGE] = "too_large",     [FAULT_REFUSED] = "refused",
        [FAULT_GARBAGE] = "garbage",         [FAULT_LOCAL] = "local",
};

const char *fault_class_name(enum fault_class class)
{
        return (size_t) class < FAULT_CLASS_MAX ? class_names[class] : NULL;
}

/* What passes with time, and what stays. */
#define PASSES .retry = true, .breaks = true, .another = true
#define STAYS .breaks = true, .another = true

static const struct fault_traits traits[FAULT_CLASS_MAX] = {
        [FAULT_UNREACHABLE] = { .code = -EHOSTUNREACH, PASSES,
                                .remedy = "see that it runs and that endpoint and proxy are right" },
        [FAULT_BROKEN] = { .code = -ECONNRESET, PASSES },
        [FAULT_TIMEOUT] = { .code = -ETIMEDOUT, PASSES,
                            .remedy = "raise timeout_seconds if it needs longer" },
        [FAULT_TLS] = { .code = -EPROTO, STAYS,
                        .remedy = "ca_file names the certificates that vouch for it" },
        [FAULT_SERVER] = { .code = -EREMOTEIO, PASSES },
        [FAULT_RATE_LIMIT] = { .code = -EAGAIN, .retry = true, .another = true,
                               .remedy = "set requests_per_minute and tokens_per_minute to what "
                                         "is allowed" },
        [FAULT_QUOTA] = { .code = -EDQUOT, STAYS,
                          .remedy = "add credit or raise the limit in the provider's account" },
        [FAULT_KEY] = { .code = -EKEYREJECTED, STAYS,
                        .remedy = "put a valid key there, then ragctl reload" },
        [FAULT_MODEL] = { .code = -ENXIO, STAYS,
                          .remedy = "correct model, deployment or endpoint" },
        [FAULT_REQUEST] = { .code = -EREMOTEIO, .another = true },
        [FAULT_TOO_LARGE] = { .code = -E2BIG, .another = true,
                              .remedy = "a smaller request may pass" },
        [FAULT_REFUSED] = { .code = -EPERM },
        [FAULT_GARBAGE] = { .code = -EBADMSG, PASSES,
                            .remedy = "see that endpoint and kind fit each other" },
        [FAULT_LOCAL] = { .code = -ECANCELED },
};

const struct fault_traits *fault_class_traits(enum fault_class class)
{
        return &traits[class];
}

/* ---- Classes --------------------------------------------------------------------------------- */

/* Statuses at which a word is believed. */
enum {
        AT_400 = 1 << 0, /* and 404, 422 */
        AT_REFUSAL = 1 << 1, /* 402, 403 */
        AT_413 = 1 << 2,
        AT_429 = 1 << 3,
        AT_500 = 1 << 4,
        AT_NONE = 1 << 5, /* within an answer */
        AT_OTHER = 1 << 6,
        AT_ANY = ~0,
};

struct rule {
        const char *word; /* contained in the code or type, or in the message; case is ignored */
        int at;
        enum fault_class class;
};

/* Limits that do not pass by waiting, and sizes, hide behind statuses that mean other things. */
static const struct rule codes[] = {
        { "content_filter", AT_ANY, FAULT_REFUSED },
        { "content_policy", AT_ANY, FAULT_REFUSED },
        { "ResponsibleAIPolicy", AT_ANY, FAULT_REFUSED },
        { "context_length", AT_ANY, FAULT_TOO_LARGE },
        { "exceed_context", AT_ANY, FAULT_TOO_LARGE },
        { "request_too_large", AT_ANY, FAULT_TOO_LARGE },
        { "string_above_max", AT_ANY, FAULT_TOO_LARGE },
        { "array_above_max", AT_ANY, FAULT_TOO_LARGE },
        { "max_tokens_per_request", AT_ANY, FAULT_TOO_LARGE },
        { "insufficient_quota", AT_ANY, FAULT_QUOTA },
        { "quota_exceeded", AT_ANY, FAULT_QUOTA },
        { "credit", AT_ANY, FAULT_QUOTA },
        { "billing", AT_ANY, FAULT_QUOTA },
        { "budget", AT_ANY, FAULT_QUOTA },
        { "spend", AT_ANY, FAULT_QUOTA },
        { "payment", AT_ANY, FAULT_QUOTA },
        { "model_not_found", AT_ANY, FAULT_MODEL },
        { "model_decommissioned", AT_ANY, FAULT_MODEL },
        { "DeploymentNotFound", AT_ANY, FAULT_MODEL },
        { "capacity_exceeded", AT_ANY, FAULT_RATE_LIMIT },
};

/* Messages of limits that pass name pages of billing and quotas: only whole phrases count. */
static const struct rule messages[] = {
        { "maximum context", AT_400 | AT_413 | AT_500 | AT_NONE, FAULT_TOO_LARGE },
        { "context length", AT_400 | AT_413 | AT_500 | AT_NONE, FAULT_TOO_LARGE },
        { "context window", AT_400 | AT_413 | AT_500 | AT_NONE, FAULT_TOO_LARGE },
        { "context size", AT_400 | AT_413 | AT_500 | AT_NONE, FAULT_TOO_LARGE },
        { "too large to process", AT_400 | AT_413 | AT_500 | AT_NONE, FAULT_TOO_LARGE },
        { "prompt is too long", AT_400 | AT_413 | AT_NONE, FAULT_TOO_LARGE },
        { "input is too long", AT_400 | AT_413 | AT_NONE, FAULT_TOO_LARGE },
        { "too many tokens", AT_400 | AT_413 | AT_NONE, FAULT_TOO_LARGE },
        { "too many inputs", AT_400 | AT_413, FAULT_TOO_LARGE },
        { "texts must be at most", AT_400 | AT_413, FAULT_TOO_LARGE },
        { "batch size", AT_400 | AT_413 | AT_500, FAULT_TOO_LARGE },
        { "request too large", AT_400 | AT_413 | AT_429, FAULT_TOO_LARGE },
        { "exceeded your current quota", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "credit balance", AT_400 | AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "usage limit", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "spend limit", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "spending limit", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "monthly", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "per month", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "/ month", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "daily limit", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "per day", AT_REFUSAL | AT_429 | AT_NONE, FAULT_QUOTA },
        { "budget has been exceeded", AT_400 | AT_REFUSAL | AT_429, FAULT_QUOTA },
};

/* What else a code or type says, where no status does. */
static const struct rule plain[] = {
        { "rate_limit", AT_NONE, FAULT_RATE_LIMIT },
        { "authentication", AT_NONE, FAULT_KEY },
        { "api_key", AT_NONE, FAULT_KEY },
        { "permission", AT_NONE, FAULT_KEY },
        { "not_found", AT_NONE, FAULT_MODEL },
        { "NotFoundError", AT_NONE, FAULT_MODEL },
        { "invalid_request", AT_NONE, FAULT_REQUEST },
        { "BadRequest", AT_NONE, FAULT_REQUEST },
        { "Unexpected endpoint", AT_NONE, FAULT_MODEL }, /* LM Studio, with status 200 */
};

static const struct {
        int from, to;
        enum fault_class class;
} statuses[] = {
        { 300, 399, FAULT_MODEL }, { 401, 401, FAULT_KEY },      { 402, 402, FAULT_QUOTA },
        { 403, 403, FAULT_KEY },   { 404, 405, FAULT_MODEL },    { 407, 407, FAULT_KEY },
        { 408, 408, FAULT_SERVER },{ 410, 410, FAULT_MODEL },    { 413, 413, FAULT_TOO_LARGE },
        { 425, 425, FAULT_SERVER },{ 429, 429, FAULT_RATE_LIMIT }, { 498, 498, FAULT_KEY },
        { 400, 499, FAULT_REQUEST },{ 501, 501, FAULT_REQUEST }, { 500, 599, FAULT_SERVER },
};

static int where(int status)
{
        switch (status) {
        case 0:
        case 200:
                return AT_NONE;
        case 400:
        case 404:
        case 422:
                return AT_400;
        case 402:
        case 403:
                return AT_REFUSAL;
        case 413:
                return AT_413;
        case 429:
                return AT_429;
        default:
                return status >= 500 ? AT_500 : AT_OTHER;
        }
}

static const struct rule *match(const struct rule *rules, size_t n, int at, const char *text)
{
        for (size_t i = 0; i < n; i++)
                if ((rules[i].at & at) && strcasestr(text, rules[i].word))
                        return &rules[i];
        return NULL;
}

enum fault_class fault_classify(int status, const struct fault_words *words)
{
        bool within = status == 0 || (status >= 200 && status < 300);
        int told = within && words->status ? words->status : within ? 0 : status;
        int at = where(told);
        const struct rule *rule = match(codes, ELEMENTSOF(codes), at, words->code);

        if (!rule)
                rule = match(codes, ELEMENTSOF(codes), at, words->type);
        if (!rule)
                rule = match(messages, ELEMENTSOF(messages), at, words->message);
        if (!rule)
                rule = match(plain, ELEMENTSOF(plain), at, words->code);
        if (!rule)
                rule = match(plain, ELEMENTSOF(plain), at, words->type);
        if (!rule)
                rule = match(plain, ELEMENTSOF(plain), at, words->message);
        if (rule)
                return rule->class;
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
                if (told >= statuses[i].from && told <= statuses[i].to)
                        return statuses[i].class;
        return FAULT_SERVER;
}

enum fault_class fault_class_of(int code)
{
        switch (code) {
        case -EBADMSG:
                return FAULT_GARBAGE;
        case -ENOENT:
        case -EINVAL:
        case -EOPNOTSUPP:
                return FAULT_REQUEST;
        default:
                return FAULT_LOCAL;
        }
}

enum fault_class fault_class_of_fetch(enum fetch_result result)
{
        static const enum fault_class classes[FETCH_RESULT_MAX] = {
                [FETCH_OK] = FAULT_LOCAL,
                [FETCH_UNREACHABLE] = FAULT_UNREACHABLE,
                [FETCH_BROKEN] = FAULT_BROKEN,
                [FETCH_TIMEOUT] = FAULT_TIMEOUT,
                [FETCH_TLS] = FAULT_TLS,
                [FETCH_GARBAGE] = FAULT_GARBAGE,
                [FETCH_TOO_LARGE] = FAULT_GARBAGE,
                [FETCH_STOPPED] = FAULT_LOCAL,
                [FETCH_FAILED] = FAULT_LOCAL,
        };

        return classes[result];
}
