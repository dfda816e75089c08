/* SPDX-License-Identifier: Apache-2.0 */
#include "release/vectors.h"

#include "base/crash.h"
#include "base/io.h"
#include "config/providers.h"
#include "gateway/gateway.h"
#include "provider/provider.h"
#include "release/record_files.h"
#include "store/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "vectors"
#define FLUSH_BYTES (UINT64_C(8) << 20)

/* ---- Reading ------------------------------------------------------------------------------ */

struct reading {
        struct releases *releases;
        struct error error;
        char tenant[STORE_NAME_MAX + 1]; /* that was sought last; "": none was */
        struct tenant_id id;
        bool known;
        uint32_t dimensions; /* 0: any */
        uint64_t count, passed_over;
        /* To take them. */
        struct operation *operation;
        uint64_t total, waiting_bytes;
};

static int find_tenant(struct reading *reading, const char *name)
{
        int r;

        if (strcmp(reading->tenant, name) == 0)
                return 0;
        r = store_find_tenant(reading->releases->settings.store, name, &reading->id,
                              &reading->error);
        if (r < 0 && r != -ENOENT && r != -EINVAL)
                return r;
        reading->known = r == 0;
        (void) snprintf(reading->tenant, sizeof reading->tenant, "%s",
                        strlen(name) < sizeof reading->tenant ? name : "");
        return 0;
}

static int count_one(void *data, const struct bundle_vector *vector)
{
        struct reading *reading = data;
        int r = find_tenant(reading, vector->tenant);

        if (r < 0)
                return r;
        if (reading->dimensions && vector->dimensions != reading->dimensions)
                return error_set(&reading->error, -EBADMSG,
                                 "a vector of the bundle has %u components, and the release's have "
                                 "%u",
                                 vector->dimensions, reading->dimensions);
        reading->count += reading->known;
        reading->passed_over += !reading->known;
        return 0;
}

/* What a callback said stands in reading->error, all else in *reterr. */
static int read_all(struct reading *reading, const struct bundle *bundle,
                    int (*each)(void *data, const struct bundle_vector *vector),
                    struct error *reterr)
{
        int r = bundle_read_vectors(bundle, each, reading, reterr);

        if (r < 0 && reading->error.code < 0 && reterr)
                *reterr = reading->error;
        return r;
}

/* ---- At the plan -------------------------------------------------------------------------- */

/* Why they are of no use here; false: they are. */
static bool is_useless(const struct bundle *bundle, const struct provider_config *embedder,
                       const uint8_t *identity, char why[static 192])
{
        const char *kind = provider_kind_name(embedder->kind);
        const struct provider_ops *ops = provider_ops_find(kind);

        if (ops->from_client)
                (void) snprintf(why, 192, "clients send the vectors of their documents");
        else if (!ops->wire)
                (void) snprintf(why, 192, "the embedder %s is built in: it costs nothing to ask it",
                                kind);
        else if (memcmp(bundle->identity, identity, sizeof bundle->identity) != 0)
                (void) snprintf(why, 192, "with this stage's own values other indexes are wanted "
                                          "than the bundle's vectors are of");
        else
                return false;
        return true;
}

static int refuse(struct config_diagnostics *diagnostics, const char *path,
                  const struct error *error, const char *hint, struct error *reterr)
{
        config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_VECTORS", "bundle", 0, 0, path, "%s",
                               error_text(error));
        config_diagnostics_hint(diagnostics, "%s", hint);
        return error_set(reterr, -EUCLEAN, "the bundle's vectors cannot be used: %s",
                         error_text(error));
}

/* What the cache would hold must be what the gateway had put there itself. */
static int check_use(const struct config *config, const struct generation_spec *spec,
                     uint64_t count, struct config_diagnostics *diagnostics, struct error *reterr)
{
        static const char without[] = "or export the release without its vectors";
        struct error error = { 0 };

        if (!config->embedding.normalize && strcmp(spec->index.metric, "cosine") == 0) {
                (void) error_set(&error, -EINVAL,
                                 "an index that compares by cosine keeps vectors at unit length, "
                                 "and rag.embedding.normalize = false asks for them as the "
                                 "embedder gave them");
                return refuse(diagnostics, "rag.embedding.normalize", &error,
                              "export the release without its vectors", reterr);
        }
        if (gateway_check_room(&config->embedding, count, &error) < 0)
                return refuse(diagnostics,
                              config->embedding.cache_enabled ? "rag.embedding.cache_size"
                                                              : "rag.embedding.cache_enabled",
                              &error, without, reterr);
        return 0;
}

