/* SPDX-License-Identifier: Apache-2.0 */
#include "postings_fixture.h"

#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VOCABULARY 3000.0
#define HITS 100

struct fixture *fixture_new(uint64_t seed)
{
        struct fixture *f = calloc(1, sizeof *f);

        assert_non_null(f);
        f->random = seed * 2 + 1;
        (void) strcpy(f->folder, "/tmp/test-postings-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        f->dirfd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->dirfd >= 0);
        f->live = roaring_bitmap_create();
        assert_int_equal(postings_open(f->dirfd, "english", &f->postings, NULL, NULL), 0);
        assert_int_equal(bm25_fts5_new("english", &f->reference, NULL), 0);
        return f;
}

void fixture_free(struct fixture *f)
{
        postings_free(f->postings);
        bm25_fts5_free(f->reference);
        for (uint32_t i = 0; i < f->next; i++)
                free((void *) (uintptr_t) f->texts[i].text);
        roaring_bitmap_free(f->live);
        (void) close(f->dirfd);
        assert_int_equal(io_remove_tree(AT_FDCWD, f->folder), 0);
        free(f);
}

/* ---- Texts ------------------------------------------------------------------------------ */

uint32_t fixture_chance(struct fixture *f, uint32_t n)
{
        f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) ((f->random >> 33) % n);
}

static size_t add_word(struct fixture *f, char *to)
{
        double share = (fixture_chance(f, 1 << 20) + 1.0) / (1 << 20);

        return (size_t) snprintf(to, 16, "w%ue ", (unsigned) pow(VOCABULARY, share));
}

/* The title lies in front of the text. */
static void invent_one(struct fixture *f, uint32_t words)
{
        struct postings_text *text = &f->texts[f->next];
        uint32_t n = 1 + fixture_chance(f, 2 * words), titles = fixture_chance(f, 4);
        char *to = calloc(1, 16 * ((size_t) n + titles + 2));
        size_t len = 0;

        assert_non_null(to);
        text->slot = f->next;
        for (uint32_t i = 0; i < titles; i++)
                len += add_word(f, to + len);
        text->title = titles ? to : NULL;
        text->title_len = len;
        len += (size_t) snprintf(to + len, 16, "u%ux ", f->next);
        for (uint32_t i = 0; i < n; i++)
                len += add_word(f, to + len);
        text->text = to;
        text->text_len = len;
        /* The title's words are in the text as well, which is as good as any other. */
}

void fixture_invent(struct fixture *f, uint32_t n, uint32_t words, bool gaps)
{
        assert_true(f->next + n <= FIXTURE_SLOTS);
        bm25_fts5_begin(f->reference);
        for (; n > 0; n--, f->next++) {
                if (gaps && fixture_chance(f, 10) == 0)
                        continue;
                invent_one(f, words);
                assert_int_equal(bm25_fts5_add(f->reference, &f->texts[f->next], NULL), 0);
                f->in_reference[f->next] = true;
                roaring_bitmap_add(f->live, f->next);
        }
        bm25_fts5_commit(f->reference);
}

int fixture_add(struct fixture *f, uint32_t first, uint32_t end, struct error *reterr)
{
        struct postings_text *texts = calloc(end - first + 1, sizeof *texts);
        size_t n = 0;
        int r;

        if (!texts)
                return -ENOMEM;
        for (uint32_t slot = first; slot < end; slot++)
                if (f->texts[slot].text)
                        texts[n++] = f->texts[slot];
        r = postings_add(f->postings, first, end, texts, n, reterr);
        free(texts);
        return r;
}

void fixture_catch_up(struct fixture *f)
{
        uint32_t end;

        while ((end = postings_end(f->postings)) < f->next) {
                uint32_t batch = 1 + fixture_chance(f, 200);

                assert_int_equal(fixture_add(f, end, f->next - end < batch ? f->next : end + batch,
                                             NULL),
                                 0);
                assert_true(postings_end(f->postings) > end);
        }
}

/* ---- Files ------------------------------------------------------------------------------ */

char *fixture_reopen(struct fixture *f)
{
        struct error error = { 0 };
        char *damage = NULL;

        postings_free(f->postings);
        f->postings = NULL;
        if (postings_open(f->dirfd, "english", &f->postings, &damage, &error) < 0)
                fail_msg("%s", error_text(&error));
        return damage;
}

