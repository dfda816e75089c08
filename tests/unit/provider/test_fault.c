/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/fault.h"

#include "base/cleanup.h"
#include "config/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct {
        int status;
        const char *body;
        enum fault_class class;
} answers[] = {
        /* OpenAI and its imitators */
        { 400, "{\"error\":{\"message\":\"bad\",\"type\":\"invalid_request_error\",\"code\":null}}", FAULT_REQUEST },
        { 400, "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens\",\"type\":\"invalid_request_error\",\"code\":\"context_length_exceeded\"}}", FAULT_TOO_LARGE },
        { 400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens\",\"type\":\"BadRequestError\",\"code\":400}", FAULT_TOO_LARGE },
        { 400, "{\"error\":{\"message\":\"max_tokens is too large: 5000.\",\"type\":\"invalid_request_error\"}}", FAULT_REQUEST },
        { 401, "{\"error\":{\"message\":\"Incorrect API key provided\",\"code\":\"invalid_api_key\"}}", FAULT_KEY },
        { 403, "{\"error\":{\"message\":\"Country not supported\"}}", FAULT_KEY },
        { 404, "{\"error\":{\"message\":\"The model `x` does not exist\",\"code\":\"model_not_found\"}}", FAULT_MODEL },
        { 400, "{\"error\":{\"message\":\"gone\",\"code\":\"model_decommissioned\"}}", FAULT_MODEL },
        { 429, "{\"error\":{\"message\":\"Rate limit reached. You can add a payment method at https://platform.openai.com/account/billing.\",\"type\":\"requests\",\"code\":\"rate_limit_exceeded\"}}", FAULT_RATE_LIMIT },
        { 429, "{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}", FAULT_QUOTA },
        { 429, "{\"error\":{\"message\":\"x\",\"code\":\"credit_balance_exhausted\"}}", FAULT_QUOTA },
        { 429, "{\"error\":{\"message\":\"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}", FAULT_TOO_LARGE },
        { 500, "{\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\"}}", FAULT_SERVER },
        { 503, "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}", FAULT_SERVER },
        { 500, "{\"error\":{\"code\":500,\"message\":\"input is too large to process. increase the physical batch size\",\"type\":\"server_error\"}}", FAULT_TOO_LARGE },
        { 501, "{\"error\":{\"code\":501,\"message\":\"This server does not support embeddings\",\"type\":\"not_supported_error\"}}", FAULT_REQUEST },
        { 400, "{\"error\":{\"message\":\"Budget has been exceeded! Current cost: 1\",\"type\":\"budget_exceeded\",\"code\":\"400\"}}", FAULT_QUOTA },
        { 408, "", FAULT_SERVER },
        { 502, "<html><body>Bad Gateway</body></html>", FAULT_SERVER },
        { 302, "", FAULT_MODEL },
        /* Azure */
        { 400, "{\"error\":{\"message\":\"The response was filtered\",\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}", FAULT_REFUSED },
        { 401, "{\"error\":{\"code\":\"401\",\"message\":\"Access denied due to invalid subscription key or wrong API endpoint\"}}", FAULT_KEY },
        { 404, "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"no\"}}", FAULT_MODEL },
        { 429, "{\"error\":{\"code\":\"429\",\"message\":\"Requests have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 6 seconds. Please go here: https://aka.ms/oai/quotaincrease\"}}", FAULT_RATE_LIMIT },
        { 400, "{\"error\":{\"message\":\"Too many inputs. The max number of inputs is 1.\",\"code\":null}}", FAULT_TOO_LARGE },
        /* Anthropic */
        { 402, "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\",\"message\":\"x\"}}", FAULT_QUOTA },
        { 400, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low to access the Anthropic API\"}}", FAULT_QUOTA },
        { 400, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 210000 tokens > 200000 maximum\"}}", FAULT_TOO_LARGE },
        { 413, "<html>413</html>", FAULT_TOO_LARGE },
        { 429, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"This request would exceed your organization's rate limit\"}}", FAULT_RATE_LIMIT },
        { 429, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"You have reached your specified API usage limits\"}}", FAULT_QUOTA },
        { 529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", FAULT_SERVER },
        /* Groq */
        { 429, "{\"error\":{\"message\":\"Rate limit reached on tokens per minute (TPM): Limit 6000. Please try again in 7.66s\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}", FAULT_RATE_LIMIT },
        { 429, "{\"error\":{\"message\":\"Rate limit reached on requests per day (RPD): Limit 1000\",\"type\":\"requests\",\"code\":\"rate_limit_exceeded\"}}", FAULT_QUOTA },
        { 498, "{\"error\":{\"message\":\"x\",\"code\":\"capacity_exceeded\"}}", FAULT_RATE_LIMIT },
        /* Cohere */
        { 400, "{\"message\":\"invalid request: total number of texts must be at most 96 - received 104\"}", FAULT_TOO_LARGE },
        { 429, "{\"message\":\"You are using a Trial key, which is limited to 1000 API calls / month\"}", FAULT_QUOTA },
        { 429, "{\"message\":\"You are using a Trial key, which is limited to 40 API calls / minute\"}", FAULT_RATE_LIMIT },
        { 498, "{\"message\":\"blocked token\"}", FAULT_KEY },
        { 422, "{\"message\":\"x\"}", FAULT_REQUEST },
        /* Ollama, LM Studio, FastAPI */
        { 404, "{\"error\":\"model \\\"x\\\" not found, try pulling it first\"}", FAULT_MODEL },
        { 400, "{\"error\":\"the input length exceeds the context length\"}", FAULT_TOO_LARGE },
        { 503, "{\"error\":\"server busy, please try again.  maximum pending requests exceeded\"}", FAULT_SERVER },
        { 200, "{\"error\":\"Unexpected endpoint or method. (GET /x). Returning 200 anyway\"}", FAULT_MODEL },
        { 422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\",\"type\":\"missing\"}]}", FAULT_REQUEST },
        /* within an answer */
        { 200, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", FAULT_SERVER },
        { 200, "{\"error\":{\"message\":\"x\",\"type\":\"rate_limit_error\"}}", FAULT_RATE_LIMIT },
        { 200, "{\"error\":{\"message\":\"x\",\"type\":\"BadRequestError\",\"code\":400}}", FAULT_REQUEST },
        { 200, "{\"error\":{\"message\":\"x\",\"code\":401}}", FAULT_KEY },
        { 200, "{\"error\":\"an error was encountered while running the model\"}", FAULT_SERVER },
};

static void test_classes_follow_status_code_and_words(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                struct fault_words words;
                enum fault_class class;

                fault_read_words(answers[i].body, strlen(answers[i].body), &words);
                class = fault_classify(answers[i].status, &words);
                if (class != answers[i].class)
                        fail_msg("%d %s: %s", answers[i].status, answers[i].body, fault_class_name(class));
        }
}

static void test_words_are_found_in_every_shape(void **state)
{
        static const struct {
                const char *body, *message, *code;
        } rows[] = {
                { "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}}", "m", "c" },
                { "{\"error\":{\"message\":\"m\",\"code\":503}}", "m", "503" },
                { "{\"error\":\"m\"}", "m", "" },
                { "{\"object\":\"error\",\"message\":\"m\",\"code\":404}", "m", "404" },
                { "{\"detail\":\"m\"}", "m", "" },
                { "{\"detail\":[{\"loc\":[],\"msg\":\"m\"}]}", "m", "" },
                { "{\"message\":\"m\"}", "m", "" },
                { "{\"errors\":[\"m\"]}", "m", "" },
                { "[{\"error\":{\"message\":\"m\"}}]", "m", "" },
                { "plain\r\n\ttext \x01", "plain text", "" },
                { "bad \xff utf-8", "bad utf-8", "" },
                { "", "", "" }, { "{}", "", "" }, { "[]", "", "" }, { "null", "", "" },
                { "{\"error\":null,\"message\":\"m\"}", "m", "" },
                { "{\"error\":[],\"errors\":[]}", "", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct fault_words words;

                fault_read_words(rows[i].body, strlen(rows[i].body), &words);
                assert_string_equal(words.message, rows[i].message);
                assert_string_equal(words.code, rows[i].code);
        }
}

static char the_name[] = "cloud", the_reference[] = "env:CLOUD_KEY", the_model[] = "large-1",
            the_endpoint[] = "https://api.example/v1?token=hidden", the_key[] = "sk-0123456789abcdef";
static const struct provider_config config = { .name = the_name, .kind = PROVIDER_KIND_OPENAI,
                                               .api_key = the_reference, .model = the_model,
                                               .endpoint = the_endpoint };
static const struct provider provider = { .config = &config, .key = the_key };

static void read_fault(int status, const char *body, struct fault *fault, struct error *error)
{
        int r;

        *fault = (struct fault){ .limits = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                             UINT64_MAX, UINT64_MAX, false } };
        r = fault_read(&provider, status, body, strlen(body), fault, error);
        assert_int_equal(r, fault_class_traits(fault->class)->code);
}

static void test_a_refused_key_is_told_by_its_reference_alone(void **state)
{
        struct fault fault;
        struct error error;

        (void) state;
        read_fault(401, "{\"error\":{\"message\":\"Invalid key sk-0123456789abcdef\"}}", &fault, &error);
        assert_string_equal(error.message, "provider cloud: refused the key of env:CLOUD_KEY: HTTP 401; "
                                           "put a valid key there, then ragctl reload");
        read_fault(401, "{\"error\":{\"message\":\"Invalid key ending in 89abcdef\"}}", &fault, &error);
        assert_null(strstr(error.message, "89abcdef"));
        read_fault(500, "{\"error\":{\"message\":\"got sk-01234\"}}", &fault, &error);
        assert_null(strstr(error.message, "sk-01234"));
        assert_int_equal(fault.class, FAULT_SERVER);
}

static void test_a_missing_model_is_told_with_its_place(void **state)
{
        struct fault fault;
        struct error error;

        (void) state;
        read_fault(404, "{\"error\":{\"message\":\"no such model\"}}", &fault, &error);
        assert_string_equal(error.message, "provider cloud: has no model large-1 at https://api.example/v1: "
                                           "HTTP 404: no such model; correct model, deployment or endpoint");
}

static void test_long_words_are_shortened_and_waits_read(void **state)
{
        struct fault fault;
        struct error error;
        char body[2000];

        (void) state;
        memset(body, 'x', sizeof body);
        body[sizeof body - 1] = '\0';
        read_fault(503, body, &fault, &error);
        assert_true(strlen(error.message) < 200);
        assert_int_equal(fault.status, 503);
        read_fault(429, "{\"error\":{\"message\":\"Please try again in 7.66s.\"}}", &fault, &error);
        assert_int_equal(fault.wait_usec, 7660000);
        assert_int_equal(fault.class, FAULT_RATE_LIMIT);
}

static void test_every_class_has_a_name_and_a_code(void **state)
{
        (void) state;
        for (int i = 0; i < FAULT_CLASS_MAX; i++) {
                assert_non_null(fault_class_name((enum fault_class) i));
                assert_true(fault_class_traits((enum fault_class) i)->code < 0);
        }
        assert_null(fault_class_name(FAULT_CLASS_MAX));
        /* what must not be tried again at the same provider */
        assert_false(fault_class_traits(FAULT_KEY)->retry || fault_class_traits(FAULT_QUOTA)->retry ||
                     fault_class_traits(FAULT_MODEL)->retry || fault_class_traits(FAULT_REQUEST)->retry ||
                     fault_class_traits(FAULT_REFUSED)->retry || fault_class_traits(FAULT_TOO_LARGE)->retry);
        assert_false(fault_class_traits(FAULT_REFUSED)->another);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_classes_follow_status_code_and_words),
                cmocka_unit_test(test_words_are_found_in_every_shape),
                cmocka_unit_test(test_a_refused_key_is_told_by_its_reference_alone),
                cmocka_unit_test(test_a_missing_model_is_told_with_its_place),
                cmocka_unit_test(test_long_words_are_shortened_and_waits_read),
                cmocka_unit_test(test_every_class_has_a_name_and_a_code),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
