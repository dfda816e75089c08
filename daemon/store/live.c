/* SPDX-License-Identifier: Apache-2.0 */
#include "store/live.h"

#include "base/checksum.h"

#include <string.h>

/* ---- The format ------------------------------------------------------------------------- */

#define COOKIE_RUNS 12347 /* in the low half; the high half is the number of containers - 1 */
#define COOKIE_PLAIN 12346
#define ARRAY_MAX 4096 /* values; beyond it a container is a bitmap */
#define BITMAP_BYTES 8192
#define OFFSETS_FROM 4 /* containers; with fewer, and runs, there are no offsets */

struct input {
        const uint8_t *at;
        size_t left;
};

static const uint8_t *take(struct input *input, size_t n)
{
        const uint8_t *from = input->at;

        if (n > input->left)
                return NULL;
        input->at += n;
        input->left -= n;
        return from;
}

static uint32_t u16_at(const uint8_t *from)
{
        return (uint32_t) from[0] | (uint32_t) from[1] << 8;
}

static uint32_t u32_at(const uint8_t *from)
{
        return u16_at(from) | u16_at(from + 2) << 16;
}

/* Values rise. */
static bool array_is_sound(struct input *input, uint32_t cardinality)
{
        const uint8_t *values = take(input, (size_t) cardinality * 2);

        for (uint32_t i = 1; values && i < cardinality; i++)
                if (u16_at(values + (size_t) i * 2) <= u16_at(values + (size_t) i * 2 - 2))
                        return false;
        return values;
}

static bool bitmap_is_sound(struct input *input, uint32_t cardinality)
{
        const uint8_t *words = take(input, BITMAP_BYTES);
        uint32_t n = 0;

        for (size_t i = 0; words && i < BITMAP_BYTES; i += sizeof(uint64_t)) {
                uint64_t word;

                memcpy(&word, words + i, sizeof word);
                n += (uint32_t) __builtin_popcountll(word);
        }
        return words && n == cardinality;
}

/* Runs rise and do not touch. */
static bool runs_are_sound(struct input *input, uint32_t cardinality)
{
        const uint8_t *head = take(input, 2);
        uint32_t count = head ? u16_at(head) : 0, n = 0;
        const uint8_t *runs = count > 0 ? take(input, (size_t) count * 4) : NULL;
        int64_t end = -2; /* the last value of the run before */

        for (uint32_t i = 0; runs && i < count; i++) {
                uint32_t first = u16_at(runs + (size_t) i * 4);
                uint32_t more = u16_at(runs + (size_t) i * 4 + 2);

                if ((int64_t) first <= end + 1 || first + more > UINT16_MAX)
                        return false;
                n += more + 1;
                end = (int64_t) first + more;
        }
        return runs && n == cardinality;
}

static bool containers_are_sound(struct input *input, uint32_t n, const uint8_t *run_flags)
{
        const uint8_t *heads = take(input, (size_t) n * 4);

        if (!heads)
                return false;
        if ((!run_flags || n >= OFFSETS_FROM) && !take(input, (size_t) n * 4))
                return false; /* offsets say nothing that the order does not */
        for (uint32_t i = 0; i < n; i++) {
                const uint8_t *head = heads + (size_t) i * 4;
                uint32_t cardinality = u16_at(head + 2) + 1;
                bool sound;

                if (i > 0 && u16_at(head) <= u16_at(head - 4))
                        return false;
                if (run_flags && run_flags[i / 8] >> (i % 8) & 1)
                        sound = runs_are_sound(input, cardinality);
                else if (cardinality <= ARRAY_MAX)
                        sound = array_is_sound(input, cardinality);
                else
                        sound = bitmap_is_sound(input, cardinality);
                if (!sound)
                        return false;
        }
        return input->left == 0;
}

static bool is_sound(struct input input)
{
        const uint8_t *head = take(&input, 4), *flags;
        uint32_t cookie = head ? u32_at(head) : 0, n;

        if ((cookie & UINT16_MAX) == COOKIE_RUNS) {
                n = (cookie >> 16) + 1;
                flags = take(&input, (n + 7) / 8);
                return flags && containers_are_sound(&input, n, flags);
        }
        head = cookie == COOKIE_PLAIN ? take(&input, 4) : NULL;
        if (!head)
                return false;
        n = u32_at(head);
        return n <= UINT16_MAX + 1 && containers_are_sound(&input, n, NULL);
}

