/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins for store, ingest and answer beneath the HTTP door, so that its unit tests and its
 * fuzzer see requests and replies and nothing else.  Names decide what happens:
 *
 *   collection "docs" exists, "damaged" can't be opened, "stale" has another fingerprint
 *   document "d000" … "d024" exist; "same" is unchanged when put, "full" finds no room
 *   and "quota" none in its tenant's quota; the query "spent" finds none in its day's
 *   a question "forever" streams until its client is gone, "flood" does it as fast as it can,
 *   "broken" fails, "never" has no answer, "later" has one after a while; each is answered on a
 *   thread of its own
 *   the query "slow" takes a while, "late" all the time that it may; "few" finds two documents
 *   on what serves and one of them on a candidate, which does not take "unfit"
 *
 * Keys, where there are tenants: "ragd_reader", "ragd_writer", "ragd_admin" and "ragd_limited" (to
 * "docs") of the tenant acme, "ragd_beta" of beta, "ragd_operator" of the default one;
 * "ragd_wrong", "ragd_expired", "ragd_stage" are refused for that.                            */
#pragma once
#include "config/words.h"
#include "http/http.h"
#include "store/tenants.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct config;
struct server_config;
struct security_config;

/* Releases of which one serves; several at a time, each with its own. */
struct releases;
/* One that serves with this configuration. */
struct releases *fakes_releases_new(const struct server_config *server,
                                    const struct security_config *security, uint32_t number);
/* A release like the one that serves, with several tenants, or with one. */
void fakes_set_multi_tenant(struct releases *releases, bool multi_tenant);
/* Testing, unless this is said; snapshots made later are of it, too. */
void fakes_set_stage(struct releases *releases, enum stage stage);
struct releases *fakes_releases_free(struct releases *releases);
/* Another one of the same stage, with another number and addresses; not in force yet. */
struct snapshot *fakes_snapshot_new(struct releases *releases, const struct server_config *server,
                                    uint32_t number);
/* It serves from now on (takes the reference). */
void fakes_switch(struct releases *releases, struct snapshot *takes_next);
/* Snapshots that somebody holds, over all. */
uint32_t fakes_snapshots(void);

struct fakes {
        _Atomic uint32_t puts;
        _Atomic uint64_t batch_bytes, batch_largest_feed;
        _Atomic uint32_t batches_open, streams_ended, job_reads, answers_open;
        _Atomic bool not_ready, waits;
        char session[64], user[64], address[64]; /* of the key that was pinned last */
        _Atomic uint32_t arm; /* of the last search */
        /* A candidate in shadow mode: who has a session "canary" is answered by what serves. */
        struct snapshot *shadow; /* borrowed; or NULL */
        _Atomic uint64_t shadow_step;
        _Atomic uint32_t replays; /* searches on it: of its room, which is no other's */
        _Atomic bool replays_wait; /* they go on when this is false again, or when they are ended */
        _Atomic uint32_t replays_ended;
        _Atomic uint64_t replayed, refused, dropped, expected, found; /* that were counted */
        _Atomic uint8_t tenant; /* first byte of the id that was searched or written for last */

        _Atomic int tenant_refuses; /* errno of tenant_enter(); 0: it lets in */
        _Atomic int32_t entries, principals; /* held */
        _Atomic bool limited; /* requests are counted: `left` more pass, then `violated` refuses */
        _Atomic uint32_t left;
        _Atomic int violated; /* enum tenant_policy */
        _Atomic uint8_t counted_tenant;
        _Atomic uint64_t counted_bytes, max_bytes; /* of ingest; 0: any number */
        char counted_user[160];

        _Atomic uint8_t suspended; /* first byte of the tenant's id */
        _Atomic uint32_t deleted, refreshed;
        _Atomic uint32_t quota_set, quota_unset; /* by the last change of limits */
        _Atomic uint64_t quota[TENANT_LIMIT_MAX];

        /* Errnos of audit_healthy() and audit_write(); 0: well. */
        _Atomic int audit_sick, audit_fails;
        _Atomic bool slow_log;               /* a line takes its time, as on a disk */
        _Atomic uint32_t lines;              /* that were written */
        _Atomic pthread_t lines_thread;      /* who wrote the last one */
        _Atomic pthread_t search_thread;     /* who searched last */
};
extern struct fakes fakes;
/* Texts are written and read under one lock. */
void fakes_note(char *text, size_t size, const char *value);
const char *fakes_noted(const char *noted, size_t size, char *text);

/* Keys, tenants, limits and an audit log beside them. */
struct audit *fakes_audit(void *data); /* the log of the fakes */
void fakes_with_tenants(struct http_services *services);
/* A line of the audit log, the first is 0; the last FAKES_LINES_MAX are kept. */
#define FAKES_LINES_MAX 1024
const char *fakes_line(uint32_t number, char text[static 1024]);

/* Services over the fakes; metrics and releases are the caller's. */
struct http_services fakes_services(struct metrics *metrics, struct releases *releases);
