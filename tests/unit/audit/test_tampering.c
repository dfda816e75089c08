/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: whatever is done to a log, verifying finds it and names the first bad record.
 *
 * TAMPERINGS (1500) random ones of every kind, from SEED (1) on; each is told by its number, so
 * that TAMPER_ONLY=n repeats it alone.  Kinds that digests alone can find are verified without the
 * seed as well. */
#include "audit/chain.h"
#include "audit/line.h"
#include "audit/segment.h"
#include "base/cleanup.h"
#include "tests/unit/audit/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENTS_MAX 24
#define LINES_MAX 64

/* A log in memory. */
struct part {
        char *lines[LINES_MAX]; /* with their newlines; heap */
        size_t n;
};
struct image {
        struct part parts[SEGMENTS_MAX]; /* part i is segment i + 1; n = 0: not there */
        uint32_t n;
        char key[CHAIN_FILE_BYTES];
};

struct expected {
        uint32_t segment;
        size_t line; /* from 0 */
        uint64_t seq;
        unsigned flaws; /* bits of those it may be called */
};

#define F(flaw) (1U << (flaw))
#define ANY_EDIT (F(AUDIT_EDITED) | F(AUDIT_MALFORMED) | F(AUDIT_TRUNCATED))

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
        random_state = random_state * 6364136223846793005U + 1442695040888963407U;
        return (random_state >> 33) % below;
}

/* ---- The image ------------------------------------------------------------------------------- */

static void load(struct fixture *fixture, struct image *ret)
{
        size_t len;
        char *key = fixture_read(fixture, "key", &len);

        *ret = (struct image){ 0 };
        assert_int_equal(len, CHAIN_FILE_BYTES);
        memcpy(ret->key, key, len);
        free(key);
        for (uint32_t i = 0; i < SEGMENTS_MAX; i++) {
                char name[SEGMENT_NAME_SIZE], *text, *next;

                text = fixture_read(fixture, segment_name(i + 1, name), &len);
                if (!text)
                        continue;
                ret->n = i + 1;
                for (char *at = text; *at; at = next) {
                        next = strchr(at, '\n') + 1;
                        assert_true(ret->parts[i].n < LINES_MAX);
                        ret->parts[i].lines[ret->parts[i].n++] = strndup(at, (size_t) (next - at));
                }
                free(text);
        }
}

static void unload(struct image *image)
{
        for (uint32_t i = 0; i < image->n; i++)
                for (size_t j = 0; j < image->parts[i].n; j++)
                        free(image->parts[i].lines[j]);
}

static void copy(const struct image *from, struct image *ret)
{
        *ret = *from;
        for (uint32_t i = 0; i < from->n; i++)
                for (size_t j = 0; j < from->parts[i].n; j++)
                        ret->parts[i].lines[j] = strdup(from->parts[i].lines[j]);
}

static char *flatten(const struct part *part, size_t *ret_len)
{
        char *text = calloc(1, LINES_MAX * LINE_BYTES_MAX);
        size_t len = 0;

        for (size_t i = 0; i < part->n; i++) {
                size_t n = strlen(part->lines[i]);

                memcpy(text + len, part->lines[i], n);
                len += n;
        }
        *ret_len = len;
        return text;
}

static void store(struct fixture *fixture, const struct image *image)
{
        fixture_put(fixture, "key", image->key, sizeof image->key);
        for (uint32_t i = 0; i < SEGMENTS_MAX; i++) {
                char name[SEGMENT_NAME_SIZE], path[160], *text;
                size_t len;

                (void) segment_name(i + 1, name);
                (void) snprintf(path, sizeof path, "%s/%s", fixture->path, name);
                (void) unlink(path);
                if (image->parts[i].n == 0)
                        continue;
                text = flatten(&image->parts[i], &len);
                fixture_put(fixture, name, text, len);
                free(text);
        }
}

static uint32_t first_of(const struct image *image)
{
        uint32_t i = 0;

        while (image->parts[i].n == 0)
                i++;
        return i;
}

static uint64_t seq_of(const char *line)
{
        return strtoull(line + strlen("{\"seq\":"), NULL, 10);
}

/* The number that is expected at this place of a sound log. */
static uint64_t seq_at(const struct image *image, uint32_t part, size_t line)
{
        if (line < image->parts[part].n)
                return seq_of(image->parts[part].lines[line]);
        return seq_of(image->parts[part].lines[image->parts[part].n - 1]) + 1;
}

static struct expected at(const struct image *image, uint32_t part, size_t line, unsigned flaws)
{
        return (struct expected){ part + 1, line, seq_at(image, part, line), flaws };
}

