/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the embedding cache that lies on disk, for embedding_cache.c.
 *
 * One SQLite file for all stages of a host, readable by its owner alone: salts of tenants, spaces
 * (a fingerprint and a width), entries with a checksum each.  WAL mode with synchronous=NORMAL:
 * a power cut may take the last entries and leaves the rest whole, which is enough of a cache.
 * A damaged file is set aside as "<path>.damaged" and made anew; one that another process set
 * aside, or a person removed, is noticed before the next write.  Opening and setting aside
 * happen under a lock between processes ("<path>.lock"). */
#pragma once
#include "store/embedding_cache.h"

struct embedding_file;

#define EMBEDDING_SALT_BYTES 32

/* path, fingerprint, dimensions, max_entries and ttl_usec count; all borrowed until the close.
 * -EPROTONOSUPPORT: written by a newer ragd; -EACCES, -ENOSPC, … as they come. */
int embedding_file_open(const struct embedding_cache_settings *settings,
                        struct embedding_file **ret, struct error *reterr);
struct embedding_file *embedding_file_close(struct embedding_file *file);

/* The tenant's salt; where there is none, the one given becomes it.  Any thread. */
int embedding_file_salt(struct embedding_file *file, const char *tenant,
                        uint8_t salt[static EMBEDDING_SALT_BYTES], struct error *reterr);
/* Another number after the file was opened again, and may be a new one, without our salts. */
uint64_t embedding_file_generation(const struct embedding_file *file);

struct embedding_row {
        const char *tenant;  /* borrowed for the call */
        const float *vector; /* the same; NULL: the row is damaged */
        uint64_t written_usec, used_usec;
};
/* Tells of each key not in `skip` that has a row.  Any thread.  Negative: the file cannot be read;
 * what was told before holds.  After -EBADMSG embedding_file_repair() is due. */
int embedding_file_read(struct embedding_file *file, const struct embedding_key *keys,
                        const bool *skip, size_t n,
                        void (*row)(void *data, size_t i, const struct embedding_row *row),
                        void *data, struct error *reterr);

enum embedding_act { EMBEDDING_PUT, EMBEDDING_TOUCH, EMBEDDING_REMOVE };
struct embedding_op {
        struct embedding_op *next;
        enum embedding_act act;
        struct embedding_key key;
        const char *tenant; /* EMBEDDING_PUT; borrowed */
        uint64_t now_usec;  /* wall clock */
        float vector[];     /* EMBEDDING_PUT */
};
/* Carries out the list in one transaction, then removes what is too old or too much.  *ret_entries:
 * how many the space has now. */
int embedding_file_write(struct embedding_file *file, const struct embedding_op *first,
                         uint64_t *ret_entries, struct error *reterr);

/* Removes the rows of a tenant under every fingerprint, and writes the file anew without them.
 * -EBUSY: the rows are gone, but another process did not let the log be cut. */
int embedding_file_purge(struct embedding_file *file, const char *tenant, uint64_t *ret_entries,
                         struct error *reterr);

/* Sets a damaged file aside and begins a new one.  Waits for readers. */
int embedding_file_repair(struct embedding_file *file, struct error *reterr);
/* How often the file was set aside. */
uint64_t embedding_file_damages(const struct embedding_file *file);
/* Under the fingerprint; 0 where they cannot be counted. */
uint64_t embedding_file_entries(struct embedding_file *file);
