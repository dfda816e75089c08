/* SPDX-License-Identifier: Apache-2.0 */
/* An open-addressed table in a mapped file, found by SipHash-128 under a random key; doubled when
 * three quarters are taken. */
#include "config.h"

#include "ingest/seen.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define PLACES_FIRST 4096U

struct place {
        uint64_t hash[2]; /* both 0: empty */
        struct seen_document document;
};

struct table {
        struct place *places;
        size_t n_places; /* a power of two */
};

struct seen {
        int dirfd;
        uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];
        struct table table;
        size_t n;
};

/* The blocks are there before they are written to: a full disk is an error, not a signal. */
static int table_new(int dirfd, size_t n_places, struct table *ret, struct error *reterr)
{
        cleanup_close_ int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        size_t bytes = n_places * sizeof(struct place);
        void *places;
        int r;

        if (fd < 0)
                return error_set_errno(reterr, -errno, "a temporary file in the state folder");
        r = -posix_fallocate(fd, 0, (off_t) bytes);
        if (r < 0)
                return error_set_errno(reterr, r, "a temporary file of %zu bytes", bytes);
        places = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (places == MAP_FAILED)
                return error_set_errno(reterr, -errno, "a temporary file of %zu bytes", bytes);
        *ret = (struct table){ places, n_places };
        return 0;
}

static void table_done(struct table *table)
{
        if (table->places)
                (void) munmap(table->places, table->n_places * sizeof(struct place));
        table->places = NULL;
}

int seen_new(int dirfd, struct seen **ret, struct error *reterr)
{
        struct seen *seen = calloc(1, sizeof *seen);
        int r;

        if (!seen)
                return error_oom(reterr);
        seen->dirfd = dirfd;
        randombytes_buf(seen->key, sizeof seen->key);
        r = table_new(dirfd, PLACES_FIRST, &seen->table, reterr);
        if (r < 0) {
                free(seen);
                return r;
        }
        *ret = seen;
        return 0;
}

struct seen *seen_free(struct seen *seen)
{
        if (seen) {
                table_done(&seen->table);
                free(seen);
        }
        return NULL;
}

static void hash_of(const struct seen *seen, const char *external_id, uint64_t ret[static 2])
{
        (void) crypto_shorthash_siphashx24((unsigned char *) ret,
                                           (const unsigned char *) external_id,
                                           strlen(external_id), seen->key);
        ret[0] |= 1; /* never empty */
}

/* His place, or the empty one where he would be. */
static struct place *place_of(const struct table *table, const uint64_t hash[static 2])
{
        size_t at = hash[1] & (table->n_places - 1);

        while (table->places[at].hash[0] != 0 &&
               memcmp(table->places[at].hash, hash, sizeof table->places[at].hash) != 0)
                at = (at + 1) & (table->n_places - 1);
        return &table->places[at];
}

static int grow(struct seen *seen, struct error *reterr)
{
        struct table grown;
        int r = table_new(seen->dirfd, seen->table.n_places * 2, &grown, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < seen->table.n_places; i++)
                if (seen->table.places[i].hash[0] != 0)
                        *place_of(&grown, seen->table.places[i].hash) = seen->table.places[i];
        table_done(&seen->table);
        seen->table = grown;
        return 0;
}

bool seen_find(const struct seen *seen, const char *external_id, struct seen_document *ret)
{
        const struct place *place;
        uint64_t hash[2];

        hash_of(seen, external_id, hash);
        place = place_of(&seen->table, hash);
        if (place->hash[0] == 0)
                return false;
        *ret = place->document;
        return true;
}

int seen_put(struct seen *seen, const char *external_id, const struct seen_document *document,
             struct seen_document *ret_before, struct error *reterr)
{
        struct place *place;
        uint64_t hash[2];
        bool found;
        int r;

        if (seen->n >= seen->table.n_places / 4 * 3) {
                r = grow(seen, reterr);
                if (r < 0)
                        return r;
        }
        hash_of(seen, external_id, hash);
        place = place_of(&seen->table, hash);
        found = place->hash[0] != 0;
        if (found)
                *ret_before = place->document;
        else
                seen->n++;
        memcpy(place->hash, hash, sizeof place->hash);
        place->document = *document;
        return found;
}
