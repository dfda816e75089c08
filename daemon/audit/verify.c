/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "audit/verify.h"

#include "audit/inside.h"
#include "audit/seed.h"
#include "base/io.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define TRIES 5 /* retention may remove segments meanwhile */

static bool is_flawed(const struct verify *verify)
{
        return verify->verdict->flaw != AUDIT_SOUND;
}

/* ---- A line ---------------------------------------------------------------------------------- */

bool verify_follows(const struct verify *verify, const struct line *line)
{
        if (!verify->begins)
                return line_follows(line, &verify->chain);
        return !verify->numbered || line->seq == verify->chain.seq + 1;
}

static bool fits(const struct verify *verify, const struct line *line)
{
        return verify_follows(verify, line) &&
               (!verify->macs || line_mac_fits(line, &verify->chain));
}

static bool is_same_key(const struct chain *a, const struct chain *b)
{
        return sodium_memcmp(a->key, b->key, CHAIN_KEY_BYTES) == 0 &&
               sodium_memcmp(a->next, b->next, CHAIN_KEY_BYTES) == 0;
}

/* The key file and the anchor know a line's digest, the key file the keys behind it as well. */
static void compare_known(struct verify *verify)
{
        const struct chain *chain = &verify->chain, *key = &verify->key;
        bool differs = false;

        if (verify->has_key && key->seq == chain->seq) {
                differs = memcmp(key->digest, chain->digest, CHAIN_HEX_SIZE) != 0;
                verify->key_differs = verify->macs && !is_same_key(key, chain);
        }
        if (verify->anchor && verify->anchor->seq == chain->seq)
                differs |= strcmp(verify->anchor->digest, chain->digest) != 0;
        if (!differs)
                return;
        verify->lines--;
        verify_found(verify, verify->macs ? AUDIT_FORGED : AUDIT_EDITED, chain->seq, chain->segment,
                     chain->line, "the line is another than the one that was known to be there");
}

/* What the log's own lines say of their place. */
static bool is_in_place(const struct verify *verify, const struct line *line)
{
        const struct chain *chain = &verify->chain;
        uint64_t value;

        if (line_member_is(line, "action", LINE_BEGIN) != (chain->line == 0))
                return false;
        if (chain->line == 0)
                return line_get_detail(line, "segment", &value) && value == chain->segment;
        if (line_member_is(line, "action", LINE_SEALED))
                return line_get_detail(line, "lines", &value) && value == chain->line + 1;
        return true;
}

static void accept(struct verify *verify, const struct line *line)
{
        if (verify->begins)
                verify->chain.seq = line->seq - 1;
        if (verify->lines == 0)
                verify->first_seq = line->seq;
        verify->begins = false;
        line_accept(line, &verify->chain);
        verify->lines++;
        verify->last = (struct verify_place){ verify->chain.seq, verify->chain.segment,
                                              verify->chain.line };
        compare_known(verify);
}

static int check_line(struct verify *verify, const struct segment_line *at, bool newest,
                      bool *ret_end, struct error *reterr)
{
        const struct chain *chain = &verify->chain;
        struct line line;

        if (!at->whole && newest && !chain->sealed && verify_known(verify) <= chain->seq) {
                *ret_end = true; /* being written, or torn: nobody was told that it is there */
                return 0;
        }
        if (at->whole && !chain->sealed && line_read(at->text, at->len, &line) &&
            line.seq > 0 && fits(verify, &line)) {
                if (is_in_place(verify, &line)) {
                        accept(verify, &line);
                        return 0;
                }
        }
        return verify_judge_line(verify, chain->segment, chain->line + 1, at, reterr);
}

/* ---- Segments -------------------------------------------------------------------------------- */

static int check_segment(struct verify *verify, bool newest, struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        int fd = segment_open(verify->dirfd, verify->chain.segment, reterr);
        int r = fd < 0 ? fd : segment_reader_new(fd, &reader, reterr);
        struct segment_line at;
        bool end = false;

        while (r == 0 && !end && !is_flawed(verify)) {
                r = segment_reader_next(reader, &at, reterr);
                if (r <= 0)
                        return r;
                r = check_line(verify, &at, newest, &end, reterr);
        }
        return r;
}

