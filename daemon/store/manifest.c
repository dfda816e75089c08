/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include "base/buf.h"
#include "base/io.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_BYTES_MAX 65536

/* Every field of the specification: one table for the identity, writing and reading.  The order
 * is part of the identity; a new field goes to the end and is left out while it has its
 * default. */
enum field_type { FIELD_STRING, FIELD_NUMBER, FIELD_BOOL };

#define FIELD(type, member) { #member, type, offsetof(struct generation_spec, member) }
static const struct field {
        const char *name;
        enum field_type type;
        size_t offset;
} fields[] = {
        FIELD(FIELD_STRING, fingerprint.provider),
        FIELD(FIELD_STRING, fingerprint.model),
        FIELD(FIELD_STRING, fingerprint.query_prefix),
        FIELD(FIELD_STRING, fingerprint.document_prefix),
        FIELD(FIELD_NUMBER, fingerprint.dimensions),
        FIELD(FIELD_BOOL, fingerprint.normalize),
        FIELD(FIELD_NUMBER, fingerprint.version),
        FIELD(FIELD_STRING, chunking.strategy),
        FIELD(FIELD_NUMBER, chunking.chunk_size),
        FIELD(FIELD_NUMBER, chunking.overlap),
        FIELD(FIELD_NUMBER, chunking.max_chunk_size),
        FIELD(FIELD_NUMBER, chunking.min_chunk_size),
        FIELD(FIELD_STRING, index.backend),
        FIELD(FIELD_STRING, index.metric),
        FIELD(FIELD_STRING, index.quantization),
        FIELD(FIELD_NUMBER, index.m),
        FIELD(FIELD_NUMBER, index.ef_construction),
        FIELD(FIELD_STRING, language),
        FIELD(FIELD_NUMBER, text_rule),
};

static const void *field_at(const struct generation_spec *spec, const struct field *field)
{
        return (const char *) spec + field->offset;
}

static const char *field_text(const struct generation_spec *spec, const struct field *field,
                              char number[static 16])
{
        const char *text;

        switch (field->type) {
        case FIELD_STRING:
                text = *(const char *const *) field_at(spec, field);
                return text ? text : "";
        case FIELD_NUMBER:
                (void) snprintf(number, 16, "%u", *(const uint32_t *) field_at(spec, field));
                return number;
        case FIELD_BOOL:
        default:
                return *(const bool *) field_at(spec, field) ? "1" : "0";
        }
}

/* Each field as "name=length:value", so that no two specifications share a text. */
void generation_identity(const struct generation_spec *spec,
                         uint8_t ret_identity[static GENERATION_IDENTITY_BYTES])
{
        crypto_generichash_state state;

        (void) crypto_generichash_init(&state, NULL, 0, GENERATION_IDENTITY_BYTES);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                char number[16], length[24];
                const char *text = field_text(spec, &fields[i], number);
                size_t len = strlen(text);
                int n = snprintf(length, sizeof length, "=%zu:", len);

                (void) crypto_generichash_update(&state, (const uint8_t *) fields[i].name,
                                                 strlen(fields[i].name));
                (void) crypto_generichash_update(&state, (const uint8_t *) length,
                                                 (unsigned) n);
                (void) crypto_generichash_update(&state, (const uint8_t *) text, len);
        }
        (void) crypto_generichash_final(&state, ret_identity, GENERATION_IDENTITY_BYTES);
}

const char *generation_describe(const struct generation_spec *spec, char text[static 192])
{
        const char *provider = spec->fingerprint.provider ? spec->fingerprint.provider : "";
        const char *model = spec->fingerprint.model ? spec->fingerprint.model : "";
        char version[16] = "";

        if (spec->fingerprint.version)
                (void) snprintf(version, sizeof version, " v%u", spec->fingerprint.version);
        (void) snprintf(text, 192, "%.40s%s%s%.80s, %u dimensions%s", provider, version,
                        model[0] ? " " : "", model, spec->fingerprint.dimensions,
                        spec->fingerprint.normalize ? ", normalised" : "");
        return text;
}

struct generation_spec *generation_spec_copy(const struct generation_spec *spec)
{
        struct generation_spec *copy;
        size_t size = sizeof *copy;
        char number[16], *at;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (fields[i].type == FIELD_STRING)
                        size += strlen(field_text(spec, &fields[i], number)) + 1;
        copy = malloc(size);
        if (!copy)
                return NULL;
        *copy = *spec;
        at = (char *) (copy + 1);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                const char *text = field_text(spec, &fields[i], number);
                const char **to = (const char **) (void *) ((char *) copy + fields[i].offset);

                if (fields[i].type != FIELD_STRING)
                        continue;
                *to = at;
                at = stpcpy(at, text) + 1;
        }
        return copy;
}

