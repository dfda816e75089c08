/* SPDX-License-Identifier: Apache-2.0 */
/* An index over rows that lie around centres, so that a graph has something to find, and a folder
 * of its own for the files; for the tests of what is kept in files. */
#pragma once
#include "index/graph_file.h"
#include "index/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define GRAPH_ROWS 4200U
#define GRAPH_QUERIES 200
#define GRAPH_K 10U

struct graph_fixture {
        unsigned int seed;
        uint32_t dimensions, room; /* rows there is memory for */
        float *vectors;
        struct index_params params;
        struct index_segment segment;
        struct index_source source;
        char folder[64];
        int dirfd;
        struct index *index;
};

/* `rows` of them are committed; there is room for half as many again. */
void graph_fixture_init(struct graph_fixture *f, enum index_metric metric, uint32_t dimensions,
                        enum index_quantization quantization, uint32_t rows);
/* Cosine, 24 dimensions, codes, GRAPH_ROWS. */
void graph_fixture_init_plain(struct graph_fixture *f);
void graph_fixture_done(struct graph_fixture *f);

/* Commits more of the rows. */
void graph_fixture_grow(struct graph_fixture *f, uint32_t rows);

/* Closes the index without saving it, and opens it; *ret_damage (heap) where it is wanted, else
 * none may be reported. */
void graph_fixture_open(struct graph_fixture *f, char **ret_damage);
/* Until nothing is left to do, and saved. */
void graph_fixture_build(struct graph_fixture *f, const roaring_bitmap_t *live);
/* Steps while there is more to do; what the last one returned. */
int graph_fixture_maintain(struct graph_fixture *f, const roaring_bitmap_t *live,
                           struct error *reterr);

struct index_status graph_fixture_status(struct graph_fixture *f, const roaring_bitmap_t *live);

struct graph_answer {
        struct index_hit hits[GRAPH_K];
        size_t n;
        enum index_plan plan;
};

/* The same questions each time; `exact` scans. */
void graph_fixture_ask(struct graph_fixture *f, const roaring_bitmap_t *live, bool exact,
                       struct graph_answer ret[GRAPH_QUERIES]);
/* In how many of all places two answers have the same slot. */
double graph_agreement(const struct graph_answer *a, const struct graph_answer *b);
/* How many of the exact answer's slots are in the other. */
double graph_recall(const struct graph_answer *exact, const struct graph_answer *found);

/* The bytes of a file of the folder (heap), or NULL where there is none; and putting them back. */
uint8_t *graph_fixture_read(const struct graph_fixture *f, const char *name, size_t *ret_len);
void graph_fixture_write(const struct graph_fixture *f, const char *name, const uint8_t *bytes,
                         size_t len);
bool graph_fixture_has(const struct graph_fixture *f, const char *name);

/* Makes all checksums of a file's bytes right, whatever they say. */
void graph_sign(uint8_t *bytes);
