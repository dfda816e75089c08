/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers about providers, money and traces, on a real store, with a call and a gateway that
 * only note what they are asked. */
#include "base/clock.h"
#include "base/io.h"
#include "config/values.h"
#include "control/bench.h"
#include "control/handlers.h"
#include "control/types.h"
#include "gateway/gateway.h"
#include "release/snapshot.h"
#include "store/ledger.h"
#include "store/store.h"
#include "store/tenants.h"
#include "store/traces.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- A call that notes -------------------------------------------------------------------- */

struct call {
        struct control_services services;
        struct snapshot release;
        struct json_object *parameters, *reply;
        int code;
        struct error error;
        size_t n_notices, gone_after; /* 0: the client stays */
};

const struct control_services *call_services(const struct call *call)
{
        return &call->services;
}

const struct snapshot *call_release(struct call *call)
{
        return &call->release;
}

struct json_object *call_parameters(const struct call *call)
{
        return call->parameters;
}

const char *call_string(const struct call *call, const char *name, const char *otherwise)
{
        const char *text = otherwise;

        (void) json_get_string(call->parameters, name, &text, NULL);
        return text;
}

bool call_bool(const struct call *call, const char *name)
{
        bool value = false;

        (void) json_get_bool(call->parameters, name, &value, NULL);
        return value;
}

bool call_gone(const struct call *call)
{
        return call->gone_after > 0 && call->n_notices >= call->gone_after;
}

int call_notify(struct call *call, struct json_object *takes_parameters)
{
        assert_true(json_object_is_type(takes_parameters, json_type_object));
        json_object_put(takes_parameters);
        call->n_notices++;
        return 0;
}

void call_reply(struct call *call, struct json_object *takes_parameters)
{
        assert_null(call->reply);
        assert_int_equal(call->code, 0);
        call->reply = takes_parameters;
}

void call_fail(struct call *call, int code, const struct error *error)
{
        assert_null(call->reply);
        assert_int_equal(call->code, 0);
        assert_true(code < 0);
        call->code = code;
        call->error = *error;
}

void reply_with(struct call *call, const char *key, struct json_object *takes_value)
{
        struct json_object *reply = json_object_new_object();

        json_add(reply, key, takes_value);
        call_reply(call, reply);
}

int call_tenant(struct call *call, struct tenant_id *ret, struct error *reterr)
{
        (void) reterr;
        *ret = call->services.tenant;
        return 0;
}

bool read_tenant(struct call *call, struct tenant_id *ret)
{
        return call_tenant(call, ret, NULL) == 0;
}

int call_find_tenant(struct call *call, const char *name, bool deleted, struct tenant_info *ret,
                     struct error *reterr)
{
        return tenant_get_by_name(call->services.store, name, deleted, ret, reterr);
}

bool read_number(struct call *call, const char *name, uint64_t min, uint64_t max,
                 uint64_t otherwise, uint64_t *ret)
{
        struct error error = { 0 };
        int r;

        *ret = otherwise;
        r = json_get_u64(call->parameters, name, min, max, ret, &error);
        if (r < 0)
                call_fail(call, r, &error);
        return r >= 0;
}

/* ---- A gateway that notes ----------------------------------------------------------------- */

static struct {
        size_t asked[2]; /* "quick", "slow" */
        char order[64];
        char question[64];
        bool recorded, absent, called;
} noted;

int gateway_describe(struct gateway *gateway, const char *provider_or_null,
                     struct json_object **ret, struct error *reterr)
{
        static const char *const names[] = { "quick", "slow" };
        struct json_object *array = json_object_new_array(), *object = json_object_new_object();

        (void) gateway;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (!provider_or_null || strcmp(provider_or_null, names[i]) == 0) {
                        struct json_object *one = json_object_new_object();

                        json_add_string(one, "name", names[i]);
                        json_add_string(one, "model", "m-1");
                        json_add(array, NULL, one);
                }
        json_add(object, "providers", array);
        if (json_object_array_length(array) == 0) {
                json_object_put(object);
                return error_set(reterr, -ENOENT, "there is no provider %s", provider_or_null);
        }
        *ret = object;
        return 0;
}

