/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/io.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct generation_spec fixture_spec = {
        .fingerprint = { .provider = "hashing",
                         .model = "",
                         .dimensions = FIXTURE_DIMENSIONS,
                         .normalize = true,
                         .version = 1 },
        .chunking = { .strategy = "sentence", .chunk_size = 256, .overlap = 32 },
        .index = { .backend = "flat", .metric = "cosine", .quantization = "none" },
        .language = "english",
        .text_rule = 1,
};

const struct store_limits fixture_limits = { .max_open_collections = 8 };

static struct fixture *new_fixture(void)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        const char *base = getenv("TMPDIR");

        assert_non_null(fixture);
        assert_true(sodium_init() >= 0);
        (void) snprintf(fixture->path, sizeof fixture->path, "%s/ragd-test-XXXXXX",
                        base ? base : "/tmp");
        assert_non_null(mkdtemp(fixture->path));
        return fixture;
}

static void open_store(struct fixture *fixture)
{
        struct error error = { 0 };

        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_ok(store_serve(fixture->store, &fixture_spec, &error));
        fixture->tenant = store_default_tenant(fixture->store);
}

void fixture_open(struct fixture *fixture)
{
        struct error error = { 0 };

        open_store(fixture);
        assert_ok(collection_open(fixture->store, fixture->tenant, "things", &fixture->collection,
                                  &error));
        fixture->generation = collection_serving(fixture->collection);
}

void fixture_close(struct fixture *fixture)
{
        fixture->generation = generation_unref(fixture->generation);
        fixture->collection = collection_unref(fixture->collection);
        fixture->store = store_close(fixture->store);
}

void fixture_reopen(struct fixture *fixture)
{
        fixture_close(fixture);
        fixture_open(fixture);
}

int fixture_setup_store(void **state)
{
        struct fixture *fixture = new_fixture();

        open_store(fixture);
        *state = fixture;
        return 0;
}

int fixture_setup(void **state)
{
        struct fixture *fixture = new_fixture();
        struct collection_info info;
        struct generation *building;
        struct error error = { 0 };

        open_store(fixture);
        assert_ok(collection_create(fixture->store, fixture->tenant, "things", NULL, NULL, &info,
                                    &error));
        collection_info_done(&info);
        assert_ok(collection_open(fixture->store, fixture->tenant, "things", &fixture->collection,
                                  &error));
        assert_ok(collection_new_generation(fixture->collection, &fixture_spec, &building,
                                            &error));
        assert_ok(collection_finish_generation(fixture->collection, 1, &error));
        fixture->generation = building;
        *state = fixture;
        return 0;
}

int fixture_teardown(void **state)
{
        struct fixture *fixture = *state;

        fixture_close(fixture);
        assert_int_equal(io_remove_tree(AT_FDCWD, fixture->path), 0);
        free(fixture);
        return 0;
}

void fixture_vector(uint32_t n, float ret[static FIXTURE_DIMENSIONS])
{
        for (uint32_t i = 0; i < FIXTURE_DIMENSIONS; i++)
                ret[i] = 0.01F * (float) ((n * 7 + i * 3) % 11) + 0.01F;
        ret[n % FIXTURE_DIMENSIONS] += 1.0F;
}

struct docs_receipt fixture_put(struct fixture *fixture, const char *external_id,
                                const char *text, const char *metadata)
{
        struct document_input input = {
                .external_id = external_id,
                .mime = "text/plain",
                .metadata = metadata,
                .body = text,
                .body_len = strlen(text),
        };
        struct docs_receipt receipt;
        struct error error = { 0 };

        assert_ok(docs_put(fixture->collection, &input, 1, (struct job_id){ 0 }, &receipt, &error));
        return receipt;
}

static int publish_change(struct collection *collection, struct generation *generation,
                          const struct docs_change *change, struct error *reterr)
{
        struct generation_change applied = { .doc_seq = change->doc_seq,
                                             .doc_no = change->doc_no,
                                             .docver = change->docver };
        struct document document = { 0 };
        float vector[FIXTURE_DIMENSIONS];
        struct generation_chunk chunk;
        uint32_t staged = 0;
        int r;

        if (change->docver == 0 || change->superseded) {
                applied.docver = 0;
                applied.keep_old = change->superseded;
                return generation_publish(generation, NULL, 0, &applied, 1, reterr);
        }
        r = docs_get_body(collection, change->docver, &document, reterr);
        if (r == 0)
                r = generation_staged(generation, change->docver, &staged, reterr);
        if (r < 0 && r != -ENOENT)
                return r;
        fixture_vector(change->docver, vector);
        chunk = (struct generation_chunk){ .docver = change->docver,
                                           .doc_no = change->doc_no,
                                           .end = (uint32_t) document.body_len,
                                           .tokens = 3,
                                           .text = document.body,
                                           .text_len = document.body_len,
                                           .vector = vector };
        r = generation_publish(generation, &chunk, document.body && staged == 0, &applied, 1,
                               reterr);
        document_done(&document);
        return r;
}

