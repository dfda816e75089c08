/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a graph's file: a new number for each node and entry that is in use, then the arrays
 * one after the other in the new order, through a buffer of one checksum's block. */
#define _GNU_SOURCE /* sync_file_range */
#include "index/graph_file.h"

#include "base/checksum.h"
#include "base/io.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define WRITE_BACK_BLOCKS 16U

/* ---- The stream ------------------------------------------------------------------------- */

/* What failed stays, and ends all that follows. */
struct stream {
        int fd;
        uint8_t *block;
        size_t used;
        uint64_t at; /* in the file, of the block's end so far */
        uint32_t *checksums;
        size_t n_checksums;
        const struct index_check *check;
        int failure;
        bool stopped; /* by the check */
};

static void flush(struct stream *stream)
{
        int r = stream->check && stream->check->check
                        ? stream->check->check(stream->check->userdata)
                        : 0;

        if (r != 0 && stream->failure == 0) {
                stream->failure = r;
                stream->stopped = true;
        }
        if (stream->used == 0 || stream->failure != 0)
                return;
        stream->checksums[stream->n_checksums++] = checksum_crc32c(0, stream->block, stream->used);
        stream->failure = io_write_all(stream->fd, stream->block, stream->used);
        stream->used = 0;
        /* The disk begins early, so that others' small files need not wait for this one. */
        if (stream->n_checksums % WRITE_BACK_BLOCKS == 0)
                (void) sync_file_range(stream->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void put(struct stream *stream, const void *bytes, size_t len)
{
        const uint8_t *from = bytes;

        while (len > 0 && stream->failure == 0) {
                size_t room = GRAPH_FILE_BLOCK - stream->used, n = len < room ? len : room;

                memcpy(stream->block + stream->used, from, n);
                stream->used += n;
                stream->at += n;
                from += n;
                len -= n;
                if (stream->used == GRAPH_FILE_BLOCK)
                        flush(stream);
        }
}

static void fill_up(struct stream *stream, int byte)
{
        while (stream->at % GRAPH_FILE_ALIGN != 0 && stream->failure == 0) {
                uint8_t bytes[256];
                size_t n = GRAPH_FILE_ALIGN - stream->at % GRAPH_FILE_ALIGN;

                memset(bytes, byte, sizeof bytes);
                put(stream, bytes, n < sizeof bytes ? n : sizeof bytes);
        }
}

/* ---- New numbers ------------------------------------------------------------------------ */

/* From an old number to the new one (GRAPH_NONE: not in use), and back. */
struct numbers {
        uint32_t *new_of, *old_of;
        uint32_t n, n_old;
};

struct numbering {
        const struct graph *graph;
        struct numbers nodes, entries;
};

static void numbering_done(struct numbering *numbering)
{
        free(numbering->nodes.new_of);
        free(numbering->nodes.old_of);
        free(numbering->entries.new_of);
        free(numbering->entries.old_of);
}

static int numbers_init(struct numbers *numbers, uint32_t n_old)
{
        numbers->n_old = n_old;
        numbers->new_of = malloc(((size_t) n_old + 1) * sizeof *numbers->new_of);
        numbers->old_of = malloc(((size_t) n_old + 1) * sizeof *numbers->old_of);
        if (!numbers->new_of || !numbers->old_of)
                return -ENOMEM;
        memset(numbers->new_of, 0xFF, (size_t) n_old * sizeof *numbers->new_of);
        return 0;
}

static uint32_t new_number(const struct numbers *numbers, uint32_t old)
{
        return old < numbers->n_old ? numbers->new_of[old] : GRAPH_NONE;
}

static void number(struct numbers *numbers, uint32_t old)
{
        if (old >= numbers->n_old || numbers->new_of[old] != GRAPH_NONE)
                return;
        numbers->new_of[old] = numbers->n;
        numbers->old_of[numbers->n++] = old;
}

/* A node is in use while its slot leads to it. */
static void number_node(struct numbering *numbering, uint32_t node)
{
        const struct graph *graph = numbering->graph;
        uint32_t slot = node < numbering->nodes.n_old ? graph->slots[node] : GRAPH_NONE;

        if (slot != GRAPH_NONE &&
            atomic_load_explicit(&graph->nodes[slot], memory_order_relaxed) == node)
                number(&numbering->nodes, node);
}

/* From `start` on; what has its number is the queue of those whose neighbours come next. */
static void walk_breadth_first(struct numbering *numbering, uint32_t start)
{
        const struct graph *graph = numbering->graph;
        uint32_t done = numbering->nodes.n;

        for (number_node(numbering, start); done < numbering->nodes.n; done++) {
                const graph_link *row = graph_links(graph, numbering->nodes.old_of[done]);

                for (uint32_t i = 0; i < graph->m0; i++) {
                        uint32_t next = atomic_load_explicit(&row[i], memory_order_relaxed);

                        if (next == GRAPH_NONE)
                                break;
                        number_node(numbering, next);
                }
        }
}

static int numbering_init(struct numbering *numbering, struct error *reterr)
{
        const struct graph *graph = numbering->graph;
        struct graph_top top = graph_top(graph);

        if (numbers_init(&numbering->nodes, graph_count(graph, 0)) < 0 ||
            numbers_init(&numbering->entries, graph_count(graph, 1)) < 0)
                return error_oom(reterr);
        walk_breadth_first(numbering, graph_node_of(graph, top.layers, top.at));
        for (uint32_t node = 0; node < numbering->nodes.n_old; node++)
                walk_breadth_first(numbering, node);
        for (uint32_t entry = 0; entry < numbering->entries.n_old; entry++)
                if (new_number(&numbering->nodes, graph_node_of(graph, 1, entry)) != GRAPH_NONE)
                        number(&numbering->entries, entry);
        return 0;
}

/* ---- The sections ----------------------------------------------------------------------- */

static void put_row(struct stream *stream, const graph_link *row, uint32_t room,
                    const struct numbers *numbers)
{
        for (uint32_t i = 0, n = 0; n < room; i++) {
                uint32_t id = i < room ? atomic_load_explicit(&row[i], memory_order_relaxed)
                                       : GRAPH_NONE;

                if (id != GRAPH_NONE)
                        id = new_number(numbers, id);
                if (id == GRAPH_NONE && i < room)
                        continue;
                put(stream, &id, sizeof id);
                n++;
        }
}

/* What lies below an entry is another one of the same node, with a lower number, or the node. */
static uint32_t new_below(const struct numbering *numbering, uint32_t entry, uint32_t node)
{
        const struct graph *graph = numbering->graph;
        uint32_t below = atomic_load_explicit(&graph_entry(graph, entry)[ENTRY_BELOW],
                                              memory_order_relaxed);

        return below < entry && graph_node_of(graph, 1, below) == node
                       ? new_number(&numbering->entries, below)
                       : new_number(&numbering->nodes, node);
}

static void put_entries(struct stream *stream, const struct numbering *numbering)
{
        const struct graph *graph = numbering->graph;

        for (uint32_t i = 0; i < numbering->entries.n; i++) {
                uint32_t entry = numbering->entries.old_of[i];
                uint32_t node = graph_node_of(graph, 1, entry);
                uint32_t head[ENTRY_HEAD] = {
                        [ENTRY_NODE] = new_number(&numbering->nodes, node),
                        [ENTRY_BELOW] = new_below(numbering, entry, node),
                };

                put(stream, head, sizeof head);
                put_row(stream, graph_row(graph, 1, entry), graph->m, &numbering->entries);
        }
        fill_up(stream, 0);
}

static void put_links(struct stream *stream, const struct numbering *numbering)
{
        const struct graph *graph = numbering->graph;

        for (uint32_t i = 0; i < numbering->nodes.n; i++)
                put_row(stream, graph_links(graph, numbering->nodes.old_of[i]), graph->m0,
                        &numbering->nodes);
        fill_up(stream, 0);
}

static void put_nodes(struct stream *stream, const struct numbering *numbering, uint32_t slots)
{
        const struct graph *graph = numbering->graph;

        for (uint32_t slot = 0; slot < slots; slot++) {
                uint32_t node = atomic_load_explicit(&graph->nodes[slot], memory_order_relaxed);

                node = new_number(&numbering->nodes, node);
                put(stream, &node, sizeof node);
        }
        fill_up(stream, 0xFF);
}

static void put_array(struct stream *stream, const struct numbering *numbering,
                      enum graph_array array)
{
        const uint8_t *base = numbering->graph->arrays[array].base;
        size_t each = graph_element_bytes(numbering->graph, array);

        for (uint32_t i = 0; each > 0 && i < numbering->nodes.n; i++)
                put(stream, base + numbering->nodes.old_of[i] * each, each);
        fill_up(stream, 0);
}

static void put_sections(struct stream *stream, const struct numbering *numbering,
                         const struct graph_header *header)
{
        const struct graph *graph = numbering->graph;

        put_array(stream, numbering, GRAPH_CODES);
        put_array(stream, numbering, GRAPH_FACTORS);
        put_array(stream, numbering, GRAPH_SLOTS);
        put_links(stream, numbering);
        put_nodes(stream, numbering, header->linked_slot);
        put_entries(stream, numbering);
        if (graph->coded)
                put(stream, graph->quantizer.mean, header->dimensions * sizeof(float));
        fill_up(stream, 0);
        flush(stream);
}

/* ---- The file --------------------------------------------------------------------------- */

static struct graph_header make_header(const struct numbering *numbering)
{
        const struct graph *graph = numbering->graph;
        struct graph_top top = graph_top(graph);
        struct graph_header header = {
                .metric = (uint32_t) graph->params->metric,
                .dimensions = graph->params->dimensions,
                .m = graph->m,
                .code_bytes = graph->coded ? graph->quantizer.code_bytes : 0,
                .seed = graph->seed,
                .max_layers = graph->max_layers,
                .linked_slot = atomic_load(&graph->linked_slot),
                .n_nodes = numbering->nodes.n,
                .n_entries = numbering->entries.n,
                .top_layers = top.layers,
                .top_at = new_number(top.layers > 0 ? &numbering->entries : &numbering->nodes,
                                     top.at),
                .error_max = graph->error_max,
        };

        assert(header.top_at != GRAPH_NONE);
        memcpy(header.witnesses, graph->witnesses, sizeof header.witnesses);
        graph_header_complete(&header);
        return header;
}

static int write_content(const struct numbering *numbering, struct stream *stream,
                         struct graph_header *header)
{
        uint8_t first[GRAPH_FILE_ALIGN] = { 0 };

        stream->failure = io_write_all(stream->fd, first, sizeof first);
        stream->at = sizeof first;
        put_sections(stream, numbering, header);
        if (stream->failure != 0)
                return stream->failure;
        assert(stream->at == header->sections[GRAPH_SECTION_CHECKSUMS].offset);
        header->checksums_crc = checksum_crc32c(0, stream->checksums,
                                                stream->n_checksums * sizeof(uint32_t));
        header->crc = checksum_crc32c(0, header, offsetof(struct graph_header, crc));
        stream->failure = io_write_all(stream->fd, stream->checksums,
                                       stream->n_checksums * sizeof(uint32_t));
        memcpy(first, header, sizeof *header);
        if (stream->failure == 0 && lseek(stream->fd, 0, SEEK_SET) < 0)
                stream->failure = -errno;
        if (stream->failure == 0)
                stream->failure = io_write_all(stream->fd, first, sizeof first);
        if (stream->failure == 0 && fsync(stream->fd) < 0)
                stream->failure = -errno;
        return stream->failure;
}

/* The rename is what makes it a file of ours; where it may not be durable it is undone. */
static int publish(int dirfd, uint32_t number)
{
        char partial[GRAPH_NAME_SIZE], name[GRAPH_NAME_SIZE];
        int r;

        if (renameat(dirfd, graph_file_name(number, ".partial", partial), dirfd,
                     graph_file_name(number, "", name)) < 0)
                return -errno;
        r = io_sync_directory(dirfd, ".");
        if (r < 0)
                (void) unlinkat(dirfd, name, 0);
        return r;
}

static int write_file(const struct numbering *numbering, int dirfd, struct stream *stream,
                      struct graph_file *file, struct error *reterr)
{
        char partial[GRAPH_NAME_SIZE];
        int r;

        (void) graph_file_name(file->number, ".partial", partial);
        stream->fd = openat(dirfd, partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                            0600);
        if (stream->fd < 0)
                return error_set_errno(reterr, -errno, "cannot create %s", partial);
        r = write_content(numbering, stream, &file->header);
        (void) close(stream->fd);
        if (r == 0)
                r = publish(dirfd, file->number);
        if (r == 0)
                return 0;
        (void) unlinkat(dirfd, partial, 0);
        return stream->stopped
                       ? error_set(reterr, r, "the checkpoint was ended early")
                       : error_set_errno(reterr, r, "cannot write graph.%04u", file->number);
}

int graph_save(const struct graph *graph, int dirfd, uint32_t number,
               const struct index_check *check, struct graph_file *ret, struct error *reterr)
{
        struct graph_file file = { .fd = -1, .number = number };
        struct numbering numbering = { .graph = graph };
        struct stream stream = { .fd = -1, .check = check };
        int r = numbering_init(&numbering, reterr);

        if (r == 0) {
                file.header = make_header(&numbering);
                stream.block = malloc(GRAPH_FILE_BLOCK);
                stream.checksums = malloc(graph_header_blocks(&file.header) * sizeof(uint32_t));
                r = stream.block && stream.checksums
                            ? write_file(&numbering, dirfd, &stream, &file, reterr)
                            : error_oom(reterr);
        }
        free(stream.block);
        free(stream.checksums);
        numbering_done(&numbering);
        if (r < 0)
                return r;
        graph_files_remove_older(dirfd, number);
        *ret = file;
        return 0;
}
