/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a graph's file is what was written, and of these vectors; and bringing it into memory.
 *
 * What was written by a faulty hand has right checksums, so all numbers are looked at as well:
 * who changes a graph need not expect nonsense in it. */
#include "index/graph_file.h"

#include "base/checksum.h"
#include "index/engine.h"

#include <math.h>
#include <string.h>

struct graph_verify {
        struct graph *graph;
        const struct graph_file *file;
        const struct index_source *source; /* of this step */
        size_t part;                       /* of parts[] */
        uint64_t at;
        uint32_t *checksums;
        uint8_t *block;
        uint64_t named;           /* slots that lead to a node */
        uint8_t *reached, *layer; /* by node: the highest layer so far; by entry: its layer */
        uint32_t highest;         /* layer of all */
};

/* ---- The file's bytes ------------------------------------------------------------------- */

static int read_checksums(struct graph_verify *verify, struct error *reterr)
{
        const struct graph_section *table =
                &verify->file->header.sections[GRAPH_SECTION_CHECKSUMS];
        int r = graph_file_read(verify->file, verify->checksums, table->bytes, table->offset);

        if (r < 0)
                return error_set_errno(reterr, -EBADMSG, "it cannot be read");
        if (checksum_crc32c(0, verify->checksums, table->bytes) !=
            verify->file->header.checksums_crc)
                return error_set(reterr, -EBADMSG, "the checksum of its checksums is wrong");
        return 0;
}

static uint64_t count_blocks(const struct graph_verify *verify)
{
        return graph_header_blocks(&verify->file->header);
}

static int verify_blocks(struct graph_verify *verify, uint64_t from, uint64_t to,
                         struct error *reterr)
{
        uint64_t end = verify->file->header.sections[GRAPH_SECTION_CHECKSUMS].offset;
        int r = from == 0 ? read_checksums(verify, reterr) : 0;

        for (uint64_t i = from; r == 0 && i < to; i++) {
                uint64_t at = GRAPH_FILE_ALIGN + i * GRAPH_FILE_BLOCK;
                size_t len = end - at < GRAPH_FILE_BLOCK ? end - at : GRAPH_FILE_BLOCK;

                r = graph_file_read(verify->file, verify->block, len, at);
                if (r < 0)
                        return error_set(reterr, -EBADMSG, "it cannot be read at byte %llu: %s",
                                         (unsigned long long) at, strerror(-r));
                if (checksum_crc32c(0, verify->block, len) != verify->checksums[i])
                        return error_set(reterr, -EBADMSG,
                                         "the checksum of its bytes %llu to %llu is wrong",
                                         (unsigned long long) at,
                                         (unsigned long long) (at + len));
        }
        return r;
}

/* ---- Nodes ------------------------------------------------------------------------------ */

static int nonsense(const char *what, uint64_t number, struct error *reterr)
{
        return error_set(reterr, -EBADMSG, "%s %llu makes no sense", what,
                         (unsigned long long) number);
}

static uint64_t count_nodes(const struct graph_verify *verify)
{
        return verify->file->header.n_nodes;
}

static uint32_t node_at(const struct graph *graph, uint32_t slot)
{
        return atomic_load_explicit(&graph->nodes[slot], memory_order_relaxed);
}

static int verify_nodes(struct graph_verify *verify, uint64_t from, uint64_t to,
                        struct error *reterr)
{
        const struct graph *graph = verify->graph;

        for (uint32_t node = (uint32_t) from; node < to; node++) {
                uint32_t slot = graph->slots[node];

                if (slot >= verify->file->header.linked_slot || node_at(graph, slot) != node)
                        return nonsense("the slot of its node", node, reterr);
                if (graph->coded && (!isfinite(graph->factors[node].scale) ||
                                     !isfinite(graph->factors[node].bias)))
                        return nonsense("the code of its node", node, reterr);
        }
        return 0;
}

static uint64_t count_slots(const struct graph_verify *verify)
{
        return verify->file->header.linked_slot;
}

/* Each node was found at its slot: with as many slots as nodes there can be no others. */
static int verify_slots(struct graph_verify *verify, uint64_t from, uint64_t to,
                        struct error *reterr)
{
        for (uint32_t slot = (uint32_t) from; slot < to; slot++)
                verify->named += node_at(verify->graph, slot) != GRAPH_NONE;
        if (to == count_slots(verify) && verify->named != count_nodes(verify))
                return error_set(reterr, -EBADMSG, "its slots and nodes do not match");
        return 0;
}

