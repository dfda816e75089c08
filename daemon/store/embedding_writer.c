/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be written waits in a list for a thread, which carries it out in batches.
 *
 * Locks: `writing` is held while operations are taken from the list and carried out, `lock` for a
 * few instructions; `writing` first. */
#include "store/embedding_writer.h"

#include <pthread.h>
#include <string.h>

#define BATCH_OPS 256 /* in one transaction: other processes write between two */
#define QUEUE_BYTES_MAX ((size_t) 64 * 1024 * 1024)

struct embedding_writer {
        struct embedding_file *file;
        size_t vector_bytes;
        pthread_mutex_t writing;
        pthread_mutex_t lock; /* of what follows */
        pthread_cond_t wake, written;
        struct embedding_op *first, **last;
        size_t n, bytes;
        uint64_t n_queued, n_written;
        uint64_t n_failed_batches, n_told_batches; /* told: by a flush */
        struct error failure; /* of the last batch that failed */
        struct embedding_writer_figures figures;
        bool repair, stopping, has_thread;
        pthread_t thread;
};

static size_t op_bytes(const struct embedding_writer *writer, enum embedding_act act)
{
        return sizeof(struct embedding_op) + (act == EMBEDDING_PUT ? writer->vector_bytes : 0);
}

void embedding_writer_add(struct embedding_writer *writer, enum embedding_act act,
                          const struct embedding_key *key, const char *tenant,
                          const float *vector, uint64_t now_usec)
{
        size_t bytes = op_bytes(writer, act);
        struct embedding_op *op = NULL;

        (void) pthread_mutex_lock(&writer->lock);
        if (writer->bytes + bytes <= QUEUE_BYTES_MAX)
                op = malloc(bytes);
        if (op) {
                *op = (struct embedding_op){
                        .act = act, .key = *key, .tenant = tenant, .now_usec = now_usec,
                };
                if (act == EMBEDDING_PUT)
                        memcpy(op->vector, vector, writer->vector_bytes);
                *writer->last = op;
                writer->last = &op->next;
                writer->bytes += bytes;
                writer->n_queued++;
                if (writer->n++ == 0)
                        (void) pthread_cond_signal(&writer->wake);
        } else {
                writer->figures.failed += act == EMBEDDING_PUT;
        }
        (void) pthread_mutex_unlock(&writer->lock);
}

void embedding_writer_repair(struct embedding_writer *writer)
{
        (void) pthread_mutex_lock(&writer->lock);
        writer->repair = true;
        (void) pthread_cond_signal(&writer->wake);
        (void) pthread_mutex_unlock(&writer->lock);
}

/* ---- The thread --------------------------------------------------------------------------- */

/* Under the lock: the first of those that wait, a batch of them. */
static struct embedding_op *take_batch(struct embedding_writer *writer)
{
        struct embedding_op *batch = writer->first, **link = &batch;

        for (size_t i = 0; i < BATCH_OPS && *link; i++) {
                writer->n--;
                writer->bytes -= op_bytes(writer, (*link)->act);
                link = &(*link)->next;
        }
        writer->first = *link;
        if (!writer->first)
                writer->last = &writer->first;
        *link = NULL;
        return batch;
}

static void count_batch(struct embedding_writer *writer, struct embedding_op *takes_batch, int r,
                        const struct error *error, uint64_t entries)
{
        struct embedding_op *next;

        for (struct embedding_op *op = takes_batch; op; op = next) {
                next = op->next;
                writer->n_written++;
                writer->figures.failed += r < 0 && op->act == EMBEDDING_PUT;
                free(op);
        }
        if (r < 0) {
                writer->failure = *error;
                writer->n_failed_batches++;
        } else {
                writer->figures.entries = entries;
        }
        (void) pthread_cond_broadcast(&writer->written);
}

static void write_batch(struct embedding_writer *writer)
{
        struct embedding_op *batch;
        struct error error = { 0 };
        uint64_t entries = 0;
        int r = 0;

        (void) pthread_mutex_lock(&writer->writing);
        (void) pthread_mutex_lock(&writer->lock);
        batch = take_batch(writer);
        (void) pthread_mutex_unlock(&writer->lock);
        if (batch)
                r = embedding_file_write(writer->file, batch, &entries, &error);
        (void) pthread_mutex_lock(&writer->lock);
        if (batch)
                count_batch(writer, batch, r, &error, entries);
        (void) pthread_mutex_unlock(&writer->lock);
        (void) pthread_mutex_unlock(&writer->writing);
}

