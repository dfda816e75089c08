/* SPDX-License-Identifier: Apache-2.0 */
/* BM25 of ragd beside SQLite's FTS5 with the same terms and scores.
 *
 *     bench_bm25 CHUNKS [FOLDER]
 *
 * FOLDER holds corpus.jsonl ({"title", "text"}) and queries.jsonl ({"text"}); without it texts
 * follow Zipf's law.  Chunks of some 120 words are put together from the corpus' sentences, the
 * questions' own words are OR-ed, and both are asked in turn. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "index/postings.h"
#include "tests/lib/bm25_fts5.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK_WORDS 120
#define BATCH 64
#define QUESTIONS 225
#define TURNS 5 /* of the postings, for one of FTS5 */
#define DEPTH_MAX 100

struct strings {
        char **items;
        size_t n, room;
};

struct bench {
        struct strings sentences, titles, questions;
        uint64_t random;
        uint32_t chunks;
        struct postings_text *texts;
        struct bm25_fts5 *fts;
        struct postings *postings;
};

static void die(const char *what, const struct error *error)
{
        (void) fprintf(stderr, "bench_bm25: %s: %s\n", what, error ? error_text(error) : "failed");
        exit(1);
}

static void *need(void *memory)
{
        if (!memory)
                die("memory", NULL);
        return memory;
}

static double now_usec(void)
{
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static uint32_t chance(struct bench *bench, size_t n)
{
        bench->random = bench->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) ((bench->random >> 33) % n);
}

static void take(struct strings *strings, char *item)
{
        if (strings->n == strings->room) {
                strings->room = strings->room ? strings->room * 2 : 1024;
                strings->items = need(reallocarray(strings->items, strings->room, sizeof(char *)));
        }
        strings->items[strings->n++] = need(item);
}

/* ---- Texts ------------------------------------------------------------------------------ */

/* What each line of a file says under `key`, and under `other` where that is not NULL. */
static void read_lines(const char *folder, const char *name, const char *key, struct strings *ret,
                       const char *other, struct strings *ret_other)
{
        char path[4096], *line = NULL;
        size_t size = 0;
        FILE *file;

        (void) snprintf(path, sizeof path, "%s/%s", folder, name);
        file = fopen(path, "r");
        if (!file)
                die(path, NULL);
        while (getline(&line, &size, file) > 0) {
                struct json_object *object = json_tokener_parse(line), *value;

                if (json_object_object_get_ex(object, key, &value))
                        take(ret, strdup(json_object_get_string(value)));
                if (other && json_object_object_get_ex(object, other, &value))
                        take(ret_other, strdup(json_object_get_string(value)));
                (void) json_object_put(object);
        }
        free(line);
        (void) fclose(file);
}

static void read_folder(struct bench *bench, const char *folder)
{
        struct strings texts = { 0 };

        read_lines(folder, "corpus.jsonl", "text", &texts, "title", &bench->titles);
        read_lines(folder, "queries.jsonl", "text", &bench->questions, NULL, NULL);
        for (size_t i = 0; i < texts.n; i++) {
                char *at = texts.items[i], *dot;

                for (; (dot = strstr(at, ". ")); at = dot + 2)
                        take(&bench->sentences, strndup(at, (size_t) (dot + 2 - at)));
                take(&bench->sentences, strdup(at));
                free(texts.items[i]);
        }
        free(texts.items);
}

/* Words by Zipf's law over 50,000, the 50 most frequent left out where `rare`. */
static char *zipf_words(struct bench *bench, size_t n, bool rare)
{
        char *text = need(malloc(n * 10 + 1));
        size_t len = 0;

        for (size_t i = 0; i < n; i++) {
                double share = (chance(bench, 1 << 20) + 1.0) / (1 << 20);
                unsigned word = (unsigned) pow(50000.0, share);

                if (rare && word < 50) {
                        i--;
                        continue;
                }
                len += (size_t) snprintf(text + len, 11, "w%ue ", word);
        }
        return text;
}

static void invent(struct bench *bench)
{
        for (int i = 0; i < 20000; i++)
                take(&bench->sentences, zipf_words(bench, 15 + chance(bench, 10), false));
        for (int i = 0; i < 2000; i++)
                take(&bench->titles, zipf_words(bench, 6, false));
        for (int i = 0; i < QUESTIONS; i++)
                take(&bench->questions, zipf_words(bench, 5 + chance(bench, 10), true));
}

