/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of gates share.  Nothing outside gate_*.c includes it. */
#pragma once
#include "base/id.h"
#include "config/values.h"
#include "release/gate.h"
#include "release/snapshot.h"
#include "store/golden.h"

#define GATE_QUESTIONS_MAX 2000 /* of more, every n-th is asked */
#define GATE_NOTE_SIZE 256

struct gate_row {
        const char *gate;
        double base, candidate, pass, fail; /* NaN: there is none */
        enum gate_verdict verdict;
        char note[GATE_NOTE_SIZE];
};

/* ---- gate_ask.c ------------------------------------------------------------------------------ */

/* Golden questions of one collection of one tenant; its figures are sums over those judged. */
struct gate_set {
        struct tenant_id tenant;
        char *tenant_name, *collection; /* heap */
        struct golden_set golden;
        uint64_t missing, judged;
        double recall[2], ndcg[2]; /* base, candidate */
};

/* What one release did with the questions. */
struct gate_arm {
        struct answer *answer; /* NULL: there is no such release */
        double recall, ndcg;   /* sums over those judged */
        uint64_t asked, errors, provider_faults;
        uint64_t *usec; /* heap; of those judged, sorted in the end */
        size_t n_usec;
        uint64_t sum_usec;
        struct error error; /* the last one */
};

enum { GATE_BASE, GATE_CANDIDATE };
struct gate_asking {
        const struct gate_settings *settings;
        struct gate_set *sets; /* heap */
        size_t n_sets;
        uint64_t questions, asked; /* all; and those that were asked */
        uint64_t judged;           /* those that neither release lost to a provider */
        struct gate_arm arms[2];
};
void gate_asking_done(struct gate_asking *asking);
/* The questions: of every collection of every tenant, and of the file of rag.promotion.golden_set.
 * -EINVAL: the file, or what it names; -ENOENT: there is no such set. */
int gate_collect(struct gate_asking *asking, struct error *reterr);
/* Asks them of both in turns. */
int gate_ask(struct gate_asking *asking, struct error *reterr);

/* ---- gate_probe.c ---------------------------------------------------------------------------- */

/* Documents of each collection are looked for in others of the candidate, and by a tenant who
 * isn't there. */
int gate_probe_isolation(const struct gate_settings *settings, struct gate_row *ret,
                         struct error *reterr);
/* What this month's use comes to in a whole month: as it cost, and at the candidate's prices. */
int gate_price_month(const struct gate_settings *settings, uint64_t now_wall_usec,
                     struct gate_row *ret, struct error *reterr);

/* ---- gate.c ---------------------------------------------------------------------------------- */

/* At most `pass` passes, at least `fail` fails, the rest is held.  NaN is no data. */
enum gate_verdict gate_judge_most(double value, double pass, double fail);