static void pick(const struct image *image, uint32_t *ret_part, size_t *ret_line)
{
        uint32_t first = first_of(image);

        *ret_part = first + (uint32_t) draw(image->n - first);
        *ret_line = draw(image->parts[*ret_part].n);
}

static void insert(struct part *part, size_t line, char *takes_text)
{
        memmove(part->lines + line + 1, part->lines + line,
                (part->n - line) * sizeof part->lines[0]);
        part->lines[line] = takes_text;
        part->n++;
}

static void take_out(struct part *part, size_t line)
{
        free(part->lines[line]);
        part->n--;
        memmove(part->lines + line, part->lines + line + 1,
                (part->n - line) * sizeof part->lines[0]);
}

/* ---- Kinds ----------------------------------------------------------------------------------- */

struct world {
        struct image image; /* the one that is changed */
        const struct image *before, *foreign;
};

static struct expected edit(struct world *world)
{
        uint32_t part;
        size_t line, byte;
        char *text, old;

        pick(&world->image, &part, &line);
        text = world->image.parts[part].lines[line];
        byte = draw(strlen(text));
        old = text[byte];
        while (text[byte] == old || text[byte] == '\0')
                text[byte] = draw(8) ? (char) (1 + draw(255)) : '\n';
        return at(world->before, part, line, ANY_EDIT);
}

static struct expected delete_one(struct world *world)
{
        uint32_t part;
        size_t line;

        do
                pick(&world->image, &part, &line);
        while (world->image.parts[part].n < 2);
        take_out(&world->image.parts[part], line);
        return at(world->before, part, line,
                  line + 1 == world->before->parts[part].n ? F(AUDIT_TRUNCATED) : F(AUDIT_MISSING));
}

static struct expected duplicate(struct world *world)
{
        uint32_t from, to;
        size_t line, where;

        pick(&world->image, &from, &line);
        pick(&world->image, &to, &where);
        where += draw(2);
        insert(&world->image.parts[to], where, strdup(world->image.parts[from].lines[line]));
        /* in front of itself it is itself, and the other one is too many */
        if (from == to && line == where)
                return at(world->before, to, where + 1, F(AUDIT_INSERTED));
        return at(world->before, to, where, F(AUDIT_INSERTED));
}

static struct expected insert_foreign(struct world *world)
{
        uint32_t part, from;
        size_t line, foreign;

        pick(&world->image, &part, &line);
        pick(world->foreign, &from, &foreign);
        line += draw(2);
        insert(&world->image.parts[part], line, strdup(world->foreign->parts[from].lines[foreign]));
        return at(world->before, part, line, F(AUDIT_INSERTED));
}

static struct expected replace_foreign(struct world *world)
{
        uint32_t part, from;
        size_t line, foreign;

        pick(&world->image, &part, &line);
        pick(world->foreign, &from, &foreign);
        free(world->image.parts[part].lines[line]);
        world->image.parts[part].lines[line] = strdup(world->foreign->parts[from].lines[foreign]);
        return at(world->before, part, line, F(AUDIT_EDITED));
}

static struct expected swap(struct world *world)
{
        struct part *parts = world->image.parts;
        uint32_t a, b;
        size_t i, j;
        char *text;

        do {
                pick(&world->image, &a, &i);
                pick(&world->image, &b, &j);
        } while (a == b && i == j);
        text = parts[a].lines[i];
        parts[a].lines[i] = parts[b].lines[j];
        parts[b].lines[j] = text;
        return a < b || (a == b && i < j) ? at(world->before, a, i, F(AUDIT_REORDERED))
                                          : at(world->before, b, j, F(AUDIT_REORDERED));
}

static struct expected cut_part(struct world *world, uint32_t part)
{
        struct part *lines = &world->image.parts[part];
        size_t line = draw(lines->n);
        char *text = lines->lines[line];
        size_t keep = draw(strlen(text));

        while (lines->n > line + 1)
                take_out(lines, lines->n - 1);
        text[keep] = '\0';
        return at(world->before, part, line, F(AUDIT_TRUNCATED));
}

static struct expected truncate_tail(struct world *world)
{
        return cut_part(world, world->image.n - 1);
}

static struct expected truncate_segment(struct world *world)
{
        uint32_t part;
        size_t line;

        pick(&world->image, &part, &line);
        return cut_part(world, part);
}

static struct expected remove_segment(struct world *world)
{
        uint32_t part;
        size_t line;

        pick(&world->image, &part, &line);
        while (world->image.parts[part].n > 0)
                take_out(&world->image.parts[part], 0);
        return at(world->before, part, 0,
                  part + 1 == world->before->n ? F(AUDIT_TRUNCATED) : F(AUDIT_MISSING));
}

static struct expected swap_segments(struct world *world)
{
        struct part *parts = world->image.parts, held;
        uint32_t a, b;
        size_t line;

