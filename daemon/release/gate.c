/* SPDX-License-Identifier: Apache-2.0 */
#include "release/gate_inside.h"

#include "answer/eval.h"
#include "base/clock.h"
#include "base/enum.h"
#include "base/json.h"
#include "release/observe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS_MAX 16
#define ROUNDING 1e-9 /* of sums of shares */

static const char *const gate_verdict_names[GATE_VERDICT_MAX] = {
        [GATE_PASS] = "pass",
        [GATE_NO_DATA] = "no_data",
        [GATE_HOLD] = "hold",
        [GATE_FAIL] = "fail",
};

const char *gate_verdict_name(enum gate_verdict verdict)
{
        return (size_t) verdict < GATE_VERDICT_MAX ? gate_verdict_names[verdict] : NULL;
}

/* ---- Judging --------------------------------------------------------------------------------- */

enum gate_verdict gate_judge_most(double value, double pass, double fail)
{
        if (isnan(value))
                return GATE_NO_DATA;
        if (value <= pass + ROUNDING)
                return GATE_PASS;
        return value >= fail - ROUNDING ? GATE_FAIL : GATE_HOLD;
}

struct rows {
        struct gate_row items[ROWS_MAX];
        size_t n;
};

static struct gate_row *add_row(struct rows *rows, const char *gate, double base, double candidate)
{
        struct gate_row *row = &rows->items[rows->n++];

        *row = (struct gate_row){ .gate = gate, .base = base, .candidate = candidate,
                                  .pass = NAN, .fail = NAN };
        if (isnan(candidate))
                row->verdict = GATE_NO_DATA;
        return row;
}

/* At least this share of what the base reaches; there is nothing in between. */
static void add_quality(struct rows *rows, const char *gate, double base, double candidate,
                        double least_ratio)
{
        struct gate_row *row = add_row(rows, gate, base, candidate);

        if (isnan(candidate))
                return;
        if (isnan(base)) {
                row->verdict = GATE_NO_DATA;
                (void) snprintf(row->note, sizeof row->note,
                                "no release to compare with: the figure is told, not judged");
                return;
        }
        row->pass = row->fail = base * least_ratio;
        row->verdict = candidate >= row->pass - ROUNDING ? GATE_PASS : GATE_FAIL;
}

static struct gate_row *add_most(struct rows *rows, const char *gate, double base,
                                 double candidate, double pass, double fail)
{
        struct gate_row *row = add_row(rows, gate, base, candidate);

        row->pass = pass;
        row->fail = fail;
        row->verdict = gate_judge_most(candidate, pass, fail);
        return row;
}

/* ---- Figures --------------------------------------------------------------------------------- */

static double over(double sum, uint64_t n)
{
        return n > 0 ? sum / (double) n : NAN;
}

static double of_judged(const struct gate_asking *asking, size_t arm, double sum)
{
        return asking->arms[arm].answer ? over(sum, asking->judged) : NAN;
}

static double error_rate(const struct gate_arm *arm)
{
        return over((double) arm->errors, arm->asked - arm->provider_faults);
}

static double average_seconds(const struct gate_arm *arm)
{
        return over((double) arm->sum_usec, arm->n_usec) / (double) USEC_PER_SEC;
}

static double share_msec(const struct gate_arm *arm, double share)
{
        return arm->n_usec > 0 ? (double) eval_percentile(arm->usec, arm->n_usec, share) /
                                         (double) USEC_PER_MSEC
                               : NAN;
}

static void note_error(struct gate_row *row, const struct gate_arm *candidate)
{
        if (candidate->error.code < 0)
                (void) snprintf(row->note, sizeof row->note, "%s", error_text(&candidate->error));
}

