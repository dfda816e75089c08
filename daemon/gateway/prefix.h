/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with a prefix before each, as some embedding models want them. */
#pragma once
#include "base/buf.h"
#include "provider/provider.h"

struct prefixed {
        struct buf bytes;
        struct embed_text *texts;
};

/* Replaces what it holds. */
int prefixed_set(struct prefixed *prefixed, const char *prefix, const struct embed_text *texts,
                 size_t n, struct error *reterr);
void prefixed_done(struct prefixed *prefixed);