static int verify_links(struct graph_verify *verify, uint64_t from, uint64_t to,
                        struct error *reterr)
{
        const struct graph *graph = verify->graph;
        uint32_t n = verify->file->header.n_nodes;

        for (uint32_t node = (uint32_t) from; node < to; node++) {
                const graph_link *row = graph_links(graph, node);

                for (uint32_t i = 0; i < graph->m0; i++) {
                        uint32_t id = atomic_load_explicit(&row[i], memory_order_relaxed);

                        if (id >= n && id != GRAPH_NONE)
                                return nonsense("a link of its node", node, reterr);
                }
        }
        return 0;
}

/* ---- Layers ----------------------------------------------------------------------------- */

static uint64_t count_entries(const struct graph_verify *verify)
{
        return verify->file->header.n_entries;
}

/* A node's entries ascend with their layers, each above the one before. */
static int verify_entries(struct graph_verify *verify, uint64_t from, uint64_t to,
                          struct error *reterr)
{
        const struct graph *graph = verify->graph;

        for (uint32_t id = (uint32_t) from; id < to; id++) {
                uint32_t node = graph_node_of(graph, 1, id);
                uint32_t below = atomic_load_explicit(&graph_entry(graph, id)[ENTRY_BELOW],
                                                      memory_order_relaxed);
                uint8_t under;

                if (node >= count_nodes(verify))
                        return nonsense("the node of its entry", id, reterr);
                under = verify->reached[node];
                if (under == 0 ? below != node
                               : under == GRAPH_LAYERS_MAX || below >= id ||
                                         graph_node_of(graph, 1, below) != node ||
                                         verify->layer[below] != under)
                        return nonsense("what lies below its entry", id, reterr);
                verify->reached[node] = verify->layer[id] = (uint8_t) (under + 1);
                if (verify->highest <= under)
                        verify->highest = under + 1U;
        }
        return 0;
}

static int verify_entry_links(struct graph_verify *verify, uint64_t from, uint64_t to,
                              struct error *reterr)
{
        const struct graph *graph = verify->graph;

        for (uint32_t id = (uint32_t) from; id < to; id++) {
                const graph_link *row = graph_row(graph, 1, id);
                uint32_t node = graph_node_of(graph, 1, id);

                if (graph_layers_of(graph, graph->slots[node]) != verify->reached[node])
                        return nonsense("the height of its node", node, reterr);
                for (uint32_t i = 0; i < graph->m; i++) {
                        uint32_t to_id = atomic_load_explicit(&row[i], memory_order_relaxed);

                        if (to_id != GRAPH_NONE && (to_id >= count_entries(verify) ||
                                                    verify->layer[to_id] != verify->layer[id]))
                                return nonsense("a link of its entry", id, reterr);
                }
        }
        return 0;
}

/* ---- Whose graph it is ------------------------------------------------------------------ */

static uint64_t count_one(const struct graph_verify *verify)
{
        (void) verify;
        return 1;
}

static int verify_top(struct graph_verify *verify, uint64_t from, uint64_t to, struct error *reterr)
{
        struct graph_top top = graph_top(verify->graph);

        (void) from;
        (void) to;
        if (top.layers != verify->highest ||
            (top.layers > 0 && verify->layer[top.at] != top.layers))
                return error_set(reterr, -EBADMSG, "its top makes no sense");
        return 0;
}

/* False: the store lends no such row any more. */
static bool row_crc(const struct graph *graph, const struct index_source *source, uint32_t slot,
                    uint32_t *ret)
{
        const float *row = flat_row(source, slot);

        if (row)
                *ret = checksum_crc32c(0, row, graph->params->dimensions * sizeof *row);
        return row != NULL;
}

static int verify_witnesses(struct graph_verify *verify, uint64_t from, uint64_t to,
                            struct error *reterr)
{
        const struct graph *graph = verify->graph;
        uint32_t crc;