int gateway_try(struct gateway *gateway, struct tenant_id tenant, const char *provider,
                bool probe_only, struct gateway_trial *ret, struct error *reterr)
{
        (void) gateway;
        (void) tenant;
        if (strcmp(provider, "slow") == 0)
                return error_set(reterr, -EACCES, "provider slow: the key is wrong: mend it");
        *ret = (struct gateway_trial){ .model_listed = noted.absent ? PROBE_MODEL_ABSENT
                                                                    : PROBE_MODEL_KNOWN,
                                       .probe_usec = 1500 };
        noted.called |= !probe_only;
        if (!probe_only) {
                ret->call_usec = 2500;
                ret->input_tokens = 7;
                ret->cost_microusd = 3;
                (void) strcpy(ret->model, "m-1");
                (void) strcpy(ret->text, "ok");
        }
        return 0;
}

/* quick answers in 10, 20, 30 … ms; slow fails each second time. */
int gateway_ask(struct gateway *gateway, struct tenant_id tenant, const char *provider,
                const struct chat_request *request, const struct gateway_terms *terms,
                struct gateway_attempt *ret_attempt, char **ret_text, struct error *reterr)
{
        size_t which = strcmp(provider, "slow") == 0;

        (void) gateway;
        (void) tenant;
        (void) terms;
        assert_int_equal(request->n_messages, 1);
        (void) snprintf(noted.question, sizeof noted.question, "%s", request->messages[0].text);
        if (strlen(noted.order) + 1 < sizeof noted.order)
                noted.order[strlen(noted.order)] = which ? 's' : 'q';
        noted.asked[which]++;
        if (which && noted.asked[1] % 2 == 0)
                return error_set(reterr, -ETIMEDOUT, "provider slow: no answer");
        *ret_attempt = (struct gateway_attempt){ .took_usec = 10000 * noted.asked[which],
                                                 .input_tokens = 5, .output_tokens = 2,
                                                 .cost_microusd = 9, .estimated = which };
        (void) strcpy(ret_attempt->model, "m-1");
        *ret_text = strdup("an answer");
        return 0;
}

int gateway_record(struct gateway *gateway, const char *provider, bool on, char **ret_path,
                   struct error *reterr)
{
        (void) gateway;
        if (strcmp(provider, "slow") == 0)
                return error_set(reterr, -EOPNOTSUPP, "provider slow computes here");
        noted.recorded = on;
        *ret_path = strdup("/recordings/quick.jsonl");
        return 0;
}

/* ---- The place ---------------------------------------------------------------------------- */

struct place {
        char path[256];
        struct store *store;
        struct config config;
        struct call call;
        size_t gone_after; /* for the next call */
};

static int setup(void **state)
{
        const struct store_limits limits = { .max_open_collections = 2 };
        struct place *place = calloc(1, sizeof *place);
        const char *base = getenv("TMPDIR");

        assert_non_null(place);
        assert_true(sodium_init() >= 0);
        (void) snprintf(place->path, sizeof place->path, "%s/ragd-test-XXXXXX",
                        base ? base : "/tmp");
        assert_non_null(mkdtemp(place->path));
        assert_int_equal(store_open(place->path, &limits, &place->store, NULL), 0);
        place->config.budget = (struct budget_config){ .alert_ratio = 0.8 };
        place->call.services = (struct control_services){
                .store = place->store,
                .tenant = store_default_tenant(place->store),
        };
        place->call.release.config = &place->config;
        memset(&noted, 0, sizeof noted);
        *state = place;
        return 0;
}

static void clear(struct call *call)
{
        json_object_put(call->parameters);
        json_object_put(call->reply);
        *call = (struct call){ .services = call->services, .release = call->release };
}

