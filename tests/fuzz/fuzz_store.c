/* SPDX-License-Identifier: Apache-2.0 */
/* A state folder in which one file was damaged: format, registry.db, docs.db, MANIFEST, gen.db
 * or a vector segment.  Opening and reading it gives an error or an answer, never a crash.
 *
 * Input: which file; how (0: the rest replaces it, 1: the rest are patches of three bytes offset
 * and one byte content, 2: the same after cutting the file at the first three bytes). */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "index/filter.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/jobs.h"
#include "store/store.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WIDTH 4
#define FILES 6

static char root[64];
static struct {
        char path[256];
        char *good;
        size_t len;
} files[FILES];

static const struct generation_spec spec = {
        .fingerprint = { .provider = "mock", .model = "", .dimensions = WIDTH, .version = 1 },
        .chunking = { .strategy = "sentence", .chunk_size = 64 },
        .index = { .backend = "flat", .metric = "cosine" },
        .language = "english",
        .text_rule = 1,
};

static void need(int r)
{
        if (r < 0)
                abort();
}

static void fill(struct collection *collection, struct generation *generation)
{
        for (unsigned i = 1; i <= 6; i++) {
                char id[8], text[32];
                float vector[WIDTH] = { 1, (float) i, 0, 2 };
                struct document_input input = { .external_id = id, .mime = "text/plain",
                                                .metadata = "{\"k\":\"v\",\"n\":3}", .body = text };
                struct docs_receipt receipt;
                struct generation_chunk chunk = { .doc_no = i, .text = text, .vector = vector };
                struct generation_change change = { .doc_no = i };

                (void) snprintf(id, sizeof id, "d%u", i);
                (void) snprintf(text, sizeof text, "copper kettle %u", i);
                input.body_len = chunk.text_len = strlen(text);
                need(docs_put(collection, &input, 1, (struct job_id){ 0 }, &receipt, NULL));
                change.doc_seq = receipt.doc_seq;
                change.docver = chunk.docver = (uint32_t) receipt.doc_seq;
                need(generation_publish(generation, &chunk, 1, &change, 1, NULL));
        }
}

/* A sound folder, and the bytes of its files. */
static void prepare(void)
{
        static const char *const names[FILES] = { "", "", "docs.db", "g0001/MANIFEST",
                                                  "g0001/gen.db", "g0001/vectors.0001" };
        char tenant[ID_TEXT_SIZE], id[ID_TEXT_SIZE];
        struct collection *collection;
        struct collection_info info;
        struct generation *generation;
        struct store *store;

        need(sodium_init());
        (void) strcpy(root, "/dev/shm/fuzz-store-XXXXXX");
        if (!mkdtemp(root)) {
                (void) strcpy(root, "/tmp/fuzz-store-XXXXXX");
                need(mkdtemp(root) ? 0 : -1);
        }
        need(store_open(root, &(struct store_limits){ .max_open_collections = 4 }, &store, NULL));
        need(collection_create(store, store_default_tenant(store), "things", NULL, NULL, &info,
                               NULL));
        need(collection_open(store, info.tenant, "things", &collection, NULL));
        need(collection_new_generation(collection, &spec, &generation, NULL));
        need(collection_finish_generation(collection, 1, NULL));
        fill(collection, generation);
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        (void) store_close(store);
        (void) snprintf(files[0].path, sizeof files[0].path, "%s/format", root);
        (void) snprintf(files[1].path, sizeof files[1].path, "%s/registry.db", root);
        for (size_t i = 2; i < FILES; i++)
                (void) snprintf(files[i].path, sizeof files[i].path, "%s/tenants/%s/%s/%s", root,
                                id_format(info.tenant.id, tenant), id_format(info.id.id, id),
                                names[i]);
        for (size_t i = 0; i < FILES; i++)
                need(io_read_file(AT_FDCWD, files[i].path, 1 << 24, &files[i].good, &files[i].len,
                                  NULL));
        collection_info_done(&info);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
        static const char *const beside[] = { "-wal", "-shm" };
        FILE *stream;
        char name[300];

        for (size_t i = 0; i < ELEMENTSOF(beside); i++) {
                (void) snprintf(name, sizeof name, "%s%s", path, beside[i]);
                (void) unlink(name);
        }
        stream = fopen(path, "w");
        if (!stream || (len > 0 && fwrite(bytes, 1, len, stream) != len) || fclose(stream) != 0)
                abort();
}

/* What an earlier input left (a generation set aside) is undone: all files are as they were. */
static void restore(void)
{
        char folder[256], aside[300];

        (void) snprintf(folder, sizeof folder, "%s", files[4].path);
        *strrchr(folder, '/') = '\0';
        (void) snprintf(aside, sizeof aside, "%s.damaged", folder);
        (void) io_remove_tree(AT_FDCWD, aside);
        (void) io_remove_tree(AT_FDCWD, folder);
        need(io_make_directories(folder, 0700, NULL));
        for (size_t i = 0; i < FILES; i++)
                write_file(files[i].path, files[i].good, files[i].len);
}

