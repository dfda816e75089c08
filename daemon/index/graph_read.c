/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a graph's file. */
#include "index/graph_file.h"

#include "base/checksum.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

int graph_file_read(const struct graph_file *file, void *data, size_t len, uint64_t at)
{
        uint8_t *to = data;

        while (len > 0) {
                ssize_t n = pread(file->fd, to, len, (off_t) at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                to += n;
                at += (uint64_t) n;
                len -= (size_t) n;
        }
        return 0;
}

/* ---- The header ------------------------------------------------------------------------- */

/* Whose file it is, before anything else in it is believed. */
static int check_origin(const struct graph_header *header, struct error *reterr)
{
        struct graph_header ours = { .m = 2 };

        graph_header_complete(&ours);
        if (memcmp(header->magic, ours.magic, sizeof ours.magic) != 0)
                return error_set(reterr, -EBADMSG, "it has no header");
        if (header->byte_order != ours.byte_order)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "it was written by a machine of another byte order");
        if (header->version > GRAPH_FILE_VERSION)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "it has format version %u, this ragd knows versions up to %d",
                                 header->version, GRAPH_FILE_VERSION);
        if (header->version == 0 ||
            header->crc != checksum_crc32c(0, header, offsetof(struct graph_header, crc)))
                return error_set(reterr, -EBADMSG, "the checksum of its header is wrong");
        return 0;
}

/* That it is a file of this index. */
static int check_fit(const struct index_params *params, const struct graph_header *header,
                     struct error *reterr)
{
        bool coded = params->quantization == INDEX_QUANTIZATION_INT8;

        if (header->metric != (uint32_t) params->metric)
                return error_set(reterr, -EBADMSG, "it is of another metric");
        if (header->dimensions != params->dimensions)
                return error_set(reterr, -EBADMSG, "it has %u dimensions, not %u",
                                 header->dimensions, params->dimensions);
        if (header->m != params->m)
                return error_set(reterr, -EBADMSG, "it has %u links per node, not %u", header->m,
                                 params->m);
        if ((header->code_bytes > 0) != coded)
                return error_set(reterr, -EBADMSG, "it has %s codes", coded ? "no" : "other");
        return 0;
}

/* That its numbers can be true, and that the sections lie where they must. */
static int check_counts(const struct graph_header *header, uint64_t file_bytes,
                        struct error *reterr)
{
        struct graph_header wanted = *header;
        uint32_t tops = header->top_layers > 0 ? header->n_entries : header->n_nodes;

        if (header->n_nodes == 0 || header->n_nodes > GRAPH_NODES_MAX ||
            header->n_entries > GRAPH_NODES_MAX || header->n_nodes > header->linked_slot ||
            header->top_layers > GRAPH_LAYERS_MAX || header->top_at >= tops ||
            !isfinite(header->error_max) || header->error_max < 0)
                return error_set(reterr, -EBADMSG, "its header makes no sense");
        graph_header_complete(&wanted);
        if (memcmp(wanted.sections, header->sections, sizeof wanted.sections) != 0 ||
            wanted.file_bytes != header->file_bytes)
                return error_set(reterr, -EBADMSG, "its sections do not lie where they must");
        if (file_bytes != header->file_bytes)
                return error_set(reterr, -EBADMSG, "it is %llu bytes long, not %llu",
                                 (unsigned long long) file_bytes,
                                 (unsigned long long) header->file_bytes);
        return 0;
}

static int read_header(const struct index_params *params, struct graph_file *file,
                       struct error *reterr)
{
        struct graph_header *header = &file->header;
        struct stat st;
        int r;

        if (fstat(file->fd, &st) < 0)
                return error_set_errno(reterr, -errno, "it cannot be read");
        if (!S_ISREG(st.st_mode))
                return error_set(reterr, -EBADMSG, "it is not a regular file");
        r = graph_file_read(file, header, sizeof *header, 0);
        if (r == -EBADMSG)
                return error_set(reterr, r, "it is too short");
        if (r < 0)
                return error_set_errno(reterr, r, "it cannot be read");
        r = check_origin(header, reterr);
        if (r == 0)
                r = check_fit(params, header, reterr);
        return r == 0 ? check_counts(header, (uint64_t) st.st_size, reterr) : r;
}

