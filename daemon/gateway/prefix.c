/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/prefix.h"

#include <stdlib.h>
#include <string.h>

void prefixed_done(struct prefixed *prefixed)
{
        buf_done(&prefixed->bytes);
        free(prefixed->texts);
        prefixed->texts = NULL;
}

int prefixed_set(struct prefixed *prefixed, const char *prefix, const struct embed_text *texts,
                 size_t n, struct error *reterr)
{
        size_t prefix_len = strlen(prefix), at = 0;

        free(prefixed->texts);
        prefixed->texts = calloc(n, sizeof *prefixed->texts);
        buf_clear(&prefixed->bytes);
        for (size_t i = 0; i < n; i++) {
                buf_append(&prefixed->bytes, prefix, prefix_len);
                buf_append(&prefixed->bytes, texts[i].text, texts[i].len);
        }
        if (!prefixed->texts || buf_failed(&prefixed->bytes))
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                prefixed->texts[i] = (struct embed_text){
                        .text = prefixed->bytes.data + at,
                        .len = prefix_len + texts[i].len,
                };
                at += prefixed->texts[i].len;
        }
        return 0;
}
