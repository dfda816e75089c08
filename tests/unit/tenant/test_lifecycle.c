/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants are offloaded and woken, deleted and purged, and nothing of them is lost or left. */
#include "life.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "store/collection.h"
#include "store/docs.h"
#include "tests/lib/faultfs.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR_USEC (3600 * USEC_PER_SEC)

static void assert_text(struct life *life, struct tenant_id tenant, const char *wanted)
{
        char *text = life_read(life, tenant);

        assert_string_equal(text, wanted);
        free(text);
}

static void test_an_offloaded_tenant_comes_back_when_it_is_wanted(void **state)
{
        struct life *life = *state;
        struct tenant_entry *entry = NULL;
        struct error error = { 0 };

        assert_ok(lifecycle_offload(life->lifecycle, life->acme, &error));
        assert_string_equal(life->told, "close ");
        assert_int_equal(life_state(life, life->acme), TENANT_OFFLOADED);
        assert_false(life_has_folder(life, life->acme));
        assert_int_equal(life_count(life, "offloaded"), 1);

        assert_int_equal(tenant_enter(life->tenants, life->acme, &entry, &error), -EAGAIN);
        assert_int_equal(tenant_enter(life->tenants, life->acme, &entry, &error), -EAGAIN);
        assert_int_equal(life->wanted, 1);
        assert_ok(lifecycle_wake(life->lifecycle, &error));
        assert_string_equal(life->told, "close open news: woken ");
        assert_int_equal(life_state(life, life->acme), TENANT_ACTIVE);
        assert_int_equal(life_count(life, "offloaded"), 0);
        assert_ok(tenant_enter(life->tenants, life->acme, &entry, &error));
        assert_text(life, life->acme, "what acme wrote");
        (void) tenant_leave(entry);
        assert_ok(lifecycle_wake(life->lifecycle, &error)); /* nobody is wanted */
        assert_string_equal(life->told, "close open news: woken ");
}

static void damage_archive(struct life *life)
{
        struct tenant_info info = { 0 };
        struct error error = { 0 };
        int fd;

        assert_ok(tenant_get(life->store, life->acme, &info, &error));
        fd = openat(store_dirfd(life->store), info.archive, O_WRONLY);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\0", 8, 300), 8);
        (void) close(fd);
        tenant_info_done(&info);
}

/* Once, not as often as somebody asks. */
static void test_a_damaged_archive_stays_offloaded_and_is_not_tried_at_once(void **state)
{
        struct life *life = *state;
        struct tenant_entry *entry = NULL;
        struct error error = { 0 };

        assert_ok(lifecycle_offload(life->lifecycle, life->acme, &error));
        damage_archive(life);
        assert_int_equal(tenant_enter(life->tenants, life->acme, &entry, &error), -EAGAIN);
        assert_int_equal(lifecycle_wake(life->lifecycle, &error), -EBADMSG);
        assert_non_null(strstr(error.message, "offloaded/"));
        assert_non_null(strstr(life->told, "failed: woken"));
        assert_int_equal(life_state(life, life->acme), TENANT_OFFLOADED);
        assert_int_equal(life_count(life, "offloaded"), 1);
        assert_false(life_has_folder(life, life->acme));
        assert_int_equal(life_count(life, "incoming"), 0);
        for (int i = 0; i < 10; i++)
                assert_int_equal(tenant_enter(life->tenants, life->acme, &entry, &error), -EAGAIN);
        assert_int_equal(life->wanted, 1);
        /* A person may try at any time. */
        assert_int_equal(lifecycle_activate(life->lifecycle, life->acme, &error), -EBADMSG);
}