static int teardown(void **state)
{
        struct place *place = *state;

        clear(&place->call);
        (void) store_close(place->store);
        assert_int_equal(io_remove_tree(AT_FDCWD, place->path), 0);
        free(place);
        return 0;
}

static void run(struct place *place, call_handler handler, const char *parameters)
{
        clear(&place->call);
        place->call.gone_after = place->gone_after;
        assert_int_equal(json_parse(parameters, strlen(parameters), &place->call.parameters, NULL),
                         0);
        handler(&place->call);
        assert_true(place->call.code < 0 || place->call.reply);
}

/* Runs it, and holds the reply against the row's type. */
static struct json_object *answer(struct place *place, call_handler handler, const char *method,
                                  const char *parameters)
{
        char name[64];

        run(place, handler, parameters);
        if (place->call.code < 0)
                fail_msg("%s: %s", method, error_text(&place->call.error));
        (void) snprintf(name, sizeof name, CONTROL_INTERFACE ".%s", method);
        if (!type_fields_fit(command_find(name)->output, place->call.reply, true))
                fail_msg("%s: %s", method, json_text(place->call.reply, NULL));
        return place->call.reply;
}

static void refuse(struct place *place, call_handler handler, const char *parameters, int code,
                   const char *word)
{
        run(place, handler, parameters);
        assert_int_equal(place->call.code, code);
        if (!strstr(error_text(&place->call.error), word))
                fail_msg("%s", error_text(&place->call.error));
}

static struct json_object *part(struct json_object *object, const char *key)
{
        struct json_object *value = NULL;

        if (json_object_is_type(object, json_type_array))
                return json_object_array_get_idx(object, (size_t) strtoul(key, NULL, 10));
        (void) json_object_object_get_ex(object, key, &value);
        return value;
}

static uint64_t number(struct json_object *object, const char *key)
{
        assert_non_null(part(object, key));
        return json_object_get_uint64(part(object, key));
}

static const char *text(struct json_object *object, const char *key)
{
        assert_non_null(part(object, key));
        return json_object_get_string(part(object, key));
}

/* ---- Usage -------------------------------------------------------------------------------- */

static void spend(struct place *place, uint32_t day, const char *provider, uint64_t cost_microusd)
{
        struct ledger_entry entry = { .day = day, .tenant = place->call.services.tenant,
                                      .kind = "chat", .requests = 2, .errors = 1,
                                      .input_tokens = 100, .output_tokens = 10,
                                      .cost_microusd = cost_microusd };

        (void) snprintf(entry.provider, sizeof entry.provider, "%s", provider);
        assert_int_equal(ledger_add(place->store, &entry, 1, NULL), 0);
}

static void test_usage_of_a_month_is_summed_as_asked(void **state)
{
        struct place *place = *state;
        struct json_object *reply;
        uint32_t day;

        assert_int_equal(ledger_day_parse("2024-02-10", &day), 0);
        spend(place, day, "a", 1000);
        spend(place, day + 1, "a", 20);
        spend(place, day + 1, "b", 300);
        spend(place, day + 19, "b", 4000);  /* the 29th */
        spend(place, day + 20, "b", 50000); /* March */
        reply = answer(place, on_usage, "Usage", "{\"month\":\"2024-02\"}");
        assert_string_equal(text(reply, "first_day"), "2024-02-01");
        assert_string_equal(text(reply, "last_day"), "2024-02-29");
        assert_int_equal(json_object_array_length(part(reply, "rows")), 3);
        assert_string_equal(text(part(part(reply, "rows"), "1"), "day"), "2024-02-11");
        assert_int_equal(number(part(part(reply, "rows"), "1"), "cost_microusd"), 320);
        assert_int_equal(number(part(reply, "total"), "cost_microusd"), 5320);
        assert_int_equal(number(part(reply, "total"), "requests"), 8);
        assert_null(part(reply, "projection_microusd")); /* it is over */
        reply = answer(place, on_usage, "Usage", "{\"month\":\"2024-02\",\"by\":\"provider\"}");
        assert_string_equal(text(part(part(reply, "rows"), "1"), "provider"), "b");
        assert_int_equal(number(part(part(reply, "rows"), "1"), "cost_microusd"), 4300);
        reply = answer(place, on_usage, "Usage", "{\"month\":\"2024-02\",\"by\":\"tenant\"}");
        assert_string_equal(text(part(part(reply, "rows"), "0"), "tenant"), "default");
        reply = answer(place, on_usage, "Usage", "{\"month\":\"1999-12\",\"by\":\"kind\"}");
        assert_int_equal(json_object_array_length(part(reply, "rows")), 0);
        assert_int_equal(number(part(reply, "total"), "cost_microusd"), 0);
}

