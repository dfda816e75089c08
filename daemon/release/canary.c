/* SPDX-License-Identifier: Apache-2.0 */
#include "release/canary.h"

#include "base/clock.h"
#include "base/enum.h"
#include "base/json.h"

#include <math.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const canary_verdict_names[CANARY_VERDICT_MAX] = {
        [CANARY_GO_ON] = "go_on",
        [CANARY_GO] = "go",
        [CANARY_STOP] = "stop",
        [CANARY_HOLD] = "hold",
};

const char *canary_verdict_name(enum canary_verdict verdict)
{
        return (size_t) verdict < CANARY_VERDICT_MAX ? canary_verdict_names[verdict] : NULL;
}

/* ---- Arms ------------------------------------------------------------------------------------ */

#define SHARES 10000U

/* The best name that is there, with a letter of its kind: a user called like a session differs. */
static const char *choose_key(const struct arm_key *key, char *ret_kind)
{
        const struct {
                char kind;
                const char *text;
        } choices[] = { { 's', key->session },
                        { 'u', key->user },
                        { 'k', key->key_id },
                        { 'a', key->address } };

        for (size_t i = 0; i < ELEMENTSOF(choices); i++)
                if (choices[i].text && *choices[i].text) {
                        *ret_kind = choices[i].kind;
                        return choices[i].text;
                }
        return NULL;
}

static uint32_t place_of(uint32_t release, char kind, const char *text)
{
        const uint8_t number[] = { (uint8_t) release, (uint8_t) (release >> 8U),
                                   (uint8_t) (release >> 16U), (uint8_t) (release >> 24U),
                                   (uint8_t) kind };
        uint8_t hash[crypto_generichash_BYTES_MIN];
        crypto_generichash_state state;
        uint64_t bits = 0;

        (void) crypto_generichash_init(&state, NULL, 0, sizeof hash);
        (void) crypto_generichash_update(&state, number, sizeof number);
        (void) crypto_generichash_update(&state, (const uint8_t *) text, strlen(text));
        (void) crypto_generichash_final(&state, hash, sizeof hash);
        for (size_t i = 0; i < 8; i++)
                bits = bits << 8U | hash[i];
        return (uint32_t) (bits % SHARES);
}

enum release_arm canary_arm(uint32_t release, uint32_t percent, const struct arm_key *key)
{
        uint32_t share = percent < 100 ? percent * (SHARES / 100) : SHARES, place;
        char kind = 0;
        const char *text = choose_key(key, &kind);

        if (!text)
                return RELEASE_ARM_REST;
        place = place_of(release, kind, text);
        if (place < share)
                return RELEASE_ARM_CANARY;
        return place - share < share ? RELEASE_ARM_BASELINE : RELEASE_ARM_REST;
}

/* ---- Sequential tests ------------------------------------------------------------------------ */

/* ln((1 - beta) / alpha), beta being 5 %, and alpha a fifth of it: three shares and two latencies
 * are compared, and a canary that is as good in all is to be stopped in 5 % of all cases at most
 * (Bonferroni). */
#define ODDS_STOP 4.5538768916005408
#define ODDS_GO 2.9444389791664403 /* ln((1 - alpha) / beta), 5 % each */
#define MARGIN_MIN 0.01         /* a smaller difference is not looked for */
#define RATE_MAX 0.999

struct share {
        uint64_t n, failed;
};

/* H0: the share is p0, against H1: p1 > p0; the logarithm of the ratio of their likelihoods. */
static double evidence_of_share(struct share share, double p0, double p1)
{
        return (double) share.failed * log(p1 / p0) +
               (double) (share.n - share.failed) * log((1 - p1) / (1 - p0));
}

/* H0: both shares are the same, against H1: their odds differ by `u`, whatever the shares are.
 * Of pairs of requests only those count of which one failed; their numbers are what may be
 * expected of these sums, in whatever order they came. */