        (void) from;
        (void) to;
        if (verify->file->header.linked_slot > verify->source->committed)
                return error_set(reterr, -EBADMSG, "it has slots up to %u, of vectors up to %u",
                                 verify->file->header.linked_slot, verify->source->committed);
        for (size_t i = 0; i < GRAPH_WITNESSES; i++) {
                const struct graph_witness *witness = &graph->witnesses[i];

                if (row_crc(graph, verify->source, witness->slot, &crc) && crc != witness->crc)
                        return error_set(reterr, -EBADMSG,
                                         "it was built from other vectors than these: slot %u",
                                         witness->slot);
        }
        return 0;
}

/* Half of them spread over all slots, half the last ones: what was put back from an older copy
 * differs from some slot on. */
void graph_take_witnesses(struct graph *graph, const struct index_source *source)
{
        uint32_t linked = atomic_load_explicit(&graph->linked_slot, memory_order_relaxed);

        for (uint32_t i = 0; i < GRAPH_WITNESSES; i++) {
                struct graph_witness *witness = &graph->witnesses[i];
                uint64_t slot = i % 2 == 0 ? (uint64_t) linked * i / GRAPH_WITNESSES
                                           : (uint64_t) linked - 1 - i / 2;

                *witness = (struct graph_witness){ GRAPH_NONE, 0 };
                if (slot < linked && row_crc(graph, source, (uint32_t) slot, &witness->crc))
                        witness->slot = (uint32_t) slot;
        }
}

/* ---- All of it -------------------------------------------------------------------------- */

/* In this order: each relies on those before. */
static const struct {
        uint64_t (*count)(const struct graph_verify *verify);
        uint64_t at_once; /* of what it counts */
        int (*verify)(struct graph_verify *verify, uint64_t from, uint64_t to,
                      struct error *reterr);
} parts[] = {
        { count_one, 1, verify_witnesses },
        { count_blocks, 32, verify_blocks },
        { count_nodes, 1 << 18, verify_nodes },
        { count_slots, 1 << 22, verify_slots },
        { count_nodes, 1 << 17, verify_links },
        { count_entries, 1 << 17, verify_entries },
        { count_entries, 1 << 17, verify_entry_links },
        { count_one, 1, verify_top },
};

void graph_verify_free(struct graph_verify *verify)
{
        if (!verify)
                return;
        free(verify->checksums);
        free(verify->block);
        free(verify->reached);
        free(verify->layer);
        free(verify);
}

int graph_verify_new(struct graph *graph, const struct graph_file *file,
                     struct graph_verify **ret, struct error *reterr)
{
        cleanup_(graph_verify_free_cleanup) struct graph_verify *verify = calloc(1, sizeof *verify);

        if (!verify)
                return error_oom(reterr);
        verify->graph = graph;
        verify->file = file;
        verify->block = malloc(GRAPH_FILE_BLOCK);
        verify->checksums = malloc(file->header.sections[GRAPH_SECTION_CHECKSUMS].bytes);
        verify->reached = calloc(file->header.n_nodes, 1);
        verify->layer = calloc((size_t) file->header.n_entries + 1, 1);
        if (!verify->block || !verify->checksums || !verify->reached || !verify->layer)
                return error_oom(reterr);
        *ret = take_ptr(verify);
        return 0;
}

int graph_verify_step(struct graph_verify *verify, const struct index_source *source,
                      struct error *reterr)
{
        uint64_t n = parts[verify->part].count(verify), to = verify->at;
        int r;

        verify->source = source;
        to = n - to > parts[verify->part].at_once ? to + parts[verify->part].at_once : n;
        r = parts[verify->part].verify(verify, verify->at, to, reterr);
        if (r < 0)
                return r;
        verify->at = to;
        if (to == n) {
                verify->part++;
                verify->at = 0;
        }
        if (verify->part < ELEMENTSOF(parts))
                return 1;
        atomic_store(&verify->graph->unverified, false);
        return 0;
}

/* ---- Into memory ------------------------------------------------------------------------ */

#define LOAD_AT_ONCE (32 * REGION_STEP)

int graph_load_step(struct graph *graph, struct error *reterr)
{
        for (unsigned int i = 0; i < GRAPH_ARRAYS; i++) {
                struct region *region = &graph->arrays[i];
                int r;

                if (region->loaded == region->mapped)
                        continue;
                r = region_load(region, region->loaded, region->loaded + LOAD_AT_ONCE, reterr);
                return r < 0 ? r : 1;
        }
        return 0;
}
