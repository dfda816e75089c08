/* SPDX-License-Identifier: Apache-2.0 */
/* The source of every kernel.  Included by one file per instruction set, which defines
 *
 *     KERNEL_OPS, KERNEL_NAME          the table to define and its name
 *     vec                              a register of VEC_LANES floats
 *     vec_zero()  vec_load(p)          all lanes 0; VEC_LANES floats from anywhere
 *     vec_load_part(p, n)              the first n floats, 0 in the other lanes
 *     vec_add(a, b)  vec_sub(a, b)
 *     vec_fma(a, b, c)                 a * b + c
 *     vec_sum(v)                       the sum of the lanes
 *
 * and for codes, whose nibbles are numbers of 0 to 15:
 *
 *     ivec                             a register of IVEC_BYTES bytes (a divisor of 64), or of
 *                                      sums in 32 bits
 *     ivec_zero()  ivec_load(p)        all 0; IVEC_BYTES bytes from where they are aligned
 *     ivec_low(c)  ivec_high(c)        the low, the high nibble of each byte
 *     ivec_dot(sum, n, q, m, r)        sum + nibbles n * components q + nibbles m * components r,
 *                                      added up within each lane of 32 bits
 *     ivec_by16(v)  ivec_add(a, b)     in lanes of 32 bits
 *     ivec_sums(a, b, c, d, ret)       ret[0] = the sum of the lanes of a, and so on
 *
 * Several sums run side by side to hide the latency of the multiplication. */

#define TERM_DOT(sum, a, b) vec_fma((a), (b), (sum))
static inline vec term_l2sq(vec sum, vec a, vec b)
{
        vec difference = vec_sub(a, b);

        return vec_fma(difference, difference, sum);
}
#define TERM_L2SQ(sum, a, b) term_l2sq((sum), (a), (b))

#define DEFINE_PAIR(function, TERM)                                                            \
        static float function(const float *a, const float *b, size_t n)                        \
        {                                                                                      \
                vec s0 = vec_zero(), s1 = vec_zero(), s2 = vec_zero(), s3 = vec_zero();        \
                size_t i = 0;                                                                  \
                                                                                               \
                for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES) {                           \
                        s0 = TERM(s0, vec_load(a + i), vec_load(b + i));                       \
                        s1 = TERM(s1, vec_load(a + i + VEC_LANES), vec_load(b + i + VEC_LANES)); \
                        s2 = TERM(s2, vec_load(a + i + 2 * VEC_LANES),                         \
                                  vec_load(b + i + 2 * VEC_LANES));                            \
                        s3 = TERM(s3, vec_load(a + i + 3 * VEC_LANES),                         \
                                  vec_load(b + i + 3 * VEC_LANES));                            \
                }                                                                              \
                for (; i + VEC_LANES <= n; i += VEC_LANES)                                     \
                        s0 = TERM(s0, vec_load(a + i), vec_load(b + i));                       \
                if (i < n)                                                                     \
                        s1 = TERM(s1, vec_load_part(a + i, n - i), vec_load_part(b + i, n - i)); \
                return vec_sum(vec_add(vec_add(s0, s1), vec_add(s2, s3)));                     \
        }

/* Written out row by row, so that the sums stay in registers whatever the optimizer thinks. */
#define BATCH_STEP(TERM, sums, q, load)          \
        do {                                     \
                sums##0 = TERM(sums##0, q, load(0)); \
                sums##1 = TERM(sums##1, q, load(1)); \
                sums##2 = TERM(sums##2, q, load(2)); \
                sums##3 = TERM(sums##3, q, load(3)); \
        } while (0)

#define LOAD_EVEN(r) vec_load(rows[r] + i)
#define LOAD_ODD(r) vec_load(rows[r] + i + VEC_LANES)
#define LOAD_PART(r) vec_load_part(rows[r] + i, part)