static double evidence_of_pairs(struct share base, struct share candidate, double u)
{
        double n = (double) (base.n < candidate.n ? base.n : candidate.n);
        double pb, pc;

        if (n == 0)
                return 0;
        pb = (double) base.failed / (double) base.n;
        pc = (double) candidate.failed / (double) candidate.n;
        return n * pc * (1 - pb) * log(2 * u / (1 + u)) + n * pb * (1 - pc) * log(2 / (1 + u));
}

struct test {
        const char *name, *words;
        bool decides_go; /* it must say that the canary is as good */
        struct share base, candidate;
        double p0, p1, evidence;
        enum canary_verdict verdict;
};

static double rate_of(struct share share)
{
        return share.n ? (double) share.failed / (double) share.n : 0;
}

static void set_hypotheses(struct test *test, const struct promotion_config *promotion,
                           bool no_baseline)
{
        double margin = fmax(promotion->max_error_rate, MARGIN_MIN);
        double most = promotion->rollback_error_rate;

        if (no_baseline) {
                test->p0 = fmin(fmax(promotion->max_error_rate, MARGIN_MIN), 0.99);
                test->p1 = fmin(fmax(most, test->p0 + MARGIN_MIN), RATE_MAX);
                return;
        }
        /* Laplace's estimate: of nothing seen yet a share of 0 does not follow. */
        test->p0 = ((double) test->base.failed + 1) / ((double) test->base.n + 2);
        test->p0 = fmin(test->p0, 0.99);
        test->p1 = test->p0 + margin;
        if (test->p1 > most && test->p0 + MARGIN_MIN < most)
                test->p1 = most;
        test->p1 = fmin(test->p1, RATE_MAX);
}

static void run_test(struct test *test, const struct promotion_config *promotion,
                     bool no_baseline)
{
        double pairs, u;

        set_hypotheses(test, promotion, no_baseline);
        test->evidence = evidence_of_share(test->candidate, test->p0, test->p1);
        test->verdict = test->evidence <= -ODDS_GO ? CANARY_GO : CANARY_GO_ON;
        if (test->evidence < ODDS_STOP)
                return;
        u = test->p1 * (1 - test->p0) / (test->p0 * (1 - test->p1));
        pairs = no_baseline ? test->evidence
                            : evidence_of_pairs(test->base, test->candidate, u);
        test->evidence = fmin(test->evidence, pairs);
        if (test->evidence >= ODDS_STOP)
                test->verdict = CANARY_STOP;
}

/* ---- Latency --------------------------------------------------------------------------------- */

#define SLOWER_HOLD 1.5           /* beyond: not passed */
#define SLOWER_STOP 2.0           /* at or beyond: stopped */
#define SLOWER_MIN_USEC (10 * USEC_PER_MSEC) /* less is nobody's trouble */

struct slower {
        const char *name, *words;
        uint64_t base_usec, candidate_usec;
        double ratio; /* 0: not known yet */
        enum canary_verdict verdict;
};

static void compare_latency(struct slower *slower, bool enough)
{
        slower->verdict = CANARY_GO_ON;
        if (!enough || slower->base_usec == 0)
                return;
        slower->ratio = (double) slower->candidate_usec / (double) slower->base_usec;
        if (slower->ratio <= SLOWER_HOLD ||
            slower->candidate_usec < slower->base_usec + SLOWER_MIN_USEC)
                slower->verdict = CANARY_GO;
        else if (slower->ratio >= SLOWER_STOP)
                slower->verdict = CANARY_STOP;
}

/* ---- A look ---------------------------------------------------------------------------------- */

#define TESTS 3
#define LATENCIES 2

struct look {
        const struct canary *canary;
        const struct observed *baseline, *candidate;
        bool no_baseline, enough;
        uint64_t step_usec, passed_usec;
        struct test tests[TESTS];
        struct slower slower[LATENCIES];
        enum canary_verdict verdict;
        char why[256];
};

static struct share share_of(uint64_t n, uint64_t failed)
{
        return (struct share){ n, failed < n ? failed : n };
}

static uint64_t well(const struct observed *observed)
{
        return observed_samples(observed) - observed->errors;
}

