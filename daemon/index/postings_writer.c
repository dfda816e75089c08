/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_writer.h"

#include "base/checksum.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_BYTES (1U << 20)

static size_t aligned(size_t bytes)
{
        return (bytes + POSTINGS_ALIGNMENT - 1) / POSTINGS_ALIGNMENT * POSTINGS_ALIGNMENT;
}

static uint32_t length_of(const struct postings_writer *writer, uint32_t document)
{
        return postings_segment_length(writer->lengths, writer->header.length_bytes, document);
}

static void fail(struct postings_writer *writer, int code)
{
        if (writer->failure == 0)
                writer->failure = code;
}

void postings_writer_begin(struct postings_writer *writer, int fd, const char *language,
                           uint32_t first_slot, uint32_t end_slot, const void *lengths,
                           uint32_t length_bytes)
{
        struct postings_header *header = &writer->header;

        memset(writer, 0, sizeof *writer);
        writer->fd = fd;
        writer->lengths = lengths;
        writer->bound = HUGE_VAL;
        memcpy(header->magic, POSTINGS_MAGIC, sizeof header->magic);
        header->byte_order = POSTINGS_BYTE_ORDER;
        header->version = POSTINGS_VERSION;
        header->text_rule = TEXT_RULE_VERSION;
        header->first_slot = first_slot;
        header->end_slot = end_slot;
        header->length_bytes = length_bytes;
        (void) strncpy(header->language, language, sizeof header->language - 1);
        for (uint32_t i = 0; i < end_slot - first_slot; i++) {
                uint32_t length = length_of(writer, i);

                header->documents += length > 0;
                header->length_sum += length > 0 ? length - 1 : 0;
        }
        header->average = 1.0F;
        if (header->length_sum > 0)
                header->average = (float) ((double) header->length_sum / header->documents);
        writer->norm_per_term = BM25_K1 * BM25_B / (double) header->average;
}

/* ---- Postings --------------------------------------------------------------------------- */

