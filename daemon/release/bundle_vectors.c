/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors of a release's generations as lines, one chunk in memory at a time. */
#include "release/bundle_inside.h"

#include "base/io.h"
#include "base/json.h"
#include "config/load.h"
#include "config/providers.h"
#include "provider/provider.h"
#include "release/record.h"
#include "release/record_files.h"
#include "release/spec.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/store.h"

#include <endian.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SCRATCH "incoming/export"

struct exporter {
        struct store *store;
        const struct bundle_sink *sink;
        char identity[65];
        int fd; /* of the piece that is being written; it has no name */
        uint64_t size;
        unsigned pieces;
        struct buf line;
        struct document document; /* that the last chunk belonged to */
};

static void exporter_done(struct exporter *exporter)
{
        if (exporter->fd >= 0)
                (void) close(exporter->fd);
        buf_done(&exporter->line);
        document_done(&exporter->document);
}

static int open_scratch(struct exporter *exporter, struct error *reterr)
{
        int dirfd = store_dirfd(exporter->store);
        char name[64];

        if (mkdirat(dirfd, "incoming", 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create incoming");
        (void) snprintf(name, sizeof name, SCRATCH "-%08x", randombytes_random());
        exporter->fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                              0600);
        if (exporter->fd < 0 || unlinkat(dirfd, name, 0) < 0)
                return error_set_errno(reterr, -errno, "cannot create a scratch file");
        return 0;
}

static int end_piece(struct exporter *exporter, struct error *reterr)
{
        char name[TARBALL_NAME_MAX];
        int r;

        if (exporter->size == 0)
                return 0;
        if (++exporter->pieces > 9999)
                return error_set(reterr, -EFBIG, "there are too many vectors for a bundle");
        (void) snprintf(name, sizeof name, "vectors/%s.%04u.jsonl", exporter->identity,
                        exporter->pieces);
        r = exporter->sink->piece(exporter->sink->data, name, exporter->fd, exporter->size, reterr);
        if (r == 0 && (ftruncate(exporter->fd, 0) < 0 || lseek(exporter->fd, 0, SEEK_SET) < 0))
                r = error_set_errno(reterr, -errno, "cannot empty the scratch file");
        exporter->size = 0;
        return r;
}

static void append_vector(struct buf *line, const float *vector, uint32_t dimensions)
{
        size_t raw = dimensions * sizeof *vector;
        size_t room = sodium_base64_ENCODED_LEN(raw, sodium_base64_VARIANT_ORIGINAL);
        uint32_t *bytes = malloc(raw);
        char *to = bytes ? buf_reserve(line, room) : NULL;

        if (to) {
                for (uint32_t i = 0; i < dimensions; i++) {
                        uint32_t bits;

                        memcpy(&bits, &vector[i], sizeof bits);
                        bytes[i] = htole32(bits);
                }
                (void) sodium_bin2base64(to, room, (const unsigned char *) bytes, raw,
                                         sodium_base64_VARIANT_ORIGINAL);
                line->len += room - 1;
        }
        line->failed |= !to;
        free(bytes);
}

/* As the follower embeds it: the title first, where the text does not begin with it. */
static void append_text(struct buf *line, const char *title, const struct chunk *chunk)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        size_t len = title ? strlen(title) : 0;

        if (len > 0 && (chunk->text_len < len || memcmp(chunk->text, title, len) != 0)) {
                buf_append(&text, title, len);
                buf_append_text(&text, "\n\n");
        }
        buf_append(&text, chunk->text, chunk->text_len);
        buf_append_json_string(line, buf_text(&text), text.len);
        line->failed |= buf_failed(&text);
}

static int write_line(struct exporter *exporter, const char *tenant, const struct chunk *chunk,
                      const float *vector, uint32_t dimensions, struct error *reterr)
{
        struct buf *line = &exporter->line;
        int r;

        buf_clear(line);
        buf_append_text(line, "{\"tenant\":");
        buf_append_json_string(line, tenant, strlen(tenant));
        buf_append_text(line, ",\"text\":");
        append_text(line, exporter->document.title, chunk);
        buf_append_text(line, ",\"vector_base64\":\"");
        append_vector(line, vector, dimensions);
        buf_append_text(line, "\"}\n");
        if (buf_failed(line))
                return error_oom(reterr);
        if (line->len > BUNDLE_LINE_BYTES_MAX)
                return 0; /* embedded again where it goes */
        r = io_write_all(exporter->fd, buf_text(line), line->len);
        if (r < 0)
                return error_set_errno(reterr, r, "cannot write the vectors");
        exporter->size += line->len;
        return exporter->size >= BUNDLE_PIECE_BYTES ? end_piece(exporter, reterr) : 0;
}

