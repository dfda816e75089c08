/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the bitmap of live slots: refused, or a bitmap that is whole: walking it gives as
 * many rising values as it says it has, and written and read again it is the same. */
#include "base/cleanup.h"
#include "store/live.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const roaring_bitmap_t *bitmap)
{
        roaring_uint32_iterator_t at;
        uint64_t n = 0;
        int64_t last = -1;

        roaring_init_iterator(bitmap, &at);
        for (; at.has_value; (void) roaring_advance_uint32_iterator(&at), n++) {
                if ((int64_t) at.current_value <= last)
                        abort();
                last = at.current_value;
        }
        if (n != roaring_bitmap_get_cardinality(bitmap) ||
            (n > 0 && roaring_bitmap_maximum(bitmap) != last))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        roaring_bitmap_t *bitmap = live_parse(data, size), *again;
        cleanup_free_ char *bytes = NULL;
        size_t len;

        if (!bitmap)
                return 0;
        check(bitmap);
        len = roaring_bitmap_portable_size_in_bytes(bitmap);
        bytes = malloc(len);
        if (!bytes || roaring_bitmap_portable_serialize(bitmap, bytes) != len)
                abort();
        again = live_parse(bytes, len);
        if (!again || !roaring_bitmap_equals(bitmap, again))
                abort();
        roaring_bitmap_free(again);
        roaring_bitmap_free(bitmap);
        return 0;
}
