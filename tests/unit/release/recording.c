/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/release/recording.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "config/load.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const uint8_t recording_identity[32] = { 1, 2, 3 };

int recording_setup(void **state)
{
        struct recording *recording = calloc(1, sizeof *recording);

        assert_non_null(recording);
        assert_true(sodium_init() >= 0);
        (void) strcpy(recording->path, "/tmp/ragd-release-XXXXXX");
        assert_non_null(mkdtemp(recording->path));
        recording->dirfd = open(recording->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(recording->dirfd >= 0);
        *state = recording;
        return 0;
}

int recording_teardown(void **state)
{
        struct recording *recording = *state;

        (void) recording_draft(NULL);
        (void) close(recording->dirfd);
        assert_int_equal(io_remove_tree(AT_FDCWD, recording->path), 0);
        free(recording);
        return 0;
}

struct release_draft *recording_draft(const char *more)
{
        static struct release_draft draft;
        static struct config *config;
        static struct release_source source;
        static char text[512];
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;

        config = config_free(config);
        if (!more)
                return NULL;
        (void) snprintf(text, sizeof text,
                        "stage = \"testing\"\n[rag]\nenabled = true\n"
                        "[rag.embedding]\ndefault_provider = \"hashing\"\n%s", more);
        assert_int_equal(config_load_memory("p.toml", text, strlen(text), NULL, &config,
                                            &diagnostics, NULL), 0);
        source = (struct release_source){ .name = "p.toml", .text = text, .len = strlen(text) };
        draft = (struct release_draft){
                .config = config,
                .profile = "/etc/ragd/p.toml",
                .sources = &source,
                .n_sources = 1,
                .identity = recording_identity,
                .version = "1.2.3",
                .reason = "because",
                .author = { .uid = 7, .pid = 8, .via = "ragctl" },
                .state = RELEASE_PLANNED,
        };
        return &draft;
}

uint32_t recording_write(struct recording *recording, const char *more, enum release_state state)
{
        struct release_draft *draft = recording_draft(more);
        struct error error = { 0 };
        uint32_t number = 0;

        draft->state = state;
        assert_ok(release_write(recording->dirfd, draft, &number, &error));
        return number;
}

enum release_state recording_state(struct recording *recording, uint32_t number)
{
        struct release_info info = { 0 };
        struct error error = { 0 };
        enum release_state state;

        assert_ok(release_read(recording->dirfd, number, &info, &error));
        state = info.state;
        release_info_done(&info);
        return state;
}

void recording_overwrite(struct recording *recording, const char *path, const char *text)
{
        assert_int_equal(io_replace_file(recording->dirfd, path, text, strlen(text), 0600, NULL), 0);
}

bool recording_has(struct recording *recording, const char *path)
{
        return faccessat(recording->dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

struct json_object *recording_json(struct recording *recording, const char *path)
{
        cleanup_free_ char *text = NULL;
        struct json_object *object = NULL;
        size_t len;

        assert_int_equal(io_read_file(recording->dirfd, path, 1 << 20, &text, &len, NULL), 0);
        assert_int_equal(json_parse(text, len, &object, NULL), 0);
        return object;
}

void recording_child(int argc, char *argv[], const struct recording_work *works, size_t n)
{
        struct recording recording = { 0 };

        if (argc != 5 || strcmp(argv[1], "--work") != 0)
                return;
        recording.dirfd = open(argv[4], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (recording.dirfd < 0 || sodium_init() < 0)
                _exit(2);
        for (size_t i = 0; i < n; i++)
                if (strcmp(works[i].name, argv[2]) == 0)
                        _exit(works[i].work(&recording, argv[3]) == 0 ? 0 : 1);
        _exit(2);
}

bool recording_killed_at(struct recording *recording, const char *point, const char *work,
                         const char *argument)
{
        int status = 0;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                (void) setenv("RAGD_CRASH_AT", point, 1);
                (void) execl("/proc/self/exe", "test", "--work", work, argument, recording->path,
                             (char *) NULL);
                _exit(3);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) {
                assert_int_equal(WTERMSIG(status), SIGKILL);
                return true;
        }
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
}
