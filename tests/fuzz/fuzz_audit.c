/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that somebody else wrote: verifying ends with a verdict that is no other than it may
 * be, searching tells lines alone, and a log is opened over it without writing into what was there.
 *
 * Input: how (bit 0: the key file is the input's first 512 bytes, else that of a sound log; bit 1:
 * the rest are patches of a sound segment, two bytes offset and one byte content, else it is the
 * segment; bit 2: with the seed; bit 3: opened as well), then the rest. */
#include "audit/audit.h"
#include "audit/chain.h"
#include "audit/line.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WITH_KEY = 1, PATCHES = 2, WITH_SEED = 4, OPENED = 8 };

static char root[64], seed[65], *sound, *key;
static size_t sound_len;

static void need(bool ok)
{
        if (!ok)
                abort();
}

static char *read_file(const char *name, size_t *ret_len)
{
        char path[128], *text = NULL;

        (void) snprintf(path, sizeof path, "%s/%s", root, name);
        need(io_read_file(AT_FDCWD, path, 1 << 20, &text, ret_len, NULL) == 0);
        return text;
}

static void write_file(const char *name, const void *bytes, size_t len)
{
        char path[128];
        int fd;

        (void) snprintf(path, sizeof path, "%s/%s", root, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        need(fd >= 0 && io_write_all(fd, bytes, len) == 0);
        (void) close(fd);
}

static void clear(void)
{
        need(io_remove_tree(AT_FDCWD, root) == 0 && mkdir(root, 0700) == 0);
}

/* Always the same one. */
static void prepare(void)
{
        const struct audit_settings settings = { .path = root, .stage = "testing" };
        const struct audit_event event = { .action = "documents.put", .object = "collections/c" };
        struct audit *audit;
        size_t len;
        char *text;

        (void) strcpy(root, "/dev/shm/fuzz-audit-XXXXXX");
        if (!mkdtemp(root)) {
                (void) strcpy(root, "/tmp/fuzz-audit-XXXXXX");
                need(mkdtemp(root));
        }
        memset(seed, '7', sizeof seed - 1);
        write_file("seed", seed, sizeof seed - 1);
        need(audit_open(&settings, &audit, NULL) == 0);
        for (unsigned i = 0; i < 4; i++)
                need(audit_write(audit, &event, NULL) == 0);
        (void) audit_close(audit);
        sound = read_file("000001.jsonl", &sound_len);
        key = read_file("key", &len);
        need(len == CHAIN_FILE_BYTES);
        text = read_file("seed", &len);
        free(text);
}

static int check_line(void *data, const char *line, size_t len)
{
        struct line read;

        (void) data;
        need(len > 0 && len < LINE_BYTES_MAX && !memchr(line, '\n', len) &&
             line_read(line, len, &read));
        return 0;
}

static void check_reading(bool with_seed)
{
        const struct audit_query queries[] = {
                { .outcome = AUDIT_OUTCOME_MAX },
                { .outcome = AUDIT_OUTCOME_MAX, .last = true, .limit = 3 },
                { .outcome = AUDIT_OK, .action = "documents.*", .object = "coll", .after_seq = 2 },
        };
        struct audit_verdict verdict;
        struct error error = { 0 };
        int r = audit_verify(root, with_seed ? seed : NULL, NULL, &verdict, &error);

        need(r == 0 || (r == error.code && error.message[0]));
        if (r == 0 && verdict.flaw != AUDIT_SOUND)
                need(audit_flaw_name(verdict.flaw) && verdict.what[0]);
        for (size_t i = 0; i < ELEMENTSOF(queries); i++)
                need(audit_search(root, &queries[i], check_line, NULL, NULL) == 0);
}

/* What is there stays there, but for a torn end. */
static void check_opening(void)
{
        const struct audit_settings settings = { .path = root, .stage = "testing" };
        const struct audit_event event = { .action = "test" };
        struct audit *audit = NULL;
        struct error error = { 0 };

        if (audit_open(&settings, &audit, &error) < 0) {
                need(error.message[0]);
                return;
        }
        need(audit_write(audit, &event, NULL) == 0);
        (void) audit_close(audit);
}

static void patch(const uint8_t *data, size_t size)
{
        char *text = malloc(sound_len);

        memcpy(text, sound, sound_len);
        for (; size >= 3; data += 3, size -= 3)
                text[((size_t) data[0] << 8 | data[1]) % sound_len] = (char) data[2];
        write_file("000001.jsonl", text, sound_len);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t how;

        if (size < 1)
                return 0;
        if (!root[0])
                prepare();
        clear();
        how = *data++;
        size--;
        if (how & WITH_KEY && size >= CHAIN_FILE_BYTES) {
                write_file("key", data, CHAIN_FILE_BYTES);
                data += CHAIN_FILE_BYTES;
                size -= CHAIN_FILE_BYTES;
        } else {
                write_file("key", key, CHAIN_FILE_BYTES);
        }
        if (how & PATCHES)
                patch(data, size);
        else
                write_file("000001.jsonl", data, size);
        check_reading(how & WITH_SEED);
        if (how & OPENED) {
                check_opening();
                check_reading(how & WITH_SEED);
        }
        return 0;
}
