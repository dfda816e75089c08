/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NAME_MAX_BYTES 63

static char plain(char c)
{
        if (c >= 'A' && c <= 'Z')
                return (char) (c - 'A' + 'a');
        return c == '-' ? '_' : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
        size_t least = a < b ? a : b;

        return least < c ? least : c;
}

size_t nearest_distance(const char *a, const char *b)
{
        size_t rows[3][NAME_MAX_BYTES + 1];
        size_t len_a = strnlen(a, NAME_MAX_BYTES), len_b = strnlen(b, NAME_MAX_BYTES);

        for (size_t j = 0; j <= len_b; j++)
                rows[0][j] = j;
        for (size_t i = 1; i <= len_a; i++) {
                size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];

                row[0] = i;
                for (size_t j = 1; j <= len_b; j++) {
                        bool same = plain(a[i - 1]) == plain(b[j - 1]);

                        row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1));
                        if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) &&
                            plain(a[i - 2]) == plain(b[j - 1]) && two[j - 2] + 1 < row[j])
                                row[j] = two[j - 2] + 1;
                }
        }
        return rows[len_a % 3][len_b];
}

const char *nearest_name(const char *name, const char *const known[])
{
        size_t limit = strlen(name) / 3 > 1 ? strlen(name) / 3 : 1;
        size_t best = SIZE_MAX;
        const char *found = NULL;

        for (size_t i = 0; known[i]; i++) {
                size_t distance = nearest_distance(name, known[i]);

                if (distance < best) {
                        best = distance;
                        found = known[i];
                }
        }
        return best <= limit ? found : NULL;
}
