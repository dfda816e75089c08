/* SPDX-License-Identifier: Apache-2.0 */
#include "control/varlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum verdict { REFUSED, PLAIN, ONEWAY, MORE, UPGRADE };

static const struct {
        const char *text;
        enum verdict verdict;
} calls[] = {
        { "{\"method\":\"a.b.C\"}", PLAIN },
        { " {\"method\" : \"a.b.C\" , \"parameters\" : { \"x\" : 1 } } ", PLAIN },
        { "{\"method\":\"a.b.C\",\"parameters\":null}", PLAIN },
        { "{\"method\":\"a.b.C\",\"parameters\":{}}", PLAIN },
        { "{\"method\":\"a.b.C\",\"more\":true}", MORE },
        { "{\"method\":\"a.b.C\",\"oneway\":true}", ONEWAY },
        { "{\"method\":\"a.b.C\",\"upgrade\":true}", UPGRADE },
        { "{\"method\":\"a.b.C\",\"more\":true,\"oneway\":false,\"upgrade\":false}", MORE },
        { "{\"method\":\"a.b.C\",\"org.vendor.key\":[1,2]}", PLAIN },
        { "{\"method\":\"nodots\"}", PLAIN }, /* answered with InterfaceNotFound */
        { "", REFUSED },
        { "{", REFUSED },
        { "{}", REFUSED },
        { "[]", REFUSED },
        { "null", REFUSED },
        { "\"a.b.C\"", REFUSED },
        { "{\"method\":\"a.b.C\"} x", REFUSED },
        { "{\"method\":\"a.b.C\"}{}", REFUSED },
        { "{\"method\":null}", REFUSED },
        { "{\"method\":5}", REFUSED },
        { "{\"method\":\"a.b.C\\u0000D\"}", REFUSED },
        { "{\"method\":\"a.b.\xff\"}", REFUSED },
        { "{\"parameters\":{}}", REFUSED },
        { "{\"method\":\"a.b.C\",\"parameters\":[]}", REFUSED },
        { "{\"method\":\"a.b.C\",\"parameters\":\"x\"}", REFUSED },
        { "{\"method\":\"a.b.C\",\"parameters\":{\"x\":NaN}}", REFUSED },
        { "{\"method\":\"a.b.C\",\"more\":1}", REFUSED },
        { "{\"method\":\"a.b.C\",\"more\":null}", REFUSED },
        { "{\"method\":\"a.b.C\",\"more\":\"true\"}", REFUSED },
        { "{\"method\":\"a.b.C\",\"more\":true,\"oneway\":true}", REFUSED },
        { "{\"method\":\"a.b.C\",\"upgrade\":true,\"oneway\":true}", REFUSED },
        { "{\"method\":\"a.b.C\",\"surprise\":1}", REFUSED },
        { "{\"method\":\"a.b.C\",\"error\":\"x.y\"}", REFUSED },
        { "{\"method\":\"a.b.C\",\"continues\":true}", REFUSED },
};

static enum verdict verdict_of(const char *text)
{
        struct varlink_call call = { 0 };
        struct error error = { 0 };
        enum verdict verdict;

        if (varlink_parse_call(text, strlen(text), &call, &error) < 0) {
                assert_int_equal(error.code, -EBADMSG);
                assert_true(error_text(&error)[0] != '\0');
                return REFUSED;
        }
        assert_non_null(call.method);
        verdict = call.more ? MORE : call.oneway ? ONEWAY : call.upgrade ? UPGRADE : PLAIN;
        varlink_call_done(&call);
        return verdict;
}

static void test_calls_are_read_as_the_specification_says(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                if (verdict_of(calls[i].text) != calls[i].verdict)
                        fail_msg("%s", calls[i].text);
}

