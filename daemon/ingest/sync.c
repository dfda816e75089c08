/* SPDX-License-Identifier: Apache-2.0 */
/* Which documents a client has to send so that the collection is what its manifest says. */
#include "base/cleanup.h"
#include "base/json.h"
#include "ingest/inside.h"
#include "ingest/quota.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 512

DEFINE_CLEANUP(struct collection *, collection_unref)

struct entry {
        const char *external_id;
        uint8_t sha256[32];
};

struct manifest {
        struct entry *at;
        size_t n;
};

static void manifest_done(struct manifest *manifest)
{
        free(manifest->at);
}

static int compare(const void *a, const void *b)
{
        return strcmp(((const struct entry *) a)->external_id,
                      ((const struct entry *) b)->external_id);
}

static int refuse_entry(struct error *reterr, size_t at, const char *rule)
{
        char pointer[48];

        (void) snprintf(pointer, sizeof pointer, "manifest/%zu", at);
        (void) error_set(reterr, -EINVAL, "%s: %s", pointer, rule);
        error_set_origin(reterr, NULL, pointer, 0, 0);
        return -EINVAL;
}

static int read_entry(struct json_object *object, size_t at, struct entry *ret,
                      struct error *reterr)
{
        static const char *const known[] = { "external_id", "sha256", NULL };
        const char *hex = NULL;
        size_t used = 0;

        if (!json_object_is_type(object, json_type_object))
                return refuse_entry(reterr, at, "must be an object");
        if (json_refuse_unknown(object, known, reterr) < 0 ||
            json_get_string(object, "external_id", &ret->external_id, reterr) < 0 ||
            json_get_string(object, "sha256", &hex, reterr) < 0)
                return error_prefix(reterr, -EINVAL, "manifest/%zu", at);
        if (!ret->external_id || !*ret->external_id)
                return refuse_entry(reterr, at, "\"external_id\" is missing");
        if (!hex || strlen(hex) != 64 ||
            sodium_hex2bin(ret->sha256, sizeof ret->sha256, hex, 64, NULL, &used, NULL) != 0 ||
            used != sizeof ret->sha256)
                return refuse_entry(reterr, at, "\"sha256\" must be 64 hexadecimal digits");
        return 0;
}

static int read_manifest(struct json_object *array, struct manifest *ret, struct error *reterr)
{
        size_t n;

        if (!json_object_is_type(array, json_type_array))
                return error_set(reterr, -EINVAL, "\"manifest\" must be an array");
        n = json_object_array_length(array);
        ret->at = calloc(n + 1, sizeof *ret->at);
        if (!ret->at)
                return error_oom(reterr);
        for (; ret->n < n; ret->n++) {
                int r = read_entry(json_object_array_get_idx(array, ret->n), ret->n,
                                   &ret->at[ret->n], reterr);

                if (r < 0)
                        return r;
        }
        qsort(ret->at, n, sizeof *ret->at, compare);
        for (size_t i = 1; i < n; i++)
                if (compare(&ret->at[i - 1], &ret->at[i]) == 0)
                        return error_set(reterr, -EINVAL, "the manifest names %.200s twice",
                                         ret->at[i].external_id);
        return 0;
}

/* The differences, and how many documents there are. */
struct differences {
        struct json_object *added, *modified, *deleted; /* arrays of external ids */
        uint64_t unchanged, documents;
};

static void differences_done(struct differences *differences)
{
        json_object_put(differences->added);
        json_object_put(differences->modified);
        json_object_put(differences->deleted);
}

static void add_id(struct json_object *array, const char *external_id)
{
        json_add(array, NULL, json_object_new_string(external_id));
}