static void damage(size_t which, unsigned how, const uint8_t *data, size_t size)
{
        size_t len = files[which].len;
        char *bytes;

        if (how == 0) {
                write_file(files[which].path, data, size);
                return;
        }
        bytes = malloc(len);
        if (!bytes)
                abort();
        memcpy(bytes, files[which].good, len);
        if (how == 2 && size >= 3) {
                size_t cut = (size_t) data[0] << 16 | (size_t) data[1] << 8 | data[2];

                len = cut < len ? cut : len;
                data += 3;
                size -= 3;
        }
        for (; size >= 4 && len > 0; data += 4, size -= 4)
                bytes[((size_t) data[0] << 16 | (size_t) data[1] << 8 | data[2]) % len] =
                        (char) data[3];
        write_file(files[which].path, bytes, len);
        free(bytes);
}

static void read_view(struct generation *generation)
{
        struct generation_view *view = generation_view_ref(generation);
        float vector[WIDTH] = { 0.5F, 0.5F, 0.5F, 0.5F };
        struct index_query query = { .vector = vector, .dimensions = WIDTH, .k = 8,
                                     .live = view->live };
        struct index_stats stats;
        struct index_hit hits[8];
        size_t n_dense = 0;
        uint32_t n = 0;

        (void) index_search(view->index, &view->source, &query, hits, &n_dense, &stats, NULL);
        for (size_t i = 0; i < n_dense; i++)
                (void) generation_view_check(view, hits[i].slot, NULL);
        (void) generation_bm25(view, "copper", 8, NULL, NULL, hits, &n, NULL);
        for (uint32_t i = 0; i < n; i++) {
                struct chunk chunk = { 0 };

                if (generation_get_chunk(generation, hits[i].slot, &chunk, NULL) == 0)
                        chunk_done(&chunk);
                (void) generation_view_docver(view, hits[i].slot);
        }
        (void) generation_view_unref(view);
}

static void read_generation(struct generation *generation)
{
        struct generation_info info;
        struct chunk *chunks;
        size_t n;
        bool more;

        read_view(generation);
        if (generation_get_chunks(generation, 2, &chunks, &n, NULL) == 0)
                (void) chunks_free(chunks, n);
        (void) generation_get_info(generation, &info, NULL);
        (void) generation_scrub(generation, NULL);
        (void) generation_forget(generation, 3, NULL);
        (void) generation_tidy(generation, &more, NULL);
        read_view(generation);
}

static void read_documents(struct collection *collection)
{
        cleanup_json_ struct json_object *object = json_tokener_parse(
                "{\"type\":\"eq\",\"key\":\"k\",\"value\":\"v\"}");
        struct document *documents, document = { 0 };
        struct docs_change *changes;
        struct docs_counts counts;
        struct filter *filter;
        roaring_bitmap_t *docvers;
        size_t n;

        if (docs_list(collection, NULL, 100, &documents, &n, NULL) == 0)
                (void) documents_free(documents, n);
        if (docs_changes(collection, 0, 100, &changes, &n, NULL) == 0)
                free(changes);
        if (docs_get_body(collection, 2, &document, NULL) == 0)
                document_done(&document);
        (void) docs_count(collection, &counts, NULL);
        if (filter_parse(object, "", &filter, NULL) == 0) {
                if (docs_filter(collection, filter, &docvers, NULL) == 0)
                        roaring_bitmap_free(docvers);
                filter_free(filter);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct collection *collection;
        struct collection_info *infos;
        struct store *store;
        struct job *jobs;
        size_t n;

        if (size < 2)
                return 0;
        if (!root[0])
                prepare();
        restore();
        damage(data[0] % FILES, data[1] % 3, data + 2, size - 2);
        if (store_open(root, &(struct store_limits){ .max_open_collections = 4 }, &store, NULL) < 0)
                return 0;
        need(store_serve(store, &spec, NULL));
        if (jobs_list_open(store, NULL, &jobs, &n, NULL) == 0)
                (void) jobs_free(jobs, n);
        if (collection_list(store, store_default_tenant(store), NULL, 10, &infos, &n, NULL) == 0)
                (void) collection_infos_free(infos, n);
        if (collection_open(store, store_default_tenant(store), "things", &collection, NULL) == 0) {
                struct generation *generation = collection_serving(collection);

                if (generation)
                        read_generation(generation);
                (void) generation_unref(generation);
                read_documents(collection);
                (void) collection_unref(collection);
        }
        (void) store_close(store);
        return 0;
}
