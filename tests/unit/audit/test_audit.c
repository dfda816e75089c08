/* SPDX-License-Identifier: Apache-2.0 */
/* The log as it is written: its lines, segments, starts after crashes, retention, seed. */
#include "audit/chain.h"
#include "audit/line.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "tests/unit/audit/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Helpers --------------------------------------------------------------------------------- */

struct collected {
        char text[65536];
        unsigned n;
};

static int collect(void *data, const char *line, size_t len)
{
        struct collected *collected = data;
        size_t used = strlen(collected->text);

        (void) snprintf(collected->text + used, sizeof collected->text - used, "%.*s\n", (int) len,
                        line);
        collected->n++;
        return 0;
}

/* Lines with this action. */
static unsigned count(struct fixture *fixture, const char *action, struct collected *ret)
{
        struct audit_query query = { .action = action, .outcome = AUDIT_OUTCOME_MAX };

        memset(ret, 0, sizeof *ret);
        assert_int_equal(audit_search(fixture->path, &query, collect, ret, NULL), 0);
        return ret->n;
}

static off_t size_of(struct fixture *fixture, const char *name)
{
        char path[160];
        struct stat st;

        (void) snprintf(path, sizeof path, "%s/%s", fixture->path, name);
        return stat(path, &st) == 0 ? st.st_size : -1;
}

static void append(struct fixture *fixture, const char *name, const char *text)
{
        size_t len;
        char *before = fixture_read(fixture, name, &len);
        char *after = malloc(len + strlen(text) + 1);

        memcpy(after, before, len);
        memcpy(after + len, text, strlen(text));
        fixture_put(fixture, name, after, len + strlen(text));
        free(before);
        free(after);
}

static void expect_sound_to_the_end(struct fixture *fixture)
{
        struct audit *audit = fixture_open(fixture, 2000);
        struct audit_head head;

        audit_get_head(audit, &head);
        (void) audit_close(audit);
        fixture_expect_sound(fixture, head.seq);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void test_a_line_is_json_whatever_it_holds(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 0);
        struct json_object *details = json_object_new_object(), *json = NULL;
        struct audit_event event = { .action = "a\nb", .status = 404,
                                     .object = "\xff\x1b[2J\"\\\xe2\x80\xae",
                                     .outcome = AUDIT_DENIED, .has_peer = true, .uid = 7, .pid = 8,
                                     .repeated = 3, .release = 2, .details = details };
        struct error error = { 0 };
        struct collected found;
        const char *object = NULL;

        json_add_string(details, "q\x01", "line\nbreak\x7f");
        json_add_double(details, "x", 1.5);
        assert_int_equal(audit_write(audit, &event, &error), 0);
        (void) audit_close(audit);
        json_object_put(details);
        assert_int_equal(count(fixture, "a\nb", &found), 1);
        for (const char *at = found.text; at[1]; at++)
                assert_true((unsigned char) *at >= 0x20 && *at != 0x7f);
        assert_int_equal(json_parse(found.text, strlen(found.text), &json, &error), 0);
        assert_true(json_get_string(json, "object", &object, NULL) > 0);
        assert_string_equal(object, "\xef\xbf\xbd\x1b[2J\"\\\xe2\x80\xae");
        json_object_put(json);
        fixture_expect_sound(fixture, 2);
}

static void test_a_line_that_is_too_long_is_cut_and_says_so(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 0);
        struct json_object *details = json_object_new_object();
        struct audit_event event = { .action = "test", .details = details };
        char *big = malloc(20001);
        struct collected found;

        memset(big, '"', 20000);
        big[20000] = '\0';
        json_add_string(details, "big", big);
        event.object = event.user = event.tenant = event.request_id = event.code = big;
        assert_int_equal(audit_write(audit, &event, NULL), 0);
        (void) audit_close(audit);
        assert_int_equal(count(fixture, "test", &found), 1);
        assert_true(strlen(found.text) <= LINE_BYTES_MAX);
        assert_non_null(strstr(found.text, "\"details\":{\"cut\":"));
        assert_non_null(strstr(found.text, "\xe2\x80\xa6\""));
        fixture_expect_sound(fixture, 2);
        json_object_put(details);
        free(big);
}

static void test_nobody_else_writes_the_lines_of_the_log_itself(void **state)
{
        struct audit *audit = fixture_open(*state, 0);
        const struct audit_event event = { .action = "audit.expired" };

        assert_int_equal(audit_write(audit, &event, NULL), -EINVAL);
        (void) audit_close(audit);
}

/* ---- Segments and starts --------------------------------------------------------------------- */

static void test_a_segment_is_sealed_and_the_next_one_goes_on(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 3000);
        struct collected found;
        struct audit_head head;

        fixture_write(audit, 0, 40);
        audit_get_head(audit, &head);
        (void) audit_close(audit);
        assert_true(head.segment > 3);
        assert_int_equal(count(fixture, "audit.begin", &found), head.segment);
        assert_int_equal(count(fixture, "audit.sealed", &found), head.segment - 1);
        fixture_expect_sound(fixture, head.seq);
}

