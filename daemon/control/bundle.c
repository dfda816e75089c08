/* SPDX-License-Identifier: Apache-2.0 */
/* Releases as files, to and from a client.  A bundle goes through an unnamed file in the state
 * folder: the client's folders are not the daemon's business, and a bundle that stops half-way
 * leaves nothing behind.
 *
 *   export   the reply says how many bytes follow; the client asks for each further piece with
 *            one byte, so that a slow one holds no memory
 *   import   bytes to the end of the stream, then one line: {"plan": …} or {"error": …} */
#include "config.h"

#include "base/clock.h"
#include "base/io.h"
#include "control/handlers.h"
#include "control/source.h"
#include "store/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t) 1024 * 1024)
#define READS_PER_STEP 16
#define SILENCE_USEC (UINT64_C(120) * USEC_PER_SEC)
#define LOOK_USEC (UINT64_C(500) * USEC_PER_MSEC)

struct transfer {
        int fd;
        uint64_t at, size;
        uint64_t heard_usec;
        char bytes[];
};

static void transfer_free(void *state)
{
        struct transfer *transfer = state;

        if (transfer->fd >= 0)
                (void) close(transfer->fd);
        free(transfer);
}

/* Kept with the call; NULL: it has failed. */
static struct transfer *transfer_new(struct call *call)
{
        struct transfer *transfer = calloc(1, sizeof *transfer + PIECE_BYTES);
        struct error error = { 0 };
        int dirfd = store_dirfd(call_services(call)->store);

        if (!transfer) {
                call_fail(call, -ENOMEM, NULL);
                return NULL;
        }
        transfer->fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        transfer->heard_usec = clock_monotonic_usec();
        call_keep(call, transfer, transfer_free);
        if (transfer->fd >= 0)
                return transfer;
        (void) error_set_errno(&error, -errno, "a file in the state folder");
        call_fail(call, error.code, &error);
        return NULL;
}

/* ---- To the client -------------------------------------------------------------------------- */

static void send_piece(struct call *call, struct transfer *transfer)
{
        size_t n = transfer->size - transfer->at < PIECE_BYTES
                           ? (size_t) (transfer->size - transfer->at)
                           : PIECE_BYTES;
        ssize_t got = pread(transfer->fd, transfer->bytes, n, (off_t) transfer->at);

        if (got != (ssize_t) n) {
                call_end(call, -EIO, NULL);
                return;
        }
        transfer->at += n;
        if (transfer->at == transfer->size)
                call_outcome(call, 0, "ok");
        call_write_bytes(call, transfer->bytes, n);
        if (transfer->at == transfer->size)
                call_end(call, 0, "ok");
        else
                call_again_readable(call, LOOK_USEC);
}

static void begin_export(struct call *call)
{
        struct transfer *transfer;
        struct json_object *reply;
        struct error error = { 0 };
        struct stat st;
        uint64_t number;
        int r;

        if (!read_number(call, "release", 1, UINT32_MAX, 0, &number))
                return;
        transfer = transfer_new(call);
        if (!transfer)
                return;
        r = releases_export(call_services(call)->releases, (uint32_t) number,
                            call_bool(call, "with_vectors"), transfer->fd, &error);
        if (r == 0 && fstat(transfer->fd, &st) < 0)
                r = error_set_errno(&error, -errno, "look at the bundle");
        if (r < 0) {
                if (r == -EPERM)
                        call_fail_as(call, "Refused", &error, NULL);
                else
                        call_fail(call, r, &error);
                return;
        }
        transfer->size = (uint64_t) st.st_size;
        reply = json_object_new_object();
        json_add_u64(reply, "size", transfer->size);
        call_upgrade(call, reply);
        transfer->heard_usec = clock_monotonic_usec();
        send_piece(call, transfer);
}

void on_bundle_export(struct call *call)
{
        struct transfer *transfer = call_kept(call);
        char asked;
        ssize_t n;

        if (!transfer) {
                begin_export(call);
                return;
        }
        n = call_read(call, &asked, 1);
        if (n > 0 && !call_gone(call)) {
                transfer->heard_usec = clock_monotonic_usec();
                send_piece(call, transfer);
        } else if (n != -EAGAIN || call_gone(call) ||
                   clock_monotonic_usec() - transfer->heard_usec > SILENCE_USEC) {
                call_end(call, -EPIPE, NULL);
        } else {
                call_again_readable(call, LOOK_USEC);
        }
}

/* ---- From the client ------------------------------------------------------------------------ */

static void write_line(struct call *call, const char *key, struct json_object *takes_value)
{
        struct json_object *line = json_object_new_object();

        json_add(line, key, takes_value);
        call_write(call, line);
}

static void fail_line(struct call *call, int code, const char *name, const struct error *error,
                      const struct config_diagnostics *diagnostics)
{
        struct json_object *about = json_object_new_object();

        json_add_string(about, "name", name);
        json_add_string(about, "message", error_text(error));
        if (diagnostics && diagnostics->count > 0)
                json_add(about, "diagnostics", config_diagnostics_json(diagnostics));
        call_outcome(call, code, NULL);
        write_line(call, "error", about);
        call_end(call, code, NULL);
}

static void plan(struct call *call, struct transfer *transfer)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct json_object *planned = NULL;
        struct source source;
        struct error error = { 0 };
        int r = lseek(transfer->fd, 0, SEEK_SET) < 0
                        ? error_set_errno(&error, -errno, "read the bundle")
                        : releases_plan_bundle(call_services(call)->releases, transfer->fd,
                                               source_read(call, &source), &diagnostics, &planned,
                                               &error);

        if (r < 0) {
                fail_line(call, r,
                          r == -EUCLEAN  ? "InvalidConfig"
                          : r == -EPERM ? "Refused"
                                         : command_error_of(r)->name,
                          &error, &diagnostics);
                return;
        }
        call_outcome(call, 0, "ok");
        write_line(call, "plan", planned);
        call_end(call, 0, "ok");
}

/* False: the call has ended. */
static bool take_bytes(struct call *call, struct transfer *transfer, bool *ret_more)
{
        struct error error = { 0 };
        ssize_t n = call_read(call, transfer->bytes, PIECE_BYTES);
        int r = 0;

        *ret_more = n != -EAGAIN;
        if (!*ret_more)
                return true;
        if (n == 0) {
                plan(call, transfer);
                return false;
        }
        if (n < 0)
                r = error_set_errno(&error, (int) n, "read from the client");
        else if (io_write_all(transfer->fd, transfer->bytes, (size_t) n) < 0)
                r = error_set_errno(&error, -errno, "keep the bundle");
        if (r < 0) {
                fail_line(call, r, command_error_of(r)->name, &error, NULL);
                return false;
        }
        transfer->heard_usec = clock_monotonic_usec();
        return true;
}

void on_bundle_import(struct call *call)
{
        struct transfer *transfer = call_kept(call);
        bool more = true;

        if (!transfer) {
                transfer = transfer_new(call);
                if (!transfer)
                        return;
                call_upgrade(call, json_object_new_object());
        }
        for (int i = 0; i < READS_PER_STEP && more && !call_gone(call); i++)
                if (!take_bytes(call, transfer, &more))
                        return;
        if (call_gone(call) || clock_monotonic_usec() - transfer->heard_usec > SILENCE_USEC)
                call_end(call, -EPIPE, NULL);
        else
                call_again_readable(call, LOOK_USEC);
}
