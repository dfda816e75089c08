/* SPDX-License-Identifier: Apache-2.0 */
/* A table of theoretical arrival times, in shards.
 *
 * A shard is an array of buckets of WAYS places; whoever asks has two buckets of it, where a free
 * place is his.  Where both are full of debtors the shard doubles, up to its share of
 * max_entries; then somebody goes.  An empty place is one whose time has passed: its all-zero tag
 * may be anybody's.
 *
 * Times are rational: an arrival time is tat_usec + fraction/q microseconds, so that nothing is
 * ever rounded, whatever q is.  Shards are locked in ascending order. */
#include "tenant/rate.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_USEC UINT64_C(60000000)
#define WAYS 8U
#define SHARDS_MAX 64U
#define FRACTION_BITS 48

/* 24 bytes: 80 bits of the hash, the arrival time. */
struct place {
        uint64_t tag;
        uint64_t tat_usec;
        uint64_t fraction : FRACTION_BITS; /* below q */
        uint64_t more_tag : 64 - FRACTION_BITS;
};
static_assert(sizeof(struct place) == 24, "a place has 24 bytes");

struct shard {
        pthread_mutex_t lock;
        struct place *places;
        size_t n_buckets; /* a power of two, at least 2 */
        uint64_t entries, evictions;
};

struct rates {
        uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];
        size_t n_shards;    /* a power of two */
        size_t buckets_max; /* of each */
        struct shard shards[SHARDS_MAX];
};

struct who {
        uint64_t tag;
        uint16_t more_tag;
        size_t shard;
};

/* What one limit asks, and what was found. */
struct asking {
        struct who who;
        uint64_t q;
        unsigned __int128 amount_usec; /* times q, as the next ones */
        unsigned __int128 debt_usec;
};

static size_t power_of_two(size_t at_most)
{
        size_t n = 1;

        while (n <= at_most / 2)
                n *= 2;
        return n;
}

int rates_new(size_t max_entries, struct rates **ret, struct error *reterr)
{
        struct rates *rates = calloc(1, sizeof *rates);
        size_t buckets = max_entries / WAYS;

        if (!rates)
                return error_oom(reterr);
        if (buckets < 2)
                buckets = 2;
        randombytes_buf(rates->key, sizeof rates->key);
        rates->n_shards = power_of_two(buckets / 2);
        if (rates->n_shards > SHARDS_MAX)
                rates->n_shards = SHARDS_MAX;
        rates->buckets_max = power_of_two(buckets / rates->n_shards);
        for (size_t i = 0; i < rates->n_shards; i++) {
                struct shard *shard = &rates->shards[i];

                (void) pthread_mutex_init(&shard->lock, NULL);
                shard->n_buckets = 2;
                shard->places = calloc(2 * WAYS, sizeof *shard->places);
                buckets = shard->places ? buckets : 0;
        }
        if (buckets == 0) {
                (void) rates_free(rates);
                return error_oom(reterr);
        }
        *ret = rates;
        return 0;
}

struct rates *rates_free(struct rates *rates)
{
        if (!rates)
                return NULL;
        for (size_t i = 0; i < rates->n_shards; i++) {
                free(rates->shards[i].places);
                (void) pthread_mutex_destroy(&rates->shards[i].lock);
        }
        sodium_memzero(rates->key, sizeof rates->key);
        free(rates);
        return NULL;
}

/* ---- Places --------------------------------------------------------------------------------- */

static struct who who_of(const struct rates *rates, const struct rate_limit *limit)
{
        uint64_t hash[2];

        static_assert(sizeof hash == crypto_shorthash_siphashx24_BYTES, "SipHash-128");
        (void) crypto_shorthash_siphashx24((unsigned char *) hash, limit->who, limit->who_len,
                                           rates->key);
        return (struct who){ .tag = hash[0],
                             .more_tag = (uint16_t) hash[1],
                             .shard = hash[0] & (rates->n_shards - 1) };
}

/* The two buckets come from parts of the tag that the shard's number does not use. */
static void buckets_of(const struct shard *shard, uint64_t tag, struct place *ret[static 2])
{
        size_t first = (tag >> 8U) & (shard->n_buckets - 1);
        size_t second = (tag >> 36U) & (shard->n_buckets - 1);

        if (second == first)
                second = first ^ 1U;
        ret[0] = shard->places + first * WAYS;
        ret[1] = shard->places + second * WAYS;
}

