/* SPDX-License-Identifier: Apache-2.0 */
/* A file of postings that was damaged, opened, searched, verified, merged: answers, errors, and
 * never a crash.
 *
 * Input: how (0: the rest is a block to unpack; 1: patches of three bytes offset and one byte
 * content to a sound file; 2: the same after cutting it at the first three bytes); whether the
 * checksums are made right afterwards (bit 0: the header's, bit 1: the areas'), so that what
 * lies behind them is reached. */
#include "base/checksum.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "index/postings.h"
#include "index/postings_segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXTS 300U /* more than two blocks */

static char root[64];
static int dirfd_root;
static char *good;
static size_t good_len;

static void need(bool is)
{
        if (!is)
                abort();
}

static void add_texts(struct postings *postings, uint32_t at_most)
{
        static char text[TEXTS][64];
        static struct postings_text texts[TEXTS];
        uint32_t first = postings_end(postings);

        uint32_t end = first + at_most < TEXTS ? first + at_most : TEXTS;

        if (first >= TEXTS)
                return;
        for (uint32_t slot = first; slot < end; slot++) {
                int len = snprintf(text[slot], sizeof text[slot], "kettle %u of %u 東京 %s", slot,
                                   slot % 7, slot % 3 ? "iron" : "a pot of tea");

                texts[slot] = (struct postings_text){ slot, "水道 copper", strlen("水道 copper"),
                                                      text[slot], (size_t) len };
        }
        (void) postings_add(postings, first, end, texts + first, end - first, NULL);
}

/* A sound folder, and the bytes of its file. */
static void prepare(void)
{
        struct postings *postings = NULL;
        struct error error;

        (void) strcpy(root, "/dev/shm/fuzz-postings-XXXXXX");
        if (!mkdtemp(root)) {
                (void) strcpy(root, "/tmp/fuzz-postings-XXXXXX");
                need(mkdtemp(root) != NULL);
        }
        dirfd_root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        need(dirfd_root >= 0);
        need(postings_open(dirfd_root, "english", &postings, NULL, &error) == 0);
        add_texts(postings, TEXTS);
        need(postings_save(postings, &error) == 0);
        postings_free(postings);
        need(io_read_file(dirfd_root, "postings.0001", 1 << 24, &good, &good_len, NULL) == 0);
}

static void make_right(uint8_t *bytes, size_t len, unsigned which)
{
        struct postings_header header;

        if (len < sizeof header)
                return;
        memcpy(&header, bytes, sizeof header);
        for (int i = 0; which & 2 && i < POSTINGS_AREA_COUNT; i++)
                if (header.areas[i].offset <= len &&
                    header.areas[i].bytes <= len - header.areas[i].offset)
                        header.areas[i].crc = checksum_crc32c(0, bytes + header.areas[i].offset,
                                                              header.areas[i].bytes);
        if (which & 1)
                header.crc = checksum_crc32c(0, &header, offsetof(struct postings_header, crc));
        memcpy(bytes, &header, sizeof header);
}

static void damage(bool cut, unsigned right, const uint8_t *data, size_t size)
{
        uint8_t *bytes = malloc(good_len);
        size_t len = good_len;
        FILE *stream;
        char path[96];

        need(bytes != NULL);
        memcpy(bytes, good, len);
        if (cut && size >= 3) {
                size_t at = (size_t) data[0] << 16 | (size_t) data[1] << 8 | data[2];

                len = at < len ? at : len;
                data += 3;
                size -= 3;
        }
        for (; size >= 4 && len > 0; data += 4, size -= 4)
                bytes[((size_t) data[0] << 16 | (size_t) data[1] << 8 | data[2]) % len] = data[3];
        make_right(bytes, len, right);
        (void) snprintf(path, sizeof path, "%s/postings.0001", root);
        stream = fopen(path, "w");
        need(stream && fwrite(bytes, 1, len, stream) == len && fclose(stream) == 0);
        free(bytes);
}

static void ask(struct postings *postings)
{
        static const char *const questions[] = { "copper", "iron kettle 7 tea 東京 pot", "水",
                                                 "of the a", "zzz kettle 399 3" };

        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                for (int filtered = 0; filtered < 2; filtered++) {
                        cleanup_(postings_unref_cleanup) struct postings_view *view =
                                postings_ref(postings);
                        struct bm25_query query = { .text = questions[i], .k = 8,
                                                    .committed = UINT32_MAX };
                        roaring_bitmap_t *filter = roaring_bitmap_from_range(0, 5000, 61);
                        struct index_stats stats;
                        struct index_hit hits[8];
                        size_t n = 0;

                        query.len = strlen(query.text);
                        query.filter = filtered ? filter : NULL;
                        (void) postings_search(view, &query, hits, &n, &stats, NULL);
                        need(n <= 8);
                        roaring_bitmap_free(filter);
                }
}

static void maintain(struct postings *postings, const struct postings_keep *keep)
{
        int r = INDEX_AGAIN;

        for (int i = 0; i < 20 && r != INDEX_REST; i++)
                r = postings_maintain(postings, keep, NULL, NULL);
}

static void unpack(const uint8_t *data, size_t size)
{
        uint32_t documents[POSTINGS_BLOCK], base, last;
        struct postings_frequencies frequencies;
        size_t n;
        uint8_t *bytes;

        if (size < 9)
                return;
        n = 1 + data[0] % POSTINGS_BLOCK;
        memcpy(&base, data + 1, sizeof base);
        memcpy(&last, data + 5, sizeof last);
        bytes = calloc(1, size - 9 + POSTINGS_PACK_PADDING);
        need(bytes != NULL);
        memcpy(bytes, data + 9, size - 9);
        if (postings_unpack(bytes, size - 9, n, base, last, documents, &frequencies)) {
                need(documents[0] >= base && documents[n - 1] == last);
                for (size_t i = 0; i < n; i++) {
                        need(i == 0 || documents[i] > documents[i - 1]);
                        (void) postings_frequency(&frequencies, i);
                }
        }
        free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct postings *postings = NULL;
        struct postings_status status;
        roaring_bitmap_t *even;
        char *text = NULL;

        if (size < 2)
                return 0;
        if (data[0] % 3 == 0) {
                unpack(data + 1, size - 1);
                return 0;
        }
        if (!root[0])
                prepare();
        damage(data[0] % 3 == 2, data[1], data + 2, size - 2);
        need(postings_open(dirfd_root, "english", &postings, &text, NULL) == 0);
        free(text);
        ask(postings);
        maintain(postings, NULL);
        ask(postings);
        even = roaring_bitmap_from_range(0, 5000, 2);
        maintain(postings, &(struct postings_keep){ even, TEXTS - 20 }); /* a merge */
        ask(postings);
        add_texts(postings, 10);
        ask(postings);
        postings_get_status(postings, even, &status);
        roaring_bitmap_free(even);
        postings_free(postings);
        /* What it left behind: other numbers, files set aside. */
        (void) io_remove_tree(AT_FDCWD, root);
        need(mkdir(root, 0700) == 0);
        (void) close(dirfd_root);
        dirfd_root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        need(dirfd_root >= 0);
        return 0;
}