static const char *identity_text(const struct generation_spec *spec,
                                 char text[static 2 * GENERATION_IDENTITY_BYTES + 1])
{
        uint8_t identity[GENERATION_IDENTITY_BYTES];

        generation_identity(spec, identity);
        return sodium_bin2hex(text, 2 * GENERATION_IDENTITY_BYTES + 1, identity, sizeof identity);
}

int manifest_write(int dirfd, const struct generation_spec *spec, uint64_t created_usec,
                   struct error *reterr)
{
        cleanup_json_ struct json_object *object = json_object_new_object();
        char identity[2 * GENERATION_IDENTITY_BYTES + 1];
        const char *text;
        size_t len;

        if (!object)
                return error_oom(reterr);
        json_add_u64(object, "ragd_generation", MANIFEST_VERSION);
        json_add_string(object, "identity", identity_text(spec, identity));
        json_add_u64(object, "created_usec", created_usec);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                char number[16];

                if (fields[i].type == FIELD_STRING)
                        json_add_string(object, fields[i].name,
                                        field_text(spec, &fields[i], number));
                else if (fields[i].type == FIELD_BOOL)
                        json_add_bool(object, fields[i].name,
                                      *(const bool *) field_at(spec, &fields[i]));
                else
                        json_add_u64(object, fields[i].name,
                                     *(const uint32_t *) field_at(spec, &fields[i]));
        }
        text = json_text(object, &len);
        return text ? io_replace_file(dirfd, "MANIFEST", text, len, 0600, reterr)
                    : error_oom(reterr);
}

/* error_prefix() for a failure that now means something else. */
static int restate(struct error *reterr, int code, const char *folder, const char *what)
{
        (void) error_prefix(reterr, code, "%s%s", folder, what);
        if (reterr)
                reterr->code = code;
        return code;
}

static int read_field(struct json_object *object, const struct field *field,
                      struct generation_spec *spec, struct error *reterr)
{
        void *at = (char *) spec + field->offset;
        uint64_t number;
        int r;

        switch (field->type) {
        case FIELD_STRING:
                r = json_get_string(object, field->name, (const char **) at, reterr);
                break;
        case FIELD_NUMBER:
                r = json_get_u64(object, field->name, 0, UINT32_MAX, &number, reterr);
                if (r > 0)
                        *(uint32_t *) at = (uint32_t) number;
                break;
        case FIELD_BOOL:
        default:
                r = json_get_bool(object, field->name, at, reterr);
                break;
        }
        return r == 0 ? error_set(reterr, -EBADMSG, "%s is missing", field->name) : r < 0 ? r : 0;
}

static int read_all(struct json_object *object, struct generation_spec *ret_spec,
                    uint64_t *ret_created_usec, struct error *reterr)
{
        char identity[2 * GENERATION_IDENTITY_BYTES + 1];
        const char *stored = "";
        uint64_t version = 0;
        int r;

        if (!json_object_is_type(object, json_type_object))
                return error_set(reterr, -EBADMSG, "not a JSON object");
        r = json_get_u64(object, "ragd_generation", 1, UINT32_MAX, &version, reterr);
        if (r <= 0)
                return error_set(reterr, -EBADMSG, "no format version");
        if (version > MANIFEST_VERSION)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "format version %llu, this ragd knows versions up to %d: run the "
                                 "ragd that wrote it, or a newer one",
                                 (unsigned long long) version, MANIFEST_VERSION);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                r = read_field(object, &fields[i], ret_spec, reterr);
                if (r < 0)
                        return -EBADMSG;
        }
        if (json_get_u64(object, "created_usec", 0, INT64_MAX, ret_created_usec, reterr) <= 0 ||
            json_get_string(object, "identity", &stored, reterr) <= 0 ||
            strcmp(stored, identity_text(ret_spec, identity)) != 0)
                return error_set(reterr, -EBADMSG, "its identity is not that of its content");
        return 0;
}

int manifest_read(int dirfd, const char *folder, struct generation_spec *ret_spec,
                  uint64_t *ret_created_usec, struct json_object **ret_owner,
                  struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL;
        cleanup_free_ char *text = NULL;
        struct generation_spec spec = { 0 };
        uint64_t created_usec = 0;
        size_t len;
        int r = io_read_file(dirfd, "MANIFEST", MANIFEST_BYTES_MAX, &text, &len, reterr);

        if (r < 0)
                return restate(reterr, r == -EFBIG ? -EBADMSG : r, folder, "");
        r = json_parse(text, len, &object, reterr);
        if (r == 0)
                r = read_all(object, &spec, &created_usec, reterr);
        if (r < 0)
                return restate(reterr, r, folder, r == -EPROTONOSUPPORT ? "/MANIFEST is too new"
                                                                        : "/MANIFEST is damaged");
        *ret_spec = spec;
        *ret_created_usec = created_usec;
        *ret_owner = take_ptr(object);
        return 0;
}