        do {
                pick(&world->image, &a, &line);
                pick(&world->image, &b, &line);
        } while (a >= b);
        held = parts[a];
        parts[a] = parts[b];
        parts[b] = held;
        return at(world->before, a, 0, F(AUDIT_REORDERED));
}

/* All lines from a place on, chained anew with the keys of `chain`; the key file as it would be. */
static void rewrite(struct image *image, uint32_t part, size_t line, struct chain *chain)
{
        for (; part < image->n; part++, line = 0)
                for (; line < image->parts[part].n; line++) {
                        char *text = image->parts[part].lines[line];
                        struct buf made = BUF_EMPTY;
                        struct line read;
                        const char *body;

                        assert_true(line_read(text, strlen(text) - 1, &read));
                        if (line == 0)
                                chain_next_segment(chain);
                        chain->seq = read.seq - 1;
                        body = strstr(text, "\"stage\"");
                        line_append(&made, chain, read.wall_usec, body,
                                    (size_t) (read.prev - strlen(",\"prev\":\"") - body));
                        chain_advance(chain, made.data, made.len - 1);
                        free(text);
                        image->parts[part].lines[line] = buf_take(&made);
                }
}

static void edit_body(struct image *image, uint32_t part, size_t line)
{
        char *at_outcome = strstr(image->parts[part].lines[line], "\"outcome\":\"");

        at_outcome[strlen("\"outcome\":\"")] = 'O';
}

/* History anew from some line on, with the key that lies in the folder now. */
static struct expected reseal(struct world *world)
{
        struct chain chain, former;
        uint32_t part;
        size_t line;
        char *text;

        pick(&world->image, &part, &line);
        assert_int_equal(chain_parse(world->image.key, CHAIN_FILE_BYTES, &chain, NULL), 0);
        former = chain;
        if (draw(2)) /* or with keys of nobody */
                memset(chain.key, (int) draw(256), sizeof chain.key);
        edit_body(&world->image, part, line);
        text = world->image.parts[part].lines[line];
        chain.segment = line == 0 ? part : part + 1;
        chain.line = line;
        memcpy(chain.digest, strstr(text, "\"prev\":\"") + strlen("\"prev\":\""), 64);
        rewrite(&world->image, part, line, &chain);
        if (draw(2)) { /* with the keys that were there, so that the log goes on soundly */
                memcpy(chain.key, former.key, sizeof chain.key);
                memcpy(chain.next, former.next, sizeof chain.next);
        }
        chain.line = former.line;
        chain.offset = former.offset;
        chain_format(&chain, world->image.key);
        return at(world->before, part, line, F(AUDIT_FORGED));
}

/* The last lines go, and the key file is made to know nothing of them. */
static struct expected truncate_both(struct world *world)
{
        struct part *last = &world->image.parts[world->image.n - 1];
        size_t line = 1 + draw(last->n - 1);
        struct chain chain;

        assert_int_equal(chain_parse(world->image.key, CHAIN_FILE_BYTES, &chain, NULL), 0);
        while (last->n > line)
                take_out(last, last->n - 1);
        chain.seq = seq_of(last->lines[line - 1]);
        chain.line = line;
        chain_digest(last->lines[line - 1], strlen(last->lines[line - 1]) - 1, chain.digest);
        chain_format(&chain, world->image.key);
        return at(world->before, world->image.n - 1, line, F(AUDIT_TRUNCATED));
}

static const struct {
        const char *name;
        struct expected (*change)(struct world *world);
        bool by_digests; /* the chain alone tells */
} kinds[] = {
        { "a byte is edited", edit, true },
        { "a line is deleted", delete_one, true },
        { "a line is there twice", duplicate, true },
        { "a line of another log is inserted", insert_foreign, true },
        { "a line of another log stands for one", replace_foreign, true },
        { "two lines are swapped", swap, true },
        { "the tail is cut off", truncate_tail, true },
        { "a segment's tail is cut off", truncate_segment, true },
        { "a segment is removed", remove_segment, true },
        { "two segments are swapped", swap_segments, true },
        { "history is chained anew without its keys", reseal, false },
        { "the tail is cut off, and the key file changed", truncate_both, false },
};

/* ---- The property ---------------------------------------------------------------------------- */

