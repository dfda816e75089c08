/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: who did what to which object, from where, and how it ended.
 *
 *     audit/NNNNNN.jsonl   segments: one JSON object a line
 *     audit/key            the key of what comes next; it moves forward, never back
 *     audit/seed           where it all began: needed to verify, best kept elsewhere
 *
 * Every line carries the SHA-256 of the line before (`prev`), its number (`seq`, without gaps
 * across segments) and a MAC (`mac`) under a key that is used once: k(i+1) = HMAC(k(i), "next"),
 * the former one is wiped, so whoever takes the present key can't forge, or drop, what was written
 * before (forward-secure logging: Bellare and Yee 1997, Schneier and Kelsey 1999).  Each segment
 * begins with a key of its own, s(j+1) = HMAC(s(j), "segment"), so verification can begin at any
 * of them, and ends with a line that seals it with its count; only whole segments are ever
 * removed, by retention, and a line says so.  The key file may lag behind what is on disk after a
 * crash, never run ahead of it: the log is synced first, and the key catches up from it.
 *
 * audit_write() returns when the line is durable; those who write together share one fsync.  A line
 * that was torn by a crash was never acknowledged: it is cut off, and the next line says so.
 * Where the log cannot be written, audit_healthy() says why, and doors refuse changes until it can:
 * nothing is changed without its line.  Any thread. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct audit;
struct audit_event;
struct json_object;

struct audit_settings {
        const char *path;  /* the folder; made, mode 0700, where absent */
        const char *stage;
        uint64_t segment_bytes; /* 0: 16 MiB */
        uint64_t segment_usec;  /* a segment that is older ends; 0: a day */
        /* Each line as it was written, for the journal: on the writer's thread, in order. */
        void (*journal)(void *data, const struct audit_event *event, const char *line);
        void *data;
};
int audit_open(const struct audit_settings *settings, struct audit **ret, struct error *reterr);
/* Seals nothing: the segment goes on at the next start. */
struct audit *audit_close(struct audit *audit);
DEFINE_CLEANUP(struct audit *, audit_close)

enum audit_outcome {
        AUDIT_OK,
        AUDIT_BEGUN,  /* a change is about to be made; a second line says how it ended */
        AUDIT_DENIED, /* no right, or beyond a limit */
        AUDIT_FAILED,
        AUDIT_OUTCOME_MAX,
        AUDIT_OUTCOME_INVALID = -EINVAL,
};
const char *audit_outcome_name(enum audit_outcome outcome);
enum audit_outcome audit_outcome_from_name(const char *name);

/* Strings that are NULL are left out of the line; what is no UTF-8 becomes U+FFFD. */
struct audit_event {
        const char *action;     /* "documents.put", "TenantCreate", "auth", "audit.begin" */
        enum audit_outcome outcome;
        const char *code;       /* of what was refused or failed, as the client got it */
        int status;             /* of HTTP; 0 */
        const char *object;     /* "collections/notes/documents/a.md", "tenants/acme" */
        const char *tenant;     /* its name */
        const char *key;        /* the key's id, never the key */
        const char *user;       /* X-Ragd-User */
        const char *listener;   /* "http 127.0.0.1:7420", "io.ragd.Control" */
        const char *address;    /* of the client */
        bool has_peer;
        uid_t uid;              /* where it is mapped */
        pid_t pid;
        const char *request_id;
        uint32_t release;       /* 0: none */
        uint64_t repeated;      /* stands for so many more like it; 0 */
        struct json_object *details; /* an object, borrowed, or NULL: never a text of documents */
};

/* Durable when it returns 0.  -ENOSPC, -EIO …: it is not there. */
int audit_write(struct audit *audit, const struct audit_event *event, struct error *reterr);
/* 0, or why lines cannot be written now; tries to recover, at most once a second. */
int audit_healthy(struct audit *audit, struct error *reterr);
/* Removes whole segments whose last line is older; one line says which.  At least the segment that
 * is being written stays. */
int audit_expire(struct audit *audit, uint64_t before_wall_usec, uint64_t *ret_segments,
                 struct error *reterr);
/* Number and digest of the last line, to be kept where nobody who writes here can reach it. */
struct audit_head {
        uint64_t seq;
        char digest[65]; /* SHA-256 in hex of the last line */
        uint32_t segment;
};
void audit_get_head(struct audit *audit, struct audit_head *ret);
/* The folder, for the functions that read; borrowed. */
const char *audit_path(const struct audit *audit);

struct audit_figures {
        uint64_t lines, bytes, syncs, failures;
        bool failing;
};
void audit_get_figures(struct audit *audit, struct audit_figures *ret);

/* Gives the seed out and removes it from this machine: from then on only who has it can verify the
 * MACs.  64 hex digits.  -ENOENT: it was taken before. */
int audit_take_seed(struct audit *audit, char ret[static 65], struct error *reterr);

/* ---- Reading: of a folder, with or without a daemon beside ----------------------------------- */

struct audit_query {
        uint64_t since_usec, until_usec; /* wall; 0: not limited */
        uint64_t after_seq;
        const char *action;  /* whole, or up to a '*' at its end */
        const char *tenant, *key, *user, *object, *request_id; /* NULL: any; object: a prefix */
        enum audit_outcome outcome; /* AUDIT_OUTCOME_MAX: any */
        uint64_t limit;      /* 0: none */
        bool last;           /* the limit keeps the newest of those that match, else the oldest */
};
/* Calls `each` with every line that matches, oldest first, without its newline; a return other than
 * 0 ends it and is returned. */
int audit_search(const char *path, const struct audit_query *query,
                 int (*each)(void *data, const char *line, size_t len), void *data,
                 struct error *reterr);

enum audit_flaw {
        AUDIT_SOUND,
        AUDIT_EDITED,    /* a line is not what was written */
        AUDIT_MISSING,   /* a line or a segment is not there */
        AUDIT_INSERTED,  /* a line that was never written, or one a second time */
        AUDIT_REORDERED,
        AUDIT_TRUNCATED, /* the last lines are not there */
        AUDIT_FORGED,    /* chained by somebody who had not the key of its time */
        AUDIT_MALFORMED, /* it is no line of a log */
        AUDIT_FLAW_MAX,
};
const char *audit_flaw_name(enum audit_flaw flaw);

struct audit_verdict {
        enum audit_flaw flaw;
        uint64_t seq;       /* the first that is bad, or is missing */
        uint32_t segment, line; /* where; line from 1 */
        char what[200];     /* one sentence */
        uint64_t lines;     /* sound ones before it */
        uint64_t first_seq; /* where the log begins (older ones expired) */
        bool macs;          /* verified with the seed; else the chain of digests alone */
        struct audit_head head;
};
/* "SEQ:DIGEST"; -EINVAL. */
int audit_read_anchor(const char *text, struct audit_head *ret, struct error *reterr);

/* `seed`: 64 hex digits, or NULL: the one that still lies in the folder, if any.  `anchor`: a head
 * that was kept elsewhere and must be in it, or NULL.  0 also where it is not sound; -ENOENT: there
 * is no log; -EINVAL: the seed is no seed; -EKEYREJECTED: it is of another log. */
int audit_verify(const char *path, const char *seed, const struct audit_head *anchor,
                 struct audit_verdict *ret, struct error *reterr);
/* {sound, flaw, seq, segment, line, what, lines, first_seq, macs, head: {seq, digest, segment}}; a
 * new reference. */
struct json_object *audit_verdict_json(const struct audit_verdict *verdict);