static size_t count_words(const char *text)
{
        size_t n = 0;

        for (; (text = strchr(text, ' ')); text++)
                n++;
        return n;
}

/* Sentences that follow each other, from one place or two. */
static char *put_together(struct bench *bench)
{
        size_t at = chance(bench, bench->sentences.n), words = 0, len = 0;
        char *text = need(calloc(1, 16384));

        while (words < CHUNK_WORDS && len < 12000) {
                const char *sentence = bench->sentences.items[at++ % bench->sentences.n];

                len += (size_t) snprintf(text + len, 16384 - len, "%.4000s ", sentence);
                words += count_words(sentence);
                if (chance(bench, 4) == 0)
                        at = chance(bench, bench->sentences.n);
        }
        return need(realloc(text, len + 1));
}

static void make_chunks(struct bench *bench)
{
        bench->texts = need(calloc(bench->chunks, sizeof *bench->texts));
        for (uint32_t i = 0; i < bench->chunks; i++) {
                char *text = put_together(bench);
                const char *title = bench->titles.items[chance(bench, bench->titles.n)];

                bench->texts[i] = (struct postings_text){ i, title, strlen(title), text,
                                                          strlen(text) };
        }
}

/* ---- Building --------------------------------------------------------------------------- */

static void build_fts(struct bench *bench)
{
        struct error error = { 0 };
        double begin;
        int r = 0;

        if (bm25_fts5_new("english", &bench->fts, &error) < 0)
                die("FTS5", &error);
        begin = now_usec();
        bm25_fts5_begin(bench->fts);
        for (uint32_t i = 0; r == 0 && i < bench->chunks; i++)
                r = bm25_fts5_add(bench->fts, &bench->texts[i], &error);
        bm25_fts5_commit(bench->fts);
        if (r < 0)
                die("FTS5", &error);
        printf("  FTS5      %6.1f us to add a chunk\n", (now_usec() - begin) / bench->chunks);
}

static void build_postings(struct bench *bench, int dirfd)
{
        struct error error = { 0 };
        struct postings_status status;
        double adding = 0.0, maintaining = 0.0, begin;
        int r = postings_open(dirfd, "english", &bench->postings, NULL, &error);

        for (uint32_t i = 0; r >= 0 && i < bench->chunks; i += BATCH) {
                uint32_t n = bench->chunks - i < BATCH ? bench->chunks - i : BATCH;

                begin = now_usec();
                r = postings_add(bench->postings, i, i + n, bench->texts + i, n, &error);
                adding += now_usec() - begin;
                begin = now_usec();
                while (r >= 0 && (r = postings_maintain(bench->postings, NULL, NULL, &error)) ==
                                         INDEX_AGAIN)
                        ;
                maintaining += now_usec() - begin;
        }
        if (r >= 0)
                r = postings_save(bench->postings, &error);
        if (r < 0)
                die("postings", &error);
        begin = now_usec();
        postings_free(bench->postings);
        r = postings_open(dirfd, "english", &bench->postings, NULL, &error);
        if (r < 0)
                die("postings", &error);
        postings_get_status(bench->postings, NULL, &status);
        printf("  postings  %6.1f us to add a chunk by %d, %.1f us behind; %u segments, %.1f MB, "
               "opened in %.2f ms\n",
               adding / bench->chunks, BATCH, maintaining / bench->chunks, status.segments,
               (double) status.file_bytes / 1e6, (now_usec() - begin) / 1e3);
}

/* ---- Asking ----------------------------------------------------------------------------- */

struct asked {
        double usec[QUESTIONS * TURNS];
        size_t n;
};

static int ascending(const void *left, const void *right)
{
        double a = *(const double *) left, b = *(const double *) right;

        return (a > b) - (a < b);
}

static double quantile(struct asked *asked, double q)
{
        qsort(asked->usec, asked->n, sizeof *asked->usec, ascending);
        return asked->usec[(size_t) ((double) (asked->n - 1) * q)];
}

