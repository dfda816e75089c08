/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_merge.h"

#include "index/postings.h"
#include "index/postings_writer.h"

#include <stdlib.h>
#include <string.h>

/* One segment, and the term it stands at. */
struct input {
        struct postings_segment *segment;
        uint32_t shift; /* its first document in the output */
        uint32_t term;
        const char *name; /* NULL: it is at its end */
        size_t len;
};

struct postings_merge {
        struct input *inputs;
        size_t n;
        void *lengths; /* of the output; 0 tells what is left out */
        uint32_t length_bytes;
        uint64_t done; /* postings */
        struct postings_writer writer;
};

/* ---- Beginning -------------------------------------------------------------------------- */

static int look_at_term(struct input *input, struct error *reterr)
{
        input->name = NULL;
        if (input->term >= input->segment->header.terms)
                return 0;
        return postings_segment_name(input->segment, input->term, &input->name, &input->len,
                                     reterr);
}

static void copy_lengths(struct postings_merge *merge, const struct input *input)
{
        const struct postings_segment *segment = input->segment;

        for (uint32_t i = 0; i < postings_segment_slots(segment); i++) {
                uint32_t length = postings_segment_length(segment->lengths,
                                                          segment->header.length_bytes, i);

                if (merge->length_bytes == 2)
                        ((uint16_t *) merge->lengths)[input->shift + i] = (uint16_t) length;
                else
                        ((uint32_t *) merge->lengths)[input->shift + i] = length;
        }
}

static void drop(struct postings_merge *merge, uint32_t begin, uint32_t end)
{
        memset((uint8_t *) merge->lengths + (size_t) begin * merge->length_bytes, 0,
               (size_t) (end - begin) * merge->length_bytes);
}

static void drop_dead(struct postings_merge *merge, uint32_t first_slot, uint32_t end_slot,
                      const struct postings_keep *keep)
{
        uint32_t end = end_slot < keep->settled ? end_slot : keep->settled, next = first_slot;
        roaring_uint32_iterator_t live;
        bool more;

        roaring_init_iterator(keep->live, &live);
        more = roaring_move_uint32_iterator_equalorlarger(&live, first_slot);
        for (; more && live.current_value < end; more = roaring_advance_uint32_iterator(&live)) {
                drop(merge, next - first_slot, live.current_value - first_slot);
                next = live.current_value + 1;
        }
        if (next < end)
                drop(merge, next - first_slot, end - first_slot);
}

int postings_merge_new(struct postings_segment *const *inputs, size_t n, uint32_t first_slot,
                       uint32_t end_slot, const struct postings_keep *keep, int fd,
                       const char *language, struct postings_merge **ret, struct error *reterr)
{
        cleanup_(postings_merge_free_cleanup) struct postings_merge *merge =
                calloc(1, sizeof *merge);

        if (!merge)
                return error_oom(reterr);
        merge->length_bytes = 2;
        merge->inputs = calloc(n, sizeof *merge->inputs);
        if (!merge->inputs)
                return error_oom(reterr);
        for (; merge->n < n; merge->n++) {
                struct input *input = &merge->inputs[merge->n];

                input->segment = postings_segment_ref(inputs[merge->n]);
                input->shift = input->segment->header.first_slot - first_slot;
                if (input->segment->header.length_bytes > merge->length_bytes)
                        merge->length_bytes = input->segment->header.length_bytes;
        }
        merge->lengths = calloc((size_t) (end_slot - first_slot) + 1, merge->length_bytes);
        if (!merge->lengths)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                int r = look_at_term(&merge->inputs[i], reterr);

                if (r < 0)
                        return r;
                copy_lengths(merge, &merge->inputs[i]);
        }
        if (keep)
                drop_dead(merge, first_slot, end_slot, keep);
        postings_writer_begin(&merge->writer, fd, language, first_slot, end_slot, merge->lengths,
                              merge->length_bytes);
        *ret = take_ptr(merge);
        return 0;
}

