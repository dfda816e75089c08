/* SPDX-License-Identifier: Apache-2.0 */
/* What is true of every graph between two changes of it (index/graph.h), looked at one by one. */
#pragma once
#include "index/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct graph_found {
        uint32_t nodes, free_nodes, entries, free_entries;
        uint32_t waiting;     /* nodes that become free when no walk can be there any more */
        uint32_t dead;        /* nodes whose slot is not in `live` */
        uint32_t to_dead;     /* links that lead to them */
        uint32_t unreachable; /* live nodes that no walk from the top can come to */
        uint64_t links;
};

/* Fails the test where something is not as it must be; `live` NULL: all are. */
struct graph_found graph_check(const struct graph *graph, const roaring_bitmap_t *live);

/* Fails where two graphs differ in any number. */
void graph_check_equal(const struct graph *a, const struct graph *b);
