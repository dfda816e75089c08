/* SPDX-License-Identifier: Apache-2.0 */
#include "index/best.h"

#include <float.h>

static bool worse(struct index_hit a, struct index_hit b)
{
        return a.score < b.score || (a.score <= b.score && a.slot > b.slot);
}

static void sift_down(struct index_hit *hits, size_t count, size_t at)
{
        struct index_hit moved = hits[at];

        for (;;) {
                size_t child = 2 * at + 1;

                if (child >= count)
                        break;
                if (child + 1 < count && worse(hits[child + 1], hits[child]))
                        child++;
                if (!worse(hits[child], moved))
                        break;
                hits[at] = hits[child];
                at = child;
        }
        hits[at] = moved;
}

void best_offer(struct best *best, struct index_hit hit)
{
        size_t at;

        if (!(hit.score <= FLT_MAX)) /* NaN or infinite: the row has rotted */
                return;
        if (best->count == best->room) {
                if (worse(hit, best->hits[0]))
                        return;
                best->hits[0] = hit;
                sift_down(best->hits, best->count, 0);
                return;
        }
        for (at = best->count++; at > 0 && worse(hit, best->hits[(at - 1) / 2]); at = (at - 1) / 2)
                best->hits[at] = best->hits[(at - 1) / 2];
        best->hits[at] = hit;
}

void best_sort(struct best *best)
{
        for (size_t n = best->count; n > 1; n--) {
                struct index_hit last = best->hits[n - 1];

                best->hits[n - 1] = best->hits[0];
                best->hits[0] = last;
                sift_down(best->hits, n - 1, 0);
        }
}
