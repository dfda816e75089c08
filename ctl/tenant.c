/* SPDX-License-Identifier: Apache-2.0 */
/* Purging, with a receipt that is kept outside of the daemon's reach. */
#include "base/cleanup.h"
#include "client.h"
#include "print.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_SECONDS 3600 /* every file of a tenant may be rewritten */

/* Before anything is purged it is certain that there is a place for it. */
static int open_receipt(const struct ctl *ctl, const char *path, FILE **ret)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        *ret = fd < 0 ? NULL : fdopen(fd, "w");
        if (*ret)
                return EXIT_OK;
        return ctl_fail(ctl, EXIT_INVALID, "cannot write the receipt to %s: %s", path,
                        strerror(errno));
}

/* The daemon keeps one too, whatever becomes of this file. */
static int write_receipt(const struct ctl *ctl, const char *path, FILE *file,
                         struct json_object *receipt)
{
        int r = fprintf(file, "%s\n",
                        json_object_to_json_string_ext(receipt,
                                                       JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_SPACED |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE));

        if (r >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0)
                return EXIT_OK;
        return ctl_fail(ctl, EXIT_INTERNAL,
                        "it is purged, but %s cannot be written: %s; the daemon keeps the receipt"
                        " %s in receipts/ of its state folder", path, strerror(errno),
                        member_text(receipt, "receipt", "?"));
}

static int purge(const struct ctl *ctl, const char *path, FILE *file)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        client_set_patience(client, PATIENCE_SECONDS);
        r = client_call(client, CONTROL_INTERFACE ".TenantPurge", parameters, VARLINK_PLAIN, NULL,
                        NULL, &reply, &failure);
        if (r < 0) {
                if (file)
                        (void) unlink(path);
                return run_failed(ctl, r, &failure);
        }
        if (ctl->words.json)
                (void) ctl_print_json(reply);
        else
                print_erasure(ctl, reply);
        return file ? write_receipt(ctl, path, file, member(reply, "receipt")) : EXIT_OK;
}

int run_tenant_purge(struct ctl *ctl)
{
        const char *path = words_string(&ctl->words, "receipt", NULL);
        FILE *file = NULL;
        int exit_code = path ? open_receipt(ctl, path, &file) : EXIT_OK;

        if (exit_code == EXIT_OK)
                exit_code = purge(ctl, path, file);
        if (file)
                (void) fclose(file);
        return exit_code;
}