static void test_states_that_do_not_allow_a_move_refuse_it(void **state)
{
        struct life *life = *state;
        struct tenant_id standard = store_default_tenant(life->store);
        struct json_object *receipt = NULL;
        struct error error = { 0 };

        assert_int_equal(lifecycle_suspend(life->lifecycle, standard, &error), -EPERM);
        assert_int_equal(lifecycle_offload(life->lifecycle, standard, &error), -EPERM);
        assert_int_equal(lifecycle_delete(life->lifecycle, standard, &error), -EPERM);
        assert_int_equal(lifecycle_activate(life->lifecycle, life->acme, &error), -EPROTO);
        assert_ok(lifecycle_suspend(life->lifecycle, life->acme, &error));
        assert_int_equal(lifecycle_suspend(life->lifecycle, life->acme, &error), -EPROTO);
        assert_int_equal(lifecycle_offload(life->lifecycle, life->acme, &error), -EPROTO);
        assert_ok(lifecycle_activate(life->lifecycle, life->acme, &error));
        assert_ok(lifecycle_offload(life->lifecycle, life->acme, &error));
        assert_int_equal(lifecycle_purge(life->lifecycle, life->acme, &receipt, &error), -EPROTO);
        assert_ok(lifecycle_delete(life->lifecycle, life->acme, &error));
        assert_int_equal(lifecycle_activate(life->lifecycle, life->acme, &error), -EPROTO);
        assert_int_equal(lifecycle_delete(life->lifecycle, life->acme, &error), -EPROTO);
}

static void test_one_that_is_offloaded_is_suspended_in_its_folder(void **state)
{
        struct life *life = *state;
        struct tenant_entry *entry = NULL;
        struct error error = { 0 };

        assert_ok(lifecycle_offload(life->lifecycle, life->acme, &error));
        assert_ok(lifecycle_suspend(life->lifecycle, life->acme, &error));
        assert_int_equal(life_state(life, life->acme), TENANT_SUSPENDED);
        assert_true(life_has_folder(life, life->acme));
        assert_int_equal(tenant_enter(life->tenants, life->acme, &entry, &error), -EPERM);
        assert_ok(lifecycle_activate(life->lifecycle, life->acme, &error));
        assert_text(life, life->acme, "what acme wrote");
}

static void test_a_room_that_does_not_close_leaves_all_as_it_was(void **state)
{
        struct life *life = *state;
        struct tenant_entry *entry = NULL;
        struct error error = { 0 };

        life->close_result = -EIO;
        assert_int_equal(lifecycle_offload(life->lifecycle, life->acme, &error), -EIO);
        assert_non_null(strstr(error.message, "room"));
        assert_string_equal(life->told, "close open ");
        assert_int_equal(life_state(life, life->acme), TENANT_ACTIVE);
        assert_ok(tenant_enter(life->tenants, life->acme, &entry, &error));
        assert_text(life, life->acme, "what acme wrote");
        (void) tenant_leave(entry);
}

static void test_a_full_disk_leaves_the_tenant_active(void **state)
{
        struct life *life = *state;
        struct error error = { 0 };

        for (unsigned n = 1;; n++) {
                struct tenant_entry *entry = NULL;
                unsigned before = faultfs_failures();
                int r;

                life->told[0] = '\0';
                faultfs_fail(n, ENOSPC, true);
                r = lifecycle_offload(life->lifecycle, life->acme, &error);
                faultfs_fail(0, 0, false);
                if (faultfs_failures() == before || r == 0) {
                        assert_ok(r);
                        assert_true(n > 5);
                        break;
                }
                assert_int_equal(life_state(life, life->acme), TENANT_ACTIVE);
                assert_int_equal(life_count(life, "offloaded"), 0);
                assert_true(strcmp(life->told, "") == 0 ||
                            strcmp(life->told, "close open ") == 0);
                assert_ok(tenant_enter(life->tenants, life->acme, &entry, &error));
                (void) tenant_leave(entry);
                assert_text(life, life->acme, "what acme wrote");
        }
        assert_ok(lifecycle_activate(life->lifecycle, life->acme, &error));
        assert_text(life, life->acme, "what acme wrote");
}

static void test_idle_ones_are_offloaded_and_others_not(void **state)
{
        struct life *life = *state;
        uint64_t now = clock_wall_usec();
        struct tenant_entry *entry = NULL;
        struct tenant_info other = { 0 };
        struct error error = { 0 };

        assert_ok(lifecycle_tend(life->lifecycle, now, &error)); /* none is idle yet */
        assert_int_equal(life_state(life, life->acme), TENANT_ACTIVE);
        assert_ok(lifecycle_create(life->lifecycle, "other", &other, &error));
        lifecycle_configure(life->lifecycle, false, 1, 30);
        assert_ok(lifecycle_tend(life->lifecycle, now + 2 * HOUR_USEC, &error));
        assert_int_equal(life_state(life, life->acme), TENANT_ACTIVE);
        lifecycle_configure(life->lifecycle, true, 1, 30);
        assert_ok(tenant_enter(life->tenants, other.id, &entry, &error)); /* at work */
        assert_ok(lifecycle_tend(life->lifecycle, now + 2 * HOUR_USEC, &error));
        assert_int_equal(life_state(life, life->acme), TENANT_OFFLOADED);
        assert_int_equal(life_state(life, other.id), TENANT_ACTIVE);
        assert_non_null(strstr(life->told, "news: offloaded"));
        (void) tenant_leave(entry);
}

