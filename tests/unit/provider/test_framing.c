/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/framing.h"
#include "provider/think.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Events as "[one][two]". */
static int write_down(void *data, const char *event, size_t len)
{
        struct buf *said = data;

        buf_append_char(said, '[');
        buf_append(said, event, len);
        buf_append_char(said, ']');
        return 0;
}

static int refuse(void *data, const char *event, size_t len)
{
        (void) write_down(data, event, len);
        return -ECANCELED;
}

/* The bytes in two pieces, cut at `cut`. */
static void read_cut(enum framing_kind kind, const char *bytes, size_t cut, struct buf *said)
{
        struct framing framing = { .kind = kind };

        buf_clear(said);
        assert_int_equal(framing_feed(&framing, bytes, cut, write_down, said, NULL), 0);
        assert_int_equal(
                framing_feed(&framing, bytes + cut, strlen(bytes) - cut, write_down, said, NULL),
                0);
        assert_int_equal(framing_end(&framing, write_down, said, NULL), 0);
        framing_done(&framing);
}

static const struct {
        enum framing_kind kind;
        const char *bytes, *events;
} streams[] = {
        { FRAMING_SSE, "data: one\n\ndata: two\n\n", "[one][two]" },
        { FRAMING_SSE, "data: one\r\n\r\ndata: two\r\n\r\n", "[one][two]" },
        { FRAMING_SSE, "data: one\r\rdata: two\r\r", "[one][two]" },
        { FRAMING_SSE, "data:one\n\ndata:  two\n\n", "[one][ two]" },
        { FRAMING_SSE, ": ping\n\nevent: message_start\nid: 7\nretry: 10\ndata: one\n\n: end\n\n",
          "[one]" },
        { FRAMING_SSE, "data: {\ndata: }\n\n", "[{\n}]" },
        { FRAMING_SSE, "data: {\r\ndata: }\r\n\r\n", "[{\n}]" },
        { FRAMING_SSE, "data: one\n\ndata: last", "[one][last]" },
        { FRAMING_SSE, "data\n\ndata:\n\n", "[][]" },
        { FRAMING_SSE, "database: no\ndat: no\n\n", "" },
        { FRAMING_SSE, "\n\n\n", "" },
        { FRAMING_SSE, "", "" },
        { FRAMING_NDJSON, "{\"a\":1}\n{\"b\":2}\n", "[{\"a\":1}][{\"b\":2}]" },
        { FRAMING_NDJSON, "{\"a\":1}\r\n\r\n  \n{\"b\":2}", "[{\"a\":1}][{\"b\":2}]" },
};

static void test_events_are_the_same_wherever_the_bytes_are_cut(void **state)
{
        cleanup_(buf_done) struct buf said = BUF_EMPTY;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(streams); i++)
                for (size_t cut = 0; cut <= strlen(streams[i].bytes); cut++) {
                        read_cut(streams[i].kind, streams[i].bytes, cut, &said);
                        assert_string_equal(buf_text(&said), streams[i].events);
                }
}

static void test_a_line_without_end_is_refused(void **state)
{
        cleanup_(buf_done) struct buf said = BUF_EMPTY;
        cleanup_free_ char *much = malloc(1 << 16);

        (void) state;
        memset(much, 'x', 1 << 16);
        for (int kind = FRAMING_SSE; kind <= FRAMING_NDJSON; kind++) {
                struct framing framing = { .kind = kind == FRAMING_SSE ? FRAMING_SSE
                                                                       : FRAMING_NDJSON };
                int r = 0, fed = 0;

                while (r == 0 && ++fed < 100)
                        r = framing_feed(&framing, much, 1 << 16, write_down, &said, NULL);
                assert_int_equal(r, -EBADMSG);
                assert_int_equal(fed, 17);
                framing_done(&framing);
        }
}

static void test_an_event_without_end_is_refused(void **state)
{
        struct framing framing = { .kind = FRAMING_SSE };
        cleanup_(buf_done) struct buf said = BUF_EMPTY;
        int r = 0, fed = 0;

        (void) state;
        while (r == 0 && ++fed < 1000000)
                r = framing_feed(&framing, "data: 0123456789\n", 17, write_down, &said, NULL);
        assert_int_equal(r, -EBADMSG);
        assert_true(fed < 120000);
        framing_done(&framing);
}

static void test_the_reader_can_stop_it(void **state)
{
        struct framing framing = { .kind = FRAMING_SSE };
        cleanup_(buf_done) struct buf said = BUF_EMPTY;

        (void) state;
        assert_int_equal(framing_feed(&framing, "data: a\n\ndata: b\n\n", 18, refuse, &said, NULL),
                         -ECANCELED);
        assert_string_equal(buf_text(&said), "[a]");
        framing_done(&framing);
}

/* ---- Thinking aloud -------------------------------------------------------------------------- */

static int collect(void *data, const char *text, size_t len)
{
        assert_true(len > 0);
        buf_append(data, text, len);
        return 0;
}

static const struct {
        const char *said, *told;
} thoughts[] = {
        { "Hello.", "Hello." },
        { "<think>hm</think>Hello.", "Hello." },
        { "<think>\nhm\n</think>\n\nHello.\n", "Hello.\n" },
        { "\n <think>a < b </thin </think> <think>again</think>Hello.", "Hello." },
        { "One.\n<think>hm</think>\nTwo.", "One.\nTwo." },
        { "Write <think> to think.", "Write <think> to think." },
        { "a <think>b</think> c", "a <think>b</think> c" },
        { "<thin", "<thin" },
        { "<thing>x</thing>", "<thing>x</thing>" },
        { "<<think>x", "<<think>x" },
        { "<think>never closed", "" },
        { "<think>x</think", "" },
        { "  \n  leading", "leading" },
        { "a\n  b\n", "a\n  b\n" },
        { "", "" },
        { "<", "<" },
        { "\n<\n<think>x</think>y", "<\ny" },
};

static void test_thoughts_are_left_out_wherever_the_text_is_cut(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(thoughts); i++) {
                const char *said = thoughts[i].said;

                for (size_t step = 1; step <= strlen(said) + 1; step++) {
                        cleanup_(buf_done) struct buf told = BUF_EMPTY;
                        struct think think = { 0 };

                        for (size_t at = 0; at < strlen(said); at += step) {
                                size_t left = strlen(said) - at;

                                assert_int_equal(think_feed(&think, said + at,
                                                            left < step ? left : step, collect,
                                                            &told),
                                                 0);
                        }
                        assert_int_equal(think_end(&think, collect, &told), 0);
                        assert_string_equal(buf_text(&told), thoughts[i].told);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_events_are_the_same_wherever_the_bytes_are_cut),
                cmocka_unit_test(test_a_line_without_end_is_refused),
                cmocka_unit_test(test_an_event_without_end_is_refused),
                cmocka_unit_test(test_the_reader_can_stop_it),
                cmocka_unit_test(test_thoughts_are_left_out_wherever_the_text_is_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
