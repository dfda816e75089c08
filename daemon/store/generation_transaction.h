/* SPDX-License-Identifier: Apache-2.0 */
/* What one transaction of gen.db does, step by step; inside generation_*.c.  Each step changes
 * the tables and, in the same way, `facts`: what the next view shows when it is committed. */
#pragma once
#include "store/generation_inside.h"

/* One write under way. */
struct write {
        struct generation *generation;
        struct db *db;
        struct generation_facts facts; /* as they will be; `live` is a copy that is changed */
        struct {
                uint32_t first, count;
                bool alive;
        } change; /* of `live`, the last one: not written yet, it may grow */
        bool began;
};

/* Rows of the chunks, whose slots follow what is committed. */
int write_append(struct write *write, const struct generation_chunk *chunks, size_t n,
                 struct error *reterr);
int write_apply(struct write *write, const struct generation_change *changes, size_t n,
                struct error *reterr);
/* What the document is found by now is dead from here on; `staged` too where asked. */
int write_kill(struct write *write, uint32_t doc_no, bool staged, bool *ret_any,
               struct error *reterr);
/* What changed of `live`, or all of it where that is not there, or is long behind. */
int write_live(struct write *write, struct error *reterr);