/* ---- The graph -------------------------------------------------------------------------- */

static int read_quantizer(const struct index_params *params, const struct graph_file *file,
                          struct quantizer *ret, struct error *reterr)
{
        float mean[VECTOR_DIMENSIONS_MAX];
        const struct graph_section *section = &file->header.sections[GRAPH_SECTION_MEAN];
        int r = graph_file_read(file, mean, section->bytes, section->offset);

        if (r < 0)
                return error_set_errno(reterr, r, "it cannot be read");
        for (uint32_t i = 0; i < params->dimensions; i++)
                if (!isfinite(mean[i]) || fabsf(mean[i]) > VECTOR_COMPONENT_MAX)
                        return error_set(reterr, -EBADMSG, "its mean makes no sense");
        r = quantizer_load(params->metric, params->dimensions, mean, ret, reterr);
        if (r == 0 && ret->code_bytes != file->header.code_bytes) {
                quantizer_done(ret);
                return error_set(reterr, -EBADMSG, "its codes have another shape");
        }
        return r;
}

static int map_arrays(struct graph *graph, const struct graph_file *file, struct error *reterr)
{
        const struct graph_header *header = &file->header;

        for (unsigned int i = 0; i < GRAPH_ARRAYS; i++) {
                const struct graph_section *section = &header->sections[i];
                int r = region_map(&graph->arrays[i], file->fd, (off_t) section->offset,
                                   section->bytes, reterr);

                if (r < 0)
                        return r;
        }
        graph->error_max = header->error_max;
        graph->seed = header->seed;
        graph->max_layers = header->max_layers;
        memcpy(graph->witnesses, header->witnesses, sizeof graph->witnesses);
        atomic_store(&graph->unverified, true);
        atomic_store(&graph->n_nodes, header->n_nodes);
        atomic_store(&graph->n_entries, header->n_entries);
        atomic_store(&graph->linked_slot, header->linked_slot);
        graph_set_top(graph, (struct graph_top){ header->top_layers, header->top_at });
        return 0;
}

static int open_file(const struct index_params *params, const struct kernel_ops *kernels,
                     struct graph_file *file, struct graph **ret, struct error *reterr)
{
        cleanup_(graph_free_cleanup) struct graph *graph = NULL;
        struct quantizer quantizer = { .mean = NULL };
        const struct graph_header *header = &file->header;
        bool coded;
        int r = read_header(params, file, reterr);

        coded = r == 0 && header->code_bytes > 0;
        if (coded)
                r = read_quantizer(params, file, &quantizer, reterr);
        if (r == 0)
                r = graph_new(params, kernels, coded ? &quantizer : NULL,
                              header->n_nodes > header->n_entries ? header->n_nodes
                                                                  : header->n_entries,
                              &graph, reterr);
        quantizer_done(&quantizer);
        if (r == 0)
                r = map_arrays(graph, file, reterr);
        if (r == 0)
                *ret = take_ptr(graph);
        return r;
}

int graph_open(const struct index_params *params, const struct kernel_ops *kernels, int dirfd,
               uint32_t number, struct graph **ret, struct graph_file *ret_file,
               struct error *reterr)
{
        struct graph_file file = { .number = number };
        char name[GRAPH_NAME_SIZE];
        int r;

        file.fd = openat(dirfd, graph_file_name(number, "", name),
                         O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (file.fd < 0 && errno == ELOOP)
                return error_set(reterr, -EBADMSG, "it is a link");
        if (file.fd < 0)
                return error_set_errno(reterr, -errno, "it cannot be opened");
        r = open_file(params, kernels, &file, ret, reterr);
        if (r < 0)
                graph_file_done(&file);
        else
                *ret_file = file;
        return r;
}