void postings_merge_free(struct postings_merge *merge)
{
        if (!merge)
                return;
        for (size_t i = 0; i < merge->n; i++)
                (void) postings_segment_unref(merge->inputs[i].segment);
        postings_writer_done(&merge->writer);
        free(merge->inputs);
        free(merge->lengths);
        free(merge);
}

/* ---- Term by term ----------------------------------------------------------------------- */

/* The input whose term is the smallest; NULL: all are at their end. */
static const struct input *smallest(const struct postings_merge *merge)
{
        const struct input *least = NULL;

        for (size_t i = 0; i < merge->n; i++) {
                const struct input *input = &merge->inputs[i];

                if (input->name &&
                    (!least || postings_segment_compare_names(input->name, input->len, least->name,
                                                              least->len) < 0))
                        least = input;
        }
        return least;
}

static int copy_list(struct postings_merge *merge, const struct input *input, struct error *reterr)
{
        uint32_t documents[POSTINGS_BLOCK];
        struct postings_frequencies frequencies;
        struct postings_list list;
        int r = postings_segment_list(input->segment, input->term, &list, reterr);

        if (r < 0)
                return r;
        for (uint32_t block = 0; block < list.n_blocks; block++) {
                int n = postings_segment_decode(input->segment, &list, block, documents,
                                                &frequencies, reterr);

                if (n < 0)
                        return n;
                for (int i = 0; i < n; i++) {
                        uint32_t document = documents[i] + input->shift;

                        if (postings_segment_length(merge->lengths, merge->length_bytes, document) >
                            0)
                                postings_writer_add(&merge->writer, document,
                                                    postings_frequency(&frequencies, (size_t) i));
                }
        }
        merge->done += list.documents;
        return 0;
}

/* The inputs follow each other by slot, and so do their documents. */
static int merge_term(struct postings_merge *merge, const struct input *least,
                      struct error *reterr)
{
        const char *name = least->name;
        size_t len = least->len;

        for (size_t i = 0; i < merge->n; i++) {
                struct input *input = &merge->inputs[i];
                int r;

                if (!input->name ||
                    postings_segment_compare_names(input->name, input->len, name, len) != 0)
                        continue;
                r = copy_list(merge, input, reterr);
                input->term++;
                if (r == 0)
                        r = look_at_term(input, reterr);
                if (r < 0)
                        return r;
        }
        postings_writer_term(&merge->writer, name, len);
        return 0;
}

int postings_merge_step(struct postings_merge *merge, uint64_t postings, struct error *reterr)
{
        uint64_t end = merge->done + postings;

        while (merge->done < end) {
                const struct input *least = smallest(merge);
                int r;

                if (!least)
                        return 0;
                r = merge_term(merge, least, reterr);
                if (r < 0)
                        return r;
                if (merge->writer.failure < 0)
                        return error_set_errno(reterr, merge->writer.failure,
                                               "cannot merge postings");
        }
        return 1;
}

int postings_merge_end(struct postings_merge *merge, uint8_t **ret_base, size_t *ret_bytes,
                       struct error *reterr)
{
        return postings_writer_end(&merge->writer, ret_base, ret_bytes, reterr);
}

int postings_merge_in_memory(struct postings_segment *const *inputs, size_t n, const char *language,
                             struct postings_segment **ret, struct error *reterr)
{
        cleanup_(postings_merge_free_cleanup) struct postings_merge *merge = NULL;
        uint8_t *base = NULL;
        size_t bytes = 0;
        int r = postings_merge_new(inputs, n, inputs[0]->header.first_slot,
                                   inputs[n - 1]->header.end_slot, NULL, -1, language, &merge,
                                   reterr);

        if (r == 0)
                r = postings_merge_step(merge, UINT64_MAX, reterr);
        if (r == 0)
                r = postings_merge_end(merge, &base, &bytes, reterr);
        if (r == 0)
                r = postings_segment_new_in_memory(base, bytes, language, ret, reterr);
        return r;
}
