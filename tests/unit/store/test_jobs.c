/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/clock.h"
#include "store/idempotency.h"
#include "store/jobs.h"

#include <stdlib.h>
#include <string.h>

static struct job make_job(struct fixture *fixture)
{
        struct job job = { .id.id = id_random(), .tenant = fixture->tenant, .created_usec = 1000 };
        struct error error = { 0 };

        assert_ok(jobs_create(fixture->store, &job, &error));
        return job;
}

static void test_a_job_is_read_as_it_was_written(void **state)
{
        struct fixture *fixture = *state;
        struct job job = make_job(fixture), found = { 0 };
        char errors[] = "[{\"external_id\":\"a\"}]";
        struct error error = { 0 };

        job.status = JOB_PAUSED;
        job.progress = (struct job_progress){ 10, 7, 1, 2, 30, 400 };
        job.attempts = 3;
        job.started_usec = 2000;
        job.errors_json = errors;
        strcpy(job.pause_reason, "rate limit");
        assert_ok(jobs_update(fixture->store, &job, &error));
        (void) store_close(fixture->store);
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_ok(jobs_get(fixture->store, fixture->tenant, job.id, &found, &error));
        assert_int_equal(found.status, JOB_PAUSED);
        assert_memory_equal(&found.progress, &job.progress, sizeof job.progress);
        assert_int_equal(found.attempts, 3);
        assert_int_equal(found.started_usec, 2000);
        assert_string_equal(found.pause_reason, "rate limit");
        assert_string_equal(found.errors_json, errors);
        job_done(&found);
}

static void test_another_tenant_does_not_see_the_job(void **state)
{
        struct fixture *fixture = *state;
        struct job job = make_job(fixture), found;
        struct tenant_id other = { id_random() };
        struct error error = { 0 };

        assert_int_equal(jobs_get(fixture->store, other, job.id, &found, &error), -ENOENT);
        job.tenant = other;
        assert_int_equal(jobs_update(fixture->store, &job, &error), -ENOENT);
}

static void test_only_allowed_moves_are_made(void **state)
{
        struct fixture *fixture = *state;
        struct job job = make_job(fixture);
        struct error error = { 0 };

        job.status = JOB_SUCCEEDED;
        assert_ok(jobs_update(fixture->store, &job, &error));
        job.status = JOB_RUNNING;
        assert_int_equal(jobs_update(fixture->store, &job, &error), -EINVAL);
        assert_string_equal(error_text(&error), "a job that is succeeded cannot become running");
        for (int i = 0; i < JOB_STATUS_MAX; i++) {
                enum job_status status = (enum job_status) i;

                assert_true(job_status_may_become(status, status));
                assert_int_equal(job_status_from_name(job_status_name(status)), status);
        }
        assert_true(job_status_may_become(JOB_PARTIAL, JOB_QUEUED));
        assert_false(job_status_may_become(JOB_CANCELED, JOB_QUEUED));
        assert_int_equal(job_status_from_name("nonsense"), JOB_STATUS_INVALID);
}

static void test_jobs_are_listed_newest_first_and_open_ones_oldest_first(void **state)
{
        struct fixture *fixture = *state;
        struct job made[5], *jobs;
        struct error error = { 0 };
        size_t n;

        for (size_t i = 0; i < 5; i++)
                made[i] = make_job(fixture);
        made[1].status = JOB_CANCELED;
        assert_ok(jobs_update(fixture->store, &made[1], &error));
        assert_ok(jobs_list(fixture->store, fixture->tenant, NULL, 2, &jobs, &n, &error));
        assert_int_equal(n, 2);
        assert_true(id_equal(jobs[0].id.id, made[4].id.id));
        assert_true(id_equal(jobs[1].id.id, made[3].id.id));
        (void) jobs_free(jobs, n);
        assert_ok(jobs_list(fixture->store, fixture->tenant, &made[3].id, 9, &jobs, &n, &error));
        assert_int_equal(n, 3);
        assert_true(id_equal(jobs[0].id.id, made[2].id.id));
        (void) jobs_free(jobs, n);
        assert_ok(jobs_list_open(fixture->store, NULL, &jobs, &n, &error));
        assert_int_equal(n, 4);
        assert_true(id_equal(jobs[0].id.id, made[0].id.id));
        assert_true(id_equal(jobs[1].id.id, made[2].id.id));
        (void) jobs_free(jobs, n);
}

/* ---- Idempotency keys ------------------------------------------------------------------- */

static void test_a_key_is_claimed_answered_and_replayed(void **state)
{
        struct fixture *fixture = *state;
        uint8_t hash[32] = { 1 }, other[32] = { 2 };
        struct idempotent_response answer = { .status = 202, .body_len = 5 }, replay = { 0 };
        struct tenant_id stranger = { id_random() };
        uint64_t now = clock_wall_usec();
        struct error error = { 0 };
        char body[] = "hello", location[] = "/v1/jobs/x";

        answer.body = body;
        answer.location = location;
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", hash, now, &replay,
                                           &error), 0);
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", hash, now, &replay,
                                           &error), -EINPROGRESS);
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", other, now,
                                           &replay, &error), -EEXIST);
        assert_int_equal(idempotency_begin(fixture->store, stranger, "k", other, now, &replay,
                                           &error), 0);
        assert_ok(idempotency_finish(fixture->store, fixture->tenant, "k", &answer, &error));
        (void) store_close(fixture->store);
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", hash, now, &replay,
                                           &error), 1);
        assert_int_equal(replay.status, 202);
        assert_string_equal(replay.body, "hello");
        assert_string_equal(replay.location, location);
        idempotent_response_done(&replay);
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", other, now,
                                           &replay, &error), -EEXIST);
        /* the stranger's claim died with the daemon */
        assert_int_equal(idempotency_begin(fixture->store, stranger, "k", other, now, &replay,
                                           &error), 0);
}

static void test_a_key_is_free_again_after_a_day_or_when_abandoned(void **state)
{
        struct fixture *fixture = *state;
        uint8_t hash[32] = { 1 };
        struct idempotent_response answer = { .status = 200 }, replay = { 0 };
        uint64_t day = UINT64_C(24) * 3600 * USEC_PER_SEC, now = 100 * day;
        struct error error = { 0 };

        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", hash, now, &replay,
                                           &error), 0);
        idempotency_abandon(fixture->store, fixture->tenant, "k");
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", hash, now, &replay,
                                           &error), 0);
        assert_ok(idempotency_finish(fixture->store, fixture->tenant, "k", &answer, &error));
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", hash,
                                           now + day - 1, &replay, &error), 1);
        idempotent_response_done(&replay);
        assert_int_equal(idempotency_begin(fixture->store, fixture->tenant, "k", hash, now + day,
                                           &replay, &error), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_job_is_read_as_it_was_written),
                TEST(test_another_tenant_does_not_see_the_job),
                TEST(test_only_allowed_moves_are_made),
                TEST(test_jobs_are_listed_newest_first_and_open_ones_oldest_first),
                TEST(test_a_key_is_claimed_answered_and_replayed),
                TEST(test_a_key_is_free_again_after_a_day_or_when_abandoned),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
