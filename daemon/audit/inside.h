/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the writing side share.
 *
 * One thread at a time is the leader: it alone touches the chain, the files and the buffer.  Others
 * wait, or queue their lines for it.  A line counts when its sync succeeded: the chain moves on
 * only then, so a failure leaves it where it was, and the file is cut back to there. */
#pragma once
#include "audit/audit.h"
#include "audit/chain.h"
#include "base/buf.h"

#include <pthread.h>

#define AUDIT_KEY_FILE "key"
#define AUDIT_SEED_FILE "seed"
#define AUDIT_NOTICES_MAX 4
#define AUDIT_BATCH_MAX 256 /* lines that share a sync: no more are torn by a crash */

/* A line of the log's own that is written before the next one. */
struct audit_notice {
        const char *action;
        struct json_object *details; /* owned */
};

struct audit_request {
        const struct audit_event *event;
        struct buf body;
        struct error error;
        int result;
        bool done;
        struct audit_request *next;
};

struct audit {
        char *path, *stage;
        uint64_t segment_bytes, segment_usec;
        void (*journal)(void *data, const struct audit_event *event, const char *line);
        void *data;
        int dirfd; /* also locked: one writer to a folder */

        /* The leader's. */
        struct chain chain;
        int fd;     /* the segment's; -1: none is open */
        int key_fd;
        uint64_t begun_wall_usec; /* the segment's first line */
        bool poisoned;   /* what the file holds behind the chain's offset is not known */
        bool ends_early; /* the segment is to be sealed before anything else is written */
        struct audit_notice notices[AUDIT_NOTICES_MAX];
        size_t n_notices;
        uint64_t repaired_usec; /* monotonic: the last try */
        struct buf out;
        size_t *ends; /* of each line in `out` */

        pthread_mutex_t lock; /* of what follows */
        pthread_cond_t changed;
        struct audit_request *first, **last;
        bool leading;
        bool key_stale; /* the key file lags, because it could not be written */
        struct error failure;
        uint64_t refused; /* lines that failed since the last that did not */
        uint64_t healed_usec;
        struct audit_figures figures;
        struct audit_head head;

        pthread_mutex_t retention; /* held by who removes segments */
};

/* Queues the line and waits until it is durable or has failed; for the log's own lines too. */
int audit_commit(struct audit *audit, const struct audit_event *event, struct error *reterr);
/* A line of the log's own before the next one; takes the details.  For who leads. */
void audit_note(struct audit *audit, const char *action, struct json_object *takes_details);
/* Writes what is noted, or begins a segment where none is open.  For who leads. */
int audit_flush(struct audit *audit, struct error *reterr);

/* ---- segments and the key file, for who leads ------------------------------------------------ */

struct audit_part {
        const struct audit_event *event;
        const char *body;
        size_t body_len;
};
/* Appends the lines to the segment, syncs, moves chain and key on, tells the journal. */
int audit_append(struct audit *audit, const struct audit_part *parts, size_t n,
                 struct error *reterr);
/* A segment that can be written to: mended, begun or ended as needed. */
int audit_prepare(struct audit *audit, struct error *reterr);
/* The key file says where the chain is; a failure makes it stale. */
void audit_store_key(struct audit *audit);
/* The same as a new file, durable. */
int audit_replace_key(struct audit *audit, struct error *reterr);

/* Where the chain is after what lies on disk: the key file, or the seed, and the lines after it. */
int audit_recover(struct audit *audit, struct error *reterr);