roaring_bitmap_t *live_parse(const void *bytes, size_t len)
{
        return is_sound((struct input){ bytes, len })
                       ? roaring_bitmap_portable_deserialize_safe(bytes, len)
                       : NULL;
}

/* ---- Reading ---------------------------------------------------------------------------- */

static int doubt(struct db *db, struct error *reterr)
{
        return error_set(reterr, -EBADMSG, "%s: the bitmap of live slots is damaged", db_path(db));
}

static int read_bitmap(struct db *db, roaring_bitmap_t **ret, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        const void *bytes;
        size_t len;
        int r = db_prepare(db, "SELECT slots, crc FROM live", &statement, reterr);

        if (r == 0)
                r = db_step(db, statement, reterr);
        if (r <= 0)
                return r < 0 ? r : error_set(reterr, -ENOENT, "%s: no bitmap", db_path(db));
        bytes = sqlite3_column_blob(statement, 0);
        len = (size_t) sqlite3_column_bytes(statement, 0);
        if (len == 0) /* as it was created */
                *ret = roaring_bitmap_create();
        else if (checksum_crc32c(0, bytes, len) != db_column_u32(statement, 1))
                return doubt(db, reterr);
        else
                *ret = live_parse(bytes, len);
        return *ret ? 0 : doubt(db, reterr);
}

static int read_changes(struct db *db, uint32_t committed, roaring_bitmap_t *live,
                        uint32_t *ret_changes, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT first_slot, count, alive FROM live_change ORDER BY id",
                           &statement, reterr);

        if (r < 0)
                return r;
        while ((r = db_step(db, statement, reterr)) > 0) {
                uint64_t first = db_column_u64(statement, 0), count = db_column_u64(statement, 1);

                if (first > committed || count > committed - first)
                        return doubt(db, reterr);
                if (db_column_u64(statement, 2) != 0)
                        roaring_bitmap_add_range(live, first, first + count);
                else
                        roaring_bitmap_remove_range(live, first, first + count);
                ++*ret_changes;
        }
        return r;
}

int live_read(struct db *db, uint32_t committed, roaring_bitmap_t **ret, uint32_t *ret_changes,
              struct error *reterr)
{
        roaring_bitmap_t *live = NULL;
        int r = read_bitmap(db, &live, reterr);

        *ret_changes = 0;
        if (r == 0)
                r = read_changes(db, committed, live, ret_changes, reterr);
        if (r == 0 && !roaring_bitmap_is_empty(live) && roaring_bitmap_maximum(live) >= committed)
                r = doubt(db, reterr);
        if (r == 0)
                *ret = live;
        else if (live)
                roaring_bitmap_free(live);
        return r;
}

/* ---- Writing ---------------------------------------------------------------------------- */

int live_change(struct db *db, uint32_t first, uint32_t count, bool alive, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO live_change(first_slot, count, alive) VALUES(?,?,?)",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, first);
        db_bind_u64(statement, 2, count);
        db_bind_u64(statement, 3, alive);
        return db_step(db, statement, reterr);
}

int live_save(struct db *db, roaring_bitmap_t *live, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *replace = NULL, *forget = NULL;
        cleanup_free_ char *bytes = NULL;
        size_t len;
        int r = db_prepare(db, "INSERT OR REPLACE INTO live VALUES(1, ?, ?)", &replace, reterr);

        if (r == 0)
                r = db_prepare(db, "DELETE FROM live_change", &forget, reterr);
        if (r < 0)
                return r;
        (void) roaring_bitmap_run_optimize(live);
        len = roaring_bitmap_portable_size_in_bytes(live);
        bytes = malloc(len);
        if (!bytes)
                return error_oom(reterr);
        (void) roaring_bitmap_portable_serialize(live, bytes);
        db_bind_blob(replace, 1, bytes, len);
        db_bind_u64(replace, 2, checksum_crc32c(0, bytes, len));
        r = db_step(db, replace, reterr);
        return r < 0 ? r : db_step(db, forget, reterr);
}
