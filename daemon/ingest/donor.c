/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that need not be computed: another generation of the collection has them.
 *
 * What is embedded is decided by the version (its text, its title, its wishes for chunking), by
 * the rules of cutting and by the fingerprint.  Where these are the same, the chunks of the same
 * version are the same, which their places in the text confirm. */
#include "ingest/embed.h"

#include <stdlib.h>
#include <string.h>

void donors_done(struct donors *donors)
{
        for (size_t i = 0; i < donors->n; i++)
                (void) generation_unref(donors->at[i]);
        donors->n = 0;
}

/* Its vectors as they are kept would do here: a cosine index keeps them at unit length. */
static bool gives(const struct generation_spec *has, const struct generation_spec *wants)
{
        struct generation_spec same = *has;
        uint8_t a[GENERATION_IDENTITY_BYTES], b[GENERATION_IDENTITY_BYTES];

        if (strcmp(has->index.metric, wants->index.metric) != 0 &&
            strcmp(has->index.metric, "cosine") == 0 && !has->fingerprint.normalize)
                return false;
        same.index = wants->index;
        generation_identity(&same, a);
        generation_identity(wants, b);
        return memcmp(a, b, sizeof a) == 0;
}

void donors_find(struct collection *collection, const struct generation_spec *spec,
                 const struct generation *but_not, struct donors *ret)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);

        ret->n = 0;
        for (size_t i = n; i-- > 0;) { /* the newest first */
                if (all[i] != but_not && gives(generation_get_spec(all[i]), spec))
                        ret->at[ret->n++] = all[i];
                else
                        (void) generation_unref(all[i]);
        }
}

bool donors_copy(const struct donors *donors, const struct prepared *prepared, size_t first,
                 size_t n, float *ret_vectors)
{
        cleanup_free_ struct generation_span *spans = calloc(n, sizeof *spans);
        bool copied = false;

        if (!spans)
                return false;
        for (size_t i = 0; i < n; i++)
                spans[i] = (struct generation_span){ prepared->cuts[first + i].start,
                                                     prepared->cuts[first + i].end };
        for (size_t i = 0; !copied && i < donors->n; i++)
                copied = generation_copy_vectors(donors->at[i], prepared->change.docver,
                                                 (uint32_t) prepared->n_chunks, (uint32_t) first,
                                                 (uint32_t) n, spans, ret_vectors, NULL) == 0;
        return copied;
}
