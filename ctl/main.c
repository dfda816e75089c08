/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl: words, then the command, then its exit code. */
#include "config.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "ctl.h"
#include "help.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_WITHOUT_TERMINAL 100

static const struct style colours = {
        .bold = "\x1b[1m",    .dim = "\x1b[2m",     .red = "\x1b[31m",  .green = "\x1b[32m",
        .yellow = "\x1b[33m", .cyan = "\x1b[36m",   .plain = "\x1b[0m",
};
static const struct style none = { "", "", "", "", "", "", "" };

/* Colours where a person looks and has not forbidden them (https://no-color.org). */
static struct style style_for(int fd)
{
        const char *forbidden = getenv("NO_COLOR"), *terminal = getenv("TERM");

        if (isatty(fd) != 1 || (forbidden && *forbidden) || !terminal ||
            strcmp(terminal, "dumb") == 0)
                return none;
        return colours;
}

static size_t terminal_width(void)
{
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return WIDTH_WITHOUT_TERMINAL;
        return size.ws_col;
}

static int dispatch(struct ctl *ctl, int code, const struct error *error)
{
        cleanup_(buf_done) struct buf out = BUF_EMPTY;

        if (ctl->words.version)
                return run_version(ctl);
        if (ctl->words.help && ctl->words.command) {
                help_command(&ctl->out, ctl->words.command, &out);
                (void) fputs(buf_text(&out), stdout);
                return EXIT_OK;
        }
        if (ctl->words.help)
                return run_help(ctl);
        if (code < 0)
                return ctl_fail(ctl, EXIT_USAGE, "%s", error_text(error));
        if (!ctl->words.command) {
                help_all(&ctl->err, &out);
                (void) fputs(buf_text(&out), stderr);
                return EXIT_USAGE;
        }
        return run(ctl);
}

int main(int argc, char *argv[])
{
        struct ctl ctl = {
                .out = style_for(STDOUT_FILENO),
                .err = style_for(STDERR_FILENO),
                .tty = isatty(STDOUT_FILENO) == 1,
                .width = terminal_width(),
        };
        struct error error = { 0 };
        int r, exit_code;

        r = words_parse(argc, argv, &ctl.words, &error);
        if (r >= 0 && ctl.words.command && command_has_tenant(ctl.words.command))
                r = words_default(&ctl.words, "tenant", getenv("RAGD_TENANT"), &error);
        ctl.progress = isatty(STDERR_FILENO) == 1 && !ctl.words.json;
        exit_code = dispatch(&ctl, r, &error);
        words_done(&ctl.words);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                (void) fputs("ragctl: cannot write the output\n", stderr);
                return exit_code ? exit_code : EXIT_INTERNAL;
        }
        return exit_code;
}
