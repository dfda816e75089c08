/* SPDX-License-Identifier: Apache-2.0 */
/* The graph's file: opened at the beginning, written from time to time. */
#include "index/hnsw.h"

#include "base/buf.h"

static bool is_damage(int r)
{
        return r == -EBADMSG || r == -EIO;
}

/* The next one down is tried where this returns 0 and no graph came of it. */
static int open_number(struct index *index, uint32_t number, struct buf *damage,
                       struct error *reterr)
{
        struct hnsw *hnsw = index->state;
        struct graph *graph = NULL;
        struct error why = { 0 };
        char name[GRAPH_NAME_SIZE];
        int r = graph_open(&index->params, index->kernels, hnsw->dirfd, number, &graph,
                           &hnsw->file, &why);

        if (r == 0) {
                atomic_store(&hnsw->graph, graph);
                return 0;
        }
        (void) graph_file_name(number, "", name);
        if (!is_damage(r) && r != -EPROTONOSUPPORT)
                return error_set(reterr, r, "%s: %s", name, error_text(&why));
        if (is_damage(r))
                graph_file_set_aside(hnsw->dirfd, number);
        buf_append_format(damage, "%s%s was %s: %s; scans serve until the graph is rebuilt",
                          damage->len ? "; " : "", name,
                          is_damage(r) ? "set aside" : "left alone", error_text(&why));
        return 0;
}

int hnsw_file_open(struct index *index, char **ret_damage, struct error *reterr)
{
        struct hnsw *hnsw = index->state;
        cleanup_free_ uint32_t *numbers = NULL;
        struct buf damage = BUF_EMPTY;
        size_t n = 0;
        int r = graph_files_list(hnsw->dirfd, &numbers, &n, &hnsw->next_number, reterr);

        for (size_t i = 0; r == 0 && i < n && !atomic_load(&hnsw->graph); i++)
                r = open_number(index, numbers[i], &damage, reterr);
        if (r == 0 && hnsw->file.number > 0)
                graph_files_remove_older(hnsw->dirfd, hnsw->file.number);
        if (r == 0 && ret_damage && damage.len > 0)
                *ret_damage = buf_take(&damage);
        buf_done(&damage);
        return r;
}

int hnsw_save(struct index *index, struct error *reterr)
{
        struct hnsw *hnsw = index->state;
        struct graph *graph = atomic_load(&hnsw->graph);
        struct graph_file file;
        int r;

        if (hnsw->dirfd < 0 || !graph || graph_is_empty(graph) || hnsw->unsaved == 0)
                return 0;
        r = graph_save(graph, hnsw->dirfd, hnsw->next_number, NULL, &file, reterr);
        if (r < 0)
                return r;
        graph_file_done(&hnsw->file);
        hnsw->file = file;
        hnsw->next_number++;
        hnsw->unsaved = 0;
        return 0;
}