/* Both are in ascending order of their bytes: one walk over the two. */
static void compare_page(const struct manifest *manifest, size_t *at,
                         const struct document *page, size_t n, struct differences *differences)
{
        for (size_t i = 0; i < n; i++) {
                const struct document *document = &page[i];

                while (*at < manifest->n &&
                       strcmp(manifest->at[*at].external_id, document->external_id) < 0)
                        add_id(differences->added, manifest->at[(*at)++].external_id);
                if (*at == manifest->n ||
                    strcmp(manifest->at[*at].external_id, document->external_id) != 0) {
                        add_id(differences->deleted, document->external_id);
                        continue;
                }
                if (document->failed || memcmp(manifest->at[*at].sha256, document->sha256,
                                               sizeof document->sha256) != 0)
                        add_id(differences->modified, document->external_id);
                else
                        differences->unchanged++;
                ++*at;
        }
        differences->documents += n;
}

static int find_differences(struct collection *collection, const struct manifest *manifest,
                            struct differences *ret, struct error *reterr)
{
        char after[DOCUMENT_EXTERNAL_ID_MAX + 1] = "";
        size_t at = 0, n;

        ret->added = json_object_new_array();
        ret->modified = json_object_new_array();
        ret->deleted = json_object_new_array();
        if (!ret->added || !ret->modified || !ret->deleted)
                return error_oom(reterr);
        do {
                struct document *page = NULL;
                int r;

                n = 0;
                r = docs_list(collection, *after ? after : NULL, PAGE, &page, &n, reterr);
                if (r < 0)
                        return r;
                compare_page(manifest, &at, page, n, ret);
                if (n > 0)
                        (void) snprintf(after, sizeof after, "%s", page[n - 1].external_id);
                (void) documents_free(page, n);
        } while (n == PAGE);
        while (at < manifest->n)
                add_id(ret->added, manifest->at[at++].external_id);
        return 0;
}

static int check_ratio(const struct differences *differences, double max_ratio,
                       struct error *reterr)
{
        size_t gone = json_object_array_length(differences->deleted);

        if ((double) gone <= max_ratio * (double) differences->documents)
                return 0;
        return error_set(reterr, -EPERM,
                         "%zu of %llu documents would be deleted, more than max_delete_ratio %g "
                         "allows; nothing was deleted: check the manifest, or raise the ratio",
                         gone, (unsigned long long) differences->documents, max_ratio);
}

static int delete_missing(struct ingest *ingest, struct collection *collection,
                          struct json_object *deleted, struct error *reterr)
{
        for (size_t i = 0; i < json_object_array_length(deleted); i++) {
                cleanup_(quota_give_back) struct quota_hold hold = { 0 };
                struct json_object *id = json_object_array_get_idx(deleted, i);
                int r = quota_hold(ingest, collection_get(collection)->tenant,
                                   &(struct tenant_amounts){ 0 }, &hold, reterr);

                if (r == 0)
                        r = ingest_forget_document(collection, &hold, json_object_get_string(id),
                                                   reterr);
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        follower_post(ingest, collection_get(collection)->tenant, collection_get(collection)->id);
        return 0;
}

int ingest_sync(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                const struct ingest_sync_request *request, struct json_object **ret,
                struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *open = NULL;
        cleanup_(manifest_done) struct manifest manifest = { 0 };
        cleanup_(differences_done) struct differences differences = { 0 };
        cleanup_json_ struct json_object *answer = NULL;
        int r = read_manifest(request->manifest, &manifest, reterr);

        if (r == 0)
                r = collection_open(ingest->settings.store, tenant, collection, &open, reterr);
        if (r == 0)
                r = find_differences(open, &manifest, &differences, reterr);
        if (r == 0 && request->delete_missing && !request->dry_run) {
                r = check_ratio(&differences, request->max_delete_ratio, reterr);
                if (r == 0)
                        r = delete_missing(ingest, open, differences.deleted, reterr);
        }
        if (r < 0)
                return r;
        answer = json_object_new_object();
        if (!answer)
                return error_oom(reterr);
        json_add(answer, "added", take_ptr(differences.added));
        json_add(answer, "modified", take_ptr(differences.modified));
        json_add(answer, "deleted", take_ptr(differences.deleted));
        json_add_u64(answer, "unchanged", differences.unchanged);
        json_add_bool(answer, "dry_run", request->dry_run || !request->delete_missing);
        *ret = take_ptr(answer);
        return 0;
}
