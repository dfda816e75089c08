/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows tell to people and shells. */
#pragma once
#include "base/buf.h"
#include "ctl.h"

/* "search [options] <query>..." and what each word and option means. */
void help_command(const struct style *style, const struct command *command, struct buf *out);
/* All commands with their sentences, one line each. */
void help_all(const struct style *style, struct buf *out);

/* The completion of bash. */
void help_completion(struct buf *out);
/* The sections COMMANDS and OPTIONS of ragctl(1), in mdoc(7). */
void help_man(struct buf *out);