static const float *vector_of(const struct generation_view *view, uint32_t slot)
{
        for (size_t i = view->source.segment_count; i-- > 0;) {
                const struct index_segment *segment = &view->source.segments[i];

                if (slot >= segment->first_slot)
                        return slot - segment->first_slot < segment->count
                                       ? (const float *) (const void *) (
                                                 (const char *) segment->base +
                                                 (size_t) (slot - segment->first_slot) *
                                                         segment->stride_bytes)
                                       : NULL;
        }
        return NULL;
}

/* 1: exporter->document is the version's; 0: it is gone. */
static int find_document(struct exporter *exporter, struct collection *collection, uint32_t docver,
                         struct error *reterr)
{
        int r;

        if (exporter->document.docver == docver)
                return 1;
        document_done(&exporter->document);
        exporter->document = (struct document){ 0 };
        r = docs_get_version(collection, docver, &exporter->document, reterr);
        return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int export_slot(struct exporter *exporter, struct collection *collection, const char *tenant,
                       const struct generation_view *view, uint32_t slot, struct error *reterr)
{
        const float *vector = vector_of(view, slot);
        struct chunk chunk = { 0 };
        int r;

        if (!vector || generation_view_check(view, slot, NULL) < 0)
                return 0;
        r = find_document(exporter, collection, generation_view_docver(view, slot), reterr);
        if (r > 0)
                r = generation_get_chunk(view->generation, slot, &chunk, reterr);
        else
                return r;
        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = write_line(exporter, tenant, &chunk, vector,
                               generation_dimensions(view->generation), reterr);
        chunk_done(&chunk);
        return r;
}

static int export_generation(struct exporter *exporter, struct collection *collection,
                             struct generation *generation, struct error *reterr)
{
        struct generation_view *view;
        roaring_uint32_iterator_t at;
        char tenant[STORE_NAME_MAX + 1];
        int r = store_get_tenant_name(exporter->store, collection_get(collection)->tenant, tenant,
                                      reterr);

        if (r < 0)
                return r;
        view = generation_view_ref(generation);
        document_done(&exporter->document); /* its numbers are those of another collection */
        exporter->document = (struct document){ 0 };
        for (roaring_init_iterator(view->live, &at);
             r == 0 && at.has_value && at.current_value < view->committed;
             (void) roaring_advance_uint32_iterator(&at))
                r = export_slot(exporter, collection, tenant, view, at.current_value, reterr);
        (void) generation_view_unref(view);
        return r;
}

static int export_collection(struct exporter *exporter, const struct store_collection *id,
                             struct generation_spec spec, struct error *reterr)
{
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct collection *collection = NULL;
        struct generation *generation;
        int r = collection_open_by_id(exporter->store, id->tenant, id->collection, &collection,
                                      reterr);

        if (r < 0)
                return r == -ENOENT ? 0 : r; /* deleted meanwhile */
        spec.language = collection_get(collection)->language;
        generation_identity(&spec, identity);
        generation = collection_find_generation(collection, identity);
        if (generation)
                r = export_generation(exporter, collection, generation, reterr);
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        return r;
}

static int export_all(struct exporter *exporter, const struct generation_spec *spec,
                      struct error *reterr)
{
        cleanup_free_ struct store_collection *all = NULL;
        size_t n = 0;
        int r = open_scratch(exporter, reterr);

        if (r == 0)
                r = store_list_collections(exporter->store, &all, &n, reterr);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = export_collection(exporter, &all[i], *spec, reterr);
        return r < 0 ? r : end_piece(exporter, reterr);
}

int bundle_export_vectors(struct store *store, uint32_t number,
                          const uint8_t identity[static 32], const struct bundle_sink *sink,
                          struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_(exporter_done) struct exporter exporter = { .store = store, .sink = sink,
                                                             .fd = -1 };
        cleanup_(config_free_cleanup) struct config *config = NULL;
        const struct provider_config *embedder = NULL;
        uint8_t found[GENERATION_IDENTITY_BYTES] = { 0 };
        struct generation_spec spec;
        int r = release_load_config(store_dirfd(store), number, &config, &diagnostics, reterr);

        if (r == 0 && config_embedder(config, &embedder, NULL) == 0) {
                release_spec(config, embedder,
                             provider_ops_find(provider_kind_name(embedder->kind)), &spec);
                generation_identity(&spec, found);
        }
        if (r == 0 && memcmp(found, identity, sizeof found) != 0)
                r = error_set(reterr, -ESTALE, "the embedder of release %u is not what it was: its "
                                               "generations cannot be told; export it without "
                                               "vectors", number);
        if (r < 0)
                return r;
        (void) sodium_bin2hex(exporter.identity, sizeof exporter.identity, identity, 32);
        return export_all(&exporter, &spec, reterr);
}