static void test_usage_now_tells_budgets_and_where_the_month_goes(void **state)
{
        struct place *place = *state;
        uint32_t today = ledger_day(clock_wall_usec());
        struct json_object *reply, *budgets;

        place->config.budget.daily_usd = 1;
        place->config.budget.monthly_usd = 10;
        spend(place, today, "a", 850000);
        reply = answer(place, on_usage, "Usage", "{}");
        budgets = part(reply, "budgets");
        assert_int_equal(json_object_array_length(budgets), 2);
        assert_string_equal(text(part(budgets, "0"), "period"), "day");
        assert_int_equal(number(part(budgets, "0"), "spent_microusd"), 850000);
        assert_int_equal(number(part(budgets, "0"), "limit_microusd"), 1000000);
        assert_true(json_object_get_boolean(part(part(budgets, "0"), "alert")));
        assert_false(json_object_get_boolean(part(part(budgets, "0"), "spent")));
        assert_false(json_object_get_boolean(part(part(budgets, "1"), "alert")));
        /* not less than what was spent, not more than each day the same */
        assert_true(number(reply, "projection_microusd") + 1 >= 850000);
        assert_true(number(reply, "projection_microusd") <= UINT64_C(31) * 850000);
        spend(place, today, "a", 200000);
        reply = answer(place, on_usage, "Usage", "{\"days\":1}");
        assert_true(json_object_get_boolean(part(part(part(reply, "budgets"), "0"), "spent")));
        assert_null(part(reply, "projection_microusd"));
        assert_string_equal(text(reply, "first_day"), text(reply, "last_day"));
}

static void test_usage_refuses_what_is_no_period(void **state)
{
        static const char *const months[] = { "2026", "2026-13", "2026-1", "2026-01-01", "now",
                                              "1969-12", "" };
        struct place *place = *state;

        for (size_t i = 0; i < ELEMENTSOF(months); i++) {
                char parameters[64];

                (void) snprintf(parameters, sizeof parameters, "{\"month\":\"%s\"}", months[i]);
                refuse(place, on_usage, parameters, -EINVAL, "is no month");
        }
        refuse(place, on_usage, "{\"days\":0}", -EINVAL, "days");
        refuse(place, on_usage, "{\"days\":-5}", -EINVAL, "days");
        refuse(place, on_usage, "{\"month\":\"2026-01\",\"days\":3}", -EINVAL, "not both");
        (void) answer(place, on_usage, "Usage", "{\"days\":3660}");
}

/* ---- Traces ------------------------------------------------------------------------------- */

