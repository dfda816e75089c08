/* SPDX-License-Identifier: Apache-2.0 */
/* Build-time: what is made from the command table.
 *     gen man TEMPLATE   ragctl(1), where the line @commands@ becomes the commands
 *     gen completion     the completion of bash */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "help.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TEMPLATE_MAX ((size_t) 1024 * 1024)
#define MARK "@commands@\n"

static int write_man(const char *template, struct buf *out)
{
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        const char *mark;
        size_t len;

        if (io_read_file(AT_FDCWD, template, TEMPLATE_MAX, &text, &len, &error) < 0) {
                (void) fprintf(stderr, "%s\n", error_text(&error));
                return 1;
        }
        mark = strstr(text, MARK);
        if (!mark) {
                (void) fprintf(stderr, "%s: the line %s is missing\n", template, MARK);
                return 1;
        }
        buf_append(out, text, (size_t) (mark - text));
        help_man(out);
        buf_append_text(out, mark + strlen(MARK));
        return 0;
}

int main(int argc, char *argv[])
{
        cleanup_(buf_done) struct buf out = BUF_EMPTY;
        int r = 0;

        if (argc == 3 && strcmp(argv[1], "man") == 0)
                r = write_man(argv[2], &out);
        else if (argc == 2 && strcmp(argv[1], "completion") == 0)
                help_completion(&out);
        else
                r = 2;
        if (r == 0 && !buf_failed(&out))
                (void) fputs(buf_text(&out), stdout);
        return r;
}
