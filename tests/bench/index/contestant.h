/* SPDX-License-Identifier: Apache-2.0 */
/* One library in the bench: how it was built and opened for a set, what that took, and the open
 * index that is then searched.
 *
 * A peer's index is built once for a set and kept beside it with the figures of that build;
 * ragd's is built in each run, unless the plan says otherwise. */
#pragma once
#include "adapter.h"
#include "base/error.h"
#include "set.h"

#include <stdbool.h>

#define BUILDS_MAX 2 /* with 1 thread, with 2 */
#define CONTESTANTS_MAX 16

/* What the command line asks for. */
struct plan {
        const char *data, *peers;  /* folders: sets and the peers' indexes; the peers' modules */
        const char *own;           /* folder of ragd's indexes */
        const char *only;          /* names with commas; NULL: all */
        bool fresh;                /* build peers anew */
        bool reuse;                /* open what ragd built before */
        bool build[BUILDS_MAX];    /* with i + 1 threads */
        uint32_t m, ef_construction, k;
        uint32_t rounds;
        uint32_t efs[64];          /* a ladder, ascending, ending with 0 */
        bool given_efs;            /* measure each, not only those around the targets */
        bool threads;              /* search with two threads, too */
};

struct build {
        double seconds, cpu_seconds; /* 0: not built */
        double disturbed;            /* share of the machine that others used meanwhile */
        bool kept;                   /* in an earlier run */
};

struct contestant {
        const struct adapter *ops;
        bool own; /* ragd's */
        void *index;
        struct build builds[BUILDS_MAX];
        double save_seconds, open_usec, first_query_usec; /* negative: not known */
        uint64_t anonymous_bytes; /* of memory, that the open index took */
        uint64_t hot_bytes;       /* what the library itself says, else 0 */
        uint64_t file_bytes;      /* of what it saved */
        const char *note;         /* or NULL */
};

bool name_in(const char *names, const char *name);

/* ragd's own and the modules of plan->peers, as far as plan->only names them; says on stdout
 * which are skipped and why. */
size_t contestants_find(const struct plan *plan, struct contestant ret[static CONTESTANTS_MAX]);

/* Builds what is not kept, saves, and opens it again.  `graph_is_built`: by the contestant whose
 * graph this one shares, in this run.  0, or -errno: it can't take part. */
int contestant_open(struct contestant *contestant, const struct set *set, const struct plan *plan,
                    bool graph_is_built, struct error *reterr);
void contestant_close(struct contestant *contestant);

/* Seconds of the monotonic clock. */
double now_seconds(void);

/* What the machine did, to know how much of it others used meanwhile. */
struct load {
        double seconds, busy_seconds, own_seconds;
};
void load_read(struct load *ret);
/* Since `before`: the share of all processors that other processes used, 0 to 1. */
double load_of_others(const struct load *before);
#define LOAD_OF_OTHERS_MAX 0.05 /* figures taken beside more are to be taken again */
