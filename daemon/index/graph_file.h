/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a graph, graph.NNNN in the generation's folder: a header page, then the graph's
 * arrays as they lie in memory, so that opening is mapping:
 *
 *     header     struct graph_header
 *     sections   codes, factors, slots, links, nodes, entries (graph.h), then float mean[]; each
 *                begins on a multiple of GRAPH_FILE_ALIGN, `nodes` is filled up with 0xFF, the
 *                others with 0
 *     checksums  u32[]: CRC-32C of each GRAPH_FILE_BLOCK bytes of the sections
 *
 * Where the sections lie follows from the counts in the header, which has a checksum of its own.
 * Numbers are in the byte order of the machine that wrote.  A file is never changed: the next
 * one is written beside it as graph.NNNN.partial, made durable and renamed, and only then are the
 * former ones removed; where several are found after a crash the highest number holds.
 *
 * A graph is derived: a file that does not fit is set aside as graph.NNNN.damaged and the graph
 * is linked again.
 *
 * Writing is the graph's writer's, between two changes of it; walks go on meanwhile. */
#pragma once
#include "index/graph.h"

#include <stdint.h>

#define GRAPH_FILE_VERSION 1
#define GRAPH_FILE_ALIGN 65536U         /* a multiple of every machine's page */
#define GRAPH_FILE_BLOCK (UINT32_C(1) << 20)

enum { /* behind those of enum graph_array */
        GRAPH_SECTION_MEAN = GRAPH_ARRAYS,
        GRAPH_SECTION_CHECKSUMS,
        GRAPH_SECTIONS,
};

struct graph_section {
        uint64_t offset, bytes; /* without what fills it up */
        uint32_t element_bytes, reserved;
};

struct graph_header {
        char magic[8]; /* "ragdgrph" */
        uint32_t byte_order, version;
        uint32_t metric, dimensions, m;
        uint32_t code_bytes; /* 0: without codes */
        uint64_t seed;
        uint32_t max_layers, linked_slot;
        uint32_t n_nodes, n_entries;
        uint32_t top_layers, top_at;
        float error_max;
        uint32_t reserved; /* 0 */
        struct graph_witness witnesses[GRAPH_WITNESSES];
        struct graph_section sections[GRAPH_SECTIONS];
        uint64_t file_bytes;
        uint32_t checksums_crc; /* of the table of checksums */
        uint32_t crc;           /* of what stands before */
};

/* A file that was opened or written. */
struct graph_file {
        int fd;          /* of one that was opened, or -1 */
        uint32_t number; /* 0: there is none */
        struct graph_header header;
};

void graph_file_done(struct graph_file *file);

/* Fills in magic, version, sections and length from the counts and parameters that stand in the
 * header. */
void graph_header_complete(struct graph_header *header);

/* How many checksums there are. */
size_t graph_header_blocks(const struct graph_header *header);

/* ---- The folder (graph_file.c) ---------------------------------------------------------- */

#define GRAPH_NAME_SIZE 32
const char *graph_file_name(uint32_t number, const char *end, char text[static GRAPH_NAME_SIZE]);

/* The numbers of the files there are, falling (heap); what a crash left half written is removed.
 * *ret_next: a number that none of them has, set aside or not, nor a higher one. */
int graph_files_list(int dirfd, uint32_t **ret, size_t *ret_n, uint32_t *ret_next,
                     struct error *reterr);

/* Removes the files with lower numbers, and of those set aside all but the newest. */
void graph_files_remove_older(int dirfd, uint32_t number);

/* Renames it to graph.NNNN.damaged. */
void graph_file_set_aside(int dirfd, uint32_t number);

/* ---- Writing (graph_write.c) ------------------------------------------------------------ */

/* Writes the graph, which is not empty, as file `number`, durably, and removes the former ones.
 * Nodes are numbered anew in the order of a breadth-first walk, so that neighbours lie near each
 * other; places that are free are left out.  Beside the walks, not beside a writer.
 *
 * What the check returned; -ENOMEM; -ENOSPC, -EIO, -EDQUOT and so on: nothing is left of the new
 * file, the former one stays. */
int graph_save(const struct graph *graph, int dirfd, uint32_t number,
               const struct index_check *check, struct graph_file *ret, struct error *reterr);

/* ---- Reading (graph_read.c) ------------------------------------------------------------- */

/* Maps the file in constant time: only its header and its length are looked at, so each number
 * in the arrays may be wrong until they were verified, which the graph says.
 *
 * -EBADMSG: damaged, or of another index; -EPROTONOSUPPORT: a newer format, or another machine's
 * byte order: nothing is wrong with the file.  -ENOENT, -ENOMEM, and what else open says. */
int graph_open(const struct index_params *params, const struct kernel_ops *kernels, int dirfd,
               uint32_t number, struct graph **ret, struct graph_file *ret_file,
               struct error *reterr);

/* pread() of all of it.  -EBADMSG: the file ends before. */
int graph_file_read(const struct graph_file *file, void *data, size_t len, uint64_t at);

/* ---- Verifying (graph_verify.c) --------------------------------------------------------- */

/* All that the file says is looked at once, in slices, while searches go on: the checksums of
 * all its bytes (which warms the page cache), whether the graph is whole, and whether the vectors
 * are those that it was built from. */
struct graph_verify;

/* Both stay the caller's, unchanged while it lasts.  -ENOMEM. */
int graph_verify_new(struct graph *graph, const struct graph_file *file,
                     struct graph_verify **ret, struct error *reterr);
void graph_verify_free(struct graph_verify *verify);
DEFINE_CLEANUP(struct graph_verify *, graph_verify_free)

/* One slice.  1: there are more; 0: the file is sound; -EBADMSG: it is not, or the disk cannot
 * read it. */
int graph_verify_step(struct graph_verify *verify, const struct index_source *source,
                      struct error *reterr);

/* Takes the witnesses anew: after slots were linked. */
void graph_take_witnesses(struct graph *graph, const struct index_source *source);

/* From a file into memory, huge pages where the machine gives them, in slices, beside walks.
 * 1: there is more; 0: all is in memory; -EDQUOT, -ENOMEM: not all of it, which does no harm. */
int graph_load_step(struct graph *graph, struct error *reterr);