static int write_at(int fd, const void *bytes, size_t len, uint64_t at)
{
        const uint8_t *from = bytes;

        while (len > 0) {
                ssize_t n = pwrite(fd, from, len, (off_t) at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                from += n;
                at += (uint64_t) n;
                len -= (size_t) n;
        }
        return 0;
}

static uint64_t data_bytes(const struct postings_writer *writer)
{
        return writer->flushed + writer->data.len;
}

static void flush_data(struct postings_writer *writer)
{
        int r;

        if (buf_failed(&writer->data))
                fail(writer, -ENOMEM);
        writer->data_crc = checksum_crc32c(writer->data_crc, writer->data.data, writer->data.len);
        r = write_at(writer->fd, writer->data.data, writer->data.len,
                     aligned(sizeof writer->header) + writer->flushed);
        if (r < 0)
                fail(writer, r);
        writer->flushed += writer->data.len;
        buf_clear(&writer->data);
}

/* The bound is rounded down, so that no score is above what it promises. */
static void end_block(struct postings_writer *writer)
{
        struct postings_block block = {
                .last = writer->documents[writer->n - 1],
                .offset = (uint32_t) data_bytes(writer),
                .bound = nextafterf((float) writer->bound, 0.0F),
        };
        char *to = buf_reserve(&writer->data, POSTINGS_PACK_BYTES_MAX);

        if (data_bytes(writer) > POSTINGS_AREA_MAX)
                fail(writer, -EFBIG);
        buf_append(&writer->blocks, &block, sizeof block);
        if (to)
                writer->data.len += postings_pack(writer->documents, writer->frequencies, writer->n,
                                               writer->base, (uint8_t *) to);
        writer->header.blocks++;
        writer->term_documents += writer->n;
        writer->base = block.last + 1;
        writer->n = 0;
        writer->bound = HUGE_VAL;
        if (writer->fd >= 0 && writer->data.len >= FLUSH_BYTES)
                flush_data(writer);
}

void postings_writer_add(struct postings_writer *writer, uint32_t document, uint32_t frequency)
{
        double norm = BM25_K1 * (1.0 - BM25_B) +
                      writer->norm_per_term * (length_of(writer, document) - 1.0);

        if (writer->n == POSTINGS_BLOCK)
                end_block(writer);
        writer->documents[writer->n] = document;
        writer->frequencies[writer->n++] = frequency;
        if (norm / frequency < writer->bound)
                writer->bound = norm / frequency;
}

void postings_writer_term(struct postings_writer *writer, const char *name, size_t len)
{
        struct postings_term term = { .name = (uint32_t) writer->names.len };

        if (writer->n > 0)
                end_block(writer);
        if (writer->term_documents == 0)
                return;
        term.documents = writer->term_documents;
        term.block = writer->header.blocks - (term.documents - 1) / POSTINGS_BLOCK - 1;
        if (writer->names.len > POSTINGS_AREA_MAX)
                fail(writer, -EFBIG);
        buf_append(&writer->terms, &term, sizeof term);
        buf_append(&writer->names, name, len);
        writer->header.terms++;
        writer->term_documents = 0;
        writer->base = 0;
}

/* ---- The end ---------------------------------------------------------------------------- */

struct area {
        const void *bytes;
        size_t len;
};

/* Ends the areas with what stands behind their last element. */
static int end_areas(struct postings_writer *writer, struct area areas[static POSTINGS_AREA_COUNT])
{
        static const uint8_t padding[POSTINGS_PACK_PADDING];
        struct postings_block block = { .offset = (uint32_t) data_bytes(writer) };
        struct postings_term term = { .name = (uint32_t) writer->names.len,
                                     .block = writer->header.blocks };

        buf_append(&writer->blocks, &block, sizeof block);
        buf_append(&writer->terms, &term, sizeof term);
        buf_append(&writer->data, padding, sizeof padding);
        if (buf_failed(&writer->data) || buf_failed(&writer->blocks) ||
            buf_failed(&writer->terms) || buf_failed(&writer->names))
                fail(writer, -ENOMEM);
        areas[POSTINGS_DATA] = (struct area){ writer->data.data, writer->data.len };
        areas[POSTINGS_BLOCKS] = (struct area){ writer->blocks.data, writer->blocks.len };
        areas[POSTINGS_TERMS] = (struct area){ writer->terms.data, writer->terms.len };
        areas[POSTINGS_NAMES] = (struct area){ buf_text(&writer->names), writer->names.len };
        areas[POSTINGS_LENGTHS] = (struct area){
                writer->lengths, (size_t) (writer->header.end_slot - writer->header.first_slot) *
                                         writer->header.length_bytes
        };
        return writer->failure;
}

static void lay_out(struct postings_writer *writer, const struct area *areas)
{
        struct postings_header *header = &writer->header;
        size_t at = aligned(sizeof *header);

        for (int i = 0; i < POSTINGS_AREA_COUNT; i++) {
                uint64_t before = i == POSTINGS_DATA ? writer->flushed : 0;
                uint32_t crc = i == POSTINGS_DATA ? writer->data_crc : 0;

                header->areas[i].offset = at;
                header->areas[i].bytes = before + areas[i].len;
                header->areas[i].crc = checksum_crc32c(crc, areas[i].bytes, areas[i].len);
                header->bytes = at + header->areas[i].bytes;
                at = aligned(header->bytes);
        }
        header->crc = checksum_crc32c(0, header, offsetof(struct postings_header, crc));
}

static int end_in_memory(const struct postings_writer *writer, const struct area *areas,
                         uint8_t **ret_base, size_t *ret_bytes)
{
        size_t bytes = aligned(writer->header.bytes);
        uint8_t *base = aligned_alloc(POSTINGS_ALIGNMENT, bytes);

        if (!base)
                return -ENOMEM;
        memset(base, 0, bytes);
        memcpy(base, &writer->header, sizeof writer->header);
        for (int i = 0; i < POSTINGS_AREA_COUNT; i++)
                if (areas[i].len > 0)
                        memcpy(base + writer->header.areas[i].offset, areas[i].bytes, areas[i].len);
        *ret_base = base;
        *ret_bytes = writer->header.bytes;
        return 0;
}

static int end_in_file(const struct postings_writer *writer, const struct area *areas)
{
        int r = 0;

        for (int i = 0; r == 0 && i < POSTINGS_AREA_COUNT; i++)
                r = write_at(writer->fd, areas[i].bytes, areas[i].len,
                             writer->header.areas[i].offset +
                                     (i == POSTINGS_DATA ? writer->flushed : 0));
        return r < 0 ? r : write_at(writer->fd, &writer->header, sizeof writer->header, 0);
}

int postings_writer_end(struct postings_writer *writer, uint8_t **ret_base, size_t *ret_bytes,
                        struct error *reterr)
{
        struct area areas[POSTINGS_AREA_COUNT];
        int r = end_areas(writer, areas);

        if (r == 0)
                lay_out(writer, areas);
        if (r == 0)
                r = writer->fd >= 0 ? end_in_file(writer, areas)
                                    : end_in_memory(writer, areas, ret_base, ret_bytes);
        return r < 0 ? error_set_errno(reterr, r, "cannot write postings") : 0;
}

void postings_writer_done(struct postings_writer *writer)
{
        buf_done(&writer->data);
        buf_done(&writer->blocks);
        buf_done(&writer->terms);
        buf_done(&writer->names);
}

/* ---- One list --------------------------------------------------------------------------- */

void postings_writer_begin_list(struct postings_writer *writer,
                                const struct postings_segment *segment)
{
        memset(writer, 0, sizeof *writer);
        writer->fd = -1;
        writer->header = segment->header;
        writer->header.blocks = writer->header.terms = 0;
        writer->lengths = segment->lengths;
        writer->norm_per_term = BM25_K1 * BM25_B / (double) writer->header.average;
        writer->bound = HUGE_VAL;
}

int postings_writer_end_list(struct postings_writer *writer, struct postings_segment **ret,
                             struct postings_list *ret_list, struct error *reterr)
{
        struct area areas[POSTINGS_AREA_COUNT];
        struct postings_segment *segment = calloc(1, sizeof *segment);
        struct postings_term term;

        if (!segment)
                return error_oom(reterr);
        postings_writer_term(writer, "", 0);
        if (end_areas(writer, areas) < 0) {
                free(segment);
                return error_set_errno(reterr, writer->failure, "cannot put postings together");
        }
        memcpy(&term, writer->terms.data, sizeof term);
        *ret_list = (struct postings_list){ term.documents, 0, writer->header.blocks };
        atomic_init(&segment->damaged, false);
        segment->header = writer->header;
        segment->header.areas[POSTINGS_DATA].bytes = writer->data.len;
        segment->lengths = writer->lengths;
        segment->data = (uint8_t *) buf_take(&writer->data);
        segment->blocks = (struct postings_block *) (void *) buf_take(&writer->blocks);
        *ret = segment;
        return 0;
}
