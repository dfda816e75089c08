/* SPDX-License-Identifier: Apache-2.0 */
/* Two language models, the same questions, by turns: who is asked first changes with each question,
 * so that what else the machine and the network do falls on both. */
#include "control/bench.h"

#include "base/clock.h"
#include "config/values.h"
#include "control/handlers.h"
#include "gateway/gateway.h"
#include "release/snapshot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define QUESTIONS_MAX 1000
#define QUESTION_BYTES_MAX 16384
#define ROUNDS_MAX 1000
#define ROUNDS_USUAL 3
#define ANSWERS_MAX 10000 /* of each provider */

static const char *const built_in[] = {
        "What is the capital of France? Answer with one word.",
        "Explain in two sentences how a hash table finds an entry.",
        "List three causes of the tides, one on each line.",
        "Translate into German: The index is being rebuilt.",
        "Is 91 a prime number? Say yes or no, then why.",
};

struct measured {
        const char *name;
        char model[64];
        uint64_t *usec;
        size_t n_answers, n_errors;
        uint64_t input_tokens, output_tokens, cost_microusd;
        bool estimated;
        struct error error; /* of the last one that failed */
};

struct bench {
        struct call *call;
        const char **questions;
        size_t n_questions, rounds;
        struct tenant_id tenant; /* in whose name they are asked */
        struct measured measured[2];
};

/* ---- Figures ------------------------------------------------------------------------------ */

static int compare_usec(const void *a, const void *b)
{
        const uint64_t *first = a, *second = b;

        return (*first > *second) - (*first < *second);
}

void bench_figures(uint64_t *usec, size_t n, struct bench_figures *ret)
{
        size_t half = n / 2, rank = (n * 95 + 99) / 100; /* of n, from 1 */
        double sum = 0, squares = 0;

        qsort(usec, n, sizeof *usec, compare_usec);
        for (size_t i = 0; i < n; i++)
                sum += (double) usec[i];
        ret->avg_usec = sum / (double) n;
        for (size_t i = 0; i < n; i++)
                squares += ((double) usec[i] - ret->avg_usec) *
                           ((double) usec[i] - ret->avg_usec);
        ret->stddev_usec = n > 1 ? sqrt(squares / (double) (n - 1)) : 0;
        ret->median_usec = n % 2 ? (double) usec[half]
                                 : ((double) usec[half - 1] + (double) usec[half]) / 2;
        ret->min_usec = (double) usec[0];
        ret->max_usec = (double) usec[n - 1];
        ret->p95_usec = (double) usec[rank - 1];
}

static struct json_object *measured_json(struct measured *measured)
{
        struct json_object *object = json_object_new_object();
        struct bench_figures figures;

        json_add_string(object, "provider", measured->name);
        if (measured->model[0])
                json_add_string(object, "model", measured->model);
        json_add_u64(object, "answers", measured->n_answers);
        json_add_u64(object, "errors", measured->n_errors);
        if (measured->n_errors > 0)
                json_add_string(object, "error", error_text(&measured->error));
        if (measured->n_answers > 0) {
                bench_figures(measured->usec, measured->n_answers, &figures);
                json_add_double(object, "avg_usec", figures.avg_usec);
                json_add_double(object, "median_usec", figures.median_usec);
                json_add_double(object, "min_usec", figures.min_usec);
                json_add_double(object, "max_usec", figures.max_usec);
                json_add_double(object, "stddev_usec", figures.stddev_usec);
                json_add_double(object, "p95_usec", figures.p95_usec);
        }
        json_add_u64(object, "input_tokens", measured->input_tokens);
        json_add_u64(object, "output_tokens", measured->output_tokens);
        json_add_bool(object, "estimated", measured->estimated);
        json_add_u64(object, "cost_microusd", measured->cost_microusd);
        return object;
}

/* ---- Asking ------------------------------------------------------------------------------- */

/* -EOPNOTSUPP: it is no language model; other failures are counted. */
static int ask(struct bench *bench, struct measured *measured, const char *question,
               struct error *reterr)
{
        const struct snapshot *release = call_release(bench->call);
        const struct generation_config *generation = &release->config->generation;
        const struct chat_message message = { CHAT_USER, question };
        const struct chat_request request = {
                .messages = &message,
                .n_messages = 1,
                .temperature = generation->temperature,
                .top_p = generation->top_p,
                .max_tokens = generation->max_tokens,
        };
        struct gateway_attempt attempt = { 0 };
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        int r = gateway_ask(release->gateway, bench->tenant, measured->name, &request, NULL,
                            &attempt, &text, &error);

