/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_segment.h"

#include "base/checksum.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(sizeof(struct postings_header) == 224, "the header has no holes");

/* ---- Opening ---------------------------------------------------------------------------- */

static bool areas_fit(const struct postings_header *header, size_t bytes)
{
        uint64_t slots = (uint64_t) header->end_slot - header->first_slot;
        const uint64_t sizes[POSTINGS_AREA_COUNT] = {
                [POSTINGS_DATA] = header->areas[POSTINGS_DATA].bytes,
                [POSTINGS_BLOCKS] = ((uint64_t) header->blocks + 1) * sizeof(struct postings_block),
                [POSTINGS_TERMS] = ((uint64_t) header->terms + 1) * sizeof(struct postings_term),
                [POSTINGS_NAMES] = header->areas[POSTINGS_NAMES].bytes,
                [POSTINGS_LENGTHS] = slots * header->length_bytes,
        };

        if (header->end_slot < header->first_slot || header->documents > slots ||
            (header->length_bytes != 2 && header->length_bytes != 4) ||
            !(header->average > 0.0F && header->average <= 1e10F) || header->bytes != bytes ||
            sizes[POSTINGS_DATA] < POSTINGS_PACK_PADDING || sizes[POSTINGS_DATA] > UINT32_MAX ||
            sizes[POSTINGS_NAMES] > UINT32_MAX)
                return false;
        for (int i = 0; i < POSTINGS_AREA_COUNT; i++) {
                uint64_t offset = header->areas[i].offset;

                if (header->areas[i].bytes != sizes[i] || offset % POSTINGS_ALIGNMENT != 0 ||
                    offset < sizeof *header || offset > bytes || sizes[i] > bytes - offset)
                        return false;
        }
        return true;
}

/* The order matters: nothing is believed of a header that is not ours or not whole. */
static int check_header(const struct postings_header *header, size_t bytes, const char *language,
                        struct error *reterr)
{
        if (memcmp(header->magic, POSTINGS_MAGIC, sizeof header->magic) != 0)
                return error_set(reterr, -EBADMSG, "it does not hold postings");
        if (header->byte_order == __builtin_bswap32(POSTINGS_BYTE_ORDER))
                return error_set(reterr, -EINVAL, "it was written in another byte order");
        if (header->byte_order != POSTINGS_BYTE_ORDER)
                return error_set(reterr, -EBADMSG, "its header is damaged");
        if (header->version > POSTINGS_VERSION)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "its format %u is newer than this version's %u", header->version,
                                 POSTINGS_VERSION);
        if (header->version != POSTINGS_VERSION ||
            checksum_crc32c(0, header, offsetof(struct postings_header, crc)) != header->crc)
                return error_set(reterr, -EBADMSG, "the checksum of its header is wrong");
        if (!areas_fit(header, bytes))
                return error_set(reterr, -EBADMSG, "its length is wrong");
        if (header->text_rule != TEXT_RULE_VERSION)
                return error_set(reterr, -EINVAL, "its terms were made by rule %u, now it is %u",
                                 header->text_rule, TEXT_RULE_VERSION);
        if (strnlen(header->language, sizeof header->language) == sizeof header->language ||
            strcmp(header->language, language) != 0)
                return error_set(reterr, -EINVAL, "its language is not \"%s\"", language);
        return 0;
}

int postings_segment_new(const uint8_t *base, size_t bytes, size_t mapped, const char *language,
                struct postings_segment **ret, struct error *reterr)
{
        cleanup_free_ struct postings_segment *segment = calloc(1, sizeof *segment);
        int r;

        if (!segment)
                return error_oom(reterr);
        if (bytes < sizeof segment->header)
                return error_set(reterr, -EBADMSG, "it is too short");
        memcpy(&segment->header, base, sizeof segment->header);
        r = check_header(&segment->header, bytes, language, reterr);
        if (r < 0)
                return r;
        atomic_init(&segment->refs, 1);
        atomic_init(&segment->damaged, false);
        segment->base = base;
        segment->mapped = mapped;
        segment->data = base + segment->header.areas[POSTINGS_DATA].offset;
        segment->blocks = (const void *) (base + segment->header.areas[POSTINGS_BLOCKS].offset);
        segment->terms = (const void *) (base + segment->header.areas[POSTINGS_TERMS].offset);
        segment->names = (const char *) base + segment->header.areas[POSTINGS_NAMES].offset;
        segment->lengths = base + segment->header.areas[POSTINGS_LENGTHS].offset;
        *ret = take_ptr(segment);
        return 0;
}

