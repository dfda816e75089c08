/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/hashing.h"

#include "base/cleanup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Measured on Cranfield at 384 dimensions, alone and beside BM25.  Each feature goes to several
 * components ("multiple hashing", section 4 of the paper): collisions hurt less. */
#define GRAM_MIN 3
#define GRAM_MAX 4
#define COMPONENTS 8
#define TERM_WEIGHT 1.0
#define GRAM_WEIGHT 0.7

/* What a feature is; part of its hash, so that "the" the word is not "the" the n-gram. */
enum feature_kind { FEATURE_TERM = 1, FEATURE_GRAM, FEATURE_NOTHING };

/* A feature of this text and how often it occurs, in an open hash table by its 64-bit hash:
 * two features that share all of it are one. */
struct feature {
        uint64_t hash; /* 0: empty */
        float weight;
        uint32_t count;
};

struct features {
        struct feature *table;
        size_t used, size; /* size is a power of two */
};

static void features_done(struct features *features)
{
        free(features->table);
}

/* The finish of MurmurHash3: every bit depends on every bit. */
static uint64_t mix(uint64_t h)
{
        h = (h ^ h >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
        h = (h ^ h >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
        return h ^ h >> 33;
}

/* FNV-1a, mixed; never 0. */
static uint64_t hash_feature(enum feature_kind kind, const char *bytes, size_t len)
{
        uint64_t h = UINT64_C(14695981039346656037) ^ (uint64_t) kind;

        for (size_t i = 0; i < len; i++)
                h = (h ^ (unsigned char) bytes[i]) * UINT64_C(1099511628211);
        h = mix(h);
        return h ? h : 1;
}

static struct feature *find(struct feature *table, size_t size, uint64_t hash)
{
        size_t at = (size_t) hash & (size - 1);

        while (table[at].hash != 0 && table[at].hash != hash)
                at = (at + 1) & (size - 1);
        return &table[at];
}

static int grow(struct features *features)
{
        size_t size = features->size ? features->size * 2 : 1024;
        struct feature *table = calloc(size, sizeof *table);

        if (!table)
                return -ENOMEM;
        for (size_t i = 0; i < features->size; i++)
                if (features->table[i].hash != 0)
                        *find(table, size, features->table[i].hash) = features->table[i];
        free(features->table);
        features->table = table;
        features->size = size;
        return 0;
}

static int count(struct features *features, uint64_t hash, double weight)
{
        struct feature *feature;

        if (features->used * 2 >= features->size && grow(features) < 0)
                return -ENOMEM;
        feature = find(features->table, features->size, hash);
        features->used += feature->hash == 0;
        feature->hash = hash;
        feature->weight = (float) weight;
        feature->count++;
        return 0;
}

/* The n-grams of characters of " term ", so that beginnings and ends are told from middles. */
static int count_grams(struct features *features, const struct text_term *term)
{
        char padded[TEXT_TERM_MAX + 2];
        size_t starts[TEXT_TERM_MAX + 3], characters = 0, len = 0, step;

        padded[len++] = ' ';
        memcpy(padded + len, term->text, term->len);
        len += term->len;
        padded[len++] = ' ';
        for (size_t at = 0; at < len; at += step) {
                starts[characters++] = at;
                (void) utf8_character(padded + at, len - at, &step);
        }
        starts[characters] = len;
        for (size_t n = GRAM_MIN; n <= GRAM_MAX; n++)
                for (size_t i = 0; i + n <= characters; i++) {
                        const char *gram = padded + starts[i];
                        size_t bytes = starts[i + n] - starts[i];

                        if (count(features, hash_feature(FEATURE_GRAM, gram, bytes), GRAM_WEIGHT) <
                            0)
                                return -ENOMEM;
                }
        return 0;
}

/* A CJK term is a pair already, and each character begins one. */
static int count_character(struct features *features, const struct text_term *term)
{
        size_t bytes;

        (void) utf8_character(term->text, term->len, &bytes);
        return count(features, hash_feature(FEATURE_GRAM, term->text, bytes), GRAM_WEIGHT);
}

/* Stop words are left out unless the text has nothing else. */
static int count_text(struct features *features, struct text_analyzer *analyzer, const char *text,
                      size_t len, bool stop_words)
{
        struct text_terms terms;
        struct text_term term;
        int r;

        text_terms_begin(analyzer, TEXT_FOR_DOCUMENT, text, len, &terms);
        while ((r = text_terms_next(&terms, &term)) > 0) {
                if (term.stop && !stop_words)
                        continue;
                r = count(features, hash_feature(FEATURE_TERM, term.text, term.len), TERM_WEIGHT);
                if (r == 0)
                        r = term.cjk ? count_character(features, &term)
                                     : count_grams(features, &term);
                if (r < 0)
                        return r;
        }
        return r;
}

static void add(double *sums, uint32_t dimensions, uint64_t hash, double value)
{
        for (int i = 0; i < COMPONENTS; i++) {
                hash = mix(hash + UINT64_C(0x9E3779B97F4A7C15));
                sums[(hash >> 32) % dimensions] += hash & 1 ? value : -value;
        }
}

/* Scales to unit length; false where everything cancelled out. */
static bool normalize(const double *sums, uint32_t dimensions, float *ret)
{
        double length = 0.0;

        for (uint32_t i = 0; i < dimensions; i++)
                length += sums[i] * sums[i];
        if (length <= 0.0)
                return false;
        length = sqrt(length);
        for (uint32_t i = 0; i < dimensions; i++)
                ret[i] = (float) (sums[i] / length);
        return true;
}

int hashing_embed(struct text_analyzer *analyzer, const char *text, size_t len,
                  uint32_t dimensions, float *ret, struct error *reterr)
{
        cleanup_(features_done) struct features features = { 0 };
        double sums[HASHING_DIMENSIONS_MAX] = { 0 };

        if (dimensions < HASHING_DIMENSIONS_MIN || dimensions > HASHING_DIMENSIONS_MAX)
                return error_set(reterr, -EINVAL,
                                 "%u dimensions: the hashing embedder makes %d to %d", dimensions,
                                 HASHING_DIMENSIONS_MIN, HASHING_DIMENSIONS_MAX);
        if (count_text(&features, analyzer, text, len, false) < 0 ||
            (features.used == 0 && count_text(&features, analyzer, text, len, true) < 0))
                return error_oom(reterr);
        if (features.used == 0 && count(&features, hash_feature(FEATURE_NOTHING, "", 0), 1.0) < 0)
                return error_oom(reterr);

        /* In the order of the table, which the text alone decides. */
        for (size_t i = 0; i < features.size; i++) {
                const struct feature *feature = &features.table[i];

                if (feature->hash != 0)
                        add(sums, dimensions, feature->hash,
                            (double) feature->weight * (1.0 + log((double) feature->count)));
        }
        if (!normalize(sums, dimensions, ret)) {
                memset(ret, 0, dimensions * sizeof *ret);
                ret[0] = 1.0F;
        }
        return 0;
}
