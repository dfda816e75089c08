/* SPDX-License-Identifier: Apache-2.0 */
#include "release/journal.h"

#include "base/checksum.h"
#include "base/cleanup.h"
#include "base/crash.h"
#include "base/io.h"
#include "base/json.h"
#include "release/record_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACTIVE "active"
#define ACTIVE_NEXT "active.next"
#define TRIES "boot_tries"
#define PENDING "pending.json"

/* ---- The pointer ------------------------------------------------------------------------ */

int active_read(int state_dirfd, uint32_t *ret_number, struct error *reterr)
{
        char target[64] = "", again[RECORD_PATH_SIZE];
        ssize_t len = readlinkat(state_dirfd, ACTIVE, target, sizeof target - 1);
        uint32_t number = 0;

        if (len < 0 && errno == ENOENT)
                return error_set(reterr, -ENOENT, "no release was made active yet");
        if (len < 0 && errno != EINVAL)
                return error_set_errno(reterr, -errno, "cannot read the link " ACTIVE);
        if (len < 0 || sscanf(target, "releases/%9u", &number) != 1 || number == 0 ||
            strcmp(record_path(number, NULL, again), target) != 0)
                return error_set(reterr, -EBADMSG, ACTIVE " is no link to releases/NNNNNN");
        *ret_number = number;
        return 0;
}

static int sync_state(int state_dirfd, struct error *reterr)
{
        int r = io_sync_directory(state_dirfd, ".");

        return r < 0 ? error_set_errno(reterr, r, "cannot make the state folder durable") : 0;
}

int active_write(int state_dirfd, uint32_t number, struct error *reterr)
{
        char target[RECORD_PATH_SIZE];
        int r = boot_tries_write(state_dirfd, BOOT_TRIES, reterr);

        if (r < 0)
                return r;
        if (unlinkat(state_dirfd, ACTIVE_NEXT, 0) < 0 && errno != ENOENT)
                return error_set_errno(reterr, -errno, "cannot remove " ACTIVE_NEXT);
        if (symlinkat(record_path(number, NULL, target), state_dirfd, ACTIVE_NEXT) < 0)
                return error_set_errno(reterr, -errno, "cannot create " ACTIVE_NEXT);
        crash_point("active.next");
        if (renameat(state_dirfd, ACTIVE_NEXT, state_dirfd, ACTIVE) < 0) {
                r = error_set_errno(reterr, -errno, "cannot replace " ACTIVE);
                (void) unlinkat(state_dirfd, ACTIVE_NEXT, 0);
                return r;
        }
        crash_point("active.renamed");
        r = sync_state(state_dirfd, reterr);
        if (r == 0)
                crash_point("active.synced");
        return r;
}

int active_remove(int state_dirfd, struct error *reterr)
{
        if (unlinkat(state_dirfd, ACTIVE, 0) < 0 && errno != ENOENT)
                return error_set_errno(reterr, -errno, "cannot remove " ACTIVE);
        crash_point("active.removed");
        return sync_state(state_dirfd, reterr);
}

/* ---- Tries ------------------------------------------------------------------------------ */

uint32_t boot_tries_read(int state_dirfd)
{
        cleanup_free_ char *text = NULL;
        size_t len;

        if (io_read_file(state_dirfd, TRIES, 16, &text, &len, NULL) < 0 || len != 2 ||
            text[0] < '0' || text[0] > '0' + BOOT_TRIES || text[1] != '\n')
                return BOOT_TRIES;
        return (uint32_t) (text[0] - '0');
}

int boot_tries_write(int state_dirfd, uint32_t tries, struct error *reterr)
{
        char text[] = { (char) ('0' + (tries < BOOT_TRIES ? tries : BOOT_TRIES)), '\n' };
        int r = io_replace_file(state_dirfd, TRIES, text, sizeof text, 0600, reterr);

        if (r == 0)
                crash_point("boot.tries");
        return r;
}

/* ---- The journal ------------------------------------------------------------------------ */

