/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying: what the files of it share.
 *
 * verify.c walks the segments in their order and checks that each line is the next one of the
 * chain.  At the first that is not, judge.c looks at the whole log once and says what was done. */
#pragma once
#include "audit/audit.h"
#include "audit/line.h"
#include "audit/segment.h"

struct verify_place {
        uint64_t seq;
        uint32_t segment;
        uint64_t line;
};

struct verify {
        const char *path;
        int dirfd;
        uint32_t *numbers; /* of the segments that are there, rising */
        size_t n;
        bool macs;
        bool has_key;      /* the key file is there, and whole */
        bool key_damaged;
        bool key_differs;  /* its keys are not those of its place */
        struct chain key;
        const struct audit_head *anchor; /* or NULL */
        struct chain chain;              /* behind the last sound line */
        bool begins;             /* nothing was read yet of a log whose beginning expired */
        bool numbered;           /* it is known all the same which number comes next */
        struct verify_place last; /* the last sound line */
        uint64_t lines, first_seq;
        struct audit_verdict *verdict;
};

/* The highest number that the key file or the anchor knows; 0: none does. */
uint64_t verify_known(const struct verify *verify);
/* Whether its number and the digest it names are those of the next line, without its MAC. */
bool verify_follows(const struct verify *verify, const struct line *line);
/* Fills the verdict. */
void verify_found(struct verify *verify, enum audit_flaw flaw, uint64_t seq, uint32_t segment,
                  uint64_t line, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* The line at this place of `segment`, its `number`th, is not the next one of the chain. */
int verify_judge_line(struct verify *verify, uint32_t segment, uint64_t number,
                      const struct segment_line *at, struct error *reterr);
/* The next line is not where it should be: nothing is, but segments may follow.  `next`: the
 * segment that is there behind it, or 0. */
int verify_judge_absence(struct verify *verify, uint32_t segment, uint64_t number, uint32_t next,
                         struct error *reterr);