int vectors_look(struct releases *releases, const struct bundle *bundle,
                 const struct config *config, struct config_diagnostics *diagnostics,
                 struct json_object **ret, bool *ret_used, struct error *reterr)
{
        struct reading reading = { .releases = releases };
        const struct provider_config *embedder = NULL;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation_spec spec;
        struct json_object *object;
        char why[192] = "";
        int r;

        *ret = NULL;
        *ret_used = false;
        if (!bundle->vectors)
                return 0;
        r = release_wants(config, &spec, identity, &embedder, reterr);
        if (r < 0)
                return r;
        *ret_used = !is_useless(bundle, embedder, identity, why);
        if (*ret_used)
                reading.dimensions = config->vector_storage.dimensions;
        r = read_all(&reading, bundle, count_one, reterr);
        if (r == 0 && *ret_used)
                r = check_use(config, &spec, reading.count, diagnostics, reterr);
        if (r < 0)
                return r;
        object = json_object_new_object();
        if (!object)
                return error_oom(reterr);
        json_add_u64(object, "count", reading.count);
        json_add_u64(object, "passed_over", reading.passed_over);
        json_add_bool(object, "used", *ret_used);
        json_add_string(object, "why", why[0] ? why : NULL);
        *ret = object;
        return 0;
}

/* ---- From folder to folder ---------------------------------------------------------------- */

static int sync_pieces(const struct bundle *bundle, const char *folder, struct error *reterr)
{
        char identity[2 * sizeof bundle->identity + 1], name[96];
        cleanup_close_ int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = folder_fd < 0 ? -errno : 0;

        (void) sodium_bin2hex(identity, sizeof identity, bundle->identity, sizeof bundle->identity);
        for (unsigned piece = 1; r == 0; piece++) {
                cleanup_close_ int fd = -1;

                (void) snprintf(name, sizeof name, "%s.%04u.jsonl", identity, piece);
                fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 && errno == ENOENT)
                        break;
                if (fd < 0 || fsync(fd) < 0)
                        r = -errno;
        }
        if (r == 0)
                r = io_sync_directory(folder_fd, ".");
        return r < 0 ? error_set_errno(reterr, r, "cannot make the bundle's vectors durable") : 0;
}

int vectors_move(struct releases *releases, const struct bundle *bundle, uint32_t number,
                 struct error *reterr)
{
        char from[PATH_MAX], to[RECORD_PATH_SIZE], folder[RECORD_PATH_SIZE];
        int r;

        (void) snprintf(from, sizeof from, "%s/" FOLDER, bundle->folder);
        r = sync_pieces(bundle, from, reterr);
        if (r < 0)
                return r;
        if (renameat(AT_FDCWD, from, releases->state_dirfd, record_path(number, FOLDER, to)) < 0)
                return error_set_errno(reterr, -errno, "cannot move the bundle's vectors");
        r = io_sync_directory(releases->state_dirfd, record_path(number, NULL, folder));
        if (r < 0) {
                vectors_move_back(releases, bundle, number);
                return error_set_errno(reterr, r, "cannot make the bundle's vectors durable");
        }
        crash_point("vectors.moved");
        return 0;
}

void vectors_move_back(struct releases *releases, const struct bundle *bundle, uint32_t number)
{
        char from[RECORD_PATH_SIZE], to[PATH_MAX];

        (void) snprintf(to, sizeof to, "%s/" FOLDER, bundle->folder);
        (void) renameat(releases->state_dirfd, record_path(number, FOLDER, from), AT_FDCWD, to);
}

void vectors_remove(struct releases *releases, uint32_t number)
{
        char path[RECORD_PATH_SIZE];

        (void) io_remove_tree(releases->state_dirfd, record_path(number, FOLDER, path));
}

void vectors_sweep(struct releases *releases, uint32_t working)
{
        cleanup_free_ uint32_t *numbers = NULL;
        size_t n = 0;

        if (record_numbers(releases->state_dirfd, "releases", "", &numbers, &n, NULL) < 0)
                return;
        for (size_t i = 0; i < n; i++)
                if (numbers[i] != working)
                        vectors_remove(releases, numbers[i]);
}

