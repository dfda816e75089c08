/* SPDX-License-Identifier: Apache-2.0 */
/* The graph's file: opened at the beginning, verified in the background, written from time to
 * time. */
#include "index/hnsw.h"

#include "base/buf.h"
#include "base/clock.h"

#define SAVE_NODES_MIN 1024U /* so many changes are worth a file while there is more to do, */
#define SAVE_SHARE 16U       /* or this part of the nodes, what is more */

static void take_file(struct hnsw *hnsw, struct graph_file file)
{
        graph_file_done(&hnsw->file);
        hnsw->file = file;
        atomic_store(&hnsw->file_number, file.number);
        atomic_store(&hnsw->file_bytes, file.header.file_bytes);
}

/* ---- Opening ---------------------------------------------------------------------------- */

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
        struct graph_file file;
        struct error why = { 0 };
        char name[GRAPH_NAME_SIZE];
        int r = graph_open(&index->params, index->kernels, hnsw->dirfd, number, &graph, &file,
                           &why);

        if (r == 0) {
                take_file(hnsw, file);
                atomic_store(&hnsw->graph, graph);
                hnsw->was_opened = true;
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
        int r;

        hnsw->file.fd = -1;
        hnsw->saved_usec = clock_monotonic_usec();
        if (hnsw->dirfd < 0)
                return 0;
        r = graph_files_list(hnsw->dirfd, &numbers, &n, &hnsw->next_number, reterr);
        for (size_t i = 0; r == 0 && i < n && !hnsw->was_opened; i++)
                r = open_number(index, numbers[i], &damage, reterr);
        if (r == 0 && hnsw->was_opened)
                graph_files_remove_older(hnsw->dirfd, hnsw->file.number);
        if (r == 0 && ret_damage && damage.len > 0)
                *ret_damage = buf_take(&damage);
        buf_done(&damage);
        return r;
}

void hnsw_file_done(struct hnsw *hnsw)
{
        graph_verify_free(hnsw->verify);
        graph_free(hnsw->retired);
        graph_file_done(&hnsw->file);
}

/* ---- Verifying -------------------------------------------------------------------------- */

/* No search finds the graph from now on; those that have it go on. */
static int set_aside(struct hnsw *hnsw, const struct error *why, struct error *reterr)
{
        char name[GRAPH_NAME_SIZE];

        (void) graph_file_name(hnsw->file.number, "", name);
        graph_file_set_aside(hnsw->dirfd, hnsw->file.number);
        graph_verify_free(hnsw->verify);
        hnsw->verify = NULL;
        hnsw->was_opened = false;
        take_file(hnsw, (struct graph_file){ .fd = -1 });
        hnsw->retired = atomic_exchange(&hnsw->graph, NULL);
        hnsw->retired_epoch = walkers_advance(&hnsw->walkers);
        return error_set(reterr, -EBADMSG,
                         "%s was set aside: %s; scans serve until the graph is rebuilt", name,
                         error_text(why));
}

static void free_retired(struct hnsw *hnsw)
{
        if (!hnsw->retired || !walkers_passed(&hnsw->walkers, hnsw->retired_epoch))
                return;
        graph_free(hnsw->retired);
        hnsw->retired = NULL;
}

static int verify_step(struct hnsw *hnsw, struct graph *graph, const struct index_source *source,
                       struct error *reterr)
{
        struct error why = { 0 };
        int r = hnsw->verify ? 0 : graph_verify_new(graph, &hnsw->file, &hnsw->verify, reterr);

        if (r < 0)
                return r;
        r = graph_verify_step(hnsw->verify, source, &why);
        if (r < 0)
                return set_aside(hnsw, &why, reterr);
        if (r == 0) {
                graph_verify_free(hnsw->verify);
                hnsw->verify = NULL;
        }
        return INDEX_AGAIN;
}

int hnsw_file_step(struct index *index, const struct index_source *source,
                   const struct index_check *check, struct error *reterr)
{
        struct hnsw *hnsw = index->state;
        struct graph *graph = atomic_load(&hnsw->graph);
        int r = check && check->check ? check->check(check->userdata) : 0;

        free_retired(hnsw);
        if (!hnsw->was_opened)
                return INDEX_REST;
        if (r < 0)
                return error_set(reterr, r, "the upkeep was ended early");
        if (atomic_load(&graph->unverified))
                return verify_step(hnsw, graph, source, reterr);
        if (!index->params.map_files && graph_load_step(graph, NULL) > 0)
                return INDEX_AGAIN;
        (void) close(take_fd(hnsw->file.fd));
        hnsw->was_opened = false; /* what is not in memory by now stays mapped */
        return INDEX_REST;
}

/* ---- Checkpoints ------------------------------------------------------------------------ */

static int save(struct hnsw *hnsw, const struct graph *graph, const struct index_check *check,
                struct error *reterr)
{
        struct graph_file file;
        int r = graph_save(graph, hnsw->dirfd, hnsw->next_number, check, &file, reterr);

        hnsw->saved_usec = clock_monotonic_usec();
        if (r < 0)
                return r;
        take_file(hnsw, file);
        hnsw->next_number++;
        hnsw->unsaved = 0;
        return 0;
}

/* An empty graph needs no file. */
static bool may_save(const struct hnsw *hnsw, const struct graph *graph)
{
        return hnsw->dirfd >= 0 && hnsw->unsaved > 0 && graph && !graph_is_empty(graph);
}

static bool is_worth_a_file(const struct hnsw *hnsw, const struct graph *graph)
{
        uint64_t share = graph_count(graph, 0) / SAVE_SHARE;

        return hnsw->unsaved > (share > SAVE_NODES_MIN ? share : SAVE_NODES_MIN);
}

int hnsw_checkpoint(struct index *index, const struct index_source *source, enum index_step step,
                    const struct index_check *check, struct error *reterr)
{
        struct hnsw *hnsw = index->state;
        struct graph *graph = atomic_load(&hnsw->graph);
        uint64_t wait_usec = index->params.checkpoint_seconds * USEC_PER_SEC;

        if (may_save(hnsw, graph)) {
                graph_take_witnesses(graph, source);
                if (clock_monotonic_usec() - hnsw->saved_usec < wait_usec) {
                        if (step == INDEX_REST)
                                step = INDEX_LATER;
                } else if (step != INDEX_AGAIN || is_worth_a_file(hnsw, graph)) {
                        int r = save(hnsw, graph, check, reterr);

                        if (r < 0)
                                return r;
                }
        }
        if (hnsw->retired && step == INDEX_REST)
                step = INDEX_LATER;
        return (int) step;
}

int hnsw_save(struct index *index, struct error *reterr)
{
        struct hnsw *hnsw = index->state;
        struct graph *graph = atomic_load(&hnsw->graph);

        return may_save(hnsw, graph) ? save(hnsw, graph, NULL, reterr) : 0;
}