        measured->input_tokens += attempt.input_tokens;
        measured->output_tokens += attempt.output_tokens;
        measured->cost_microusd += attempt.cost_microusd;
        measured->estimated |= attempt.estimated;
        if (r == -EOPNOTSUPP)
                return error_set(reterr, r, "%s", error_text(&error));
        if (r < 0) {
                measured->n_errors++;
                measured->error = error;
                return 0;
        }
        measured->usec[measured->n_answers++] = attempt.took_usec;
        if (attempt.model[0])
                memcpy(measured->model, attempt.model, sizeof measured->model);
        return 0;
}

static void tell(struct bench *bench, const char *what, size_t done)
{
        struct json_object *progress = json_object_new_object();

        json_add_string(progress, "what", what);
        json_add_u64(progress, "done", done);
        json_add_u64(progress, "total", 2 * bench->n_questions * bench->rounds);
        (void) call_notify(bench->call, progress);
}

/* -ECANCELED: nobody waits for the result. */
static int ask_all(struct bench *bench, struct error *reterr)
{
        size_t done = 0;
        int r;

        for (size_t round = 0; round < bench->rounds; round++)
                for (size_t i = 0; i < bench->n_questions; i++)
                        for (size_t turn = 0; turn < 2; turn++) {
                                struct measured *measured =
                                        &bench->measured[(round + i + turn) % 2];

                                if (call_gone(bench->call))
                                        return -ECANCELED;
                                tell(bench, measured->name, done++);
                                r = ask(bench, measured, bench->questions[i], reterr);
                                if (r < 0)
                                        return r;
                        }
        return 0;
}

/* ---- The command -------------------------------------------------------------------------- */

static int read_questions(struct bench *bench, struct error *reterr)
{
        struct json_object *texts = NULL;
        size_t n = ELEMENTSOF(built_in);

        (void) json_get_array(call_parameters(bench->call), "texts", &texts, NULL);
        if (texts)
                n = json_object_array_length(texts);
        if (n == 0 || n > QUESTIONS_MAX)
                return error_set(reterr, -EINVAL, "a comparison takes 1 to %d questions",
                                 QUESTIONS_MAX);
        bench->questions = calloc(n, sizeof *bench->questions);
        if (!bench->questions)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                struct json_object *given = texts ? json_object_array_get_idx(texts, i) : NULL;
                const char *text = given ? json_object_get_string(given) : built_in[i];

                if (!*text || strlen(text) > QUESTION_BYTES_MAX)
                        return error_set(reterr, -EINVAL, "question %zu is not of 1 to %d bytes",
                                         i + 1, QUESTION_BYTES_MAX);
                bench->questions[i] = text;
        }
        bench->n_questions = n;
        return 0;
}

static int make_room(struct bench *bench, struct error *reterr)
{
        size_t n = bench->n_questions * bench->rounds;

        if (n > ANSWERS_MAX)
                return error_set(reterr, -EINVAL, "%zu questions %zu times are more than %d calls",
                                 bench->n_questions, bench->rounds, ANSWERS_MAX);
        for (size_t i = 0; i < 2; i++) {
                bench->measured[i].usec = calloc(n, sizeof *bench->measured[i].usec);
                if (!bench->measured[i].usec)
                        return error_oom(reterr);
        }
        return 0;
}

static struct json_object *report_json(struct bench *bench)
{
        struct json_object *report = json_object_new_object();
        struct json_object *providers = json_object_new_array();

        for (size_t i = 0; i < 2; i++)
                json_add(providers, NULL, measured_json(&bench->measured[i]));
        json_add_u64(report, "questions", bench->n_questions);
        json_add_u64(report, "rounds", bench->rounds);
        json_add(report, "providers", providers);
        return report;
}

static void bench_done(struct bench *bench)
{
        free(bench->questions);
        for (size_t i = 0; i < 2; i++)
                free(bench->measured[i].usec);
}

void on_provider_bench(struct call *call)
{
        cleanup_(bench_done) struct bench bench = { .call = call };
        struct error error = { 0 };
        uint64_t rounds;
        int r;

        bench.measured[0].name = call_string(call, "a", "");
        bench.measured[1].name = call_string(call, "b", "");
        if (!read_number(call, "rounds", 1, ROUNDS_MAX, ROUNDS_USUAL, &rounds) ||
            !find_provider(call, bench.measured[0].name) ||
            !find_provider(call, bench.measured[1].name))
                return;
        bench.rounds = rounds;
        r = call_tenant(call, &bench.tenant, &error);
        if (r == 0)
                r = read_questions(&bench, &error);
        if (r == 0)
                r = make_room(&bench, &error);
        if (r == 0)
                r = ask_all(&bench, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "report", report_json(&bench));
}
