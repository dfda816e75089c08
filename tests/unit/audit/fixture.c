/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/audit/fixture.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fixture_setup(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);

        assert_non_null(fixture);
        (void) snprintf(fixture->root, sizeof fixture->root, "/tmp/ragd-audit-XXXXXX");
        assert_non_null(mkdtemp(fixture->root));
        (void) snprintf(fixture->path, sizeof fixture->path, "%s/log", fixture->root);
        *state = fixture;
        return 0;
}

int fixture_teardown(void **state)
{
        struct fixture *fixture = *state;

        (void) io_remove_tree(AT_FDCWD, fixture->root);
        free(fixture);
        return 0;
}

char *fixture_read(struct fixture *fixture, const char *name, size_t *ret_len)
{
        char path[160], *text = NULL;

        (void) snprintf(path, sizeof path, "%s/%s", fixture->path, name);
        if (io_read_file(AT_FDCWD, path, SIZE_MAX / 2, &text, ret_len, NULL) < 0)
                return NULL;
        return text;
}

void fixture_put(struct fixture *fixture, const char *name, const void *bytes, size_t len)
{
        char path[160];
        int fd;

        (void) snprintf(path, sizeof path, "%s/%s", fixture->path, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(io_write_all(fd, bytes, len), 0);
        (void) close(fd);
}

struct audit *fixture_open(struct fixture *fixture, uint64_t segment_bytes)
{
        const struct audit_settings settings = { .path = fixture->path, .stage = "testing",
                                                 .segment_bytes = segment_bytes };
        struct audit *audit = NULL;
        struct error error = { 0 };
        size_t len = 0;
        char *seed;

        if (audit_open(&settings, &audit, &error) < 0)
                fail_msg("cannot open the log: %s", error_text(&error));
        seed = fixture_read(fixture, "seed", &len);
        if (seed && !fixture->seed[0])
                (void) snprintf(fixture->seed, sizeof fixture->seed, "%.64s", seed);
        free(seed);
        return audit;
}

void fixture_write(struct audit *audit, unsigned first, unsigned n)
{
        for (unsigned i = first; i < first + n; i++) {
                struct json_object *details = json_object_new_object();
                struct audit_event event = { .action = i % 3 ? "documents.put" : "auth",
                                             .outcome = i % 3 ? AUDIT_OK : AUDIT_DENIED,
                                             .tenant = i % 2 ? "acme" : "other",
                                             .details = details };
                struct error error = { 0 };
                char object[64];

                (void) snprintf(object, sizeof object, "collections/c/documents/%u", i);
                event.object = object;
                (void) json_object_object_add(details, "text",
                                              json_object_new_string_len("xxxxxxxxxxxxxxxxxxxxxxxx",
                                                                         (int) (i * 7 % 24)));
                if (audit_write(audit, &event, &error) < 0)
                        fail_msg("cannot write: %s", error_text(&error));
                json_object_put(details);
        }
}

void fixture_expect_sound(struct fixture *fixture, uint64_t lines)
{
        struct audit_verdict verdict;
        struct error error = { 0 };

        for (unsigned macs = 0; macs < 2; macs++) {
                if (audit_verify(fixture->path, macs && fixture->seed[0] ? fixture->seed : NULL,
                                 NULL, &verdict,
                                 &error) < 0)
                        fail_msg("cannot verify: %s", error_text(&error));
                if (verdict.flaw != AUDIT_SOUND)
                        fail_msg("%s at %ju (segment %u, line %u): %s",
                                 audit_flaw_name(verdict.flaw), (uintmax_t) verdict.seq,
                                 verdict.segment, verdict.line, verdict.what);
                assert_int_equal(verdict.lines, lines);
        }
}