#define DEFINE_BATCH(function, TERM)                                                           \
        static void function(const float *query, const float *const rows[KERNEL_BATCH],        \
                             size_t n, float ret[KERNEL_BATCH])                                \
        {                                                                                      \
                vec even0 = vec_zero(), even1 = even0, even2 = even0, even3 = even0;           \
                vec odd0 = even0, odd1 = even0, odd2 = even0, odd3 = even0;                    \
                size_t i = 0;                                                                  \
                                                                                               \
                for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {                           \
                        vec q0 = vec_load(query + i), q1 = vec_load(query + i + VEC_LANES);    \
                                                                                               \
                        BATCH_STEP(TERM, even, q0, LOAD_EVEN);                                 \
                        BATCH_STEP(TERM, odd, q1, LOAD_ODD);                                   \
                }                                                                              \
                for (; i < n; i += VEC_LANES) {                                                \
                        size_t part = n - i < VEC_LANES ? n - i : VEC_LANES;                   \
                        vec q0 = vec_load_part(query + i, part);                               \
                                                                                               \
                        BATCH_STEP(TERM, even, q0, LOAD_PART);                                 \
                }                                                                              \
                ret[0] = vec_sum(vec_add(even0, odd0));                                        \
                ret[1] = vec_sum(vec_add(even1, odd1));                                        \
                ret[2] = vec_sum(vec_add(even2, odd2));                                        \
                ret[3] = vec_sum(vec_add(even3, odd3));                                        \
        }

DEFINE_PAIR(dot, TERM_DOT)
DEFINE_PAIR(l2sq, TERM_L2SQ)
DEFINE_BATCH(dot_batch, TERM_DOT)
DEFINE_BATCH(l2sq_batch, TERM_L2SQ)

/* Adds to `sum` what the bytes at `plane` give with the components of the low nibbles, q, and of
 * the high ones, r. */
static inline ivec code_step(ivec sum, const uint8_t *plane, ivec q, ivec r)
{
        ivec code = ivec_load(plane);

        return ivec_dot(sum, ivec_low(code), q, ivec_high(code), r);
}

/* The components that meet the low nibbles of the bytes from `at` on; those of the high ones
 * lie 64 further. */
#define QUERY_AT(query, at) ((query) + (at) + ((at) & ~(size_t) 63))

static void dot4_batch(const int8_t *query, const uint8_t *const codes[KERNEL_BATCH],
                       size_t plane_bytes, int32_t ret[KERNEL_BATCH])
{
        const uint8_t *code0 = codes[0], *code1 = codes[1], *code2 = codes[2], *code3 = codes[3];
        ivec sum0 = ivec_zero(), sum1 = sum0, sum2 = sum0, sum3 = sum0;

        for (size_t at = 0; at < plane_bytes; at += IVEC_BYTES) {
                ivec q = ivec_load(QUERY_AT(query, at)), r = ivec_load(QUERY_AT(query, at) + 64);

                sum0 = code_step(sum0, code0 + at, q, r);
                sum1 = code_step(sum1, code1 + at, q, r);
                sum2 = code_step(sum2, code2 + at, q, r);
                sum3 = code_step(sum3, code3 + at, q, r);
        }
        ivec_sums(sum0, sum1, sum2, sum3, ret);
}

static void dot8_batch(const int8_t *query, const uint8_t *const codes[KERNEL_BATCH],
                       size_t plane_bytes, int32_t ret[KERNEL_BATCH])
{
        const uint8_t *code0 = codes[0], *code1 = codes[1], *code2 = codes[2], *code3 = codes[3];
        ivec high0 = ivec_zero(), high1 = high0, high2 = high0, high3 = high0;
        ivec low0 = high0, low1 = high0, low2 = high0, low3 = high0;

        for (size_t at = 0; at < plane_bytes; at += IVEC_BYTES) {
                ivec q = ivec_load(QUERY_AT(query, at)), r = ivec_load(QUERY_AT(query, at) + 64);

                high0 = code_step(high0, code0 + at, q, r);
                high1 = code_step(high1, code1 + at, q, r);
                high2 = code_step(high2, code2 + at, q, r);
                high3 = code_step(high3, code3 + at, q, r);
                low0 = code_step(low0, code0 + plane_bytes + at, q, r);
                low1 = code_step(low1, code1 + plane_bytes + at, q, r);
                low2 = code_step(low2, code2 + plane_bytes + at, q, r);
                low3 = code_step(low3, code3 + plane_bytes + at, q, r);
        }
        ivec_sums(ivec_add(ivec_by16(high0), low0), ivec_add(ivec_by16(high1), low1),
                  ivec_add(ivec_by16(high2), low2), ivec_add(ivec_by16(high3), low3), ret);
}

const struct kernel_ops KERNEL_OPS = {
        .name = KERNEL_NAME,
        .dot = dot,
        .l2sq = l2sq,
        .dot_batch = dot_batch,
        .l2sq_batch = l2sq_batch,
        .dot4_batch = dot4_batch,
        .dot8_batch = dot8_batch,
};