static bool is_paid(const struct place *place, uint64_t now_usec)
{
        return place->tat_usec + (place->fraction > 0) <= now_usec;
}

static bool is_of(const struct place *place, const struct who *who)
{
        return place->tag == who->tag && place->more_tag == who->more_tag;
}

static struct place *find(const struct shard *shard, const struct who *who)
{
        struct place *buckets[2];

        buckets_of(shard, who->tag, buckets);
        for (size_t i = 0; i < 2 * WAYS; i++)
                if (is_of(&buckets[i / WAYS][i % WAYS], who))
                        return &buckets[i / WAYS][i % WAYS];
        return NULL;
}

/* A place of his two buckets that nobody needs; of two such, the one in the emptier bucket. */
static struct place *find_free(const struct shard *shard, uint64_t tag, uint64_t now_usec)
{
        struct place *buckets[2], *found[2] = { NULL, NULL };
        unsigned n_free[2] = { 0, 0 };

        buckets_of(shard, tag, buckets);
        for (size_t i = 0; i < 2 * WAYS; i++) {
                struct place *place = &buckets[i / WAYS][i % WAYS];

                if (!is_paid(place, now_usec))
                        continue;
                found[i / WAYS] = place;
                n_free[i / WAYS]++;
        }
        return n_free[0] >= n_free[1] ? found[0] : found[1];
}

/* Whether everybody who is in debt found a place in the new ones; else all is as before. */
static bool grow(const struct rates *rates, struct shard *shard, uint64_t now_usec)
{
        struct shard grown = { .n_buckets = shard->n_buckets * 2 };

        if (grown.n_buckets > rates->buckets_max)
                return false;
        grown.places = calloc(grown.n_buckets * WAYS, sizeof *grown.places);
        if (!grown.places)
                return false;
        for (size_t i = 0; i < shard->n_buckets * WAYS; i++) {
                const struct place *place = &shard->places[i];
                struct place *to;

                if (is_paid(place, now_usec))
                        continue;
                to = find_free(&grown, place->tag, now_usec);
                if (!to) {
                        free(grown.places);
                        return false;
                }
                *to = *place;
                grown.entries++;
        }
        free(shard->places);
        shard->places = grown.places;
        shard->n_buckets = grown.n_buckets;
        shard->entries = grown.entries;
        return true;
}

static bool is_asking(const struct asking *askings, size_t n, const struct place *place)
{
        for (size_t i = 0; i < n; i++)
                if (is_of(place, &askings[i].who))
                        return true;
        return false;
}

/* Who has the least debt, and is not among those who ask just now. */
static struct place *find_victim(const struct shard *shard, uint64_t tag,
                                 const struct asking *askings, size_t n)
{
        struct place *buckets[2], *victim = NULL;

        buckets_of(shard, tag, buckets);
        for (size_t i = 0; i < 2 * WAYS; i++) {
                struct place *place = &buckets[i / WAYS][i % WAYS];

                if (!is_asking(askings, n, place) &&
                    (!victim || place->tat_usec < victim->tat_usec))
                        victim = place;
        }
        return victim; /* never NULL: there are more places than RATES_TAKE_MAX */
}

static struct place *make(const struct rates *rates, struct shard *shard,
                          const struct asking *asking, const struct asking *askings, size_t n,
                          uint64_t now_usec)
{
        struct place *place = find_free(shard, asking->who.tag, now_usec);

        while (!place && grow(rates, shard, now_usec))
                place = find_free(shard, asking->who.tag, now_usec);
        if (!place) {
                place = find_victim(shard, asking->who.tag, askings, n);
                shard->evictions++;
        } else if (place->tat_usec == 0) {
                shard->entries++;
        }
        *place = (struct place){ .tag = asking->who.tag, .more_tag = asking->who.more_tag };
        return place;
}

/* ---- Taking --------------------------------------------------------------------------------- */

/* In each shard once, in ascending order. */
static void lock_shards(struct rates *rates, const struct asking *askings, size_t n, bool lock)
{
        size_t after = 0;

        for (;;) {
                size_t next = SIZE_MAX;

                for (size_t i = 0; i < n; i++)
                        if (askings[i].who.shard >= after && askings[i].who.shard < next)
                                next = askings[i].who.shard;
                if (next == SIZE_MAX)
                        return;
                if (lock)
                        (void) pthread_mutex_lock(&rates->shards[next].lock);
                else
                        (void) pthread_mutex_unlock(&rates->shards[next].lock);
                after = next + 1;
        }
}

