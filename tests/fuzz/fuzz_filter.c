/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a filter: refused with a word and a place, or evaluated to rows that obey the
 * algebra of the grammar. */
#include "base/json.h"
#include "index/filter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 64

static struct attribute_index *make_attributes(void)
{
        static const char *const words[] = { "", "a", "de", "en", "fr" };
        struct attribute_index *index = attribute_index_new();

        for (uint32_t row = 0; index && row < ROWS; row++) {
                const char *word = words[row % 5];
                struct attribute_value values[] = {
                        { .type = ATTRIBUTE_STRING, .string = { word, strlen(word) } },
                        { .type = ATTRIBUTE_NUMBER, .number = row % 7 },
                        { .type = ATTRIBUTE_BOOL, .boolean = row % 2 },
                };

                (void) attribute_index_add(index, row, "lang", &values[0], NULL);
                (void) attribute_index_add(index, row, row % 3 ? "n" : "k", &values[1], NULL);
                (void) attribute_index_add(index, row, "k", &values[2], NULL);
        }
        return index;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct attribute_index *attributes;
        static roaring_bitmap_t *universe;
        cleanup_json_ struct json_object *object = NULL;
        cleanup_(filter_free_cleanup) struct filter *filter = NULL;
        roaring_bitmap_t *rows = NULL;
        struct error error = { 0 };

        if (!attributes) {
                attributes = make_attributes();
                universe = roaring_bitmap_from_range(0, ROWS, 1);
        }
        if (json_parse((const char *) data, size, &object, NULL) < 0)
                return 0;
        if (filter_parse(object, "", &filter, &error) < 0) {
                if (error.message[0] == '\0')
                        abort();
                return 0;
        }
        if (filter_evaluate(filter, attributes, universe, &rows, NULL) < 0)
                abort();
        if (!roaring_bitmap_is_subset(rows, universe))
                abort();
        roaring_bitmap_free(rows);
        return 0;
}