static void compare(const struct index_hit *a, size_t n_a, const struct index_hit *b, size_t n_b,
                    const char *question)
{
        bool same = n_a == n_b;

        for (size_t i = 0; same && i < n_a; i++)
                same = fabsf(a[i].score - b[i].score) <= 1e-6F * a[i].score;
        if (!same)
                die(question, &(struct error){ .message = "the two disagree" });
}

static void ask(struct bench *bench, uint32_t k, const roaring_bitmap_t *filter, const char *name)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view = postings_ref(bench->postings);
        static struct asked fts, postings;
        struct index_hit one[DEPTH_MAX], two[DEPTH_MAX];
        size_t n_one = 0, n_two = 0;
        struct index_stats stats;
        struct error error = { 0 };

        fts.n = postings.n = 0;
        for (size_t i = 0; i < bench->questions.n && i < QUESTIONS; i++) {
                struct bm25_query query = { .text = bench->questions.items[i], .k = k,
                                            .committed = bench->chunks, .filter = filter };
                double begin = now_usec();

                query.len = strlen(query.text);
                if (bm25_fts5_search(bench->fts, &query, one, &n_one, &stats, &error) < 0)
                        die("FTS5", &error);
                fts.usec[fts.n++] = now_usec() - begin;
                for (int turn = 0; turn < TURNS; turn++) {
                        begin = now_usec();
                        if (postings_search(view, &query, two, &n_two, &stats, &error) < 0)
                                die("postings", &error);
                        postings.usec[postings.n++] = now_usec() - begin;
                }
                compare(one, n_one, two, n_two, query.text);
        }
        printf("  k %3u %-12s  FTS5 p50 %6.2f p99 %6.2f ms   postings p50 %5.3f p99 %5.3f ms   "
               "%4.0f and %4.0f times as fast\n",
               k, name, quantile(&fts, 0.5) / 1e3, quantile(&fts, 0.99) / 1e3,
               quantile(&postings, 0.5) / 1e3, quantile(&postings, 0.99) / 1e3,
               quantile(&fts, 0.5) / quantile(&postings, 0.5),
               quantile(&fts, 0.99) / quantile(&postings, 0.99));
}

static roaring_bitmap_t *every(struct bench *bench, uint32_t nth)
{
        roaring_bitmap_t *bitmap = need(roaring_bitmap_create());

        for (uint32_t i = 0; i < bench->chunks; i++)
                if (chance(bench, nth) == 0)
                        roaring_bitmap_add(bitmap, i);
        return bitmap;
}

static void ask_all(struct bench *bench)
{
        static const struct {
                const char *name;
                uint32_t nth;
        } filters[] = { { "filter 50%", 2 }, { "filter 10%", 10 }, { "filter 1%", 100 },
                        { "filter 0.1%", 1000 } };

        ask(bench, 10, NULL, "");
        ask(bench, 50, NULL, "");
        ask(bench, 100, NULL, "");
        for (size_t i = 0; i < ELEMENTSOF(filters); i++) {
                roaring_bitmap_t *filter = every(bench, filters[i].nth);

                ask(bench, 50, filter, filters[i].name);
                roaring_bitmap_free(filter);
        }
}

int main(int argc, char **argv)
{
        static struct bench bench = { .random = 1 };
        char folder[] = "/tmp/bench-bm25-XXXXXX";
        cleanup_close_ int dirfd = -1;

        if (argc < 2 || argc > 3 || atoi(argv[1]) < 1) {
                (void) fputs("usage: bench_bm25 CHUNKS [FOLDER]\n", stderr);
                return 2;
        }
        bench.chunks = (uint32_t) atoi(argv[1]);
        if (!mkdtemp(folder) || (dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                die(folder, NULL);
        if (argc > 2)
                read_folder(&bench, argv[2]);
        else
                invent(&bench);
        make_chunks(&bench);
        printf("%u chunks %s\n", bench.chunks, argc > 2 ? "of real English" : "by Zipf's law");
        build_postings(&bench, dirfd);
        build_fts(&bench);
        ask_all(&bench);
        postings_free(bench.postings);
        bm25_fts5_free(bench.fts);
        (void) io_remove_tree(AT_FDCWD, folder);
        return 0;
}