static uint64_t divide_up(unsigned __int128 dividend, uint64_t divisor)
{
        unsigned __int128 quotient = (dividend + divisor - 1) / divisor;

        return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t) quotient;
}

static void look(const struct rates *rates, struct asking *asking, uint64_t now_usec)
{
        const struct place *place = find(&rates->shards[asking->who.shard], &asking->who);
        /* where q became smaller: no more than a microsecond less */
        uint64_t fraction = !place ? 0
                            : place->fraction < asking->q ? place->fraction : asking->q - 1;

        asking->debt_usec = 0;
        if (place && place->tat_usec >= now_usec)
                asking->debt_usec = (unsigned __int128) (place->tat_usec - now_usec) * asking->q +
                                    fraction;
}

static void describe(const struct asking *asking, struct rate_state *ret)
{
        unsigned __int128 full = (unsigned __int128) MINUTE_USEC * asking->q;
        unsigned __int128 wanted = asking->debt_usec + asking->amount_usec;

        *ret = (struct rate_state){
                .left = asking->debt_usec >= full
                                ? 0 : (uint64_t) ((full - asking->debt_usec) / MINUTE_USEC),
                .reset_usec = divide_up(asking->debt_usec, asking->q),
                .wait_usec = asking->amount_usec > full ? UINT64_MAX
                             : wanted > full           ? divide_up(wanted - full, asking->q)
                                                       : 0,
        };
}

static void take(struct rates *rates, struct asking *askings, size_t n, size_t at,
                 uint64_t now_usec)
{
        struct asking *asking = &askings[at];
        struct shard *shard = &rates->shards[asking->who.shard];
        struct place *place = find(shard, &asking->who);

        if (asking->amount_usec == 0)
                return;
        if (!place)
                place = make(rates, shard, asking, askings, n, now_usec);
        asking->debt_usec += asking->amount_usec;
        place->tat_usec = now_usec + (uint64_t) (asking->debt_usec / asking->q);
        place->fraction = (uint64_t) (asking->debt_usec % asking->q) &
                          ((UINT64_C(1) << FRACTION_BITS) - 1);
}

int rates_take(struct rates *rates, const struct rate_limit *limits, size_t n, uint64_t now_usec,
               struct rate_state *states, size_t *ret_refused)
{
        struct asking askings[RATES_TAKE_MAX] = { 0 };
        size_t refused = SIZE_MAX;

        assert(n <= RATES_TAKE_MAX);
        for (size_t i = 0; i < n; i++)
                askings[i] = (struct asking){
                        .who = who_of(rates, &limits[i]),
                        .q = limits[i].per_minute > RATE_MAX ? RATE_MAX : limits[i].per_minute,
                        .amount_usec = (unsigned __int128) limits[i].amount * MINUTE_USEC,
                };
        lock_shards(rates, askings, n, true);
        for (size_t i = 0; i < n; i++) {
                look(rates, &askings[i], now_usec);
                describe(&askings[i], &states[i]);
                if (states[i].wait_usec > 0 &&
                    (refused == SIZE_MAX || states[i].wait_usec > states[refused].wait_usec))
                        refused = i;
        }
        for (size_t i = 0; refused == SIZE_MAX && i < n; i++)
                take(rates, askings, n, i, now_usec);
        lock_shards(rates, askings, n, false);
        if (refused != SIZE_MAX) {
                *ret_refused = refused;
                return -EAGAIN;
        }
        for (size_t i = 0; i < n; i++) {
                struct asking *asking = &askings[i];

                asking->amount_usec = 0; /* how many would pass now, and until all */
                describe(asking, &states[i]);
        }
        return 0;
}

void rates_get_figures(struct rates *rates, struct rates_figures *ret)
{
        *ret = (struct rates_figures){
                .max_entries = (uint64_t) rates->n_shards * rates->buckets_max * WAYS,
        };
        for (size_t i = 0; i < rates->n_shards; i++) {
                struct shard *shard = &rates->shards[i];

                (void) pthread_mutex_lock(&shard->lock);
                ret->entries += shard->entries;
                ret->evictions += shard->evictions;
                (void) pthread_mutex_unlock(&shard->lock);
        }
}
