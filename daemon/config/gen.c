/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what is made from the schema at build time: `gen json-schema`, `gen keys`,
 * `gen dictionary`, or `gen man FILE`, which prints the file with its line @TABLES@ replaced. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "config/document.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TEMPLATE_MAX (1024 * 1024)
#define PLACEHOLDER "@TABLES@\n"

static int fail(const char *message)
{
        (void) fprintf(stderr, "gen: %s\n", message);
        return EXIT_FAILURE;
}

static int print_schema(void)
{
        cleanup_json_ struct json_object *schema = config_schema_json();

        if (!schema)
                return fail("out of memory");
        (void) puts(json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PRETTY |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
        return EXIT_SUCCESS;
}

static int print(void (*write)(struct buf *buf))
{
        struct buf buf = BUF_EMPTY;
        int status = EXIT_SUCCESS;

        write(&buf);
        if (buf_failed(&buf))
                status = fail("out of memory");
        else
                (void) fputs(buf_text(&buf), stdout);
        buf_done(&buf);
        return status;
}

static int print_man(const char *path)
{
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        char *placeholder;
        size_t len;
        int status;

        if (io_read_file(AT_FDCWD, path, TEMPLATE_MAX, &text, &len, &error) < 0)
                return fail(error_text(&error));
        placeholder = strstr(text, PLACEHOLDER);
        if (!placeholder)
                return fail("the template lacks its line @TABLES@");
        (void) fwrite(text, 1, (size_t) (placeholder - text), stdout);
        status = print(config_write_man);
        (void) fputs(placeholder + strlen(PLACEHOLDER), stdout);
        return status;
}

int main(int argc, char *argv[])
{
        int status = EXIT_FAILURE;

        if (argc == 2 && strcmp(argv[1], "json-schema") == 0)
                status = print_schema();
        else if (argc == 2 && strcmp(argv[1], "keys") == 0)
                status = print(config_write_keys);
        else if (argc == 2 && strcmp(argv[1], "dictionary") == 0)
                status = print(config_write_dictionary);
        else if (argc == 3 && strcmp(argv[1], "man") == 0)
                status = print_man(argv[2]);
        else
                return fail("json-schema, keys, dictionary or man FILE");
        if (fflush(stdout) != 0 || ferror(stdout))
                return fail("cannot write");
        return status;
}