static void test_the_log_goes_on_after_a_start(void **state)
{
        struct fixture *fixture = *state;

        for (unsigned i = 0; i < 20; i++) {
                struct audit *audit = fixture_open(fixture, 2000);

                fixture_write(audit, i, 1);
                (void) audit_close(audit);
        }
        expect_sound_to_the_end(fixture);
}

static void test_two_writers_never_share_a_folder(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 0), *other = NULL;
        const struct audit_settings settings = { .path = fixture->path, .stage = "testing" };

        assert_int_equal(audit_open(&settings, &other, NULL), -EBUSY);
        (void) audit_close(audit);
}

static void test_a_torn_end_is_cut_off_and_told(void **state)
{
        struct fixture *fixture = *state;
        struct collected found;

        audit_close(fixture_open(fixture, 0));
        append(fixture, "000001.jsonl", "{\"seq\":2,\"time\":\"2026");
        audit_close(fixture_open(fixture, 0));
        assert_int_equal(count(fixture, "audit.recovered", &found), 1);
        assert_non_null(strstr(found.text, "\"torn_bytes\":21"));
        fixture_expect_sound(fixture, 2);
}

static void test_a_key_file_that_lags_catches_up(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 2000);
        struct collected found;
        char *key;
        size_t len;

        fixture_write(audit, 0, 2);
        key = fixture_read(fixture, "key", &len);
        fixture_write(audit, 2, 20);
        (void) audit_close(audit);
        fixture_put(fixture, "key", key, len);
        free(key);
        audit = fixture_open(fixture, 2000);
        fixture_write(audit, 22, 2);
        (void) audit_close(audit);
        assert_int_equal(count(fixture, "documents.put", &found), 16);
        assert_int_equal(count(fixture, "audit.gap", &found), 0);
        expect_sound_to_the_end(fixture);
}

static void test_a_segment_whose_first_line_was_torn_is_begun_again(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 600);
        struct collected found;
        struct audit_head head;

        fixture_write(audit, 0, 1);
        fixture_write(audit, 1, 1); /* seals the first one */
        audit_get_head(audit, &head);
        (void) audit_close(audit);
        assert_int_equal(head.segment, 2);
        fixture_put(fixture, "000003.jsonl", "{\"seq\":", 7);
        audit = fixture_open(fixture, 600);
        fixture_write(audit, 2, 4);
        (void) audit_close(audit);
        assert_true(count(fixture, "audit.begin", &found) > 2);
}

static void test_a_cut_log_begins_a_new_segment_and_says_what_is_gone(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 0);
        struct audit_verdict verdict;
        struct collected found;
        char *text, *end;
        size_t len;

        fixture_write(audit, 0, 10);
        (void) audit_close(audit);
        text = fixture_read(fixture, "000001.jsonl", &len);
        end = text;
        for (unsigned i = 0; i < 6; i++)
                end = strchr(end, '\n') + 1;
        fixture_put(fixture, "000001.jsonl", text, (size_t) (end - text));
        free(text);
        audit = fixture_open(fixture, 0);
        assert_int_equal(audit_healthy(audit, NULL), 0);
        (void) audit_close(audit);
        assert_true(size_of(fixture, "000002.jsonl") > 0);
        assert_int_equal(count(fixture, "audit.gap", &found), 1);
        assert_non_null(strstr(found.text, "\"known\":11,\"found\":6"));
        assert_int_equal(audit_verify(fixture->path, NULL, NULL, &verdict, NULL), 0);
        assert_int_equal(verdict.flaw, AUDIT_TRUNCATED);
        assert_int_equal(verdict.seq, 7);
        assert_int_equal(verdict.segment, 1);
}

static void test_an_edited_last_line_is_not_written_behind(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 0);
        struct audit_verdict verdict;
        size_t len;
        char *text;

        fixture_write(audit, 0, 3);
        (void) audit_close(audit);
        text = fixture_read(fixture, "000001.jsonl", &len);
        *(strstr(text, "documents/2") + strlen("documents/")) = '9';
        fixture_put(fixture, "000001.jsonl", text, len);
        free(text);
        audit_close(fixture_open(fixture, 0));
        assert_int_equal(size_of(fixture, "000001.jsonl"), (off_t) len);
        assert_true(size_of(fixture, "000002.jsonl") > 0);
        assert_int_equal(audit_verify(fixture->path, NULL, NULL, &verdict, NULL), 0);
        assert_int_equal(verdict.flaw, AUDIT_EDITED);
        assert_int_equal(verdict.seq, 4);
}

static void test_a_lost_key_file_is_made_from_the_seed_or_refused(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 2000);
        const struct audit_settings settings = { .path = fixture->path, .stage = "testing" };
        struct error error = { 0 };
        char path[160], seed[65];

        fixture_write(audit, 0, 20);
        (void) audit_close(audit);
        (void) snprintf(path, sizeof path, "%s/key", fixture->path);
        assert_int_equal(unlink(path), 0);
        audit = fixture_open(fixture, 2000);
        fixture_write(audit, 20, 2);
        assert_int_equal(audit_take_seed(audit, seed, NULL), 0);
        (void) audit_close(audit);
        expect_sound_to_the_end(fixture);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(audit_open(&settings, &audit, &error), -ENOKEY);
        assert_non_null(strstr(error.message, "seed"));
}