static void test_traces_are_listed_and_shown(void **state)
{
        struct place *place = *state;
        struct tenant_id tenant = place->call.services.tenant;
        struct trace_id id = { id_random() };
        char parameters[64], written[ID_TEXT_SIZE];
        struct json_object *reply;

        reply = answer(place, on_trace, "Trace", "{}");
        assert_int_equal(json_object_array_length(part(reply, "traces")), 0);
        assert_int_equal(traces_put(place->store, tenant, id, UINT64_C(1700000000000000),
                                    "{\"a\":5}", 7, NULL), 0);
        reply = answer(place, on_trace, "Trace", "{\"limit\":3}");
        (void) id_format(id.id, written);
        assert_string_equal(text(part(part(reply, "traces"), "0"), "id"), written);
        assert_string_equal(text(part(part(reply, "traces"), "0"), "at"),
                            "2023-11-14T22:13:20.000Z");
        (void) snprintf(parameters, sizeof parameters, "{\"id\":\"%s\"}", written);
        reply = answer(place, on_trace, "Trace", parameters);
        assert_int_equal(number(part(reply, "trace"), "a"), 5);
        refuse(place, on_trace, "{\"id\":\"nonsense\"}", -EINVAL, "no id of a trace");
        refuse(place, on_trace, "{\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaa\"}", -ENOENT, "no trace");
        refuse(place, on_trace, "{\"limit\":0}", -EINVAL, "limit");
}

/* ---- Providers ---------------------------------------------------------------------------- */

static void test_providers_are_listed_and_shown(void **state)
{
        struct place *place = *state;
        struct json_object *reply = answer(place, on_provider_list, "ProviderList", "{}");

        assert_int_equal(json_object_array_length(part(reply, "providers")), 2);
        reply = answer(place, on_provider_show, "ProviderShow", "{\"name\":\"slow\"}");
        assert_string_equal(text(part(reply, "provider"), "name"), "slow");
        refuse(place, on_provider_show, "{\"name\":\"absent\"}", -ENOENT, "absent");
}

static void test_a_try_tells_what_it_found_or_what_is_wrong(void **state)
{
        struct place *place = *state;
        struct json_object *reply;

        reply = answer(place, on_provider_test, "ProviderTest",
                       "{\"name\":\"quick\",\"probe_only\":true}");
        assert_true(json_object_get_boolean(part(reply, "model_listed")));
        assert_false(noted.called);
        assert_null(part(reply, "call_usec"));
        reply = answer(place, on_provider_test, "ProviderTest", "{\"name\":\"quick\"}");
        assert_int_equal(number(reply, "call_usec"), 2500);
        assert_string_equal(text(reply, "text"), "ok");
        assert_null(part(reply, "width"));
        refuse(place, on_provider_test, "{\"name\":\"slow\"}", -EHOSTUNREACH, "mend it");
        noted.absent = true;
        noted.called = false;
        refuse(place, on_provider_test, "{\"name\":\"quick\"}", -EHOSTUNREACH, "m-1");
        assert_false(noted.called);
        refuse(place, on_provider_test, "{\"name\":\"absent\"}", -ENOENT, "absent");
}

static void test_a_recording_says_where(void **state)
{
        struct place *place = *state;
        struct json_object *reply;

        reply = answer(place, on_provider_record, "ProviderRecord", "{\"name\":\"quick\"}");
        assert_true(noted.recorded);
        assert_string_equal(text(reply, "path"), "/recordings/quick.jsonl");
        reply = answer(place, on_provider_record, "ProviderRecord",
                       "{\"name\":\"quick\",\"stop\":true}");
        assert_false(noted.recorded);
        assert_false(json_object_get_boolean(part(reply, "recording")));
        refuse(place, on_provider_record, "{\"name\":\"slow\"}", -EOPNOTSUPP, "computes here");
}

