/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/grammar.h"

#include "base/buf.h"
#include "base/json.h"
#include "ctl/help.h"
#include "ctl/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 16

/* Parses a line cut at spaces, '+' standing for a space within a word. */
static int parse(const char *line, struct words *ret, struct error *reterr)
{
        static char text[512];
        char *argv[ARGUMENTS_MAX + 1] = { (char *) "ragctl" };
        int argc = 1;

        (void) snprintf(text, sizeof text, "%s", line);
        for (char *word = strtok(text, " "); word && argc < ARGUMENTS_MAX; word = strtok(NULL, " ")) {
                for (char *c = word; *c; c++)
                        if (*c == '+')
                                *c = ' ';
                argv[argc++] = word;
        }
        return words_parse(argc, argv, ret, reterr);
}

static void test_lines_are_understood(void **state)
{
        static const struct {
                const char *line, *method, *parameters;
        } cases[] = {
                { "status", "Status", "{}" },
                { "status --json", "Status", "{}" },
                { "--json status", "Status", "{}" },
                { "log level", "LogLevel", "{}" },
                { "log level debug", "SetLogLevel", "{\"level\":\"debug\"}" },
                { "collection create notes", "CollectionCreate", "{\"name\":\"notes\"}" },
                { "collection create notes --language=german --description my+notes",
                  "CollectionCreate",
                  "{\"name\":\"notes\",\"language\":\"german\",\"description\":\"my notes\"}" },
                { "collection create --language german notes", "CollectionCreate",
                  "{\"name\":\"notes\",\"language\":\"german\"}" },
                { "collection delete a --yes a", "CollectionDelete",
                  "{\"name\":\"a\",\"yes\":\"a\"}" },
                { "collection list --tenant acme", "CollectionList", "{\"tenant\":\"acme\"}" },
                { "tenant quota set acme bytes=5G documents=none", "TenantQuotaSet",
                  "{\"name\":\"acme\",\"limits\":[\"bytes=5G\",\"documents=none\"]}" },
                { "tenant purge acme --yes-purge acme --receipt r.json", "TenantPurge",
                  "{\"name\":\"acme\",\"yes_purge\":\"acme\"}" },
                { "key create acme --name web --scopes read,write --requests-per-minute 60",
                  "KeyCreate",
                  "{\"tenant\":\"acme\",\"name\":\"web\",\"scopes\":[\"read,write\"],"
                  "\"requests_per_minute\":60}" },
                { "search two words", "Search", "{\"query\":\"two words\"}" },
                { "search a --collection x --collection y --limit 5 --mode bm25 --exact", "Search",
                  "{\"query\":\"a\",\"collections\":[\"x\",\"y\"],\"limit\":5,\"mode\":\"bm25\","
                  "\"exact\":true}" },
                { "search a --filter {\"type\":\"eq\",\"key\":\"k\",\"value\":1}", "Search",
                  "{\"query\":\"a\",\"filter\":{\"type\":\"eq\",\"key\":\"k\",\"value\":1}}" },
                { "search -- --limit", "Search", "{\"query\":\"--limit\"}" },
                { "search status", "Search", "{\"query\":\"status\"}" },
                { "ingest - dir --collection c --detach", "Ingest", "{\"collection\":\"c\"}" },
                { "document show c a/b.md", "DocumentShow",
                  "{\"collection\":\"c\",\"external_id\":\"a/b.md\"}" },
                { "generation remove c 3", "GenerationRemove",
                  "{\"collection\":\"c\",\"number\":3}" },
                { "plan", "Plan", "{}" },
                { "plan next.toml --detailed-exitcode", "Plan", "{}" },
                { "deploy --plan p-1 --reason why+not --confirm 10m --canary 10,50 --detach", "Deploy",
                  "{\"plan_id\":\"p-1\",\"reason\":\"why not\"}" },
                { "deploy next.toml --reason r --yes", "Deploy", "{\"reason\":\"r\"}" },
                { "watch", "Watch", "{}" },
                { "watch o-91", "Watch", "{\"op\":\"o-91\"}" },
                { "confirm c7", "Confirm", "{\"id\":\"c7\"}" },
                { "cancel", "Cancel", "{}" },
                { "extend 5m", "Extend", "{}" },
                { "extend 5m c7", "Extend", "{\"id\":\"c7\"}" },
                { "rollback --reason r --config-only", "Rollback",
                  "{\"reason\":\"r\",\"config_only\":true}" },
                { "rollback 3 --reason r --accept-cost", "Rollback",
                  "{\"release\":3,\"reason\":\"r\",\"accept_cost\":true}" },
                { "reload --wait", "Reload", "{}" },
                { "history", "History", "{}" },
                { "show 3", "ReleaseShow", "{\"release\":3}" },
                { "diff 3", "ReleaseDiff", "{\"from\":3}" },
                { "diff 3 5", "ReleaseDiff", "{\"from\":3,\"to\":5}" },
                { "drift", "Drift", "{}" },
                { "gc --dry-run", "Gc", "{\"dry_run\":true}" },
                { "override E_LADDER --until 2026-12-01 --reason r", "Override",
                  "{\"code\":\"E_LADDER\",\"until\":\"2026-12-01\",\"reason\":\"r\"}" },
                { "override list", "OverrideList", "{}" },
                { "gate run", "GateRun", "{}" },
                { "gate run 3", "GateRun", "{\"release\":3}" },
                { "golden add c what+flies bird=3 plane", "GoldenAdd",
                  "{\"collection\":\"c\",\"query\":\"what flies\",\"ids\":[\"bird=3\",\"plane\"]}" },
                { "golden list c --set s", "GoldenList", "{\"collection\":\"c\",\"set\":\"s\"}" },
                { "golden import c f.jsonl --replace", "GoldenImport",
                  "{\"collection\":\"c\",\"golden\":\"f.jsonl\",\"replace\":true}" },
                { "golden remove c --all", "GoldenRemove",
                  "{\"collection\":\"c\",\"all\":true}" },
                { "release export 3 r.tar.gz --with-vectors", "ReleaseExport",
                  "{\"release\":3,\"with_vectors\":true}" },
                { "release import r.tar.gz", "ReleaseImport", "{}" },
                { "release import r.tar.gz next.toml", "ReleaseImport", "{}" },
                { "validate --live next.toml", "Validate", "{\"live\":true}" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct words words;
                struct error error = { 0 };
                cleanup_json_ struct json_object *parameters = NULL, *wanted = NULL;

                if (parse(cases[i].line, &words, &error) < 0)
                        fail_msg("%s: %s", cases[i].line, error_text(&error));
                assert_string_equal(words.command->method, cases[i].method);
                parameters = words_parameters(&words);
                assert_int_equal(
                        json_parse(cases[i].parameters, strlen(cases[i].parameters), &wanted, NULL), 0);
                if (!json_object_equal(parameters, wanted))
                        fail_msg("%s: %s", cases[i].line, json_text(parameters, NULL));
                words_done(&words);
        }
}

static void test_mistakes_say_what_would_be_right(void **state)
{
        static const struct {
                const char *line, *says;
        } cases[] = {
                { "statsu", "did you mean \"status\"" },
                { "collection craete x", "did you mean \"collection create\"" },
                { "collection", "one more word: create, list, show, delete" },
                { "collection frobnicate", "there are: create, list, show, delete" },
                { "colection list", "did you mean \"collection\"" },
                { "search a --limti 3", "did you mean --limit" },
                { "--limit 3 search a", "follow its words" },
                { "search", "<query> is missing" },
                { "search a --limit", "--limit wants a value" },
                { "search a --limit three", "not a whole number" },
                { "search a --limit 3 --limit 4", "given twice" },
                { "search a --mode fuzzy", "hybrid, dense, bm25" },
                { "search a --exact=yes", "takes no value" },
                { "search a --filter {", "--filter" },
                { "search a\xff", "not UTF-8" },
                { "search -x", "unknown option -x" },
                { "collection delete a", "--yes <yes> is missing" },
                { "collection show a b", "\"b\" is too much" },
                { "log level loud", "error, warning, notice, info, debug" },
                { "log level info debug", "too much" },
                { "document show c", "<external_id> is missing" },
                { "deploy", "--reason <reason> is missing" },
                { "deploy a b --reason r", "\"b\" is too much" },
                { "rollback", "--reason <reason> is missing" },
                { "rollback two --reason r", "not a whole number" },
                { "extend", "<time> is missing" },
                { "show", "<release> is missing" },
                { "override E_ALL --until 2026-12-01 --reason r", "E_DESTRUCTIVE, E_LADDER" },
                { "override E_LADDER --reason r", "--until <until> is missing" },
                { "golden", "one more word: add, list, import, remove" },
                { "golden add c q", "<ids> is missing" },
                { "gate", "one more word: run" },
                { "release export 3", "<file> is missing" },
                { "release exprot 3 f", "did you mean \"release export\"" },
                { "promote --from a --to b", "--reason <reason> is missing" },
                { "promote --form a", "did you mean --from" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct words words;
                struct error error = { 0 };

                if (parse(cases[i].line, &words, &error) != -EINVAL)
                        fail_msg("%s was understood", cases[i].line);
                if (!strstr(error_text(&error), cases[i].says))
                        fail_msg("%s: %s", cases[i].line, error_text(&error));
                words_done(&words);
        }
}

static void test_help_is_found_wherever_it_is_asked_for(void **state)
{
        static const char *const lines[] = { "--help", "-h", "search --help", "collection create -h",
                                             "--help search" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                struct words words;

                assert_int_equal(parse(lines[i], &words, NULL), 0);
                assert_true(words.help);
                words_done(&words);
        }
}

/* ---- The rows as a grammar -------------------------------------------------------------------- */

static void count(const struct command *command, size_t *min, size_t *max, char words[static 64])
{
        const char *at = command->usage;
        bool arguments = false, optional = false, rest = false;

        *min = *max = 0;
        words[0] = '\0';
        for (;;) {
                struct usage_part part = usage_next(&at);

                if (part.kind == USAGE_END)
                        return;
                assert_false(rest); /* nothing follows what takes the rest */
                if (part.kind == USAGE_WORD) {
                        assert_false(arguments); /* words come first */
                        (void) snprintf(words + strlen(words), 64 - strlen(words), "%.*s ",
                                        (int) part.len, part.name);
                        continue;
                }
                arguments = true;
                assert_false(optional && !part.optional);
                optional = part.optional;
                rest = part.rest;
                *min += part.optional ? 0 : 1;
                *max = part.rest ? 1000 : *max + 1;
                if (!command_argument(command, &part))
                        fail_msg("%s: no field for %.*s", command->usage, (int) part.len, part.name);
        }
}

static void test_no_line_fits_two_rows(void **state)
{
        (void) state;
        for (size_t i = 0; i < n_commands; i++) {
                size_t min, max;
                char words[64];

                if (!commands[i].usage)
                        continue;
                count(&commands[i], &min, &max, words);
                for (size_t j = 0; j < i; j++) {
                        size_t other_min, other_max;
                        char other[64];

                        if (!commands[j].usage)
                                continue;
                        count(&commands[j], &other_min, &other_max, other);
                        if (strcmp(words, other) == 0 && min <= other_max && other_min <= max)
                                fail_msg("%s and %s", commands[i].usage, commands[j].usage);
                }
        }
}

static void test_no_option_hides_another(void **state)
{
        (void) state;
        for (size_t i = 0; i < n_commands; i++) {
                const struct command *command = &commands[i];

                for (const struct command_field *field = command->input;
                     command->usage && field->name; field++) {
                        char name[OPTION_NAME_SIZE], other[OPTION_NAME_SIZE];

                        if (!command_is_option(command, field))
                                continue;
                        (void) option_name(field, name);
                        for (const struct common_option *option = common_options; option->name; option++)
                                assert_string_not_equal(option->name, name);
                        for (const struct command_field *one = command->input; one < field; one++)
                                if (command_is_option(command, one))
                                        assert_string_not_equal(option_name(one, other), name);
                }
        }
}

static void test_every_command_runs_and_explains_itself(void **state)
{
        static const struct style plain = { "", "", "", "", "", "", "" };
        cleanup_(buf_done) struct buf all = BUF_EMPTY, man = BUF_EMPTY, shell = BUF_EMPTY;

        (void) state;
        help_all(&plain, &all);
        help_man(&man);
        help_completion(&shell);
        assert_false(buf_failed(&all) || buf_failed(&man) || buf_failed(&shell));
        for (size_t i = 0; i < n_commands; i++) {
                cleanup_(buf_done) struct buf one = BUF_EMPTY;

                if (!commands[i].usage)
                        continue;
                if (!run_knows(&commands[i]))
                        fail_msg("%s does nothing", commands[i].usage);
                help_command(&plain, &commands[i], &one);
                assert_non_null(strstr(buf_text(&one), commands[i].doc));
                assert_non_null(strstr(buf_text(&one), commands[i].usage));
                assert_non_null(strstr(buf_text(&all), commands[i].usage));
        }
        assert_non_null(strstr(buf_text(&shell), " create list show delete\" ;;"));
}

static void test_a_tenant_may_come_from_the_environment(void **state)
{
        static const struct {
                const char *line, *text, *parameters;
        } cases[] = {
                { "collection list", "acme", "{\"tenant\":\"acme\"}" },
                { "collection list --tenant b", "acme", "{\"tenant\":\"b\"}" },
                { "collection list", "", "{}" },
                { "collection list", NULL, "{}" },
                { "status", "acme", "{}" },
                { "key list b", "acme", "{\"tenant\":\"b\"}" }, /* there it is no option */
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct words words;
                struct json_object *parameters;

                assert_int_equal(parse(cases[i].line, &words, NULL), 0);
                assert_int_equal(words_default(&words, "tenant", cases[i].text, NULL), 0);
                parameters = words_parameters(&words);
                if (strcmp(json_text(parameters, NULL), cases[i].parameters) != 0)
                        fail_msg("%s: %s", cases[i].line, json_text(parameters, NULL));
                json_object_put(parameters);
                words_done(&words);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines_are_understood),
                cmocka_unit_test(test_mistakes_say_what_would_be_right),
                cmocka_unit_test(test_help_is_found_wherever_it_is_asked_for),
                cmocka_unit_test(test_no_line_fits_two_rows),
                cmocka_unit_test(test_no_option_hides_another),
                cmocka_unit_test(test_every_command_runs_and_explains_itself),
                cmocka_unit_test(test_a_tenant_may_come_from_the_environment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
