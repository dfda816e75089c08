/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes in, and limits of days, data and calls: exact under threads and after a crash. */
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "config/values.h"
#include "store/keys.h"
#include "store/ledger.h"
#include "store/store.h"
#include "store/tenants.h"
#include "tenant/tenants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ok(call) assert_int_equal((call), 0)
#define DAY_USEC (UINT64_C(86400) * USEC_PER_SEC)
#define NOON (UINT64_C(20000) * DAY_USEC + DAY_USEC / 2)

struct fixture {
        char path[64];
        struct store *store;
        struct tenants *tenants;
        struct tenant_id tenant;
};

static struct multi_tenant_settings_config settings;
static struct security_config security;

static void open_all(struct fixture *fixture)
{
        const struct store_limits limits = { .max_open_collections = 4 };
        struct error error = { 0 };

        if (store_open(fixture->path, &limits, &fixture->store, &error) < 0)
                fail_msg("%s", error.message);
        ok(tenants_new(&(struct tenants_settings){ .store = fixture->store, .max_rates = 4096 },
                       &fixture->tenants, NULL));
        tenants_configure(fixture->tenants, true, &settings, &security);
}

static void close_all(struct fixture *fixture)
{
        fixture->tenants = tenants_free(fixture->tenants);
        fixture->store = store_close(fixture->store);
}

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        struct tenant_info info = { 0 };

        settings = (struct multi_tenant_settings_config){ 0 };
        security = (struct security_config){ .rate_limit_per_user = 100 };
        (void) snprintf(fixture->path, sizeof fixture->path, "/tmp/ragd-tenants-XXXXXX");
        assert_non_null(mkdtemp(fixture->path));
        open_all(fixture);
        ok(tenant_insert(fixture->store, "acme", &info, NULL));
        fixture->tenant = info.id;
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        close_all(fixture);
        ok(io_remove_tree(AT_FDCWD, fixture->path));
        free(fixture);
        return 0;
}

static void set_limit(struct fixture *fixture, enum tenant_limit limit, uint64_t value)
{
        struct tenant_quota quota = { .set = 1U << limit };

        quota.limit[limit] = value;
        ok(tenant_set_quota(fixture->store, fixture->tenant, &quota, 0, NULL));
        tenants_refresh(fixture->tenants, fixture->tenant);
}

static struct tenant_entry *enter(struct fixture *fixture)
{
        struct tenant_entry *entry = NULL;
        struct error error = { 0 };

        if (tenant_enter(fixture->tenants, fixture->tenant, &entry, &error) < 0)
                fail_msg("%s", error.message);
        return entry;
}

static int count(struct fixture *fixture, uint64_t wall_usec, struct tenant_verdict *ret)
{
        struct tenant_entry *entry = enter(fixture);
        int r = tenant_count_request(entry, &(struct tenant_caller){ .user = "u" }, wall_usec,
                                     wall_usec, ret);

        tenant_leave(entry);
        return r;
}

/* ---- In and out ----------------------------------------------------------------------------- */

static void test_only_as_many_are_in_as_the_limit_says(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_entry *in[3], *more = NULL;
        struct error error = { 0 };

        settings.max_concurrent_operations = 3;
        tenants_configure(fixture->tenants, true, &settings, &security);
        for (int i = 0; i < 3; i++)
                in[i] = enter(fixture);
        assert_int_equal(tenant_enter(fixture->tenants, fixture->tenant, &more, &error), -EBUSY);
        assert_non_null(strstr(error.message, "3"));
        ok(tenant_enter_quietly(fixture->tenants, fixture->tenant, &more, NULL));
        assert_null(tenant_leave(more));
        assert_null(tenant_leave(in[0]));
        assert_null(tenant_leave(NULL));
        in[0] = enter(fixture);
        set_limit(fixture, TENANT_CONCURRENT, 4); /* its own */
        more = enter(fixture);
        tenant_leave(more);
        for (int i = 0; i < 3; i++)
                tenant_leave(in[i]);
}

static struct tenant_id wanted_id;
static atomic_uint wanted_times;

static void note_wanted(void *data, struct tenant_id tenant)
{
        assert_string_equal(data, "x");
        wanted_id = tenant;
        wanted_times++;
}