static void measure(struct look *look)
{
        const struct observed *base = look->baseline, *candidate = look->candidate;

        look->tests[0] = (struct test){
                .name = "errors", .words = "fail", .decides_go = true,
                .base = share_of(observed_samples(base), base->errors),
                .candidate = share_of(observed_samples(candidate), candidate->errors),
        };
        look->tests[1] = (struct test){
                .name = "empty", .words = "find nothing", .decides_go = true,
                .base = share_of(well(base), base->empty),
                .candidate = share_of(well(candidate), candidate->empty),
        };
        look->tests[2] = (struct test){
                .name = "ungrounded", .words = "have no valid citation",
                .base = share_of(base->answers, base->answers - base->grounded),
                .candidate = share_of(candidate->answers,
                                      candidate->answers - candidate->grounded),
        };
        /* How often nothing is found or cited depends on what is asked: there is no limit to it. */
        for (size_t i = 0; i < TESTS; i++)
                if (i == 0 || !look->no_baseline)
                        run_test(&look->tests[i], look->canary->promotion, look->no_baseline);
                else
                        look->tests[i].verdict = CANARY_GO;
        look->slower[0] = (struct slower){ "p95", "the 95th percentile of latency",
                                           base->p95_usec, candidate->p95_usec, 0, 0 };
        look->slower[1] = (struct slower){ "first_p95",
                                           "the 95th percentile of the time to first text",
                                           base->first_p95_usec, candidate->first_p95_usec, 0, 0 };
        for (size_t i = 0; i < LATENCIES; i++)
                compare_latency(&look->slower[i], look->enough);
}

static bool stops(struct look *look)
{
        for (size_t i = 0; i < TESTS; i++) {
                const struct test *test = &look->tests[i];

                if (test->verdict != CANARY_STOP)
                        continue;
                (void) snprintf(look->why, sizeof look->why,
                                "%.1f %% of the canary's requests %s, %.1f %% of the base's",
                                100 * rate_of(test->candidate), test->words,
                                100 * rate_of(test->base));
                return true;
        }
        for (size_t i = 0; i < LATENCIES; i++) {
                const struct slower *slower = &look->slower[i];

                if (slower->verdict != CANARY_STOP)
                        continue;
                (void) snprintf(look->why, sizeof look->why,
                                "%s is %.1f ms, %.1f times the base's", slower->words,
                                (double) slower->candidate_usec / USEC_PER_MSEC, slower->ratio);
                return true;
        }
        return false;
}

/* What still stands against going on; NULL: nothing. */
static const char *undecided(const struct look *look)
{
        if (!look->enough)
                return "there are not min_samples requests in both arms";
        for (size_t i = 0; i < TESTS; i++)
                if (look->tests[i].decides_go && look->tests[i].verdict != CANARY_GO)
                        return i == 0 ? "the share of errors is neither as good nor worse for "
                                        "certain"
                                      : "the share of empty results is neither as good nor worse "
                                        "for certain";
        for (size_t i = 0; i < LATENCIES; i++)
                if (!look->no_baseline && look->slower[i].verdict != CANARY_GO)
                        return "it is slower than the base, though not twice as slow";
        return NULL;
}

static enum canary_verdict judge(struct look *look)
{
        const char *doubt = undecided(look);

        if (stops(look))
                return CANARY_STOP;
        if (look->candidate->provider_faults_in_a_row >= CANARY_FAULTS_IN_A_ROW ||
            look->baseline->provider_faults_in_a_row >= CANARY_FAULTS_IN_A_ROW) {
                (void) snprintf(look->why, sizeof look->why,
                                "providers are away: %d requests in a row failed for it",
                                CANARY_FAULTS_IN_A_ROW);
                return CANARY_HOLD;
        }
        if (look->passed_usec < look->step_usec) {
                (void) snprintf(look->why, sizeof look->why, "the step is not over");
                return CANARY_GO_ON;
        }
        if (!doubt) {
                (void) snprintf(look->why, sizeof look->why, "as good as the base");
                return CANARY_GO;
        }
        (void) snprintf(look->why, sizeof look->why, "%s", doubt);
        return look->passed_usec >= 3 * look->step_usec ? CANARY_HOLD : CANARY_GO_ON;
}