/* ---- Deleting and purging ----------------------------------------------------------------- */

static void write_file(struct life *life, const char *path, uint64_t wall_usec)
{
        const struct timespec times[2] = { { .tv_sec = (time_t) (wall_usec / USEC_PER_SEC) },
                                           { .tv_sec = (time_t) (wall_usec / USEC_PER_SEC) } };
        struct error error = { 0 };

        assert_ok(io_replace_file(store_dirfd(life->store), path, "x", 1, 0600, &error));
        assert_int_equal(utimensat(store_dirfd(life->store), path, times, 0), 0);
}

static void check_digest(struct life *life, struct json_object *receipt)
{
        const char *stated = NULL, *text;
        uint8_t digest[crypto_hash_sha256_BYTES];
        char hex[2 * sizeof digest + 1], *held;
        size_t len;

        (void) life;
        assert_int_equal(json_get_string(receipt, "digest", &stated, NULL), 1);
        held = strdup(stated);
        json_object_object_del(receipt, "digest");
        text = json_text(receipt, &len);
        (void) crypto_hash_sha256(digest, (const unsigned char *) text, len);
        assert_string_equal(sodium_bin2hex(hex, sizeof hex, digest, sizeof digest), held);
        free(held);
}

static void test_a_receipt_says_what_went_and_who_may_still_hold_it(void **state)
{
        cleanup_json_ struct json_object *receipt = NULL;
        struct life *life = *state;
        uint64_t now = clock_wall_usec();
        struct error error = { 0 };
        const char *text;

        assert_int_equal(mkdirat(store_dirfd(life->store), "backups", 0700), 0);
        assert_int_equal(mkdirat(store_dirfd(life->store), "backups/daily", 0700), 0);
        write_file(life, "backups/daily/holds-it.tar.gz", now + 60 * USEC_PER_SEC);
        write_file(life, "backups/too-old.tar.gz", now - 1000 * HOUR_USEC);
        assert_ok(lifecycle_delete(life->lifecycle, life->acme, &error));
        assert_ok(lifecycle_purge(life->lifecycle, life->acme, &receipt, &error));
        text = json_text(receipt, &(size_t){ 0 });
        assert_non_null(strstr(text, "backups/daily/holds-it.tar.gz"));
        assert_null(strstr(text, "too-old"));
        assert_non_null(strstr(text, "\"name\":\"acme\""));
        assert_non_null(strstr(text, "audit log"));
        assert_non_null(strstr(text, "deleted/acme-"));
        check_digest(life, receipt);
        assert_int_equal(life_count(life, "receipts"), 1);
        assert_int_equal(life_count(life, "deleted"), 0);
        assert_int_equal(life_state(life, life->acme), TENANT_STATE_INVALID);
        assert_int_equal(lifecycle_purge(life->lifecycle, life->acme, &receipt, &error), -ENOENT);
}

static void test_a_name_that_was_given_back_is_somebody_elses(void **state)
{
        cleanup_json_ struct json_object *receipt = NULL;
        struct life *life = *state;
        struct tenant_info next = { 0 };
        struct error error = { 0 };

        assert_ok(lifecycle_delete(life->lifecycle, life->acme, &error));
        assert_ok(lifecycle_create(life->lifecycle, "acme", &next, &error));
        assert_false(id_equal(next.id.id, life->acme.id));
        assert_false(life_has_folder(life, next.id));
        life_fill(life, next.id, "what the next one wrote");
        assert_ok(lifecycle_purge(life->lifecycle, life->acme, &receipt, &error));
        assert_int_equal(life_state(life, next.id), TENANT_ACTIVE);
        assert_text(life, next.id, "what the next one wrote");
}

/* Whether any file of the tenant's folder has these bytes. */
static bool lies_in_folder(struct life *life, const char *bytes)
{
        char command[512], id[ID_TEXT_SIZE];

        (void) snprintf(command, sizeof command, "grep -rqa '%s' '%s/tenants/%s'", bytes,
                        life->path, id_format(life->acme.id, id));
        return system(command) == 0; /* NOLINT(cert-env33-c) */
}