/* Over the members as one line, so that a flipped digit is damage and not another release. */
static uint32_t checksum(const struct pending *pending)
{
        char line[128];
        int len = snprintf(line, sizeof line, "%s %u %d %u %llu", pending->id, pending->base,
                           pending->base_was_active, pending->candidate,
                           (unsigned long long) pending->deadline_usec);

        return checksum_crc32c(0, line, (size_t) len);
}

int pending_write(int state_dirfd, const struct pending *pending, struct error *reterr)
{
        cleanup_json_ struct json_object *object = json_object_new_object();
        int r;

        json_add_string(object, "id", pending->id);
        json_add_u64(object, "base", pending->base);
        json_add_bool(object, "base_was_active", pending->base_was_active);
        json_add_u64(object, "candidate", pending->candidate);
        json_add_u64(object, "deadline_usec", pending->deadline_usec);
        json_add_time(object, "deadline", pending->deadline_usec);
        json_add_u64(object, "crc32c", checksum(pending));
        r = record_write_json(state_dirfd, PENDING, object, reterr);
        if (r == 0)
                crash_point("journal.written");
        return r;
}

/* What stands behind a name in a text that is no JSON any more; 0: nothing. */
static uint32_t salvage(const char *text, const char *name)
{
        const char *at = strstr(text, name);
        unsigned number = 0;

        return at && sscanf(at + strlen(name), "%9u", &number) == 1 ? number : 0;
}

static int read_members(struct json_object *object, struct pending *ret, struct error *reterr)
{
        static const char *const known[] = { "id",       "base",   "base_was_active", "candidate",
                                             "deadline", "crc32c", "deadline_usec",   NULL };
        uint64_t base = 0, candidate = 0, sum = 0;
        struct pending pending = { 0 };
        const char *id = "";
        int r = json_refuse_unknown(object, known, reterr), there = 0;

        if (r == 0)
                there += r = json_get_string(object, "id", &id, reterr);
        if (r >= 0)
                there += r = json_get_u64(object, "base", 1, UINT32_MAX, &base, reterr);
        if (r >= 0)
                there += r = json_get_u64(object, "candidate", 1, UINT32_MAX, &candidate, reterr);
        if (r >= 0)
                there += r = json_get_bool(object, "base_was_active", &pending.base_was_active,
                                           reterr);
        if (r >= 0)
                there += r = json_get_u64(object, "deadline_usec", 0, INT64_MAX,
                                          &pending.deadline_usec, reterr);
        if (r >= 0)
                there += r = json_get_u64(object, "crc32c", 0, UINT32_MAX, &sum, reterr);
        if (r < 0)
                return r;
        pending.base = (uint32_t) base;
        pending.candidate = (uint32_t) candidate;
        if (strlen(id) < sizeof pending.id)
                (void) strcpy(pending.id, id);
        if (there != 6 || sum != checksum(&pending))
                return error_set(reterr, -EBADMSG, "its checksum is wrong");
        *ret = pending;
        return 0;
}

int pending_read(int state_dirfd, struct pending *ret, struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL;
        cleanup_free_ char *text = NULL;
        size_t len = 0;
        int r = record_read_json(state_dirfd, PENDING, &object, reterr);

        if (r == 0) {
                r = read_members(object, ret, reterr);
                if (r == 0 || r == -ENOMEM)
                        return r;
                r = record_damaged(PENDING, r, reterr);
        }
        if (r != -EBADMSG)
                return r;
        *ret = (struct pending){ 0 };
        if (io_read_file(state_dirfd, PENDING, RECORD_FILE_BYTES_MAX, &text, &len, NULL) == 0) {
                ret->base = salvage(text, "\"base\":");
                ret->candidate = salvage(text, "\"candidate\":");
        }
        return r;
}

int pending_remove(int state_dirfd, struct error *reterr)
{
        int r;

        if (unlinkat(state_dirfd, PENDING, 0) < 0 && errno != ENOENT)
                return error_set_errno(reterr, -errno, "cannot remove " PENDING);
        crash_point("journal.unlinked");
        r = sync_state(state_dirfd, reterr);
        if (r == 0)
                crash_point("journal.removed");
        return r;
}
