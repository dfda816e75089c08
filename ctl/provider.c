/* SPDX-License-Identifier: Apache-2.0 */
/* ragctl provider bench: many calls to models, which take a while. */
#include "config.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "client.h"
#include "print.h"
#include "progress.h"
#include "run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define QUESTIONS_BYTES_MAX ((size_t) 1024 * 1024)

/* Each line that is not blank is a question. */
static int read_questions(const struct ctl *ctl, const char *path, struct json_object **ret)
{
        struct json_object *texts = json_object_new_array();
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        char *rest, *line;
        size_t len;

        *ret = texts;
        if (io_read_file(AT_FDCWD, path, QUESTIONS_BYTES_MAX, &text, &len, &error) < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s", error_text(&error));
        if (utf8_valid_prefix(text, len) < len || strlen(text) < len)
                return ctl_fail(ctl, EXIT_INVALID, "%s is not UTF-8 text", path);
        for (line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
                if (line[strspn(line, " \t")])
                        json_add_string(texts, NULL, line);
        if (json_object_array_length(texts) == 0)
                return ctl_fail(ctl, EXIT_INVALID, "there is no question in %s", path);
        return EXIT_OK;
}

static int on_progress(void *data, struct json_object *parameters)
{
        struct progress *progress = data;
        uint64_t done = member_u64(parameters, "done"), total = member_u64(parameters, "total");
        char detail[64];

        (void) snprintf(detail, sizeof detail, "%ju of %ju calls", (uintmax_t) done,
                        (uintmax_t) total);
        progress_show(progress, member_text(parameters, "what", "asking"), done, total, detail);
        return 0;
}

/* One that never answered cannot be compared. */
static int exit_of_report(struct json_object *report)
{
        struct json_object *providers = member(report, "providers");

        for (size_t i = 0; i < member_count(report, "providers"); i++)
                if (member_u64(json_object_array_get_idx(providers, i), "answers") == 0)
                        return EXIT_INTERNAL;
        return EXIT_OK;
}

int run_provider_bench(struct ctl *ctl)
{
        cleanup_(client_close_cleanup) struct client *client = NULL;
        cleanup_json_ struct json_object *parameters = words_parameters(&ctl->words);
        cleanup_json_ struct json_object *reply = NULL;
        const char *path = words_string(&ctl->words, "questions", NULL);
        struct client_failure failure = { 0 };
        struct json_object *texts = NULL;
        struct progress progress;
        int r, exit_code = path ? read_questions(ctl, path, &texts) : EXIT_OK;

        if (texts)
                json_add(parameters, "texts", texts);
        if (exit_code != EXIT_OK)
                return exit_code;
        client = run_connect(ctl, &exit_code);
        if (!client)
                return exit_code;
        progress_begin(&progress, ctl);
        r = client_call(client, CONTROL_INTERFACE ".ProviderBench", parameters, VARLINK_MORE,
                        on_progress, &progress, &reply, &failure);
        progress_end(&progress);
        if (r < 0)
                return run_failed(ctl, r, &failure);
        if (ctl->words.json)
                (void) ctl_print_json(reply);
        else
                print_comparison(ctl, member(reply, "report"));
        return exit_of_report(member(reply, "report"));
}
