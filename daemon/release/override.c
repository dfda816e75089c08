/* SPDX-License-Identifier: Apache-2.0 */
/* Overrides: what lets a refusal pass, for some days, with a reason; overrides.json. */
#include "release/inside.h"

#include "base/clock.h"
#include "base/io.h"

#include <stdio.h>
#include <string.h>

#define OVERRIDES_FILE "overrides.json"
#define OVERRIDES_BYTES_MAX (1U << 20U)
#define OVERRIDE_USEC_MAX (UINT64_C(30) * 86400 * USEC_PER_SEC)

static const char *const codes[] = { "E_DESTRUCTIVE", "E_LADDER" };

/* {overrides: [{code, until_usec, until, reason, uid, pid, via, at}]}; empty where none is. */
static int load(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        cleanup_free_ char *text = NULL;
        cleanup_json_ struct json_object *whole = NULL;
        struct json_object *rows = NULL;
        size_t len = 0;
        int r = io_read_file(releases->state_dirfd, OVERRIDES_FILE, OVERRIDES_BYTES_MAX, &text,
                             &len, reterr);

        if (r == -ENOENT) {
                whole = json_object_new_object();
                json_add(whole, "overrides", json_object_new_array());
                r = whole ? 0 : error_oom(reterr);
        } else if (r == 0) {
                r = json_parse(text, len, &whole, reterr);
        }
        if (r == 0 && json_get_array(whole, "overrides", &rows, NULL) != 1)
                r = error_set(reterr, -EBADMSG, "%s has no list of overrides", OVERRIDES_FILE);
        if (r < 0)
                return error_prefix(reterr, r, "%s", OVERRIDES_FILE);
        *ret = take_ptr(whole);
        return 0;
}

static uint64_t until_of(struct json_object *row)
{
        uint64_t until_usec = 0;

        (void) json_get_u64(row, "until_usec", 0, UINT64_MAX, &until_usec, NULL);
        return until_usec;
}

/* Those of this code that are over, and what the new one replaces, go. */
static struct json_object *without(struct json_object *whole, const char *code, uint64_t now_usec)
{
        struct json_object *rows = NULL, *kept = json_object_new_array();

        (void) json_object_object_get_ex(whole, "overrides", &rows);
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *of = "";

                (void) json_get_string(row, "code", &of, NULL);
                if (strcmp(of, code) != 0 && until_of(row) > now_usec)
                        json_add(kept, NULL, json_object_get(row));
        }
        return kept;
}

static int store_rows(struct releases *releases, struct json_object *takes_rows,
                      struct error *reterr)
{
        cleanup_json_ struct json_object *whole = json_object_new_object();
        const char *text;
        size_t len = 0;

        json_add(whole, "overrides", takes_rows);
        text = whole ? json_text(whole, &len) : NULL;
        if (!text)
                return error_oom(reterr);
        return io_replace_file(releases->state_dirfd, OVERRIDES_FILE, text, len, 0600, reterr);
}

static int check(const char *code, uint64_t until_usec, uint64_t now_usec, struct error *reterr)
{
        bool known = false;

        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                known = known || strcmp(codes[i], code) == 0;
        if (!known)
                return error_set(reterr, -EINVAL,
                                 "nothing is refused as %.40s: E_DESTRUCTIVE or E_LADDER", code);
        if (until_usec <= now_usec)
                return error_set(reterr, -EINVAL, "an override ends in the future");
        if (until_usec > now_usec + OVERRIDE_USEC_MAX)
                return error_set(reterr, -EINVAL, "an override lasts 30 days at most");
        return 0;
}

int releases_override(struct releases *releases, const char *code, uint64_t until_usec,
                      const struct release_request *request, struct error *reterr)
{
        cleanup_json_ struct json_object *whole = NULL;
        uint64_t now_usec = clock_wall_usec();
        struct json_object *rows, *row;
        int r = release_check_reason(request->reason, reterr);

        if (r == 0)
                r = check(code, until_usec, now_usec, reterr);
        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&releases->override_lock);
        r = load(releases, &whole, reterr);
        if (r == 0) {
                row = json_object_new_object();
                json_add_string(row, "code", code);
                json_add_u64(row, "until_usec", until_usec);
                json_add_time(row, "until", until_usec);
                json_add_string(row, "reason", request->reason);
                json_add_u64(row, "uid", request->author.uid);
                json_add_i64(row, "pid", request->author.pid);
                json_add_string(row, "via", request->author.via);
                json_add_time(row, "at", now_usec);
                rows = without(whole, code, now_usec);
                json_add(rows, NULL, row);
                r = store_rows(releases, rows, reterr);
        }
        (void) pthread_mutex_unlock(&releases->override_lock);
        return r;
}

int releases_overrides(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        int r;

        (void) pthread_mutex_lock(&releases->override_lock);
        r = load(releases, ret, reterr);
        (void) pthread_mutex_unlock(&releases->override_lock);
        return r;
}

bool override_in_force(struct releases *releases, const char *code, uint64_t *ret_until_usec)
{
        cleanup_json_ struct json_object *whole = NULL;
        uint64_t now_usec = clock_wall_usec();
        struct json_object *rows = NULL;
        bool found = false;

        if (releases_overrides(releases, &whole, NULL) < 0)
                return false;
        (void) json_object_object_get_ex(whole, "overrides", &rows);
        for (size_t i = 0; i < json_object_array_length(rows) && !found; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *of = "";

                (void) json_get_string(row, "code", &of, NULL);
                found = strcmp(of, code) == 0 && until_of(row) > now_usec;
                if (found)
                        *ret_until_usec = until_of(row);
        }
        return found;
}