/* What the key file or the anchor knows, and is not there. */
static int check_end(struct verify *verify, struct error *reterr)
{
        const struct chain *chain = &verify->chain;
        uint32_t segment = chain->sealed ? chain->segment + 1 : chain->segment;
        uint64_t line = chain->sealed ? 1 : chain->line + 1;

        if (verify_known(verify) > chain->seq)
                return verify_judge_absence(verify, segment, line, 0, reterr);
        if (verify->key_damaged)
                verify_found(verify, AUDIT_TRUNCATED, chain->seq + 1, segment, line,
                             "the key file is damaged: the last lines may be cut off");
        else if (verify->key_differs)
                verify_found(verify, AUDIT_TRUNCATED, chain->seq + 1, segment, line,
                             "the key file was made by somebody: the last lines may be cut off");
        else if (verify->numbers[0] > 1 && chain->expired < verify->numbers[0] - 1)
                verify_found(verify, AUDIT_MISSING, verify->first_seq - 1, verify->numbers[0] - 1,
                             1, "the segments before it are not there, and no line says that they"
                             " expired");
        return 0;
}

static int check_segments(struct verify *verify, struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < verify->n && !is_flawed(verify); i++) {
                const struct chain *chain = &verify->chain;

                if (!chain->sealed)
                        r = verify_judge_absence(verify, chain->segment, chain->line + 1,
                                                 verify->numbers[i], reterr);
                else if (verify->numbers[i] != chain->segment + 1)
                        r = verify_judge_absence(verify, chain->segment + 1, 1, verify->numbers[i],
                                                 reterr);
                if (r < 0 || is_flawed(verify))
                        return r;
                chain_next_segment(&verify->chain);
                r = check_segment(verify, i + 1 == verify->n, reterr);
        }
        return r < 0 || is_flawed(verify) ? r : check_end(verify, reterr);
}

/* ---- The beginning --------------------------------------------------------------------------- */

/* What expired, as the newest line that tells it says; it is checked afterwards. */
static int take_expired(void *data, const char *text, size_t len)
{
        struct chain *told = data;
        struct line line;

        if (line_read(text, len, &line))
                line_accept(&line, told);
        return 0;
}

static int find_expired(struct verify *verify, struct chain *ret, struct error *reterr)
{
        struct audit_query query = { .action = LINE_EXPIRED, .outcome = AUDIT_OUTCOME_MAX,
                                     .limit = 1, .last = true };

        *ret = (struct chain){ .expired = verify->key.expired,
                               .expired_seq = verify->key.expired_seq };
        return verify->has_key ? 0
                               : audit_search(verify->path, &query, take_expired, ret, reterr);
}

/* The number of the first line of a log whose beginning expired, as the lines themselves say; they
 * are checked afterwards. */
static int read_first_seq(struct verify *verify, struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        int fd = segment_open(verify->dirfd, verify->numbers[0], reterr);
        int r = fd < 0 ? fd : segment_reader_new(fd, &reader, reterr);
        struct segment_line at;
        struct line line;

        for (uint64_t before = 1; r == 0 && before <= 3; before++) {
                r = segment_reader_next(reader, &at, reterr);
                if (r <= 0)
                        return r;
                r = 0;
                if (!line_read(at.text, at.len, &line) || line.seq < before)
                        continue;
                verify->chain.seq = line.seq - before;
                return 0;
        }
        return r;
}

/* Retention takes whole segments from the beginning, and a line says which. */
static int find_beginning(struct verify *verify, struct error *reterr)
{
        uint32_t first = verify->numbers[0];
        struct chain told;
        int r;

        if (first == 1)
                return 0;
        r = find_expired(verify, &told, reterr);
        if (r < 0)
                return r;
        if (told.expired < first - 1) {
                verify_found(verify, AUDIT_MISSING, told.expired_seq + 1,
                             told.expired + 1, 1,
                             "the segment is not there, and no line says that it expired");
                return 0;
        }
        while (verify->chain.segment + 1 < first)
                chain_next_segment(&verify->chain);
        verify->chain.sealed = true;
        verify->begins = true;
        verify->numbered = told.expired == first - 1;
        if (!verify->numbered)
                return read_first_seq(verify, reterr);
        verify->chain.seq = told.expired_seq;
        return 0;
}

/* ---- Seed and key ---------------------------------------------------------------------------- */