static void test_a_state_lets_in_or_says_why_not(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_entry *entry = NULL;
        static char mark[] = "x";

        tenants_on_wanted(fixture->tenants, note_wanted, mark);
        tenant_leave(enter(fixture));
        ok(tenant_move(fixture->store, fixture->tenant, TENANT_SUSPENDED, NULL, NULL, NULL));
        tenants_refresh(fixture->tenants, fixture->tenant);
        assert_int_equal(tenant_enter(fixture->tenants, fixture->tenant, &entry, NULL), -EPERM);
        ok(tenant_move(fixture->store, fixture->tenant, TENANT_ACTIVE, NULL, NULL, NULL));
        tenants_refresh(fixture->tenants, fixture->tenant);
        tenant_leave(enter(fixture));
        wanted_times = 0;
        ok(tenant_move(fixture->store, fixture->tenant, TENANT_OFFLOADED, "a", NULL, NULL));
        tenants_refresh(fixture->tenants, fixture->tenant);
        assert_int_equal(tenant_enter(fixture->tenants, fixture->tenant, &entry, NULL), -EAGAIN);
        assert_int_equal(wanted_times, 1);
        assert_true(id_equal(wanted_id.id, fixture->tenant.id));
        ok(tenant_move(fixture->store, fixture->tenant, TENANT_DELETED, "a", NULL, NULL));
        tenants_refresh(fixture->tenants, fixture->tenant);
        assert_int_equal(tenant_enter(fixture->tenants, fixture->tenant, &entry, NULL), -ENOENT);
        fixture->tenant.id = id_random();
        assert_int_equal(tenant_enter(fixture->tenants, fixture->tenant, &entry, NULL), -ENOENT);
}

static void *leave_soon(void *data)
{
        (void) usleep(100000);
        tenant_leave(data);
        return NULL;
}