static void *run_thread(void *data)
{
        struct embedding_writer *writer = data;

        (void) pthread_mutex_lock(&writer->lock);
        while (!writer->stopping || writer->first) {
                bool repair = writer->repair;

                if (!writer->first && !repair) {
                        (void) pthread_cond_wait(&writer->wake, &writer->lock);
                        continue;
                }
                writer->repair = false;
                (void) pthread_mutex_unlock(&writer->lock);
                if (repair) /* fails where the next write fails, and that is counted */
                        (void) embedding_file_repair(writer->file, NULL);
                write_batch(writer);
                (void) pthread_mutex_lock(&writer->lock);
        }
        (void) pthread_mutex_unlock(&writer->lock);
        return NULL;
}

int embedding_writer_new(struct embedding_file *takes_file, size_t vector_bytes,
                         struct embedding_writer **ret, struct error *reterr)
{
        struct embedding_writer *writer = calloc(1, sizeof *writer);
        int r;

        if (!writer) {
                (void) embedding_file_close(takes_file);
                return error_oom(reterr);
        }
        writer->file = takes_file;
        writer->vector_bytes = vector_bytes;
        writer->last = &writer->first;
        writer->figures.entries = embedding_file_entries(takes_file);
        (void) pthread_mutex_init(&writer->writing, NULL);
        (void) pthread_mutex_init(&writer->lock, NULL);
        (void) pthread_cond_init(&writer->wake, NULL);
        (void) pthread_cond_init(&writer->written, NULL);
        r = -pthread_create(&writer->thread, NULL, run_thread, writer);
        writer->has_thread = r == 0;
        if (r < 0) {
                (void) embedding_writer_free(writer);
                return error_set_errno(reterr, r, "cannot start a thread for the embedding cache");
        }
        *ret = writer;
        return 0;
}

struct embedding_writer *embedding_writer_free(struct embedding_writer *writer)
{
        if (!writer)
                return NULL;
        (void) pthread_mutex_lock(&writer->lock);
        writer->stopping = true;
        (void) pthread_cond_signal(&writer->wake);
        (void) pthread_mutex_unlock(&writer->lock);
        if (writer->has_thread)
                (void) pthread_join(writer->thread, NULL);
        (void) embedding_file_close(writer->file);
        (void) pthread_cond_destroy(&writer->written);
        (void) pthread_cond_destroy(&writer->wake);
        (void) pthread_mutex_destroy(&writer->lock);
        (void) pthread_mutex_destroy(&writer->writing);
        free(writer);
        return NULL;
}

/* ---- What others wait for ----------------------------------------------------------------- */

/* Under the lock. */
static void forget_queued(struct embedding_writer *writer, const char *tenant)
{
        struct embedding_op **link = &writer->first;

        while (*link) {
                struct embedding_op *op = *link;

                if (!op->tenant || strcmp(op->tenant, tenant) != 0) {
                        link = &op->next;
                        continue;
                }
                *link = op->next;
                writer->n--;
                writer->n_written++;
                writer->bytes -= op_bytes(writer, op->act);
                free(op);
        }
        writer->last = link;
        (void) pthread_cond_broadcast(&writer->written);
}

int embedding_writer_purge(struct embedding_writer *writer, const char *tenant,
                           struct error *reterr)
{
        uint64_t entries = 0;
        int r;

        (void) pthread_mutex_lock(&writer->writing); /* what was being written is written */
        (void) pthread_mutex_lock(&writer->lock);
        forget_queued(writer, tenant);
        (void) pthread_mutex_unlock(&writer->lock);
        r = embedding_file_purge(writer->file, tenant, &entries, reterr);
        (void) pthread_mutex_lock(&writer->lock);
        if (r == 0)
                writer->figures.entries = entries;
        (void) pthread_mutex_unlock(&writer->lock);
        (void) pthread_mutex_unlock(&writer->writing);
        return r;
}

int embedding_writer_flush(struct embedding_writer *writer, struct error *reterr)
{
        uint64_t until;
        int r = 0;

        (void) pthread_mutex_lock(&writer->lock);
        until = writer->n_queued;
        while (writer->n_written < until)
                (void) pthread_cond_wait(&writer->written, &writer->lock);
        if (writer->n_failed_batches > writer->n_told_batches) {
                writer->n_told_batches = writer->n_failed_batches;
                r = writer->failure.code;
                if (reterr)
                        *reterr = writer->failure;
        }
        (void) pthread_mutex_unlock(&writer->lock);
        return r;
}

void embedding_writer_get_figures(struct embedding_writer *writer,
                                  struct embedding_writer_figures *ret)
{
        (void) pthread_mutex_lock(&writer->lock);
        *ret = writer->figures;
        (void) pthread_mutex_unlock(&writer->lock);
}