static int load_key(struct verify *verify, struct error *reterr)
{
        char *text = NULL;
        size_t len = 0;
        int r = io_read_file(verify->dirfd, AUDIT_KEY_FILE, CHAIN_FILE_BYTES, &text, &len, reterr);

        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = chain_parse(text, len, &verify->key, reterr);
        if (text)
                explicit_bzero(text, len);
        free(text);
        verify->has_key = r == 0;
        verify->key_damaged = r == -EBADMSG || r == -EFBIG;
        return verify->key_damaged ? 0 : r;
}

static int has_log_id(void *data, const char *line, size_t len)
{
        return memmem(line, len, data, CHAIN_LOG_SIZE - 1) ? 1 : 0;
}

/* A damaged place alone does not make a seed another log's. */
static int check_seed(struct verify *verify, struct error *reterr)
{
        struct audit_query query = { .action = LINE_BEGIN, .outcome = AUDIT_OUTCOME_MAX };
        int r;

        if (verify->has_key && strcmp(verify->key.log, verify->chain.log) == 0)
                return 0;
        r = audit_search(verify->path, &query, has_log_id, verify->chain.log, reterr);
        if (r == 0)
                r = error_set(reterr, -EKEYREJECTED, "the seed is that of another audit log");
        return r < 0 ? r : 0;
}

static int load_seed(struct verify *verify, const char *seed, struct error *reterr)
{
        uint8_t key[CHAIN_KEY_BYTES] = { 0 };
        int r = seed ? chain_read_seed(seed, key, reterr)
                     : seed_load(verify->dirfd, key, reterr);

        if (r == -ENOENT || r == -EACCES)
                r = 0;
        else
                verify->macs = r == 0;
        if (r == 0)
                chain_begin(key, &verify->chain);
        explicit_bzero(key, sizeof key);
        return r == 0 && verify->macs ? check_seed(verify, reterr) : r;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void conclude(struct verify *verify)
{
        struct audit_verdict *verdict = verify->verdict;

        verdict->lines = verify->lines;
        verdict->first_seq = verify->first_seq;
        verdict->macs = verify->macs;
        verdict->head.seq = verify->chain.seq;
        verdict->head.segment = verify->chain.segment;
        memcpy(verdict->head.digest, verify->chain.digest, sizeof verdict->head.digest);
        if (is_flawed(verify))
                return;
        if (verify->anchor && verify->anchor->seq < verify->first_seq)
                verify_found(verify, AUDIT_SOUND, 0, 0, 0,
                             "the anchor is older than the oldest line that is kept");
        else if (!verify->has_key && !verify->anchor)
                verify_found(verify, AUDIT_SOUND, 0, 0, 0,
                             "there is no key file: an anchor tells whether the last lines are"
                             " there");
}

static int verify_once(struct verify *verify, const char *seed, struct error *reterr)
{
        int r = load_key(verify, reterr);

        if (r == 0)
                r = segment_list(verify->dirfd, &verify->numbers, &verify->n, reterr);
        if (r == 0 && verify->n == 0 && verify_known(verify) == 0)
                return error_set(reterr, -ENOENT, "there is no audit log in %s", verify->path);
        if (r == 0)
                r = load_seed(verify, seed, reterr);
        if (r == 0 && verify->n > 0)
                r = find_beginning(verify, reterr);
        else if (r == 0)
                verify_found(verify, AUDIT_MISSING, 1, 1, 1, "no segment is there");
        if (r == 0 && !is_flawed(verify))
                r = check_segments(verify, reterr);
        if (r == 0)
                conclude(verify);
        return r;
}

int audit_verify(const char *path, const char *seed, const struct audit_head *anchor,
                 struct audit_verdict *ret, struct error *reterr)
{
        cleanup_close_ int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = -ENOENT;

        if (dirfd < 0)
                return error_set_errno(reterr, -errno, "cannot open the audit log in %s", path);
        if (sodium_init() < 0)
                return error_oom(reterr);
        for (unsigned i = 0; i < TRIES && r == -ENOENT; i++) {
                struct audit_verdict verdict = { 0 };
                struct verify verify = { .path = path, .dirfd = dirfd, .anchor = anchor,
                                         .verdict = &verdict };

                r = verify_once(&verify, seed, reterr);
                chain_done(&verify.chain);
                chain_done(&verify.key);
                free(verify.numbers);
                if (r == 0)
                        *ret = verdict;
        }
        return r;
}