static void add_asked(struct rows *rows, const struct gate_asking *asking)
{
        const struct promotion_config *promotion = asking->settings->promotion;
        const struct gate_arm *base = &asking->arms[GATE_BASE];
        const struct gate_arm *candidate = &asking->arms[GATE_CANDIDATE];
        double p95_most = promotion->max_p95_ms;
        struct gate_row *row;

        add_quality(rows, "recall_at_100", of_judged(asking, GATE_BASE, base->recall),
                    of_judged(asking, GATE_CANDIDATE, candidate->recall),
                    promotion->min_recall_ratio);
        add_quality(rows, "ndcg_at_10", of_judged(asking, GATE_BASE, base->ndcg),
                    of_judged(asking, GATE_CANDIDATE, candidate->ndcg), promotion->min_ndcg_ratio);
        row = add_most(rows, "error_rate", error_rate(base), error_rate(candidate),
                       promotion->max_error_rate, promotion->rollback_error_rate);
        if (candidate->errors > 0)
                note_error(row, candidate);
        /* A provider that is away is no failure of the release, but nothing was shown either. */
        row = add_most(rows, "provider_faults", over((double) base->provider_faults, base->asked),
                       over((double) candidate->provider_faults, candidate->asked),
                       promotion->max_error_rate, INFINITY);
        row->fail = NAN;
        if (candidate->provider_faults > 0)
                note_error(row, candidate);
        (void) add_most(rows, "avg_latency_seconds", average_seconds(base),
                        average_seconds(candidate), promotion->max_avg_latency_seconds,
                        promotion->rollback_avg_latency_seconds);
        (void) add_row(rows, "p50_ms", share_msec(base, 0.50), share_msec(candidate, 0.50));
        row = add_row(rows, "p95_ms", share_msec(base, 0.95), share_msec(candidate, 0.95));
        if (promotion->max_p95_ms > 0) {
                row->pass = row->fail = p95_most;
                row->verdict = gate_judge_most(row->candidate, p95_most, p95_most);
        }
        (void) add_row(rows, "p99_ms", share_msec(base, 0.99), share_msec(candidate, 0.99));
        if (asking->questions == 0)
                for (size_t i = 0; i < rows->n; i++)
                        (void) snprintf(rows->items[i].note, sizeof rows->items[i].note,
                                        "no golden questions: ragctl golden add");
}

static int add_rows(struct rows *rows, const struct gate_asking *asking, struct error *reterr)
{
        const struct gate_settings *settings = asking->settings;
        struct gate_row *row;
        int r;

        add_asked(rows, asking);
        r = gate_price_month(settings, clock_wall_usec(), &rows->items[rows->n], reterr);
        if (r >= 0)
                r = gate_probe_isolation(settings, &rows->items[++rows->n], reterr);
        if (r < 0)
                return r;
        rows->n++;
        row = add_row(rows, "backup", NAN, NAN);
        (void) snprintf(row->note, sizeof row->note,
                        "backup and restore are not probed by the gates");
        return 0;
}

/* Rows without figures say nothing; with no question at all neither does the whole. */
static enum gate_verdict worst(const struct rows *rows, uint64_t judged)
{
        enum gate_verdict verdict = judged > 0 ? GATE_PASS : GATE_NO_DATA;

        for (size_t i = 0; i < rows->n; i++)
                if (rows->items[i].verdict != GATE_NO_DATA && rows->items[i].verdict > verdict)
                        verdict = rows->items[i].verdict;
        return verdict;
}

/* ---- The report ------------------------------------------------------------------------------ */

static struct json_object *row_json(const struct gate_row *row)
{
        struct json_object *object = json_object_new_object();

        json_add_string(object, "gate", row->gate);
        json_add_double(object, "base", row->base);
        json_add_double(object, "candidate", row->candidate);
        json_add_double(object, "pass", row->pass);
        json_add_double(object, "fail", row->fail);
        json_add_string(object, "verdict", gate_verdict_name(row->verdict));
        json_add_string(object, "note", row->note[0] ? row->note : NULL);
        return object;
}

static struct json_object *set_json(const struct gate_asking *asking, const struct gate_set *set)
{
        static const char *const names[] = { "base", "candidate" };
        struct json_object *object = json_object_new_object();

        json_add_string(object, "tenant", set->tenant_name);
        json_add_string(object, "collection", set->collection);
        json_add_u64(object, "questions", set->golden.n_questions);
        json_add_u64(object, "judged", set->judged);
        json_add_u64(object, "missing", set->missing);
        for (size_t i = 0; i < 2; i++) {
                struct json_object *figures = json_object_new_object();

                json_add_double(figures, "recall_at_100", over(set->recall[i], set->judged));
                json_add_double(figures, "ndcg_at_10", over(set->ndcg[i], set->judged));
                if (!asking->arms[i].answer) {
                        json_object_put(figures);
                        figures = NULL;
                }
                json_add(object, names[i], figures);
        }
        return object;
}

/* The rows that decided, in words; empty where all is well. */
static void say_why(const struct rows *rows, enum gate_verdict verdict, char *ret, size_t size)
{
        size_t len = 0;

        ret[0] = '\0';
        for (size_t i = 0; i < rows->n && verdict >= GATE_HOLD && len < size; i++) {
                const struct gate_row *row = &rows->items[i];

                if (row->verdict == verdict)
                        len += (size_t) snprintf(ret + len, size - len, "%s%s is %.4g, and %.4g "
                                                 "passes", len ? "; " : "", row->gate,
                                                 row->candidate, row->pass);
        }
}

