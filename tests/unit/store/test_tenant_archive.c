/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant's archive holds all of its folder and comes back as it was, or it is refused and changes
 * nothing. */
#include "fixture.h"

#include "base/clock.h"
#include "base/io.h"
#include "tests/lib/faultfs.h"
#include "store/tarball.h"
#include "store/tenant_archive.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARCHIVE "offloaded/t.tar.gz"
#define WAIT_USEC (5 * USEC_PER_SEC)

/* The tools of the system are the oracle. */
static int __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
        char command[4096];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(command, sizeof command, format, arguments);
        va_end(arguments);
        return system(command); /* NOLINT(cert-env33-c) */
}

static const char *folder_of(const struct fixture *fixture, char path[static 600])
{
        char id[ID_TEXT_SIZE];

        (void) snprintf(path, 600, "%s/tenants/%s", fixture->path,
                        id_format(fixture->tenant.id, id));
        return path;
}

static bool exists(const struct fixture *fixture, const char *path)
{
        return faccessat(store_dirfd(fixture->store), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The collection is let go of and the tenant closed, as before every move. */
static void close_tenant(struct fixture *fixture)
{
        struct error error = { 0 };

        fixture->generation = generation_unref(fixture->generation);
        fixture->collection = collection_unref(fixture->collection);
        assert_ok(store_close_tenant(fixture->store, fixture->tenant, WAIT_USEC, &error));
}

static void open_tenant(struct fixture *fixture)
{
        struct error error = { 0 };

        store_open_tenant(fixture->store, fixture->tenant);
        assert_ok(collection_open(fixture->store, fixture->tenant, "things", &fixture->collection,
                                  &error));
        fixture->generation = collection_serving(fixture->collection);
        assert_non_null(fixture->generation);
}

static void fill(struct fixture *fixture)
{
        struct error error = { 0 };

        (void) fixture_put(fixture, "a.md", "the quick brown fox", "{\"k\": 1}");
        (void) fixture_put(fixture, "b.md", "a lazy dog", NULL);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
}

static void write_archive(struct fixture *fixture, struct tenant_archive_info *ret)
{
        struct error error = { 0 };

        assert_ok(tenant_archive_write(fixture->store, fixture->tenant, ARCHIVE, ret, &error));
}

static void test_what_comes_back_is_what_went(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_archive_info written, found;
        char folder[600], kept[700], unpacked[700];
        struct error error = { 0 };

        fill(fixture);
        close_tenant(fixture);
        write_archive(fixture, &written);
        assert_true(written.files > 3 && written.bytes > 0);
        assert_ok(tenant_archive_verify(fixture->store, ARCHIVE, &found, &error));
        assert_int_equal(found.files, written.files);
        assert_int_equal(found.bytes, written.bytes);
        assert_int_equal(found.archive_bytes, written.archive_bytes);
        assert_string_equal(found.name, "default");
        assert_true(id_equal(found.tenant.id, fixture->tenant.id));
        assert_false(exists(fixture, ARCHIVE ".partial"));

        /* While it is there nothing is put over it. */
        assert_int_equal(tenant_archive_restore(fixture->store, fixture->tenant, ARCHIVE, &error),
                         -EEXIST);
        (void) folder_of(fixture, folder);
        (void) snprintf(kept, sizeof kept, "%s/kept", fixture->path);
        assert_int_equal(rename(folder, kept), 0);
        assert_ok(tenant_archive_restore(fixture->store, fixture->tenant, ARCHIVE, &error));
        assert_int_equal(run("diff -r '%s' '%s'", folder, kept), 0);

        /* Plain tar reads it, and finds HEADER.json first and MANIFEST.json last. */
        (void) snprintf(unpacked, sizeof unpacked, "%s/unpacked", fixture->path);
        assert_int_equal(mkdir(unpacked, 0700), 0);
        assert_int_equal(run("tar -C '%s' -xzf '%s/%s'", unpacked, fixture->path, ARCHIVE), 0);
        assert_int_equal(run("test \"$(tar -tzf '%s/%s' | sed -n '1p;$p' | tr '\\n' ' ')\" ="
                             " 'HEADER.json MANIFEST.json '", fixture->path, ARCHIVE), 0);
        assert_int_equal(run("rm '%s/HEADER.json' '%s/MANIFEST.json'", unpacked, unpacked), 0);
        assert_int_equal(run("diff -r '%s' '%s'", unpacked, kept), 0);

        open_tenant(fixture);
        assert_true(fixture_finds(fixture, "fox", "a.md"));
        assert_true(fixture_finds(fixture, "dog", "b.md"));
}

static void test_nothing_is_opened_of_a_tenant_that_is_closed(void **state)
{
        struct fixture *fixture = *state;
        struct collection *collection = NULL;
        struct error error = { 0 };

        assert_int_equal(store_close_tenant(fixture->store, fixture->tenant, 0, &error), -EBUSY);
        assert_false(store_is_tenant_closed(fixture->store, fixture->tenant));
        close_tenant(fixture);
        assert_int_equal(collection_open(fixture->store, fixture->tenant, "things", &collection,
                                         &error), -EAGAIN);
        open_tenant(fixture);
}

/* What a kill left in a log is in the archive, too. */
static void test_a_log_that_a_kill_left_is_brought_in(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_archive_info info;
        struct error error = { 0 };
        char folder[600];
        int status;
        pid_t pid;

        fixture_close(fixture);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                fixture_open(fixture);
                fill(fixture);
                (void) raise(SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_ok(store_serve(fixture->store, &fixture_spec, &error));
        assert_int_equal(run("find '%s/tenants' -name '*-wal' -size +0 | grep -q .",
                             fixture->path), 0);
        assert_ok(store_close_tenant(fixture->store, fixture->tenant, WAIT_USEC, &error));
        write_archive(fixture, &info);
        assert_int_equal(io_remove_tree(AT_FDCWD, folder_of(fixture, folder)), 0);
        assert_ok(tenant_archive_restore(fixture->store, fixture->tenant, ARCHIVE, &error));
        open_tenant(fixture);
        assert_true(fixture_finds(fixture, "fox", "a.md"));
}

static void test_a_large_file_goes_in_pieces(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_archive_info info;
        struct error error = { 0 };
        char folder[600], path[700];
        struct stat st;
        char last = 0;
        int fd;

        close_tenant(fixture);
        (void) snprintf(path, sizeof path, "%s/large.bin", folder_of(fixture, folder));
        fd = open(path, O_RDWR | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "x", 1, (off_t) 512 << 20), 1);
        (void) close(fd);
        write_archive(fixture, &info);
        assert_int_equal(run("tar -tzf '%s/%s' | grep -qx 'large.bin@0002'", fixture->path,
                             ARCHIVE), 0);
        assert_int_equal(io_remove_tree(AT_FDCWD, folder), 0);
        assert_ok(tenant_archive_restore(fixture->store, fixture->tenant, ARCHIVE, &error));
        fd = open(path, O_RDONLY);
        assert_true(fd >= 0 && fstat(fd, &st) == 0);
        assert_int_equal(st.st_size, ((off_t) 512 << 20) + 1);
        assert_int_equal(pread(fd, &last, 1, (off_t) 512 << 20), 1);
        assert_int_equal(last, 'x');
        (void) close(fd);
        open_tenant(fixture);
}

/* ---- Damage ------------------------------------------------------------------------------- */

/* true: the archive says the same as before. */
static bool damage_and_look(struct fixture *fixture, const char *good, size_t len, size_t at,
                            bool cut)
{
        struct error error = { 0 };
        char *bad = malloc(len), folder[600];
        int r;

        assert_non_null(bad);
        memcpy(bad, good, len);
        if (!cut)
                bad[at] ^= (char) (1U << (at % 8));
        assert_ok(io_replace_file(store_dirfd(fixture->store), ARCHIVE, bad, cut ? at : len, 0600,
                                  &error));
        free(bad);
        r = tenant_archive_verify(fixture->store, ARCHIVE, NULL, &error);
        if (r == 0 && !cut) { /* another way to spell the same bytes */
                assert_ok(tenant_archive_restore(fixture->store, fixture->tenant, ARCHIVE,
                                                 &error));
                assert_int_equal(run("diff -r '%s' '%s/aside'", folder_of(fixture, folder),
                                     fixture->path), 0);
                assert_int_equal(io_remove_tree(AT_FDCWD, folder), 0);
                return true;
        }
        if (r != -EBADMSG)
                fail_msg("%s at %zu of %zu: %d, %s", cut ? "cut" : "flipped", at, len, r,
                         r < 0 ? error_text(&error) : "taken");
        assert_int_equal(tenant_archive_restore(fixture->store, fixture->tenant, ARCHIVE, &error),
                         -EBADMSG);
        return false;
}

static void test_every_damage_is_found_and_changes_nothing(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_archive_info info;
        struct error error = { 0 };
        char folder[600], path[600];
        char *good = NULL;
        size_t len, step, same = 0, looked = 0;

        fill(fixture);
        close_tenant(fixture);
        write_archive(fixture, &info);
        assert_ok(io_read_file(store_dirfd(fixture->store), ARCHIVE, SIZE_MAX, &good, &len,
                               &error));
        (void) snprintf(path, sizeof path, "%s/aside", fixture->path);
        assert_int_equal(rename(folder_of(fixture, folder), path), 0);
        step = len / 150 + 1;
        for (size_t at = 10; at + 9 < len; at += step) { /* but gzip's own time and system */
                same += damage_and_look(fixture, good, len, at, false);
                (void) damage_and_look(fixture, good, len, at, true);
                looked++;
        }
        (void) damage_and_look(fixture, good, len, len - 1, true);
        assert_true(same < looked / 4); /* times in the heads of gzip members, and the like */
        assert_int_not_equal(access(folder, F_OK), 0);
        assert_int_equal(run("test -z \"$(ls -A '%s/incoming')\"", fixture->path), 0);
        free(good);
        assert_int_equal(rename(path, folder), 0);
        open_tenant(fixture);
        assert_true(fixture_finds(fixture, "fox", "a.md"));
}

#define MEMBERS_MAX 6
struct crafted {
        const char *names[MEMBERS_MAX]; /* "HEADER.json", "MANIFEST.json": the right content */
        const char *said;
        const char *header; /* instead of the right one */
        const char *manifest;
};

static void craft(struct fixture *fixture, const struct crafted *crafted)
{
        int fd = openat(store_dirfd(fixture->store), ARCHIVE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        cleanup_(tarball_writer_free_cleanup) struct tarball_writer *writer = NULL;
        char id[ID_TEXT_SIZE], header[512];
        struct error error = { 0 };

        (void) snprintf(header, sizeof header,
                        "{\"format\":1,\"ragd_state\":1,\"tenant\":{\"id\":\"%s\",\"name\":"
                        "\"default\",\"created_usec\":1},\"made_usec\":1,\"collections\":[]}",
                        id_format(fixture->tenant.id, id));
        assert_true(fd >= 0);
        assert_ok(tarball_writer_new("archive", fd, 6, 0, &writer, &error));
        for (size_t i = 0; i < MEMBERS_MAX && crafted->names[i]; i++) {
                const char *name = crafted->names[i], *text = "content";

                if (strcmp(name, "HEADER.json") == 0)
                        text = crafted->header ? crafted->header : header;
                if (strcmp(name, "MANIFEST.json") == 0 && !crafted->manifest)
                        assert_ok(tarball_add_manifest(writer, &error));
                else
                        assert_ok(tarball_add_bytes(
                                writer, name,
                                strcmp(name, "MANIFEST.json") == 0 ? crafted->manifest : text,
                                strlen(strcmp(name, "MANIFEST.json") == 0 ? crafted->manifest
                                                                          : text),
                                &error));
        }
        assert_ok(tarball_finish(writer, &error));
        (void) close(fd);
}

/* Whoever made it, and however right its digests are. */
static void test_a_crafted_archive_is_refused(void **state)
{
        static const struct crafted cases[] = {
                { .names = { "HEADER.json", "../x", "MANIFEST.json" }, .said = "../x" },
                { .names = { "HEADER.json", "/etc/passwd", "MANIFEST.json" }, .said = "passwd" },
                { .names = { "HEADER.json", "a/../../x", "MANIFEST.json" }, .said = "a/../../x" },
                { .names = { "HEADER.json", "a//b", "MANIFEST.json" }, .said = "a//b" },
                { .names = { "HEADER.json", "a/.b", "MANIFEST.json" }, .said = "a/.b" },
                { .names = { "HEADER.json", "a b", "MANIFEST.json" }, .said = "a b" },
                { .names = { "HEADER.json", "a/b/c/d/e", "MANIFEST.json" }, .said = "a/b/c/d/e" },
                { .names = { "HEADER.json", "a\\b", "MANIFEST.json" }, .said = "a\\b" },
                { .names = { "HEADER.json", "b", "a", "MANIFEST.json" }, .said = "a: no archive" },
                { .names = { "HEADER.json", "a", "a", "MANIFEST.json" },
                  .said = "a: it is there twice" },
                { .names = { "HEADER.json", "HEADER.json", "MANIFEST.json" },
                  .said = "HEADER.json" },
                { .names = { "HEADER.json", "a@0002", "MANIFEST.json" }, .said = "a@0002" },
                { .names = { "HEADER.json", "a", "a@0002", "MANIFEST.json" }, .said = "a@0002" },
                { .names = { "HEADER.json", "a", "b@0002", "MANIFEST.json" }, .said = "b@0002" },
                { .names = { "a", "HEADER.json", "MANIFEST.json" },
                  .said = "HEADER.json must stand before" },
                { .names = { "HEADER.json", "a" }, .said = "MANIFEST.json: it is missing" },
                { .names = { "HEADER.json", "MANIFEST.json", "a" }, .said = "a: it stands behind" },
                { .names = { "HEADER.json", "a", "MANIFEST.json", "MANIFEST.json" },
                  .said = "MANIFEST.json: it stands behind" },
                { .names = { "MANIFEST.json" }, .said = "HEADER.json must stand before" },
                { .names = { NULL }, .said = "MANIFEST.json: it is missing" },
                { .names = { "HEADER.json", "MANIFEST.json" },
                  .said = "HEADER.json", .header = "{}" },
                { .names = { "HEADER.json", "MANIFEST.json" },
                  .said = "HEADER.json", .header = "[" },
                { .names = { "HEADER.json", "a", "MANIFEST.json" },
                  .said = "MANIFEST.json", .manifest = "{}" },
                { .names = { "HEADER.json", "a", "MANIFEST.json" }, .said = "HEADER.json: its name",
                  .manifest = "{\"members\":[\n{\"name\":\"a\"}\n]}\n" },
                { .names = { "HEADER.json", "MANIFEST.json" }, .said = "another tenant",
                  .header = "{\"format\":1,\"ragd_state\":1,\"tenant\":{\"id\":"
                            "\"aaaaaaaaaaaaaaaaaaaaaaaaaa\",\"name\":\"x\"},\"made_usec\":1}" },
        };
        struct fixture *fixture = *state;
        char folder[600], aside[600];

        close_tenant(fixture);
        assert_int_equal(mkdirat(store_dirfd(fixture->store), "offloaded", 0700), 0);
        (void) snprintf(aside, sizeof aside, "%s/aside", fixture->path);
        assert_int_equal(rename(folder_of(fixture, folder), aside), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct error error = { 0 };
                int r;

                craft(fixture, &cases[i]);
                r = tenant_archive_restore(fixture->store, fixture->tenant, ARCHIVE, &error);
                if (r != -EBADMSG || !strstr(error.message, cases[i].said))
                        fail_msg("case %zu: %d, %s", i, r, r < 0 ? error.message : "taken");
                assert_int_not_equal(access(folder, F_OK), 0);
        }
        assert_int_equal(run("test -z \"$(ls -A '%s/incoming')\"", fixture->path), 0);
        assert_int_equal(rename(aside, folder), 0);
        open_tenant(fixture);
}

static void test_a_newer_format_is_refused_by_name(void **state)
{
        static const struct crafted newer = {
                .names = { "HEADER.json", "MANIFEST.json" },
                .header = "{\"format\":2,\"ragd_state\":1}",
        };
        struct fixture *fixture = *state;
        struct error error = { 0 };

        assert_int_equal(mkdirat(store_dirfd(fixture->store), "offloaded", 0700), 0);
        craft(fixture, &newer);
        assert_int_equal(tenant_archive_verify(fixture->store, ARCHIVE, NULL, &error),
                         -EPROTONOSUPPORT);
}

/* ---- Writing fails ------------------------------------------------------------------------ */

static void test_what_no_archive_holds_is_refused(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_archive_info info;
        struct error error = { 0 };
        char folder[600], path[700];

        close_tenant(fixture);
        (void) snprintf(path, sizeof path, "%s/link", folder_of(fixture, folder));
        assert_int_equal(symlink("/etc/passwd", path), 0);
        assert_int_equal(tenant_archive_write(fixture->store, fixture->tenant, ARCHIVE, &info,
                                              &error), -EMEDIUMTYPE);
        assert_non_null(strstr(error.message, "link"));
        assert_int_equal(unlink(path), 0);
        assert_false(exists(fixture, ARCHIVE) || exists(fixture, ARCHIVE ".partial"));
        open_tenant(fixture);
}

static void test_a_disk_that_fails_leaves_no_archive(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_archive_info info;
        unsigned n = 0;

        fill(fixture);
        close_tenant(fixture);
        for (;;) {
                unsigned before = faultfs_failures();
                struct error error = { 0 };
                int r;

                faultfs_fail(++n, ENOSPC, false);
                r = tenant_archive_write(fixture->store, fixture->tenant, ARCHIVE, &info, &error);
                faultfs_fail(0, 0, false);
                if (faultfs_failures() == before) {
                        assert_ok(r);
                        break;
                }
                if (r == 0) /* it failed where a database was settled: its log is archived, then */
                        assert_ok(tenant_archive_verify(fixture->store, ARCHIVE, NULL, &error));
                else
                        assert_false(exists(fixture, ARCHIVE));
                assert_false(exists(fixture, ARCHIVE ".partial"));
                (void) unlinkat(store_dirfd(fixture->store), ARCHIVE, 0);
        }
        assert_true(n > 2);
        open_tenant(fixture);
        assert_true(fixture_finds(fixture, "fox", "a.md"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_comes_back_is_what_went, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_nothing_is_opened_of_a_tenant_that_is_closed,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_a_log_that_a_kill_left_is_brought_in,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_a_large_file_goes_in_pieces, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_every_damage_is_found_and_changes_nothing,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_a_crafted_archive_is_refused, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_a_newer_format_is_refused_by_name,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_what_no_archive_holds_is_refused,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_a_disk_that_fails_leaves_no_archive,
                                                fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