static void test_a_live_tenants_deleted_documents_leave_its_files(void **state)
{
        cleanup_json_ struct json_object *receipt = NULL;
        struct life *life = *state;
        struct document_input input = { .external_id = "b", .mime = "text/plain",
                                        .body = "what stays", .body_len = 10 };
        struct collection *collection = NULL;
        struct tenant_entry *entry = NULL;
        struct docs_receipt put;
        struct error error = { 0 };
        const char *text;

        assert_ok(collection_open(life->store, life->acme, "notes", &collection, &error));
        assert_ok(docs_put(collection, &input, 1, (struct job_id){ 0 }, &put, &error));
        assert_ok(collection_forget_document(collection, "a", &error));
        collection = collection_unref(collection);
        assert_true(lies_in_folder(life, "what acme wrote"));
        assert_ok(lifecycle_purge(life->lifecycle, life->acme, &receipt, &error));
        assert_false(lies_in_folder(life, "what acme wrote"));
        assert_true(lies_in_folder(life, "what stays"));
        text = json_text(receipt, &(size_t){ 0 });
        assert_non_null(strstr(text, "deleted documents of the collection notes"));
        assert_null(strstr(text, "deleted_at"));
        check_digest(life, receipt);
        assert_int_equal(life_count(life, "receipts"), 1);
        assert_string_equal(life->told, "close erase open ");
        assert_int_equal(life_state(life, life->acme), TENANT_ACTIVE);
        assert_ok(tenant_enter(life->tenants, life->acme, &entry, &error));
        (void) tenant_leave(entry);
}

static void test_old_deleted_ones_are_purged_and_young_ones_kept(void **state)
{
        struct life *life = *state;
        uint64_t now = clock_wall_usec();
        struct error error = { 0 };

        assert_ok(lifecycle_delete(life->lifecycle, life->acme, &error));
        lifecycle_configure(life->lifecycle, false, 0, 30);
        assert_ok(lifecycle_tend(life->lifecycle, now + 29 * 24 * HOUR_USEC, &error));
        assert_int_equal(life_state(life, life->acme), TENANT_DELETED);
        assert_ok(lifecycle_tend(life->lifecycle, now + 31 * 24 * HOUR_USEC, &error));
        assert_int_equal(life_state(life, life->acme), TENANT_STATE_INVALID);
        assert_non_null(strstr(life->told, "news: purged"));
        assert_int_equal(life_count(life, "receipts"), 1);
}

/* A registry that was put back from a backup does not know him: his archive is all there is. */
static void test_an_archive_of_nobody_is_left_alone(void **state)
{
        struct life *life = *state;
        struct error error = { 0 };

        assert_int_equal(mkdirat(store_dirfd(life->store), "offloaded", 0700), 0);
        write_file(life, "offloaded/aaaaaaaaaaaaaaaaaaaaaaaaaa.tar.gz", clock_wall_usec());
        write_file(life, "offloaded/aaaaaaaaaaaaaaaaaaaaaaaaaa.tar.gz.partial", clock_wall_usec());
        assert_ok(lifecycle_resume(life->lifecycle, &error));
        assert_int_equal(life_count(life, "offloaded"), 1);
        assert_true(life_exists(life, "offloaded/aaaaaaaaaaaaaaaaaaaaaaaaaa.tar.gz"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, life_setup, life_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_an_offloaded_tenant_comes_back_when_it_is_wanted),
                TEST(test_a_damaged_archive_stays_offloaded_and_is_not_tried_at_once),
                TEST(test_states_that_do_not_allow_a_move_refuse_it),
                TEST(test_one_that_is_offloaded_is_suspended_in_its_folder),
                TEST(test_a_room_that_does_not_close_leaves_all_as_it_was),
                TEST(test_a_full_disk_leaves_the_tenant_active),
                TEST(test_idle_ones_are_offloaded_and_others_not),
                TEST(test_a_receipt_says_what_went_and_who_may_still_hold_it),
                TEST(test_a_name_that_was_given_back_is_somebody_elses),
                TEST(test_a_live_tenants_deleted_documents_leave_its_files),
                TEST(test_old_deleted_ones_are_purged_and_young_ones_kept),
                TEST(test_an_archive_of_nobody_is_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