static void test_closing_waits_for_those_who_are_in_and_lets_nobody_in(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_entry *entry = enter(fixture), *other = NULL;
        pthread_t thread;

        assert_int_equal(tenants_close(fixture->tenants, fixture->tenant, 1000, NULL), -EBUSY);
        tenant_leave(enter(fixture)); /* as before */
        ok(pthread_create(&thread, NULL, leave_soon, entry));
        ok(tenants_close(fixture->tenants, fixture->tenant, 60 * USEC_PER_SEC, NULL));
        ok(pthread_join(thread, NULL));
        assert_int_equal(tenant_enter(fixture->tenants, fixture->tenant, &other, NULL), -EAGAIN);
        assert_int_equal(tenant_enter_quietly(fixture->tenants, fixture->tenant, &other, NULL),
                         -EAGAIN);
        assert_int_equal(tenants_close(fixture->tenants, fixture->tenant, 0, NULL), -EBUSY);
        tenants_open(fixture->tenants, fixture->tenant);
        tenant_leave(enter(fixture));
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void test_rates_of_user_key_and_tenant_are_taken_all_or_none(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_verdict verdict;
        const uint8_t key[KEY_ID_BYTES] = { 1 };
        struct tenant_caller caller = { .user = "a", .key = key, .key_per_minute = 5 };
        struct tenant_entry *entry;

        security = (struct security_config){ .enable_rate_limiting = true,
                                             .rate_limit_per_user = 3 };
        settings.rate_limit_per_minute = 7;
        tenants_configure(fixture->tenants, true, &settings, &security);
        entry = enter(fixture);
        for (int i = 0; i < 3; i++)
                ok(tenant_count_request(entry, &caller, NOON, NOON, &verdict));
        assert_int_equal(verdict.policies[TENANT_POLICY_USER].left, 0);
        assert_int_equal(verdict.policies[TENANT_POLICY_KEY].left, 2);
        assert_int_equal(verdict.policies[TENANT_POLICY_TENANT].left, 4);
        assert_int_equal(verdict.policies[TENANT_POLICY_TENANT].window_sec, 60);
        assert_false(verdict.policies[TENANT_POLICY_DAY].held);
        assert_int_equal(tenant_count_request(entry, &caller, NOON, NOON, &verdict), -EDQUOT);
        assert_int_equal(verdict.violated, TENANT_POLICY_USER);
        assert_int_equal(verdict.wait_usec, 20 * USEC_PER_SEC);
        caller.user = "b";
        for (int i = 0; i < 2; i++)
                ok(tenant_count_request(entry, &caller, NOON, NOON, &verdict));
        assert_int_equal(tenant_count_request(entry, &caller, NOON, NOON, &verdict), -EDQUOT);
        assert_string_equal(tenant_policy_name(verdict.violated), "key");
        caller = (struct tenant_caller){ .user = "c" };
        for (int i = 0; i < 2; i++)
                ok(tenant_count_request(entry, &caller, NOON, NOON, &verdict));
        assert_int_equal(tenant_count_request(entry, &caller, NOON, NOON, &verdict), -EDQUOT);
        assert_string_equal(tenant_policy_name(verdict.violated), "tenant");
        tenant_leave(entry);
}

static void test_bytes_of_ingest_have_their_own_rate(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_verdict verdict;
        struct tenant_entry *entry;

        security.enable_rate_limiting = true;
        tenants_configure(fixture->tenants, true, &settings, &security);
        set_limit(fixture, TENANT_INGEST_BYTES_PER_MINUTE, 1000);
        entry = enter(fixture);
        ok(tenant_count_request(entry, &(struct tenant_caller){ .user = "u", .ingest_bytes = 600 },
                                NOON, NOON, &verdict));
        ok(tenant_count_ingest(entry, 400, NOON, &verdict));
        assert_int_equal(tenant_count_ingest(entry, 1, NOON, &verdict), -EDQUOT);
        assert_int_equal(verdict.wait_usec, 60000);
        assert_int_equal(tenant_count_ingest(entry, 1001, NOON, &verdict), -EDQUOT);
        assert_true(verdict.wait_usec == UINT64_MAX);
        set_limit(fixture, TENANT_INGEST_BYTES_PER_MINUTE, 0); /* none at all */
        assert_int_equal(tenant_count_ingest(entry, 1, NOON, &verdict), -EDQUOT);
        assert_true(verdict.wait_usec == UINT64_MAX);
        tenant_leave(entry);
}

static void test_a_day_has_its_number_and_the_next_one_has_it_again(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_verdict verdict;

        set_limit(fixture, TENANT_REQUESTS_PER_DAY, 200);
        for (unsigned i = 0; i < 200; i++) {
                ok(count(fixture, NOON, &verdict));
                assert_int_equal(verdict.policies[TENANT_POLICY_DAY].left, 199 - i);
        }
        assert_int_equal(count(fixture, NOON, &verdict), -EDQUOT);
        assert_int_equal(verdict.violated, TENANT_POLICY_DAY);
        assert_true(verdict.wait_usec == DAY_USEC / 2);
        assert_int_equal(count(fixture, NOON + DAY_USEC / 2 - 1, &verdict), -EDQUOT);
        assert_true(verdict.wait_usec == 1);
        ok(count(fixture, NOON + DAY_USEC / 2, &verdict));
        assert_int_equal(count(fixture, NOON, &verdict), 0); /* no second yesterday */
        assert_int_equal(verdict.policies[TENANT_POLICY_DAY].left, 198);
}

static void test_what_was_counted_is_exact_after_an_orderly_end(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_verdict verdict;

        set_limit(fixture, TENANT_REQUESTS_PER_DAY, 6400); /* leases of 100 */
        for (unsigned i = 0; i < 250; i++)
                ok(count(fixture, NOON, &verdict));
        close_all(fixture);
        open_all(fixture);
        ok(count(fixture, NOON, &verdict));
        assert_int_equal(verdict.policies[TENANT_POLICY_DAY].left, 6400 - 251);
        ok(tenants_close(fixture->tenants, fixture->tenant, 0, NULL));
        tenants_open(fixture->tenants, fixture->tenant);
        ok(count(fixture, NOON, &verdict));
        assert_int_equal(verdict.policies[TENANT_POLICY_DAY].left, 6400 - 252);
}

static void note_low(void *data)
{
        ++*(unsigned *) data;
}

static uint64_t row_of(struct fixture *fixture)
{
        uint64_t requests = 0;

        ok(tenant_get_requests(fixture->store, fixture->tenant, ledger_day(NOON), &requests, NULL));
        return requests;
}

static void test_a_lease_is_renewed_before_it_ends(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_verdict verdict;
        unsigned told = 0;

        set_limit(fixture, TENANT_REQUESTS_PER_DAY, 6400); /* leases of 100 */
        tenants_on_low(fixture->tenants, note_low, &told);
        for (unsigned i = 0; i < 49; i++)
                ok(count(fixture, NOON, &verdict));
        assert_int_equal(told, 0);
        assert_int_equal(row_of(fixture), 100);
        for (unsigned i = 0; i < 10; i++)
                ok(count(fixture, NOON, &verdict));
        assert_int_equal(told, 1); /* once, when half of it was gone */
        ok(tenants_flush(fixture->tenants, NULL));
        assert_int_equal(row_of(fixture), 159);
        for (unsigned i = 0; i < 100; i++) /* nobody has to write it meanwhile */
                ok(count(fixture, NOON, &verdict));
        assert_int_equal(row_of(fixture), 159);
        assert_int_equal(told, 2);
        ok(count(fixture, NOON, &verdict)); /* where it was not renewed in time, the next one does */
        assert_int_equal(row_of(fixture), 259);
        assert_int_equal(verdict.policies[TENANT_POLICY_DAY].left, 6400 - 160);
}

/* Counts until the day is full, or until it is killed; says each that passed. */
static void count_in_child(struct fixture *fixture, int pipe, unsigned most)
{
        struct tenant_verdict verdict;

        open_all(fixture);
        for (unsigned i = 0; i < most && count(fixture, NOON, &verdict) == 0; i++)
                if (write(pipe, "+", 1) != 1)
                        _exit(1);
        (void) raise(SIGKILL);
}

static void test_kills_never_give_more_than_the_limit(void **state)
{
        struct fixture *fixture = *state;
        unsigned passed = 0, rounds = 0;

        set_limit(fixture, TENANT_REQUESTS_PER_DAY, 1000); /* leases of 15 */
        close_all(fixture);
        for (unsigned before = 1; passed != before && passed <= 1000; rounds++) {
                int ends[2];
                pid_t child;
                char byte;

                before = passed;
                ok(pipe(ends));
                child = fork();
                assert_true(child >= 0);
                if (child == 0)
                        count_in_child(fixture, ends[1], 7 + rounds * 13);
                (void) close(ends[1]);
                while (read(ends[0], &byte, 1) == 1)
                        passed++;
                (void) close(ends[0]);
                assert_int_equal(waitpid(child, NULL, 0), child);
        }
        assert_true(passed <= 1000);
        assert_true(passed >= 1000 - 15 * rounds);
        open_all(fixture);
}

struct counting {
        struct fixture *fixture;
        atomic_uint *passed;
};

static void *count_all(void *data)
{
        struct counting *counting = data;
        struct tenant_verdict verdict;

        while (count(counting->fixture, NOON, &verdict) == 0)
                ++*counting->passed;
        return NULL;
}

static void test_32_threads_share_a_day_exactly(void **state)
{
        struct fixture *fixture = *state;
        atomic_uint passed = 0;
        struct counting counting = { fixture, &passed };
        pthread_t threads[32];

        set_limit(fixture, TENANT_REQUESTS_PER_DAY, 12345);
        for (int i = 0; i < 32; i++)
                ok(pthread_create(&threads[i], NULL, count_all, &counting));
        for (int i = 0; i < 32; i++)
                ok(pthread_join(threads[i], NULL));
        assert_int_equal(passed, 12345);
}

/* ---- Data ----------------------------------------------------------------------------------- */

static void test_data_is_reserved_and_settled(void **state)
{
        struct fixture *fixture = *state;
        struct tenants *tenants = fixture->tenants;
        const struct tenant_amounts ten = { .documents = 10, .bytes = 100 };
        const struct tenant_amounts none = { 0 };
        struct tenant_amounts room;
        struct error error = { 0 };

        assert_false(tenant_has_data_limits(tenants, fixture->tenant));
        ok(tenant_get_room(tenants, fixture->tenant, &room, NULL));
        assert_true(room.documents == INT64_MAX);
        set_limit(fixture, TENANT_DOCUMENTS, 25);
        assert_true(tenant_has_data_limits(tenants, fixture->tenant));
        ok(tenant_reserve(tenants, fixture->tenant, &ten, NULL));
        ok(tenant_reserve(tenants, fixture->tenant, &ten, NULL));
        assert_int_equal(tenant_reserve(tenants, fixture->tenant, &ten, &error), -EDQUOT);
        assert_string_equal(error.message,
                            "limit of documents: 25, used 20, asked for 10 more");
        assert_string_equal(error.origin.key, "documents");
        tenant_settle(tenants, fixture->tenant, &ten, &none);
        ok(tenant_reserve(tenants, fixture->tenant, &ten, NULL));
        tenant_settle(tenants, fixture->tenant, &ten, &ten);
        tenant_settle(tenants, fixture->tenant, &ten, &ten);
        ok(tenant_get_room(tenants, fixture->tenant, &room, NULL));
        assert_int_equal(room.documents, 5);
        ok(tenant_reserve(tenants, fixture->tenant, &none, NULL));
        tenant_settle(tenants, fixture->tenant, &none,
                      &(struct tenant_amounts){ .documents = -3, .bytes = -30 });
        ok(tenant_get_room(tenants, fixture->tenant, &room, NULL));
        assert_int_equal(room.documents, 8);
        /* nobody knows: then docs.db does, where there is nothing */
        ok(tenant_reserve(tenants, fixture->tenant, &ten, &error) == -EDQUOT ? 0 : -1);
        ok(tenant_reserve(tenants, fixture->tenant, &none, NULL));
        tenant_settle(tenants, fixture->tenant, &none, NULL);
        ok(tenant_get_room(tenants, fixture->tenant, &room, NULL));
        assert_int_equal(room.documents, 25);
}

static void test_what_is_read_while_somebody_writes_is_not_kept(void **state)
{
        struct fixture *fixture = *state;
        struct tenants *tenants = fixture->tenants;
        const struct tenant_amounts two = { .documents = 2 };
        struct tenant_amounts room;

        /* without a limit nothing is read; a limit comes while he writes */
        ok(tenant_reserve(tenants, fixture->tenant, &two, NULL));
        set_limit(fixture, TENANT_DOCUMENTS, 10);
        ok(tenant_reserve(tenants, fixture->tenant, &two, NULL));
        ok(tenant_get_room(tenants, fixture->tenant, &room, NULL));
        assert_int_equal(room.documents, 6);
        tenant_settle(tenants, fixture->tenant, &two, &two);
        tenant_settle(tenants, fixture->tenant, &two, &two);
        ok(tenant_get_room(tenants, fixture->tenant, &room, NULL));
        assert_int_equal(room.documents, 10); /* docs.db has none of it: these were no real ones */
}

struct reserving {
        struct fixture *fixture;
        atomic_uint *held;
};

static void *reserve_all(void *data)
{
        struct reserving *reserving = data;
        const struct tenant_amounts one = { .documents = 1 };

        for (int i = 0; i < 500; i++) {
                int r = tenant_reserve(reserving->fixture->tenants, reserving->fixture->tenant,
                                       &one, NULL);

                if (r == 0)
                        ++*reserving->held;
        }
        return NULL;
}

static void test_32_threads_never_reserve_more_than_the_limit(void **state)
{
        struct fixture *fixture = *state;
        const struct tenant_amounts one = { .documents = 1 };
        atomic_uint held = 0;
        struct reserving reserving = { fixture, &held };
        pthread_t threads[32];

        set_limit(fixture, TENANT_DOCUMENTS, 7777);
        for (int i = 0; i < 32; i++)
                ok(pthread_create(&threads[i], NULL, reserve_all, &reserving));
        for (int i = 0; i < 32; i++)
                ok(pthread_join(threads[i], NULL));
        assert_int_equal(held, 7777);
        for (unsigned i = 0; i < held; i++)
                tenant_settle(fixture->tenants, fixture->tenant, &one, &one);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

static void test_tokens_and_money_of_a_day_are_the_ledgers(void **state)
{
        struct fixture *fixture = *state;
        struct tenants *tenants = fixture->tenants;
        struct ledger_entry booked = { .day = ledger_day(clock_wall_usec()),
                                       .tenant = fixture->tenant,
                                       .provider = "p",
                                       .kind = "chat",
                                       .requests = 1,
                                       .input_tokens = 300,
                                       .output_tokens = 100,
                                       .cost_microusd = 2000000 };
        struct error error = { 0 };

        ok(ledger_add(fixture->store, &booked, 1, NULL));
        booked.tenant = store_default_tenant(fixture->store); /* somebody else's */
        ok(ledger_add(fixture->store, &booked, 1, NULL));
        assert_false(tenant_has_call_limits(tenants, fixture->tenant));
        set_limit(fixture, TENANT_TOKENS_PER_DAY, 1000);
        set_limit(fixture, TENANT_MICROUSD_PER_DAY, 3000000);
        assert_true(tenant_has_call_limits(tenants, fixture->tenant));
        ok(tenant_reserve_calls(tenants, fixture->tenant, 500, 0, NULL));
        assert_int_equal(tenant_reserve_calls(tenants, fixture->tenant, 101, 0, &error), -EDQUOT);
        assert_non_null(strstr(error.message, "tokens of today are spent: limit 1000, used 900"));
        assert_non_null(strstr(error.message, "until 00:00 UTC"));
        ok(tenant_reserve_calls(tenants, fixture->tenant, 100, 1000000, NULL));
        assert_int_equal(tenant_reserve_calls(tenants, fixture->tenant, 0, 1, &error), -EDQUOT);
        assert_non_null(strstr(error.message, "money of today"));
        tenant_settle_calls(tenants, fixture->tenant, 500, 0, 20, 0);
        tenant_settle_calls(tenants, fixture->tenant, 100, 1000000, 0, 0);
        ok(tenant_reserve_calls(tenants, fixture->tenant, 580, 1000000, NULL));
        assert_int_equal(tenant_reserve_calls(tenants, fixture->tenant, 1, 0, NULL), -EDQUOT);
        tenant_settle_calls(tenants, fixture->tenant, 580, 1000000, 0, 0);
}

/* ---- Usage, memory -------------------------------------------------------------------------- */

static void test_usage_is_told_for_every_limit(void **state)
{
        struct fixture *fixture = *state;
        struct json_object *usage = NULL, *row = NULL;
        struct tenant_verdict verdict;

        set_limit(fixture, TENANT_REQUESTS_PER_DAY, 10);
        set_limit(fixture, TENANT_MICROUSD_PER_DAY, 1500000);
        ok(count(fixture, clock_wall_usec(), &verdict));
        ok(tenant_describe_usage(fixture->tenants, fixture->tenant, &usage, NULL));
        for (size_t i = 0; i < TENANT_LIMIT_MAX; i++) {
                assert_true(json_object_object_get_ex(usage, tenant_limits[i].name, &row));
                assert_true(json_object_object_get_ex(row, "used", NULL));
                assert_true(json_object_object_get_ex(row, "limit", NULL));
        }
        row = json_object_object_get(usage, "requests_per_day");
        assert_int_equal(json_object_get_int64(json_object_object_get(row, "used")), 1);
        assert_int_equal(json_object_get_int64(json_object_object_get(row, "limit")), 10);
        assert_true(json_object_get_boolean(json_object_object_get(row, "own")));
        row = json_object_object_get(usage, "usd_per_day");
        assert_true(json_object_get_double(json_object_object_get(row, "limit")) == 1.5);
        row = json_object_object_get(usage, "documents");
        assert_null(json_object_object_get(row, "limit"));
        assert_false(json_object_get_boolean(json_object_object_get(row, "own")));
        json_object_put(usage);
}

static void test_use_is_noted_and_flushed(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_verdict verdict;
        struct tenant_info info = { 0 };
        uint64_t requests = 0;

        for (int i = 0; i < 3; i++)
                ok(count(fixture, NOON, &verdict));
        ok(tenants_flush(fixture->tenants, NULL));
        ok(tenant_get(fixture->store, fixture->tenant, &info, NULL));
        assert_true(info.used_usec > 0);
        tenant_info_done(&info);
        ok(tenant_get_requests(fixture->store, fixture->tenant, ledger_day(NOON), &requests, NULL));
        assert_int_equal(requests, 3);
}

static void test_idle_entries_are_bounded(void **state)
{
        struct fixture *fixture = *state;
        struct tenants_figures figures;
        struct tenant_entry *in = enter(fixture);

        for (int i = 0; i < 6000; i++) {
                struct tenant_id nobody = { id_random() };
                struct tenant_entry *entry = NULL;

                assert_int_equal(tenant_enter(fixture->tenants, nobody, &entry, NULL), -ENOENT);
        }
        tenants_get_figures(fixture->tenants, &figures);
        assert_true(figures.entries <= 4097 && figures.entries > 4000);
        tenant_leave(in);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_only_as_many_are_in_as_the_limit_says),
                TEST(test_a_state_lets_in_or_says_why_not),
                TEST(test_closing_waits_for_those_who_are_in_and_lets_nobody_in),
                TEST(test_rates_of_user_key_and_tenant_are_taken_all_or_none),
                TEST(test_bytes_of_ingest_have_their_own_rate),
                TEST(test_a_day_has_its_number_and_the_next_one_has_it_again),
                TEST(test_what_was_counted_is_exact_after_an_orderly_end),
                TEST(test_kills_never_give_more_than_the_limit),
                TEST(test_32_threads_share_a_day_exactly),
                TEST(test_data_is_reserved_and_settled),
                TEST(test_what_is_read_while_somebody_writes_is_not_kept),
                TEST(test_32_threads_never_reserve_more_than_the_limit),
                TEST(test_tokens_and_money_of_a_day_are_the_ledgers),
                TEST(test_usage_is_told_for_every_limit),
                TEST(test_a_lease_is_renewed_before_it_ends),
                TEST(test_use_is_noted_and_flushed),
                TEST(test_idle_entries_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
