/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that writes the embedding cache's file, so that nobody who embeds waits for the disk.
 * Any thread; for embedding_cache.c. */
#pragma once
#include "store/embedding_file.h"

struct embedding_writer;

/* Takes the file, also on failure. */
int embedding_writer_new(struct embedding_file *takes_file, size_t vector_bytes,
                         struct embedding_writer **ret, struct error *reterr);
/* Writes what waits, ends the thread, closes the file. */
struct embedding_writer *embedding_writer_free(struct embedding_writer *writer);

/* `vector` is copied, `tenant` borrowed until the writer is freed; both for EMBEDDING_PUT alone.
 * What does not fit into the memory for what waits is dropped and counted. */
void embedding_writer_add(struct embedding_writer *writer, enum embedding_act act,
                          const struct embedding_key *key, const char *tenant,
                          const float *vector, uint64_t now_usec);
/* The file was found damaged: it is set aside soon. */
void embedding_writer_repair(struct embedding_writer *writer);

/* These wait for the disk; see embedding_cache.h. */
int embedding_writer_purge(struct embedding_writer *writer, const char *tenant,
                           struct error *reterr);
int embedding_writer_flush(struct embedding_writer *writer, struct error *reterr);

struct embedding_writer_figures {
        uint64_t entries; /* in the file, under its fingerprint */
        uint64_t failed;  /* entries that did not reach the file */
};
void embedding_writer_get_figures(struct embedding_writer *writer,
                                  struct embedding_writer_figures *ret);