static struct json_object *report(const struct gate_asking *asking, const struct rows *rows,
                                  enum gate_verdict verdict)
{
        struct json_object *object = json_object_new_object();
        struct json_object *array = json_object_new_array();
        struct json_object *collections = json_object_new_array();
        const struct snapshot *base = asking->settings->base;
        char why[256];

        say_why(rows, verdict, why, sizeof why);
        json_add_string(object, "verdict", gate_verdict_name(verdict));
        json_add_string(object, "why", why[0] ? why : NULL);
        if (base)
                json_add_u64(object, "base", base->release);
        else
                json_add(object, "base", NULL);
        json_add_u64(object, "candidate", asking->settings->candidate->release);
        json_add_u64(object, "questions", asking->questions);
        json_add_u64(object, "asked", asking->asked);
        json_add_u64(object, "judged", asking->judged);
        for (size_t i = 0; i < rows->n; i++)
                json_add(array, NULL, row_json(&rows->items[i]));
        json_add(object, "rows", array);
        for (size_t i = 0; i < asking->n_sets; i++)
                json_add(collections, NULL, set_json(asking, &asking->sets[i]));
        json_add(object, "collections", collections);
        json_add_string(object, "note", "golden questions were asked as searches; no answer was "
                                        "written by a model for them");
        return object;
}

int gate_run(const struct gate_settings *settings, struct json_object **ret,
             enum gate_verdict *ret_verdict, struct error *reterr)
{
        cleanup_(gate_asking_done) struct gate_asking asking = {
                .settings = settings,
                .arms = { { .answer = settings->base ? settings->base->answer : NULL },
                          { .answer = settings->candidate->answer } },
        };
        struct rows rows = { .n = 0 };
        enum gate_verdict verdict;
        int r = gate_collect(&asking, reterr);

        if (r >= 0)
                r = gate_ask(&asking, reterr);
        if (r >= 0)
                r = add_rows(&rows, &asking, reterr);
        if (r < 0)
                return r;
        verdict = worst(&rows, asking.judged);
        *ret = report(&asking, &rows, verdict);
        *ret_verdict = verdict;
        return 0;
}

/* ---- Traffic --------------------------------------------------------------------------------- */

struct burning {
        double errors, seconds; /* of the requests that providers did not spoil */
};

static struct burning burning_of(const struct observed *observed)
{
        uint64_t n = observed_samples(observed);

        return (struct burning){ over((double) observed->errors, n),
                                 over((double) observed->sum_usec, n) / (double) USEC_PER_SEC };
}

enum gate_verdict gate_look(const struct promotion_config *promotion,
                            const struct observed *short_run, const struct observed *long_run,
                            uint64_t month_microusd, char ret_why[static 256])
{
        const struct burning now = burning_of(short_run), lately = burning_of(long_run);
        double month_usd = (double) month_microusd / 1e6;
        enum gate_verdict verdict, errors, seconds, money;

        ret_why[0] = '\0';
        if (observed_samples(short_run) < GATE_SAMPLES_MIN ||
            observed_samples(long_run) < GATE_SAMPLES_MIN)
                return GATE_NO_DATA;
        /* Both burn: it goes on, and it is not only a moment. */
        errors = gate_judge_most(fmin(now.errors, lately.errors), promotion->max_error_rate,
                                 promotion->rollback_error_rate);
        seconds = gate_judge_most(fmin(now.seconds, lately.seconds),
                                  promotion->max_avg_latency_seconds,
                                  promotion->rollback_avg_latency_seconds);
        /* A release that costs nothing did not spend it. */
        money = long_run->cost_microusd == 0
                        ? GATE_PASS
                        : gate_judge_most(month_usd, promotion->max_monthly_usd,
                                          promotion->rollback_monthly_usd);
        verdict = errors > seconds ? errors : seconds;
        verdict = money > verdict ? money : verdict;
        if (verdict < GATE_HOLD)
                return GATE_PASS;
        if (errors == verdict)
                (void) snprintf(ret_why, 256, "%.1f %% of its requests fail, %.1f %% over the long "
                                "run; at %.1f %% it is taken back", 100 * now.errors,
                                100 * lately.errors, 100 * promotion->rollback_error_rate);
        else if (seconds == verdict)
                (void) snprintf(ret_why, 256, "its requests take %.2f s on average, %.2f s over "
                                "the long run; at %.2f s it is taken back", now.seconds,
                                lately.seconds, promotion->rollback_avg_latency_seconds);
        else
                (void) snprintf(ret_why, 256, "this month cost $%.2f; at $%.2f it is taken back",
                                month_usd, promotion->rollback_monthly_usd);
        return verdict;
}