static void check(struct fixture *fixture, const char *seed, const char *kind, unsigned number,
                  const struct expected *expected)
{
        struct audit_verdict verdict;
        struct error error = { 0 };

        if (audit_verify(fixture->path, seed, NULL, &verdict, &error) < 0)
                fail_msg("tampering %u (%s): %s", number, kind, error_text(&error));
        if (verdict.flaw == AUDIT_SOUND)
                fail_msg("tampering %u (%s) was not found", number, kind);
        if (verdict.segment != expected->segment || verdict.line != expected->line + 1 ||
            verdict.seq != expected->seq)
                fail_msg("tampering %u (%s) was at segment %u, line %zu, number %ju, and found "
                         "(%s) at segment %u, line %u, number %ju",
                         number, kind, expected->segment, expected->line + 1,
                         (uintmax_t) expected->seq, audit_flaw_name(verdict.flaw), verdict.segment,
                         verdict.line, (uintmax_t) verdict.seq);
        /* what was done is told exactly with the seed */
        if (seed && !(F(verdict.flaw) & expected->flaws))
                fail_msg("tampering %u (%s) was called %s: %s", number, kind,
                         audit_flaw_name(verdict.flaw), verdict.what);
}

static unsigned setting(const char *name, unsigned otherwise)
{
        const char *text = getenv(name);

        return text ? (unsigned) strtoul(text, NULL, 10) : otherwise;
}

static void make(struct fixture *fixture, struct image *ret, unsigned lines, bool expire)
{
        struct audit *audit = fixture_open(fixture, 4096);
        uint64_t gone = 0;

        fixture_write(audit, 0, lines);
        if (expire) {
                assert_int_equal(audit_expire(audit, UINT64_MAX, &gone, NULL), 0);
                assert_true(gone > 0);
                fixture_write(audit, lines, 60);
        }
        (void) audit_close(audit);
        load(fixture, ret);
        assert_true(ret->n - first_of(ret) > 3);
}

static void tamper(struct fixture *fixture, struct world *world, unsigned number)
{
        size_t kind = draw(ELEMENTSOF(kinds));
        char seed_path[160];
        struct expected expected;

        copy(world->before, &world->image);
        expected = kinds[kind].change(world);
        store(fixture, &world->image);
        check(fixture, fixture->seed, kinds[kind].name, number, &expected);
        (void) snprintf(seed_path, sizeof seed_path, "%s/seed", fixture->path);
        (void) unlink(seed_path);
        if (kinds[kind].by_digests)
                check(fixture, NULL, kinds[kind].name, number, &expected);
        unload(&world->image);
}

static void test_every_tampering_is_found_where_it_is(void **state)
{
        unsigned n = setting("TAMPERINGS", 1500), seed = setting("SEED", 1);
        unsigned only = setting("TAMPER_ONLY", 0);
        struct fixture *fixtures[3] = { *state };
        struct image images[3];

        for (unsigned i = 1; i < 3; i++)
                (void) fixture_setup((void **) &fixtures[i]);
        make(fixtures[0], &images[0], 60, false);
        make(fixtures[1], &images[1], 60, true); /* its beginning expired */
        make(fixtures[2], &images[2], 60, false);
        print_message("%u tamperings from seed %u\n", n, seed);
        for (unsigned i = 1; i <= n; i++) {
                struct world world = { .before = &images[i % 2], .foreign = &images[2] };

                random_state = (uint64_t) seed * 1000003 + i;
                (void) draw(2);
                if (only == 0 || only == i)
                        tamper(fixtures[i % 2], &world, i);
        }
        for (unsigned i = 0; i < 3; i++)
                unload(&images[i]);
        for (unsigned i = 1; i < 3; i++)
                (void) fixture_teardown((void **) &fixtures[i]);
}

/* Everything as it was once, with the key of then: nothing in the folder can tell. */
static void test_an_older_copy_of_the_folder_is_found_by_an_anchor_alone(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 4096);
        struct audit_verdict verdict;
        struct audit_head anchor;
        struct image older;

        fixture_write(audit, 0, 20);
        audit_get_head(audit, &anchor);
        load(fixture, &older);
        fixture_write(audit, 20, 20);
        assert_int_equal(audit_verify(fixture->path, fixture->seed, &anchor, &verdict, NULL), 0);
        assert_int_equal(verdict.flaw, AUDIT_SOUND);
        audit_get_head(audit, &anchor);
        (void) audit_close(audit);
        store(fixture, &older);
        assert_int_equal(audit_verify(fixture->path, fixture->seed, NULL, &verdict, NULL), 0);
        assert_int_equal(verdict.flaw, AUDIT_SOUND);
        assert_int_equal(audit_verify(fixture->path, fixture->seed, &anchor, &verdict, NULL), 0);
        assert_int_equal(verdict.flaw, AUDIT_TRUNCATED);
        assert_int_equal(verdict.seq, seq_at(&older, older.n - 1, SIZE_MAX));
        unload(&older);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_every_tampering_is_found_where_it_is,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(
                        test_an_older_copy_of_the_folder_is_found_by_an_anchor_alone, fixture_setup,
                        fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
