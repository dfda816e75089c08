/* SPDX-License-Identifier: Apache-2.0 */
#include "http/caller.h"

#include "answer/search.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/values.h"
#include "http/routes.h"
#include "release/snapshot.h"
#include "tenant/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_COLLECTION "default" /* what a search means that names none */

/* ---- The key --------------------------------------------------------------------------------- */

/* What stands behind "Bearer"; NULL: the field is not there, or of another scheme. */
static const char *bearer(const struct request *request, size_t *ret_len)
{
        static const char scheme[] = "Bearer ";
        const struct header *header = request_header(request, "Authorization");
        size_t at = sizeof scheme - 1;

        if (!header || header->value_len < at || strncasecmp(header->value, scheme, at) != 0)
                return NULL;
        while (at < header->value_len && header->value[at] == ' ')
                at++;
        *ret_len = header->value_len - at;
        return header->value + at;
}

static void refuse_key(struct request *request, const struct error *error)
{
        const char *stage = stage_name(request_config(request)->stage);

        switch (error->code) {
        case -EINVAL:
        case -EACCES:
                problem_set(request, PROBLEM_INVALID_KEY, "%s", error_text(error));
                break;
        case -EXDEV:
                problem_set(request, PROBLEM_WRONG_STAGE, "%s; this is %s", error_text(error),
                            stage);
                break;
        case -EKEYEXPIRED:
                problem_set(request, PROBLEM_EXPIRED_KEY, "%s", error_text(error));
                break;
        default:
                problem_set_error(request, error, PROBLEM_FROM_SERVICE);
        }
}

/* Sets principal and tenant.  False: the problem is set. */
static bool identify(struct request *request)
{
        const struct route *route = request->route;
        const struct http_services *services = &request->door->services;
        bool keyless = route && (route->flags & ROUTE_KEYLESS);
        bool needed = request_needs_key(request) || (route && (route->flags & ROUTE_ADMIN));
        struct error error = { 0 };
        size_t len = 0;
        const char *token = bearer(request, &len);

        request->tenant = services->tenant;
        if (!token && needed && !keyless) {
                problem_set(request, PROBLEM_MISSING_KEY, "send Authorization: Bearer ragd_…");
                return false;
        }
        if (!token || (!needed && !key_text_is_ours(token, len))) {
                request->admitted = true;
                return true;
        }
        if (!services->keyring) {
                problem_set(request, PROBLEM_UNAVAILABLE, "there is no keyring");
                return false;
        }
        if (keyring_check(services->keyring, token, len, clock_wall_usec(), &request->principal,
                          &request->key_id, &request->has_key_id, &error) < 0) {
                refuse_key(request, &error);
                return false;
        }
        request->tenant = request->principal->tenant;
        request->admitted = true;
        return true;
}

/* ---- The user -------------------------------------------------------------------------------- */

/* Characters that are printable bytes of UTF-8 and yet end lines or steer terminals: C1 controls,
 * U+2028, U+2029. */
