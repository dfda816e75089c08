/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of ragctl share: how to write to this terminal, and how a command ends. */
#pragma once
#include "base/error.h"
#include "grammar.h"

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* How output looks; every member is "" where colours have no place. */
struct style {
        const char *bold, *dim, *red, *green, *yellow, *cyan, *plain;
};

struct ctl {
        struct words words;
        struct style out, err;  /* of standard output and standard error */
        bool tty;               /* standard output is a terminal */
        bool progress;          /* standard error is one, and nobody asked for JSON */
        size_t width;           /* columns; 100 where it is no terminal */
};

/* Set by SIGINT where a command wants to end gently; see interrupt_catch(). */
extern volatile sig_atomic_t interrupted;
void interrupt_catch(void);
#define EXIT_INTERRUPTED 130

/* "ragctl: message" on standard error, with --json also {"ok": false, …} on standard output.
 * Returns `exit_code`. */
int ctl_fail(const struct ctl *ctl, int exit_code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The reply as JSON on standard output; 0. */
int ctl_print_json(struct json_object *json);
