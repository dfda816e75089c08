/* SPDX-License-Identifier: Apache-2.0 */
#include "release/ops.h"

#include "base/cleanup.h"
#include "base/crash.h"
#include "base/enum.h"
#include "base/io.h"
#include "base/json.h"
#include "release/record_files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const operation_kind_names[OPERATION_KIND_MAX] = {
        [OPERATION_DEPLOY] = "deploy",
        [OPERATION_RELOAD] = "reload",
        [OPERATION_ROLLBACK] = "rollback",
};
DEFINE_ENUM_NAMES(operation_kind, enum operation_kind)

static const char *const operation_phase_names[OPERATION_PHASE_MAX] = {
        [PHASE_RECORDED] = "recorded", [PHASE_BUILD] = "build",     [PHASE_GATE] = "gate",
        [PHASE_CANARY] = "canary",     [PHASE_SWITCH] = "switch",   [PHASE_CONFIRM] = "confirm",
        [PHASE_BAKE] = "bake",         [PHASE_DONE] = "done",
};
DEFINE_ENUM_NAMES(operation_phase, enum operation_phase)

void operation_record_done(struct operation_record *record)
{
        json_object_put(record->result);
        *record = (struct operation_record){ 0 };
}

static const char *path_of(uint32_t number, char path[static RECORD_PATH_SIZE])
{
        (void) snprintf(path, RECORD_PATH_SIZE, "ops/%06u.json", number);
        return path;
}

/* ---- Writing ---------------------------------------------------------------------------- */

/* How many percents there are, of a list that ends with 0 or the array. */
static size_t count_canary(const struct operation_record *record)
{
        size_t n = 0;

        while (n < ELEMENTSOF(record->canary) && record->canary[n] > 0)
                n++;
        return n;
}

int ops_save(int state_dirfd, const struct operation_record *record, struct error *reterr)
{
        cleanup_json_ struct json_object *object = json_object_new_object();
        struct json_object *canary = json_object_new_array();
        char path[RECORD_PATH_SIZE];
        int r;

        json_add_u64(object, "number", record->number);
        json_add_string(object, "kind", operation_kind_name(record->kind));
        json_add_string(object, "phase", operation_phase_name(record->phase));
        json_add_u64(object, "release", record->release);
        json_add_u64(object, "base", record->base);
        json_add_u64(object, "begun_usec", record->begun_usec);
        json_add_u64(object, "phase_usec", record->phase_usec);
        json_add_u64(object, "confirm_seconds", record->confirm_seconds);
        json_add_u64(object, "bake_seconds", record->bake_seconds);
        for (size_t i = 0; canary && i < count_canary(record); i++)
                json_add_u64(canary, NULL, record->canary[i]);
        if (!object)
                json_object_put(canary);
        else
                json_add(object, "canary", canary);
        json_add_string(object, "request_id", record->request_id);
        if (object)
                json_add(object, "result", json_object_get(record->result));
        r = record_write_json(state_dirfd, path_of(record->number, path), object, reterr);
        if (r == 0)
                crash_point("op.saved");
        return r;
}