static bool steers(const char *text, size_t len)
{
        for (size_t i = 0, bytes; i < len; i += bytes) {
                uint32_t c = utf8_character(text + i, len - i, &bytes);

                if ((c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029)
                        return true;
        }
        return false;
}

/* False: what was sent is no name. */
static bool take_user(struct request *request)
{
        const struct header *header = request_header(request, "X-Ragd-User");

        if (!header)
                return true;
        if (header->value_len < 1 || header->value_len > REQUEST_USER_MAX ||
            !is_printable(header->value, header->value_len) ||
            steers(header->value, header->value_len))
                return false;
        memcpy(request->user, header->value, header->value_len);
        request->user[header->value_len] = '\0';
        return true;
}

/* ---- The tenant and its limits --------------------------------------------------------------- */

static bool enter(struct request *request)
{
        struct error error = { 0 };
        int r = tenant_enter(request->door->services.tenants, request->tenant, &request->entry,
                             &error);

        switch (r) {
        case -EPERM:
                problem_set(request, PROBLEM_SUSPENDED, "%s", error_text(&error));
                break;
        case -EAGAIN:
                problem_set(request, PROBLEM_WAKING, "it is being read from its archive");
                break;
        case -EBUSY:
                problem_set(request, PROBLEM_OPERATIONS, "%s", error_text(&error));
                break;
        case -ENOENT: /* it was deleted a moment ago, and its keys with it */
                problem_set(request, PROBLEM_INVALID_KEY, "the key is not known");
                break;
        default:
                if (r < 0)
                        problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        }
        return r >= 0;
}

static bool refuse_limit(struct request *request)
{
        const struct tenant_verdict *verdict = &request->verdict;
        enum tenant_policy violated = verdict->violated;
        const char *name = tenant_policy_name(violated);

        if (violated == TENANT_POLICY_DAY)
                problem_set_limit(request, PROBLEM_DAY, name, verdict->wait_usec,
                                  "%llu requests may come in a day (UTC)",
                                  (unsigned long long) verdict->policies[violated].quota);
        else if (violated == TENANT_POLICY_INGEST)
                problem_set_limit(request, PROBLEM_RATE, name, verdict->wait_usec,
                                  "%llu bytes may be put in %u s",
                                  (unsigned long long) verdict->policies[violated].quota,
                                  verdict->policies[violated].window_sec);
        else
                problem_set_limit(request, PROBLEM_RATE, name, verdict->wait_usec,
                                  "%llu requests may come in %u s, by the policy \"%s\"",
                                  (unsigned long long) verdict->policies[violated].quota,
                                  verdict->policies[violated].window_sec, name);
        return false;
}

/* How much a body brings that counts as ingest; what is refused for its size brings nothing. */
static uint64_t ingest_bytes(struct request *request)
{
        const struct route *route = request->route;
        const struct header *length = request_header(request, "Content-Length");
        uint64_t bytes;

        if (!route || (route->body != BODY_LINES && route->body != BODY_DOCUMENT))
                return 0;
        request->metered = !length;
        bytes = length ? strtoull(length->value, NULL, 10) : 0;
        return route->body == BODY_DOCUMENT && bytes > request_max_body(request) ? 0 : bytes;
}

static bool count(struct request *request)
{
        const struct principal *principal = request->principal;
        char address[sizeof request->address + 1];
        struct tenant_caller caller = {
                .user = request->user[0] ? request->user : NULL,
                .key = principal ? principal->key.bytes : NULL,
                .key_per_minute = principal ? principal->requests_per_minute : 0,
                .ingest_bytes = ingest_bytes(request),
        };

        /* No user is called that: names have no control characters. */
        if (!caller.user && !caller.key) {
                (void) snprintf(address, sizeof address, "\x01%s", request->address);
                caller.user = address;
        }
        if (tenant_count_request(request->entry, &caller, request->started_usec, clock_wall_usec(),
                                 &request->verdict) < 0)
                return refuse_limit(request);
        return true;
}

bool caller_admit(struct request *request)
{
        const struct route *route = request->route;
        bool named = take_user(request);

        if (route && (route->flags & ROUTE_OPEN)) {
                request->tenant = request->door->services.tenant;
                return true;
        }
        if (!identify(request))
                return false;
        if (!named) {
                problem_set(request, PROBLEM_BAD_REQUEST,
                            "X-Ragd-User must be 1 to %d bytes of UTF-8 without control "
                            "characters",
                            REQUEST_USER_MAX);
                return false;
        }
        if (!request->door->services.tenants || (route && (route->flags & ROUTE_ALWAYS)))
                return true;
        return enter(request) && count(request);
}

bool caller_take_bytes(struct request *request, size_t bytes)
{
        if (!request->metered || !request->entry ||
            tenant_count_ingest(request->entry, bytes, clock_monotonic_usec(),
                                &request->verdict) >= 0)
                return true;
        return refuse_limit(request);
}

/* ---- Scopes and collections ------------------------------------------------------------------ */

static bool refuse_collection(struct request *request)
{
        problem_set(request, PROBLEM_OTHER_COLLECTIONS,
                    "this key is for some collections of its tenant, and not for this");
        return false;
}

bool caller_is_limited(const struct request *request)
{
        return request->principal && request->principal->collections;
}

bool caller_may_use(const struct request *request, const char *collection)
{
        return !request->principal || principal_may_use(request->principal, collection);
}

bool caller_may(struct request *request)
{
        const struct route *route = request->route;
        const struct principal *principal = request->principal;
        char text[KEY_SCOPES_TEXT_SIZE];

        if (!principal)
                return true;
        if (route->scopes && !(principal->scopes & route->scopes)) {
                problem_set(request, PROBLEM_MISSING_SCOPE, "%s needs a key with the scope %s",
                            route->name, key_scopes_format(route->scopes, text));
                return false;
        }
        if (caller_is_limited(request) && (route->flags & ROUTE_EVERY))
                return refuse_collection(request);
        if (route_has_collection(route) && !caller_may_use(request, request->parameters[0]))
                return refuse_collection(request);
        return true;
}

bool caller_may_search(struct request *request, const struct search_request *search)
{
        if (search->n_collections == 0 && !caller_may_use(request, DEFAULT_COLLECTION))
                return refuse_collection(request);
        for (size_t i = 0; i < search->n_collections; i++)
                if (!caller_may_use(request, search->collections[i]))
                        return refuse_collection(request);
        return true;
}

bool caller_is_operator(const struct request *request)
{
        return request->principal ? (request->principal->scopes & KEY_OPERATOR) != 0
                                  : !request_needs_key(request);
}

int caller_collections(const struct request *request, struct collection_id **ret, size_t *ret_n,
                       struct error *reterr)
{
        const char *const *names = request->principal->collections;
        cleanup_free_ struct collection_id *ids = NULL;
        size_t n = 0, found = 0;

        while (names[n])
                n++;
        ids = calloc(n + 1, sizeof *ids);
        if (!ids)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                struct collection_info info = { 0 };
                int r = collection_get_info(request->door->services.store, request->tenant,
                                            names[i], &info, reterr);

                if (r < 0 && r != -ENOENT)
                        return r;
                if (r >= 0)
                        ids[found++] = info.id;
                collection_info_done(&info);
        }
        *ret = take_ptr(ids);
        *ret_n = found;
        return 0;
}