int postings_segment_new_in_memory(uint8_t *base, size_t bytes, const char *language,
                                   struct postings_segment **ret, struct error *reterr)
{
        int r = postings_segment_new(base, bytes, 0, language, ret, reterr);

        if (r < 0)
                free(base);
        else
                (*ret)->verified = true;
        return r;
}

struct postings_segment *postings_segment_ref(struct postings_segment *segment)
{
        (void) atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
        return segment;
}

struct postings_segment *postings_segment_unref(struct postings_segment *segment)
{
        if (segment && atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) == 1) {
                if (segment->mapped)
                        (void) munmap((void *) (uintptr_t) segment->base, segment->mapped);
                else
                        free((void *) (uintptr_t) segment->base);
                free(segment);
        }
        return NULL;
}

/* ---- Checksums -------------------------------------------------------------------------- */

int postings_segment_is_damaged(struct postings_segment *segment, struct error *reterr)
{
        atomic_store_explicit(&segment->damaged, true, memory_order_relaxed);
        return error_set(reterr, -EBADMSG, "the postings of slots %u to %u are damaged",
                         segment->header.first_slot, segment->header.end_slot);
}

int postings_segment_verify(struct postings_segment *segment, uint64_t from, uint64_t bytes,
                            uint32_t *crc, struct error *reterr)
{
        for (int i = 0; i < POSTINGS_AREA_COUNT; i++) {
                uint64_t len = segment->header.areas[i].bytes, part;

                if (from > len) {
                        from -= len;
                        continue;
                }
                part = len - from < bytes ? len - from : bytes;
                *crc = checksum_crc32c(*crc, segment->base + segment->header.areas[i].offset + from,
                                       part);
                if (from + part < len)
                        return 1;
                if (*crc != segment->header.areas[i].crc)
                        return postings_segment_is_damaged(segment, reterr);
                *crc = 0;
                from = 0;
                bytes -= part;
        }
        return 0;
}

/* ---- Reading ---------------------------------------------------------------------------- */

int postings_segment_name(struct postings_segment *segment, uint32_t term, const char **ret_name,
                          size_t *ret_len, struct error *reterr)
{
        uint32_t from = segment->terms[term].name, to = segment->terms[term + 1].name;

        if (from > to || to > segment->header.areas[POSTINGS_NAMES].bytes)
                return postings_segment_is_damaged(segment, reterr);
        *ret_name = segment->names + from;
        *ret_len = to - from;
        return 0;
}

int postings_segment_compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
        int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

        return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

int postings_segment_find(struct postings_segment *segment, const char *name, size_t len,
                          uint32_t *ret_term, struct error *reterr)
{
        uint32_t low = 0, high = segment->header.terms;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                const char *there = NULL;
                size_t there_len = 0;
                int r = postings_segment_name(segment, middle, &there, &there_len, reterr);

                if (r < 0)
                        return r;
                if (postings_segment_compare_names(there, there_len, name, len) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_term = low;
        return 0;
}

int postings_segment_list(struct postings_segment *segment, uint32_t term,
                          struct postings_list *ret, struct error *reterr)
{
        struct postings_list list = {
                .documents = segment->terms[term].documents,
                .block = segment->terms[term].block,
        };

        list.n_blocks = list.documents / POSTINGS_BLOCK + (list.documents % POSTINGS_BLOCK > 0);
        if (list.documents == 0 || list.block > segment->header.blocks ||
            list.n_blocks > segment->header.blocks - list.block)
                return postings_segment_is_damaged(segment, reterr);
        *ret = list;
        return 0;
}

int postings_segment_decode(struct postings_segment *segment, const struct postings_list *list,
                            uint32_t at, uint32_t ret_documents[static POSTINGS_BLOCK],
                            struct postings_frequencies *ret_frequencies, struct error *reterr)
{
        const struct postings_block *block = &segment->blocks[list->block + at];
        uint32_t base = at > 0 ? block[-1].last + 1 : 0;
        size_t n = at + 1 < list->n_blocks ? POSTINGS_BLOCK
                                           : list->documents - at * POSTINGS_BLOCK;

        if (block[1].offset < block->offset || block->last >= postings_segment_slots(segment) ||
            block[1].offset > segment->header.areas[POSTINGS_DATA].bytes - POSTINGS_PACK_PADDING ||
            !postings_unpack(segment->data + block->offset, block[1].offset - block->offset, n,
                             base, block->last, ret_documents, ret_frequencies))
                return postings_segment_is_damaged(segment, reterr);
        return (int) n;
}