int ops_begin(int state_dirfd, struct operation_record *record, struct error *reterr)
{
        cleanup_free_ uint32_t *numbers = NULL;
        size_t n = 0;
        int r;

        if (mkdirat(state_dirfd, "ops", 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create the folder of operations");
        r = io_sync_directory(state_dirfd, ".");
        if (r < 0)
                return error_set_errno(reterr, r, "cannot make the folder of operations durable");
        r = record_numbers(state_dirfd, "ops", ".json", &numbers, &n, reterr);
        if (r < 0)
                return r;
        if (n > 0 && numbers[n - 1] == UINT32_MAX)
                return error_set(reterr, -EOVERFLOW, "there are no more numbers for operations");
        record->number = n > 0 ? numbers[n - 1] + 1 : 1;
        return ops_save(state_dirfd, record, reterr);
}

/* ---- Reading ---------------------------------------------------------------------------- */

struct number_row {
        const char *key;
        uint64_t max;
        uint64_t *to;
};

static int read_numbers(struct json_object *object, struct operation_record *record,
                        struct error *reterr)
{
        uint64_t number = 0, release = 0, base = 0, confirm = 0, bake = 0;
        const struct number_row rows[] = {
                { "number", UINT32_MAX, &number },
                { "release", UINT32_MAX, &release },
                { "base", UINT32_MAX, &base },
                { "begun_usec", INT64_MAX, &record->begun_usec },
                { "phase_usec", INT64_MAX, &record->phase_usec },
                { "confirm_seconds", UINT32_MAX, &confirm },
                { "bake_seconds", UINT32_MAX, &bake },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int r = json_get_u64(object, rows[i].key, 0, rows[i].max, rows[i].to, reterr);

                if (r == 0)
                        r = error_set(reterr, -EINVAL, "\"%s\" is missing", rows[i].key);
                if (r < 0)
                        return r;
        }
        if (number != record->number)
                return error_set(reterr, -EINVAL, "its number is another one");
        record->release = (uint32_t) release;
        record->base = (uint32_t) base;
        record->confirm_seconds = (uint32_t) confirm;
        record->bake_seconds = (uint32_t) bake;
        return 0;
}

static int read_words(struct json_object *object, struct operation_record *record,
                      struct error *reterr)
{
        const char *kind = "", *phase = "", *request_id = "";
        int r = json_get_string(object, "kind", &kind, reterr);

        if (r >= 0)
                r = json_get_string(object, "phase", &phase, reterr);
        if (r >= 0)
                r = json_get_string(object, "request_id", &request_id, reterr);
        if (r < 0)
                return r;
        record->kind = operation_kind_from_name(kind);
        record->phase = operation_phase_from_name(phase);
        if ((int) record->kind < 0 || (int) record->phase < 0)
                return error_set(reterr, -EINVAL, "its kind or phase is not known");
        if (strlen(request_id) > OPERATION_REQUEST_ID_MAX)
                return error_set(reterr, -EINVAL, "its request_id is too long");
        (void) strcpy(record->request_id, request_id);
        return 0;
}

static int read_canary(struct json_object *object, struct operation_record *record,
                       struct error *reterr)
{
        struct json_object *canary = NULL;
        size_t n;
        int r = json_get_array(object, "canary", &canary, reterr);

        if (r < 0)
                return r;
        n = canary ? json_object_array_length(canary) : 0;
        if (n > ELEMENTSOF(record->canary))
                return error_set(reterr, -EINVAL, "its canary has too many steps");
        for (size_t i = 0; i < n; i++) {
                struct json_object *step = json_object_array_get_idx(canary, i);
                int64_t percent = json_object_is_type(step, json_type_int)
                                          ? json_object_get_int64(step)
                                          : 0;

                if (percent < 1 || percent > 100)
                        return error_set(reterr, -EINVAL, "its canary is not made of percents");
                record->canary[i] = (uint32_t) percent;
        }
        return 0;
}

int ops_read(int state_dirfd, uint32_t number, struct operation_record *ret, struct error *reterr)
{
        struct operation_record record = { .number = number };
        cleanup_json_ struct json_object *object = NULL;
        struct json_object *result = NULL;
        char path[RECORD_PATH_SIZE];
        int r = record_read_json(state_dirfd, path_of(number, path), &object, reterr);

        if (r < 0)
                return r;
        r = read_numbers(object, &record, reterr);
        if (r == 0)
                r = read_words(object, &record, reterr);
        if (r == 0)
                r = read_canary(object, &record, reterr);
        if (r == 0)
                r = json_get_object(object, "result", &result, reterr);
        if (r < 0)
                return record_damaged(path, r, reterr);
        record.result = json_object_get(result);
        *ret = record;
        return 0;
}

int ops_newest(int state_dirfd, struct operation_record *ret, struct error *reterr)
{
        cleanup_free_ uint32_t *numbers = NULL;
        size_t n = 0;
        int r = record_numbers(state_dirfd, "ops", ".json", &numbers, &n, reterr);

        if (r < 0)
                return r;
        if (n == 0)
                return error_set(reterr, -ENOENT, "there was no operation yet");
        r = ops_read(state_dirfd, numbers[n - 1], ret, reterr);
        if (r == -EBADMSG) {
                *ret = (struct operation_record){ .number = numbers[n - 1], .phase = PHASE_DONE };
                r = 0;
        }
        return r;
}

int ops_find_request(int state_dirfd, const char *request_id, struct operation_record *ret,
                     struct error *reterr)
{
        cleanup_free_ uint32_t *numbers = NULL;
        size_t n = 0;
        int r = record_numbers(state_dirfd, "ops", ".json", &numbers, &n, reterr);

        if (r < 0)
                return r;
        while (*request_id && n-- > 0) {
                struct operation_record record = { 0 };

                r = ops_read(state_dirfd, numbers[n], &record, reterr);
                if (r < 0 && r != -EBADMSG && r != -ENOENT)
                        return r;
                if (r == 0 && strcmp(record.request_id, request_id) == 0) {
                        *ret = record;
                        return 0;
                }
                operation_record_done(&record);
        }
        return error_set(reterr, -ENOENT, "no operation has this request id");
}

void ops_trim(int state_dirfd, uint32_t keep)
{
        cleanup_free_ uint32_t *numbers = NULL;
        char path[RECORD_PATH_SIZE];
        size_t n = 0;

        /* The newest one stays in any case: the next number follows from it. */
        keep = keep > 0 ? keep : 1;
        if (record_numbers(state_dirfd, "ops", ".json", &numbers, &n, NULL) < 0)
                return;
        for (size_t i = 0; i + keep < n; i++)
                (void) unlinkat(state_dirfd, path_of(numbers[i], path), 0);
}