unsigned fixture_maintain(struct fixture *f, const roaring_bitmap_t *live)
{
        const struct postings_keep keep = { live, UINT32_MAX };
        struct error error = { 0 };
        unsigned steps = 0;
        int r;

        while ((r = postings_maintain(f->postings, live ? &keep : NULL, NULL,
                                      &error)) == INDEX_AGAIN)
                steps++;
        if (r != INDEX_REST)
                fail_msg("%s", error_text(&error));
        return steps;
}

unsigned fixture_count_files(const struct fixture *f, const char *prefix, const char *end)
{
        DIR *dir = opendir(f->folder);
        unsigned n = 0;

        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
                size_t len = strlen(entry->d_name);

                n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && len >= strlen(end) &&
                     strcmp(entry->d_name + len - strlen(end), end) == 0;
        }
        (void) closedir(dir);
        return n;
}

struct fixture *fixture_with_file(uint64_t seed, uint32_t n)
{
        struct fixture *f = fixture_new(seed);

        fixture_invent(f, n, 5, false);
        fixture_catch_up(f);
        assert_int_equal(postings_save(f->postings, NULL), 0);
        assert_int_equal(fixture_count_files(f, "postings.", ""), 1);
        return f;
}

/* ---- Comparing -------------------------------------------------------------------------- */

bool fixture_finds(struct fixture *f, uint32_t slot)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view = postings_ref(f->postings);
        char text[16];
        struct bm25_query query = { .text = text, .k = 1, .committed = UINT32_MAX };
        struct index_stats stats;
        struct index_hit hit;
        size_t n = 0;

        query.len = (size_t) snprintf(text, sizeof text, "u%ux", slot);
        assert_int_equal(postings_search(view, &query, &hit, &n, &stats, NULL), 0);
        assert_true(n == 0 || hit.slot == slot);
        return n == 1;
}

void fixture_follow_drops(struct fixture *f)
{
        bm25_fts5_begin(f->reference);
        for (uint32_t slot = 0; slot < f->next; slot++)
                if (f->in_reference[slot] && !fixture_finds(f, slot)) {
                        assert_false(roaring_bitmap_contains(f->live, slot));
                        assert_int_equal(bm25_fts5_delete(f->reference, &f->texts[slot], NULL), 0);
                        f->in_reference[slot] = false;
                }
        bm25_fts5_commit(f->reference);
}

static void compare(struct fixture *f, const struct bm25_query *query)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view = postings_ref(f->postings);
        struct index_hit one[HITS], two[HITS];
        struct index_stats stats;
        struct error error = { 0 };
        size_t n_one = 0, n_two = 0;

        if (postings_search(view, query, one, &n_one, &stats, &error) < 0)
                fail_msg("%s", error_text(&error));
        assert_int_equal(bm25_fts5_search(f->reference, query, two, &n_two, &stats, NULL), 0);
        if (n_one != n_two)
                fail_msg("\"%s\": %zu found, %zu expected", query->text, n_one, n_two);
        for (size_t i = 0; i < n_one; i++) {
                bool near = fabsf(one[i].score - two[i].score) <= 1e-6F * two[i].score;

                /* Scores that differ in their last bit only may change places. */
                if (!near || (one[i].slot != two[i].slot &&
                              (i + 1 == n_one || fabsf(two[i + 1].score - two[i].score) >
                                                         1e-6F * two[i].score) &&
                              (i == 0 || fabsf(two[i - 1].score - two[i].score) >
                                                 1e-6F * two[i].score) &&
                              i + 1 < n_one))
                        fail_msg("\"%s\" hit %zu: slot %u with %.8g, expected %u with %.8g",
                                 query->text, i, one[i].slot, (double) one[i].score, two[i].slot,
                                 (double) two[i].score);
        }
}

void fixture_compare(struct fixture *f, unsigned questions)
{
        while (questions-- > 0) {
                uint32_t words = 1 + fixture_chance(f, 14), one_in = 1U << fixture_chance(f, 10);
                char text[512];
                struct bm25_query query = { .text = text, .live = f->live,
                                            .committed = f->next, .k = 1 + fixture_chance(f, HITS) };
                roaring_bitmap_t *filter = NULL;

                for (uint32_t i = 0; i < words; i++)
                        query.len += add_word(f, text + query.len);
                if (fixture_chance(f, 2) == 0) {
                        filter = roaring_bitmap_create();
                        for (uint32_t slot = 0; slot < f->next; slot++)
                                if (fixture_chance(f, one_in) == 0)
                                        roaring_bitmap_add(filter, slot);
                }
                query.filter = filter;
                if (fixture_chance(f, 4) == 0)
                        query.committed = fixture_chance(f, f->next + 1);
                compare(f, &query);
                if (filter)
                        roaring_bitmap_free(filter);
        }
}