int fixture_follow(struct collection *collection, struct generation *generation,
                   struct error *reterr)
{
        for (;;) {
                cleanup_free_ struct docs_change *changes = NULL;
                size_t n = 0;
                int r = docs_changes(collection, generation_applied_seq(generation), 64, &changes,
                                     &n, reterr);

                for (size_t i = 0; r == 0 && i < n; i++)
                        r = publish_change(collection, generation, &changes[i], reterr);
                if (r < 0 || n == 0)
                        return r;
        }
}

/* Somewhere, and for each number elsewhere. */
static void scatter(uint32_t number, float ret[static FIXTURE_DIMENSIONS])
{
        for (uint32_t i = 0; i < FIXTURE_DIMENSIONS; i++) {
                number = number * 1664525U + 1013904223U;
                ret[i] = (float) (number >> 8) / (float) (1U << 24) - 0.5F;
        }
}

void fixture_fill(struct fixture *fixture, uint32_t from, uint32_t n, bool publish)
{
        static char ids[FIXTURE_GROUP][16], texts[FIXTURE_GROUP][32], title[16];
        static struct document_input inputs[FIXTURE_GROUP];
        static struct docs_receipt receipts[FIXTURE_GROUP];
        static struct generation_chunk chunks[FIXTURE_GROUP];
        static struct generation_change changes[FIXTURE_GROUP];
        static float vectors[FIXTURE_GROUP][FIXTURE_DIMENSIONS];
        struct error error = { 0 };

        assert_int_equal(n % FIXTURE_GROUP, 0);
        for (uint32_t first = from; first < from + n; first += FIXTURE_GROUP) {
                (void) snprintf(title, sizeof title, "title%u", first / FIXTURE_GROUP);
                for (uint32_t i = 0; i < FIXTURE_GROUP; i++) {
                        (void) snprintf(ids[i], sizeof ids[i], "doc%u", first + i);
                        (void) snprintf(texts[i], sizeof texts[i], "common word%u", first + i);
                        inputs[i] = (struct document_input){ .external_id = ids[i],
                                                             .mime = "text/plain",
                                                             .title = title,
                                                             .body = texts[i],
                                                             .body_len = strlen(texts[i]) };
                }
                assert_ok(docs_put(fixture->collection, inputs, FIXTURE_GROUP, (struct job_id){ 0 },
                                   receipts, &error));
                for (uint32_t i = 0; i < FIXTURE_GROUP; i++) {
                        uint32_t docver = (uint32_t) receipts[i].doc_seq;

                        scatter(first + i, vectors[i]);
                        chunks[i] = (struct generation_chunk){ .docver = docver,
                                                               .doc_no = first + i + 1,
                                                               .end = 1,
                                                               .tokens = 2,
                                                               .title = title,
                                                               .text = texts[i],
                                                               .text_len = strlen(texts[i]),
                                                               .vector = vectors[i] };
                        changes[i] = (struct generation_change){ docver, first + i + 1, docver,
                                                                 false };
                }
                assert_ok(generation_publish(fixture->generation, chunks, FIXTURE_GROUP, changes,
                                             publish ? FIXTURE_GROUP : 0, &error));
        }
}

bool fixture_finds(struct fixture *fixture, const char *words, const char *external_id)
{
        struct generation_view *view = generation_view_ref(fixture->generation);
        struct index_hit hits[64];
        struct error error = { 0 };
        uint32_t n = 0;
        bool found = false;

        assert_ok(generation_bm25(view, words, 64, NULL, NULL, hits, &n, &error));
        for (uint32_t i = 0; i < n && !found; i++) {
                struct document document = { 0 };
                int r = docs_get_version(fixture->collection,
                                         generation_view_docver(view, hits[i].slot), &document,
                                         &error);

                assert_true(r == 0 || r == -ENOENT);
                assert_int_equal(generation_view_check(view, hits[i].slot, &error), 0);
                found = r == 0 && strcmp(document.external_id, external_id) == 0;
                document_done(&document);
        }
        (void) generation_view_unref(view);
        return found;
}

const char *fixture_file(struct fixture *fixture, const char *file,
                         char ret[static FIXTURE_PATH_SIZE])
{
        char tenant[ID_TEXT_SIZE], collection[ID_TEXT_SIZE];

        (void) snprintf(ret, FIXTURE_PATH_SIZE, "tenants/%s/%s/%s",
                        id_format(fixture->tenant.id, tenant),
                        id_format(collection_get(fixture->collection)->id.id, collection), file);
        return ret;
}

void fixture_damage(struct fixture *fixture, const char *file, long offset, const void *bytes,
                    size_t len)
{
        char path[2 * FIXTURE_PATH_SIZE];
        FILE *stream;

        (void) snprintf(path, sizeof path, "%s/%s", fixture->path, file);
        stream = fopen(path, "r+");
        assert_non_null(stream);
        assert_int_equal(fseek(stream, offset, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, len, stream), len);
        assert_int_equal(fclose(stream), 0);
}