static void test_nesting_beyond_all_reason_is_refused(void **state)
{
        char text[4096];

        (void) state;
        memset(text, '[', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        memcpy(text, "{\"method\":\"a.b\",\"x.y\":", 23);
        assert_int_equal(verdict_of(text), REFUSED);
}

static void test_replies_are_read_as_the_specification_says(void **state)
{
        static const struct {
                const char *text;
                bool good, continues, error;
        } replies[] = {
                { "{}", true, false, false },
                { "{\"parameters\":{\"a\":1}}", true, false, false },
                { "{\"parameters\":{\"a\":1},\"continues\":true}", true, true, false },
                { "{\"error\":\"a.b.C\"}", true, false, true },
                { "{\"error\":\"a.b.C\",\"parameters\":{\"why\":1}}", true, false, true },
                { "{\"x.vendor\":1}", true, false, false },
                { "{\"error\":\"a.b.C\",\"continues\":true}", false, false, false },
                { "{\"error\":\"unqualified\"}", false, false, false },
                { "{\"error\":7}", false, false, false },
                { "{\"continues\":1}", false, false, false },
                { "{\"method\":\"a.b.C\"}", false, false, false },
                { "{\"parameters\":7}", false, false, false },
                { "[]", false, false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                struct varlink_reply reply = { 0 };
                int r = varlink_parse_reply(replies[i].text, strlen(replies[i].text), &reply, NULL);

                if ((r >= 0) != replies[i].good || reply.continues != replies[i].continues ||
                    (reply.error != NULL) != replies[i].error)
                        fail_msg("%s", replies[i].text);
                varlink_reply_done(&reply);
        }
}

static void test_messages_are_found_whatever_the_cut(void **state)
{
        static const char bytes[] = "one\0two\0\0part";
        size_t scanned = 0, len;

        (void) state;
        for (size_t cut = 0; cut < 3; cut++)
                assert_int_equal(varlink_find_message(bytes, cut, &scanned, &len), 0);
        assert_int_equal(varlink_find_message(bytes, 4, &scanned, &len), 1);
        assert_int_equal(len, 3);
        assert_int_equal(varlink_find_message(bytes + 4, 5, &scanned, &len), 1);
        assert_int_equal(len, 3);
        assert_int_equal(varlink_find_message(bytes + 8, 1, &scanned, &len), 1);
        assert_int_equal(len, 0);
        assert_int_equal(varlink_find_message(bytes + 9, 4, &scanned, &len), 0);
        assert_int_equal(scanned, 4);
}

static void test_a_message_of_16_mib_passes_and_one_more_byte_does_not(void **state)
{
        char *bytes = calloc(1, VARLINK_MESSAGE_MAX + 1);
        size_t scanned = 0, len;

        (void) state;
        assert_non_null(bytes);
        memset(bytes, 'x', VARLINK_MESSAGE_MAX - 1);
        assert_int_equal(varlink_find_message(bytes, VARLINK_MESSAGE_MAX, &scanned, &len), 1);
        assert_int_equal(len, VARLINK_MESSAGE_MAX - 1);
        bytes[VARLINK_MESSAGE_MAX - 1] = 'x';
        assert_int_equal(varlink_find_message(bytes, VARLINK_MESSAGE_MAX - 1, &scanned, &len), 0);
        assert_int_equal(varlink_find_message(bytes, VARLINK_MESSAGE_MAX, &scanned, &len),
                         -EMSGSIZE);
        free(bytes);
}

static void test_what_is_written_is_read_back(void **state)
{
        cleanup_(buf_done) struct buf out = BUF_EMPTY;
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        struct varlink_call call = { 0 };
        struct varlink_reply reply = { 0 };

        (void) state;
        json_add_string(parameters, "text", "\"quoted\" \xc3\xa9 \n");
        varlink_write_call(&out, "a.b.C", parameters, VARLINK_MORE);
        assert_int_equal(out.data[out.len - 1], '\0');
        assert_int_equal(varlink_parse_call(out.data, out.len - 1, &call, NULL), 0);
        assert_true(call.more);
        assert_string_equal(call.method, "a.b.C");
        assert_true(json_object_equal(call.parameters, parameters));
        varlink_call_done(&call);

        buf_clear(&out);
        varlink_write_reply(&out, parameters, true);
        assert_int_equal(varlink_parse_reply(out.data, out.len - 1, &reply, NULL), 0);
        assert_true(reply.continues);
        assert_true(json_object_equal(reply.parameters, parameters));
        varlink_reply_done(&reply);

        buf_clear(&out);
        varlink_write_error(&out, "a.b.Bad", NULL);
        assert_int_equal(varlink_parse_reply(out.data, out.len - 1, &reply, NULL), 0);
        assert_string_equal(reply.error, "a.b.Bad");
        varlink_reply_done(&reply);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls_are_read_as_the_specification_says),
                cmocka_unit_test(test_nesting_beyond_all_reason_is_refused),
                cmocka_unit_test(test_replies_are_read_as_the_specification_says),
                cmocka_unit_test(test_messages_are_found_whatever_the_cut),
                cmocka_unit_test(test_a_message_of_16_mib_passes_and_one_more_byte_does_not),
                cmocka_unit_test(test_what_is_written_is_read_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
