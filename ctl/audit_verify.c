/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl audit verify, seed take: whether the audit log is whole, and what that is checked with. */
#include "audit/audit.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "client.h"
#include "print.h"
#include "run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define SEED_FILE_MAX 4096
#define PATIENCE_SECONDS 3600 /* for a log of years */

static int print_verdict(const struct ctl *ctl, struct json_object *verdict)
{
        struct json_object *head = member(verdict, "head");
        const char *what = member_text(verdict, "what", "");
        bool sound = false, macs = false;

        (void) json_get_bool(verdict, "sound", &sound, NULL);
        (void) json_get_bool(verdict, "macs", &macs, NULL);
        if (ctl->words.json) {
                (void) ctl_print_json(verdict);
                return sound ? EXIT_OK : EXIT_INVALID;
        }
        if (!sound)
                (void) printf("%s%s%s: line %s, in segment %s at its line %s: %s\n", ctl->out.red,
                              member_text(verdict, "flaw", "?"), ctl->out.plain,
                              member_text(verdict, "seq", "?"),
                              member_text(verdict, "segment", "?"),
                              member_text(verdict, "line", "?"), what);
        (void) printf("%s%s%s: %s lines from %s on, %s\n", sound ? ctl->out.green : "",
                      sound ? "sound" : "sound before it", sound ? ctl->out.plain : "",
                      member_text(verdict, "lines", "0"), member_text(verdict, "first_seq", "0"),
                      macs ? "each with the MAC of its time"
                           : "by their digests alone (the seed is not here: give it with --seed)");
        if (sound && *what)
                (void) printf("%s\n", what);
        if (sound)
                (void) printf("anchor: %s:%s\n", member_text(head, "seq", "0"),
                              member_text(head, "digest", ""));
        return sound ? EXIT_OK : EXIT_INVALID;
}

/* ---- Without a daemon ------------------------------------------------------------------------ */

static int verify_folder(const struct ctl *ctl, const char *path, const char *seed)
{
        const char *text = words_string(&ctl->words, "anchor", NULL);
        cleanup_json_ struct json_object *json = NULL;
        struct audit_head anchor;
        struct audit_verdict verdict;
        struct error error = { 0 };
        int r = text ? audit_read_anchor(text, &anchor, &error) : 0;

        if (r == 0)
                r = audit_verify(path, seed, text ? &anchor : NULL, &verdict, &error);
        if (r < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s", error_text(&error));
        json = audit_verdict_json(&verdict);
        return print_verdict(ctl, json);
}

/* ---- With one -------------------------------------------------------------------------------- */

static int ask_daemon(const struct ctl *ctl, const char *seed)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        if (seed)
                json_add_string(parameters, "secret", seed);
        client_set_patience(client, PATIENCE_SECONDS);
        r = client_call(client, CONTROL_INTERFACE ".AuditVerify", parameters, VARLINK_PLAIN, NULL,
                        NULL, &reply, &failure);
        return r < 0 ? run_failed(ctl, r, &failure) : print_verdict(ctl, reply);
}

int run_audit_verify(struct ctl *ctl)
{
        const char *path = words_string(&ctl->words, "path", NULL);
        const char *file = words_string(&ctl->words, "seed", NULL);
        cleanup_free_ char *seed = NULL;
        struct error error = { 0 };
        size_t len = 0;
        int exit_code;

        if (file && io_read_file(AT_FDCWD, file, SEED_FILE_MAX, &seed, &len, &error) < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s", error_text(&error));
        exit_code = path ? verify_folder(ctl, path, seed) : ask_daemon(ctl, seed);
        if (seed)
                explicit_bzero(seed, len);
        return exit_code;
}

int run_audit_seed_take(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code = EXIT_OK;

        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        r = client_call(client, CONTROL_INTERFACE ".AuditSeedTake", parameters, VARLINK_PLAIN,
                        NULL, NULL, &reply, &failure);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                return ctl_print_json(reply);
        (void) printf("%s\n", member_text(reply, "seed", ""));
        (void) fputs("This is shown once, and is no longer on this machine.  Keep it where nobody\n"
                     "who can write here can read it: with it, and only with it,\n"
                     "`ragctl audit verify --seed FILE` tells what was written from what was"
                     " forged.\n", stderr);
        return EXIT_OK;
}
