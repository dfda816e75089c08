/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of taking slots in, shared by the link*.c files and nobody else. */
#pragma once
#include "index/link.h"

/* A link that was just made, to be answered. */
struct answer_due {
        uint32_t layer, target, source;
};

struct batch {
        uint32_t slots[LINK_BATCH_MAX], nodes[LINK_BATCH_MAX];
        uint32_t layers[LINK_BATCH_MAX], first_entry[LINK_BATCH_MAX];
        uint32_t *entries; /* of one member after the other, each from the first layer up */
        size_t n_entries, entries_room;
        float errors[LINK_BATCH_MAX];
        size_t n;
        bool first; /* the graph is empty */
        struct answer_due *due;
        size_t n_due, due_room;
        size_t *groups; /* where a target's links begin in `due` */
        size_t n_groups;
};

struct linker {
        struct walker walker, judge;
        struct candidate *candidates;
        size_t room;
};

/* The entry of a member in one of its layers, from 1 up. */
static inline uint32_t batch_entry(const struct batch *batch, size_t member, uint32_t layer)
{
        return batch->entries[batch->first_entry[member] + layer - 1];
}

/* A node that asks, by the finest that there is. */
static inline struct walk link_walk(const struct linkers *linkers, struct walker *walker,
                                    uint32_t node)
{
        struct walk walk = { .graph = linkers->graph, .source = linkers->source,
                             .walker = walker };

        walk_ask_node(&walk, node);
        return walk;
}

/* The `n` sorted candidates become at most `most` neighbours. */
size_t link_choose(const struct linkers *linkers, struct linker *linker, uint32_t layer, size_t n,
                   size_t most);

/* link_look.c: a member of the batch finds its neighbours and writes its own links. */
void link_look(void *userdata, uint32_t thread, size_t member);

/* link_answer.c: what the members' links lead to, in groups by target; then a group is answered. */
void link_collect_due(const struct graph *graph, struct batch *batch);
void link_answer(void *userdata, uint32_t thread, size_t group);