/* ---- Into the cache ----------------------------------------------------------------------- */

static int flush(struct reading *reading)
{
        struct operation *operation = reading->operation;
        int r = gateway_flush_vectors(operation->candidate->gateway, &reading->error);

        reading->waiting_bytes = 0;
        operation_progress(reading->releases, operation, "taking vectors", reading->count,
                           reading->total);
        if (r < 0)
                return r;
        switch (operation_wish(reading->releases, operation)) {
        case WISH_CANCEL:
                return error_set(&reading->error, -ECANCELED, "cancelled");
        case WISH_STOP:
                return error_set(&reading->error, -ESHUTDOWN, "the daemon stops");
        default:
                return 0;
        }
}

static int take_one(void *data, const struct bundle_vector *vector)
{
        struct reading *reading = data;
        const struct embed_text text = { .text = vector->text, .len = vector->len };
        int r = find_tenant(reading, vector->tenant);

        if (r < 0)
                return r;
        if (!reading->known) {
                reading->passed_over++;
                return 0;
        }
        r = gateway_take_vector(reading->operation->candidate->gateway, reading->id, &text,
                                vector->vector, vector->dimensions, &reading->error);
        if (r < 0)
                return r;
        reading->count++;
        reading->waiting_bytes += vector->dimensions * sizeof *vector->vector;
        return reading->waiting_bytes >= FLUSH_BYTES ? flush(reading) : 0;
}

static int take_all(struct reading *reading, uint64_t expected, struct error *reterr)
{
        struct operation *operation = reading->operation;
        struct bundle bundle = { .vectors = true };
        char folder[PATH_MAX], path[RECORD_PATH_SIZE];
        int r = gateway_expect_vectors(operation->candidate->gateway, expected, reterr);

        if (r < 0)
                return r;
        (void) snprintf(folder, sizeof folder, "%s/%s",
                        store_path(reading->releases->settings.store),
                        record_path(operation->record.release, NULL, path));
        bundle.folder = folder;
        memcpy(bundle.identity, operation->candidate->identity, sizeof bundle.identity);
        r = read_all(reading, &bundle, take_one, reterr);
        if (r == 0) {
                r = flush(reading);
                if (r < 0 && reterr)
                        *reterr = reading->error;
        }
        return r;
}

static int read_plan(const struct releases *releases, uint32_t number, struct json_object **ret,
                     struct error *reterr)
{
        cleanup_json_ struct json_object *plan = NULL;
        struct json_object *vectors = NULL;
        char path[RECORD_PATH_SIZE];
        int r = record_read_json(releases->state_dirfd, record_path(number, "plan.json", path),
                                 &plan, reterr);

        *ret = NULL;
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (json_object_object_get_ex(plan, "vectors", &vectors))
                *ret = json_object_get(vectors);
        return 0;
}

int vectors_take(struct releases *releases, struct operation *operation, struct error *reterr)
{
        struct reading reading = { .releases = releases, .operation = operation };
        cleanup_json_ struct json_object *planned = NULL;
        struct json_object *told;
        uint64_t count = 0, passed_over = 0;
        const char *why = NULL;
        bool used = false;
        int r = read_plan(releases, operation->record.release, &planned, reterr);

        if (r < 0 || !planned)
                return r;
        r = json_get_bool(planned, "used", &used, reterr);
        if (r >= 0)
                r = json_get_string(planned, "why", &why, reterr);
        if (r >= 0)
                r = json_get_u64(planned, "count", 0, UINT64_MAX, &count, reterr);
        if (r >= 0)
                r = json_get_u64(planned, "passed_over", 0, UINT64_MAX, &passed_over, reterr);
        if (r < 0)
                return r;
        reading.total = count + passed_over;
        r = used ? take_all(&reading, count, reterr) : 0;
        if (r == 0 && used && reading.count + reading.passed_over != reading.total)
                r = error_set(reterr, -EBADMSG,
                              "of %" PRIu64 " vectors that came with it %" PRIu64 " are left",
                              reading.total, reading.count + reading.passed_over);
        if (r < 0)
                return r;
        crash_point("vectors.taken");
        told = json_object_new_object();
        json_add_u64(told, "taken", reading.count);
        json_add_u64(told, "passed_over", used ? reading.passed_over : reading.total);
        json_add_string(told, "why", why);
        operation_add_evidence(releases, operation, "vectors", told);
        return 0;
}
