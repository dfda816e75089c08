/* SPDX-License-Identifier: Apache-2.0 */
/* A share of the traffic for a candidate, an equal share of the base beside it, and a sequential
 * test between the two.
 *
 * The arm of a request is a function of the release and of who asks, so that one person sees one
 * release, also when the share grows: hash(release, session | user | key | address) mod 10,000.
 *
 * Shares that fail (errors, empty retrievals, answers without grounds) are compared by Wald's
 * sequential probability ratio test (Annals of Mathematical Statistics 16, 1945), which may be
 * looked at as often as one likes, with 5 % for either error of the whole.  Two of them, and both
 * must say so before a canary is stopped: of the candidate's share, between the base's p0 and p1 =
 * p0 + max_error_rate (but not beyond rollback_error_rate while p0 is below it); and of double
 * dichotomies (section 5.3 there), which does not take the base's share for the truth.  Latency is
 * compared by the ratio of the arms' 95th percentiles once both have min_samples.  A provider's
 * fault is no evidence: several in a row hold the canary. */
#pragma once
#include "config/values.h"
#include "release/observe.h"

#include <json-c/json.h>
#include <stdint.h>

/* Who asks; each may be NULL. */
struct arm_key {
        const char *session, *user, *key_id, *address;
};
/* `percent` of the candidate's share, 1 to 100.  Above 50 there is less left for the baseline, at
 * 100 nothing.  Who gives nothing at all to know him by is not compared. */
enum release_arm canary_arm(uint32_t release, uint32_t percent, const struct arm_key *key);

enum canary_verdict {
        CANARY_GO_ON, /* look again */
        CANARY_GO,    /* the step is passed */
        CANARY_STOP,  /* the candidate is worse */
        CANARY_HOLD,  /* inconclusive: time is over without samples, or providers are away */
        CANARY_VERDICT_MAX,
        CANARY_VERDICT_INVALID = -EINVAL,
};
const char *canary_verdict_name(enum canary_verdict verdict);

/* What became of requests that were repeated on a candidate in shadow mode, in one step. */
struct canary_shadow {
        uint64_t replayed;
        uint64_t refused; /* the candidate does not take a request like this */
        uint64_t dropped; /* there was no room to let them wait */
        /* Of searches whose results both sides have as such: documents among the base's first ten,
         * and how many of them are among the candidate's. */
        uint64_t expected, found;
};

struct canary {
        const struct canary_config *config; /* the candidate's */
        const struct promotion_config *promotion;
        uint32_t percent;
        uint64_t begun_usec; /* of this step, monotonic */
        const struct canary_shadow *shadow; /* NULL: the candidate answers */
};
/* One look.  GO not before step_minutes are over, both arms have min_samples, and every test says
 * so; STOP at any time; HOLD when three times step_minutes are over without either, or after
 * CANARY_FAULTS_IN_A_ROW faults of providers.  At 100 percent there is no baseline: then p0 and p1
 * are max_error_rate and rollback_error_rate.  *ret_report: {percent, baseline, canary, tests:
 * [{test, baseline, canary, p0, p1, evidence, verdict}], shadow: null | {replayed, refused,
 * dropped, overlap}, verdict, why}; a new reference; may be NULL.  The canary is worse where
 * `evidence` (a logarithm of odds) reaches 4.55, as good at -2.94; of latency it is the ratio. */
#define CANARY_FAULTS_IN_A_ROW 5
enum canary_verdict canary_look(const struct canary *canary, const struct observed *baseline,
                                const struct observed *candidate, uint64_t now_usec,
                                struct json_object **ret_report);