/* ---- The report ------------------------------------------------------------------------------ */

static struct json_object *test_json(const struct test *test, bool no_baseline)
{
        struct json_object *object = json_object_new_object();

        json_add_string(object, "test", test->name);
        json_add_double(object, "baseline", test->base.n ? rate_of(test->base) : NAN);
        json_add_double(object, "canary", test->candidate.n ? rate_of(test->candidate) : NAN);
        json_add_double(object, "p0", test->p1 > 0 ? test->p0 : NAN);
        json_add_double(object, "p1", test->p1 > 0 ? test->p1 : NAN);
        json_add_double(object, "evidence", test->p1 > 0 ? test->evidence : NAN);
        json_add_string(object, "verdict", no_baseline && test->p1 <= 0
                                                   ? "no_data"
                                                   : canary_verdict_name(test->verdict));
        return object;
}

static struct json_object *slower_json(const struct slower *slower)
{
        struct json_object *object = json_object_new_object();

        json_add_string(object, "test", slower->name);
        json_add_double(object, "baseline", (double) slower->base_usec / USEC_PER_MSEC);
        json_add_double(object, "canary", (double) slower->candidate_usec / USEC_PER_MSEC);
        json_add_double(object, "p0", SLOWER_HOLD);
        json_add_double(object, "p1", SLOWER_STOP);
        json_add_double(object, "evidence", slower->ratio > 0 ? slower->ratio : NAN);
        json_add_string(object, "verdict", slower->ratio > 0
                                                   ? canary_verdict_name(slower->verdict)
                                                   : "no_data");
        return object;
}

static struct json_object *shadow_json(const struct canary_shadow *shadow)
{
        struct json_object *object;

        if (!shadow)
                return NULL;
        object = json_object_new_object();
        json_add_u64(object, "replayed", shadow->replayed);
        json_add_u64(object, "refused", shadow->refused);
        json_add_u64(object, "dropped", shadow->dropped);
        json_add_double(object, "overlap",
                        shadow->expected > 0 ? (double) shadow->found / (double) shadow->expected
                                             : NAN);
        return object;
}

static struct json_object *report(const struct look *look)
{
        struct json_object *object = json_object_new_object();
        struct json_object *tests = json_object_new_array();

        json_add_u64(object, "percent", look->canary->percent);
        json_add(object, "baseline", observed_json(look->baseline));
        json_add(object, "canary", observed_json(look->candidate));
        for (size_t i = 0; i < TESTS; i++)
                json_add(tests, NULL, test_json(&look->tests[i], look->no_baseline));
        for (size_t i = 0; i < LATENCIES; i++)
                json_add(tests, NULL, slower_json(&look->slower[i]));
        json_add(object, "tests", tests);
        json_add(object, "shadow", shadow_json(look->canary->shadow));
        json_add_string(object, "verdict", canary_verdict_name(look->verdict));
        json_add_string(object, "why", look->why);
        return object;
}

enum canary_verdict canary_look(const struct canary *canary, const struct observed *baseline,
                                const struct observed *candidate, uint64_t now_usec,
                                struct json_object **ret_report)
{
        struct look look = {
                .canary = canary,
                .baseline = baseline,
                .candidate = candidate,
                .no_baseline = canary->percent >= 100,
                .step_usec = canary->config->step_minutes * 60 * USEC_PER_SEC,
                .passed_usec = now_usec > canary->begun_usec ? now_usec - canary->begun_usec : 0,
        };
        uint64_t least = canary->config->min_samples;

        look.enough = observed_samples(candidate) >= least &&
                      (look.no_baseline || observed_samples(baseline) >= least);
        measure(&look);
        look.verdict = judge(&look);
        if (ret_report)
                *ret_report = report(&look);
        return look.verdict;
}
