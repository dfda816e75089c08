/* SPDX-License-Identifier: Apache-2.0 */
/* What metadata may be, and the filter over it. */
#include "store/collection_inside.h"
#include "store/docs.h"

#include "base/json.h"
#include "index/filter.h"

#include <stdio.h>
#include <string.h>

static size_t characters(const char *text, size_t len)
{
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += ((unsigned char) text[i] & 0xc0) != 0x80;
        return n;
}

static int refuse(struct error *reterr, const char *key, const char *rule)
{
        char pointer[ERROR_ORIGIN_MAX];

        (void) snprintf(pointer, sizeof pointer, "/metadata/%s", key);
        error_set(reterr, -EINVAL, "metadata member \"%.64s\" %s", key, rule);
        error_set_origin(reterr, NULL, pointer, 0, 0);
        return -EINVAL;
}

int docs_check_metadata(const char *metadata, struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL;
        int r;

        if (!metadata)
                return 0;
        r = json_parse(metadata, strlen(metadata), &object, reterr);
        if (r == -EBADMSG) {
                (void) error_prefix(reterr, r, "metadata");
                if (reterr)
                        reterr->code = -EINVAL;
                return -EINVAL;
        }
        if (r < 0)
                return r;
        if (!json_object_is_type(object, json_type_object))
                return error_set(reterr, -EINVAL, "metadata must be a JSON object");
        if (json_object_object_length(object) > DOCUMENT_ATTRIBUTES_MAX)
                return error_set(reterr, -EINVAL, "metadata has %d members, at most %d are allowed",
                                 json_object_object_length(object), DOCUMENT_ATTRIBUTES_MAX);
        json_object_object_foreach(object, key, value) {
                size_t len = strlen(key);

                if (len == 0 || characters(key, len) > DOCUMENT_ATTRIBUTE_KEY_MAX)
                        return refuse(reterr, key, "must be named with 1 to 64 characters");
                if (json_object_is_type(value, json_type_string)) {
                        const char *text = json_object_get_string(value);
                        size_t bytes = (size_t) json_object_get_string_len(value);

                        if (characters(text, bytes) > DOCUMENT_ATTRIBUTE_TEXT_MAX)
                                return refuse(reterr, key, "is longer than 512 characters");
                } else if (!json_object_is_type(value, json_type_int) &&
                           !json_object_is_type(value, json_type_double) &&
                           !json_object_is_type(value, json_type_boolean))
                        return refuse(reterr, key, "must be a string, a number or a boolean");
        }
        return 0;
}

/* ---- Filter ----------------------------------------------------------------------------- */

static int add_attributes(struct collection *collection, struct db *db, uint64_t after,
                          uint64_t up_to, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT docver, key, type, value FROM attribute"
                               " WHERE docver > ? AND docver <= ? ORDER BY docver", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, after);
        db_bind_u64(statement, 2, up_to);
        while ((r = db_step(db, statement, reterr)) > 0) {
                const char *key = (const char *) sqlite3_column_text(statement, 1);
                struct attribute_value value = { 0 };
                uint64_t type = db_column_u64(statement, 2);

                if (!key || type >= ATTRIBUTE_TYPE_MAX)
                        return error_set(reterr, -EBADMSG, "%s is damaged: an attribute's type",
                                         db_path(db));
                value.type = (enum attribute_type) type;
                if (value.type == ATTRIBUTE_STRING) {
                        value.string.bytes = (const char *) sqlite3_column_text(statement, 3);
                        value.string.len = (size_t) sqlite3_column_bytes(statement, 3);
                        if (!value.string.bytes)
                                return error_oom(reterr);
                } else if (value.type == ATTRIBUTE_NUMBER)
                        value.number = sqlite3_column_double(statement, 3);
                else
                        value.boolean = sqlite3_column_int(statement, 3) != 0;
                r = attribute_index_add(collection->attributes, db_column_u32(statement, 0), key,
                                        &value, reterr);
                if (r < 0)
                        return r;
        }
        return r;
}

static int add_versions(struct collection *collection, struct db *db, uint64_t after,
                        uint64_t up_to, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT docver FROM version WHERE docver > ? AND docver <= ?",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, after);
        db_bind_u64(statement, 2, up_to);
        while ((r = db_step(db, statement, reterr)) > 0)
                roaring_bitmap_add(collection->versions, db_column_u32(statement, 0));
        return r;
}

static void forget_attributes(struct collection *collection)
{
        attribute_index_free(collection->attributes);
        if (collection->versions)
                roaring_bitmap_free(collection->versions);
        collection->attributes = attribute_index_new();
        collection->versions = roaring_bitmap_create();
        collection->attributes_seq = 0;
}

/* Versions that are gone stay in the index, harmlessly, until they are most of it. */
static bool mostly_gone(struct collection *collection, struct db *db)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;

        if (!collection->versions)
                return true;
        return db_prepare(db, "SELECT documents FROM totals", &statement, NULL) == 0 &&
               db_step(db, statement, NULL) > 0 &&
               roaring_bitmap_get_cardinality(collection->versions) >
                       2 * db_column_u64(statement, 0) + 4096;
}

/* Every version up to last_seq is committed: the bound makes both reads one state. */
static int catch_up(struct collection *collection, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        uint64_t last = atomic_load(&collection->last_seq);
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r < 0 || (collection->versions && collection->attributes_seq >= last))
                return r;
        if (mostly_gone(collection, reader.db))
                forget_attributes(collection);
        if (!collection->attributes || !collection->versions)
                return error_oom(reterr);
        r = add_versions(collection, reader.db, collection->attributes_seq, last, reterr);
        if (r == 0)
                r = add_attributes(collection, reader.db, collection->attributes_seq, last,
                                   reterr);
        if (r == 0)
                collection->attributes_seq = last;
        return r;
}

int docs_filter(struct collection *collection, const struct filter *filter,
                roaring_bitmap_t **ret_docvers, struct error *reterr)
{
        int r = 0;

        (void) pthread_rwlock_rdlock(&collection->attributes_lock);
        if (!collection->versions ||
            collection->attributes_seq < atomic_load(&collection->last_seq)) {
                (void) pthread_rwlock_unlock(&collection->attributes_lock);
                (void) pthread_rwlock_wrlock(&collection->attributes_lock);
                r = catch_up(collection, reterr);
        }
        if (r == 0)
                r = filter_evaluate(filter, collection->attributes, collection->versions,
                                    ret_docvers, reterr);
        (void) pthread_rwlock_unlock(&collection->attributes_lock);
        return r;
}
