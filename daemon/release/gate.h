/* SPDX-License-Identifier: Apache-2.0 */
/* Gates: what a candidate must show before it gets any traffic, and what takes it back later
 * (coverage M12, M13).
 *
 * Each row compares one figure with its thresholds: at or better than `pass` it passes, at or
 * beyond `fail` it fails, between the two bands it is held; without figures it is `no_data`, which
 * is told and neither passes nor fails.  The verdict is that of the worst other row, or no_data
 * where no golden question could be judged and nothing else is held or fails. */
#pragma once
#include "base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct observed;
struct promotion_config;
struct snapshot;
struct store;

enum gate_verdict {
        GATE_PASS,
        GATE_NO_DATA,
        GATE_HOLD,
        GATE_FAIL,
        GATE_VERDICT_MAX,
        GATE_VERDICT_INVALID = -EINVAL,
};
const char *gate_verdict_name(enum gate_verdict verdict);

struct gate_settings {
        struct store *store;
        const struct promotion_config *promotion; /* the candidate's */
        struct snapshot *base;      /* what it is compared with; or NULL: absolute limits alone */
        struct snapshot *candidate; /* its generations are READY */
        /* -ECANCELED when it returns non-zero; may be NULL. */
        int (*progress)(void *data, const char *what, size_t done, size_t total);
        void *data;
};

/* Asks the golden questions of every collection, and of rag.promotion.golden_set, of both releases
 * in turns, as searches in their profile's mode: recall, nDCG, errors, latency; then prices the
 * month and probes isolation.  rag.promotion.golden_set is an absolute path of a file (JSON Lines;
 * a line may name its collection, else it is "default"), asked beside the sets that collections
 * keep, or the name of the kept sets that alone are asked.  A question that either release lost to
 * a provider is not judged.
 *
 * *ret: {verdict, why, base, candidate, questions, asked, judged, rows: [{gate, base, candidate,
 * pass, fail, verdict, note}], collections: [{tenant, collection, questions, judged, missing, base,
 * candidate}], note}; `why` names the rows that hold or fail it, else it is null.  A new reference.
 * Errors are those of asking, not of the figures: -EINVAL, -ENOENT: the golden set; -ECANCELED.
 * Waits; any thread. */
int gate_run(const struct gate_settings *settings, struct json_object **ret,
             enum gate_verdict *ret_verdict, struct error *reterr);

/* One look at the traffic of a release that serves: GATE_FAIL where it breaches the thresholds of
 * rolling back (rag.promotion.rollback_*) by burn rate: over a short and a long window both
 * (`short_run`, `long_run`), with at least GATE_SAMPLES_MIN requests in each that no provider
 * spoiled; GATE_HOLD between the bands.  `month_microusd`: spent this month; it counts where the
 * long window cost anything.  *ret_why: in words; empty where it passes. */
#define GATE_SAMPLES_MIN 20
enum gate_verdict gate_look(const struct promotion_config *promotion,
                            const struct observed *short_run, const struct observed *long_run,
                            uint64_t month_microusd, char ret_why[static 256]);