static void test_a_comparison_asks_by_turns(void **state)
{
        struct place *place = *state;
        struct json_object *reply, *one, *other;

        reply = answer(place, on_provider_bench, "ProviderBench",
                       "{\"a\":\"quick\",\"b\":\"slow\",\"texts\":[\"one?\",\"two?\"],"
                       "\"rounds\":2}");
        assert_string_equal(noted.order, "qssqsqqs");
        assert_string_equal(noted.question, "two?");
        assert_int_equal(place->call.n_notices, 8);
        one = part(part(part(reply, "report"), "providers"), "0");
        other = part(part(part(reply, "report"), "providers"), "1");
        assert_string_equal(text(one, "provider"), "quick");
        assert_int_equal(number(one, "answers"), 4);
        assert_int_equal(number(one, "errors"), 0);
        assert_int_equal(number(one, "input_tokens"), 20);
        assert_int_equal(number(one, "cost_microusd"), 36);
        assert_int_equal(number(one, "avg_usec"), 25000);
        assert_int_equal(number(one, "median_usec"), 25000);
        assert_int_equal(number(one, "min_usec"), 10000);
        assert_int_equal(number(one, "max_usec"), 40000);
        assert_int_equal(number(one, "stddev_usec"), 12909);
        assert_int_equal(number(one, "p95_usec"), 40000);
        assert_int_equal(number(other, "answers"), 2);
        assert_int_equal(number(other, "errors"), 2);
        assert_string_equal(text(other, "error"), "provider slow: no answer");
        assert_true(json_object_get_boolean(part(other, "estimated")));
}

static void test_a_comparison_is_refused_or_given_up(void **state)
{
        struct place *place = *state;

        refuse(place, on_provider_bench, "{\"a\":\"quick\",\"b\":\"absent\"}", -ENOENT, "absent");
        refuse(place, on_provider_bench, "{\"a\":\"quick\",\"b\":\"slow\",\"rounds\":0}", -EINVAL,
               "rounds");
        refuse(place, on_provider_bench, "{\"a\":\"quick\",\"b\":\"slow\",\"texts\":[]}", -EINVAL,
               "questions");
        refuse(place, on_provider_bench, "{\"a\":\"quick\",\"b\":\"slow\",\"texts\":[\"\"]}",
               -EINVAL, "question 1");
        assert_int_equal(noted.asked[0] + noted.asked[1], 0);
        place->gone_after = 3;
        refuse(place, on_provider_bench, "{\"a\":\"quick\",\"b\":\"slow\"}", -ECANCELED, "");
        assert_int_equal(noted.asked[0] + noted.asked[1], 3);
        place->gone_after = 0;
        (void) answer(place, on_provider_bench, "ProviderBench",
                      "{\"a\":\"quick\",\"b\":\"slow\",\"rounds\":1}");
        assert_int_equal(noted.asked[0], 6);
}

static void test_figures_of_one_and_of_many(void **state)
{
        uint64_t one[] = { 7 }, many[20];
        struct bench_figures figures;

        (void) state;
        bench_figures(one, 1, &figures);
        assert_true(figures.avg_usec == 7 && figures.median_usec == 7 && figures.p95_usec == 7 &&
                    figures.stddev_usec == 0);
        for (size_t i = 0; i < 20; i++)
                many[i] = 20 - i;
        bench_figures(many, 20, &figures);
        assert_true(figures.avg_usec == 10.5 && figures.median_usec == 10.5);
        assert_true(figures.min_usec == 1 && figures.max_usec == 20 && figures.p95_usec == 19);
        assert_true(figures.stddev_usec > 5.916 && figures.stddev_usec < 5.917);
}

int main(void)
{
#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                PLACE_TEST(test_usage_of_a_month_is_summed_as_asked),
                PLACE_TEST(test_usage_now_tells_budgets_and_where_the_month_goes),
                PLACE_TEST(test_usage_refuses_what_is_no_period),
                PLACE_TEST(test_traces_are_listed_and_shown),
                PLACE_TEST(test_providers_are_listed_and_shown),
                PLACE_TEST(test_a_try_tells_what_it_found_or_what_is_wrong),
                PLACE_TEST(test_a_recording_says_where),
                PLACE_TEST(test_a_comparison_asks_by_turns),
                PLACE_TEST(test_a_comparison_is_refused_or_given_up),
                cmocka_unit_test(test_figures_of_one_and_of_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