/* ---- Retention and seed ---------------------------------------------------------------------- */

static void test_what_expires_is_named_and_the_rest_stays_sound(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 2000);
        struct audit_verdict verdict;
        struct collected found;
        struct audit_head head;
        uint64_t gone = 9;

        fixture_write(audit, 0, 30);
        assert_int_equal(audit_expire(audit, 1, &gone, NULL), 0);
        assert_int_equal(gone, 0);
        audit_get_head(audit, &head);
        assert_int_equal(audit_expire(audit, UINT64_MAX, &gone, NULL), 0);
        assert_int_equal(gone, head.segment - 1);
        assert_int_equal(count(fixture, "audit.expired", &found), 1);
        fixture_write(audit, 30, 30);
        (void) audit_close(audit);
        for (unsigned macs = 0; macs < 2; macs++) {
                assert_int_equal(audit_verify(fixture->path, macs ? fixture->seed : NULL, NULL,
                                              &verdict, NULL), 0);
                assert_int_equal(verdict.flaw, AUDIT_SOUND);
                assert_true(verdict.first_seq > 1);
        }
}

static void test_the_seed_is_given_out_once(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 0);
        struct audit_verdict verdict;
        char seed[65], other[65];

        fixture_write(audit, 0, 5);
        assert_int_equal(audit_take_seed(audit, seed, NULL), 0);
        assert_string_equal(seed, fixture->seed);
        assert_int_equal(audit_take_seed(audit, other, NULL), -ENOENT);
        assert_int_equal(size_of(fixture, "seed"), -1);
        fixture_write(audit, 5, 5);
        (void) audit_close(audit);
        assert_int_equal(audit_verify(fixture->path, NULL, NULL, &verdict, NULL), 0);
        assert_true(verdict.flaw == AUDIT_SOUND && !verdict.macs);
        assert_int_equal(audit_verify(fixture->path, seed, NULL, &verdict, NULL), 0);
        assert_true(verdict.flaw == AUDIT_SOUND && verdict.macs);
        seed[0] = seed[0] == 'a' ? 'b' : 'a';
        assert_int_equal(audit_verify(fixture->path, seed, NULL, &verdict, NULL), -EKEYREJECTED);
        assert_int_equal(audit_verify(fixture->path, "nonsense", NULL, &verdict, NULL), -EINVAL);
        assert_int_equal(audit_verify(fixture->root, NULL, NULL, &verdict, NULL), -ENOENT);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct told {
        unsigned n;
        uint64_t seq;
};

static void tell(void *data, const struct audit_event *event, const char *line)
{
        struct told *told = data;

        assert_non_null(event->action);
        assert_null(strchr(line, '\n'));
        told->seq++;
        assert_int_equal(strtoull(line + strlen("{\"seq\":"), NULL, 10), told->seq);
        told->n++;
}

static void *write_some(void *data)
{
        for (unsigned i = 0; i < 200; i++) {
                const struct audit_event event = { .action = "test" };

                assert_int_equal(audit_write(data, &event, NULL), 0);
        }
        return NULL;
}

static void test_many_writers_share_syncs_and_are_told_in_order(void **state)
{
        struct fixture *fixture = *state;
        struct told told = { 0 };
        const struct audit_settings settings = { .path = fixture->path, .stage = "testing",
                                                 .segment_bytes = 50000, .journal = tell,
                                                 .data = &told };
        struct audit_figures figures;
        struct audit_head head;
        struct audit *audit;
        pthread_t threads[8];

        assert_int_equal(audit_open(&settings, &audit, NULL), 0);
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, write_some, audit), 0);
        for (unsigned i = 0; i < 8; i++)
                (void) pthread_join(threads[i], NULL);
        audit_get_figures(audit, &figures);
        audit_get_head(audit, &head);
        (void) audit_close(audit);
        assert_true(told.n >= 1600 && told.n == figures.lines && told.n == head.seq);
        assert_true(figures.syncs < figures.lines);
        fixture_expect_sound(fixture, head.seq);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_line_is_json_whatever_it_holds),
                TEST(test_a_line_that_is_too_long_is_cut_and_says_so),
                TEST(test_nobody_else_writes_the_lines_of_the_log_itself),
                TEST(test_a_segment_is_sealed_and_the_next_one_goes_on),
                TEST(test_the_log_goes_on_after_a_start),
                TEST(test_two_writers_never_share_a_folder),
                TEST(test_a_torn_end_is_cut_off_and_told),
                TEST(test_a_key_file_that_lags_catches_up),
                TEST(test_a_segment_whose_first_line_was_torn_is_begun_again),
                TEST(test_a_cut_log_begins_a_new_segment_and_says_what_is_gone),
                TEST(test_an_edited_last_line_is_not_written_behind),
                TEST(test_a_lost_key_file_is_made_from_the_seed_or_refused),
                TEST(test_what_expires_is_named_and_the_rest_stays_sound),
                TEST(test_the_seed_is_given_out_once),
                TEST(test_many_writers_share_syncs_and_are_told_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
