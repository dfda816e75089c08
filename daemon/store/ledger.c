/* SPDX-License-Identifier: Apache-2.0 */
/* Sums never overflow: a row's numbers stay at the largest that SQLite holds, and of several rows
 * SQLite adds the upper and the lower 32 bits by themselves. */
#include "store/ledger.h"

#include "base/clock.h"
#include "base/text.h"
#include "store/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMBER_MAX ((uint64_t) INT64_MAX)
#define SECONDS_PER_DAY 86400

/* The columns that are added, in the order of the table. */
#define NUMBERS(X) \
        X(requests) X(errors) X(input_tokens) X(output_tokens) X(estimated_tokens) X(cost_microusd)
enum {
#define COUNT(name) NUMBER_##name,
        NUMBERS(COUNT)
#undef COUNT
        N_NUMBERS
};

/* ---- Adding ----------------------------------------------------------------------------- */

struct addition {
        const struct ledger_entry *entries;
        size_t n;
};

#define SATURATE(name)                                                   \
        #name " = CASE WHEN " #name " > 9223372036854775807 - excluded." \
        #name " THEN 9223372036854775807 ELSE " #name " + excluded." #name " END"

static const char add_sql[] =
        "INSERT INTO ledger(day, tenant, provider, kind, requests, errors, input_tokens,"
        " output_tokens, estimated_tokens, cost_microusd) VALUES(?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT(day, tenant, provider, kind) DO UPDATE SET "
        SATURATE(requests) ", " SATURATE(errors) ", " SATURATE(input_tokens) ", "
        SATURATE(output_tokens) ", " SATURATE(estimated_tokens) ", " SATURATE(cost_microusd);

/* Names come from a profile; what is cut or is no UTF-8 ends before the character that is not
 * whole. */
static void bind_name(sqlite3_stmt *statement, int at, const char *name, size_t size)
{
        size_t len = utf8_valid_prefix(name, strnlen(name, size - 1));

        (void) sqlite3_bind_text(statement, at, name, (int) len, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *statement, int at, uint64_t number)
{
        db_bind_u64(statement, at, number > NUMBER_MAX ? NUMBER_MAX : number);
}

static int add_entry(struct db *db, const struct ledger_entry *entry, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, add_sql, &statement, reterr);
        int at = 5;

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, entry->day);
        db_bind_blob(statement, 2, entry->tenant.id.bytes, ID_BYTES);
        bind_name(statement, 3, entry->provider, sizeof entry->provider);
        bind_name(statement, 4, entry->kind, sizeof entry->kind);
#define BIND(name) bind_number(statement, at++, entry->name);
        NUMBERS(BIND)
#undef BIND
        return db_step(db, statement, reterr);
}

static int apply_add(struct db *db, void *data, struct error *reterr)
{
        const struct addition *addition = data;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < addition->n; i++)
                r = add_entry(db, &addition->entries[i], reterr);
        return r;
}

int ledger_add(struct store *store, const struct ledger_entry *entries, size_t n,
               struct error *reterr)
{
        struct addition addition = { entries, n };

        return n == 0 ? 0 : committer_run(store->registry, apply_add, &addition, reterr);
}

/* ---- Sums ------------------------------------------------------------------------------- */

/* ?1 ?2 days, ?3 tenant, ?4 provider, ?5 what it is grouped by. */
#define GROUPED(bit, name, other) "CASE WHEN ?5 & " bit " THEN " name " ELSE " other " END"
#define HALVES(name) ", sum(" #name " >> 32), sum(" #name " & 4294967295)"
static const char sum_sql[] =
        "SELECT " GROUPED("1", "day", "0") ", " GROUPED("2", "tenant", "zeroblob(16)") ", "
        GROUPED("4", "provider", "''") ", " GROUPED("8", "kind", "''")
        NUMBERS(HALVES)
        " FROM ledger WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR tenant = ?3)"
        " AND (?4 IS NULL OR provider = ?4) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

/* From the two columns of its halves. */
static uint64_t read_sum(sqlite3_stmt *statement, int number)
{
        uint64_t high = db_column_u64(statement, 4 + 2 * number);
        uint64_t low = db_column_u64(statement, 5 + 2 * number);

        high += low >> 32;
        return high > NUMBER_MAX >> 32 ? NUMBER_MAX : (high << 32) + (low & UINT32_MAX);
}

static void read_name(sqlite3_stmt *statement, int at, char *ret, size_t size)
{
        const char *text = (const char *) sqlite3_column_text(statement, at);

        (void) snprintf(ret, size, "%s", text ? text : "");
}

static int read_entry(struct db *db, sqlite3_stmt *statement, struct ledger_entry *ret,
                      struct error *reterr)
{
        struct ledger_entry entry = { .day = db_column_u32(statement, 0) };
        int r = db_column_bytes(db, statement, 1, entry.tenant.id.bytes, ID_BYTES, reterr);

        if (r < 0)
                return r;
        read_name(statement, 2, entry.provider, sizeof entry.provider);
        read_name(statement, 3, entry.kind, sizeof entry.kind);
#define READ(name) entry.name = read_sum(statement, NUMBER_##name);
        NUMBERS(READ)
#undef READ
        *ret = entry;
        return 0;
}

static int prepare_sum(struct db *db, const struct ledger_query *query, sqlite3_stmt **ret,
                       struct error *reterr)
{
        int r = db_prepare(db, sum_sql, ret, reterr);

        if (r < 0)
                return r;
        db_bind_u64(*ret, 1, query->first_day);
        db_bind_u64(*ret, 2, query->last_day);
        db_bind_blob(*ret, 3, query->tenant ? query->tenant->id.bytes : NULL, ID_BYTES);
        db_bind_text(*ret, 4, query->provider);
        db_bind_u64(*ret, 5, query->by);
        return 0;
}

int ledger_sum(struct store *store, const struct ledger_query *query, struct ledger_entry **ret,
               size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_free_ struct ledger_entry *entries = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = prepare_sum(reader.db, query, &statement, reterr);
        if (r < 0)
                return r;
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        struct ledger_entry *grown;

                        size = size ? size * 2 : 16;
                        grown = reallocarray(entries, size, sizeof *entries);
                        if (!grown)
                                return error_oom(reterr);
                        entries = grown;
                }
                r = read_entry(reader.db, statement, &entries[n], reterr);
                if (r < 0)
                        return r;
                n++;
        }
        if (r < 0)
                return r;
        *ret = take_ptr(entries);
        *ret_n = n;
        return 0;
}

/* ---- Days ------------------------------------------------------------------------------- */

uint32_t ledger_day(uint64_t wall_usec)
{
        return (uint32_t) (wall_usec / (SECONDS_PER_DAY * USEC_PER_SEC));
}

static void break_down(uint32_t day, struct tm *ret)
{
        time_t seconds = (time_t) day * SECONDS_PER_DAY;

        *ret = (struct tm){ .tm_mday = 1 };
        (void) gmtime_r(&seconds, ret);
}

uint32_t ledger_month_begin(uint32_t day)
{
        struct tm when;

        break_down(day, &when);
        return day - (uint32_t) (when.tm_mday - 1);
}

uint32_t ledger_month_days(uint32_t day)
{
        uint32_t begin = ledger_month_begin(day);

        return ledger_month_begin(begin + 31) - begin; /* a day of the next month */
}

const char *ledger_day_format(uint32_t day, char text[static LEDGER_DAY_TEXT_SIZE])
{
        struct tm when;

        break_down(day, &when);
        (void) strftime(text, LEDGER_DAY_TEXT_SIZE, "%Y-%m-%d", &when);
        return text;
}

static int read_digits(const char *text, size_t n)
{
        int number = 0;

        for (size_t i = 0; i < n; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -1;
                number = number * 10 + (text[i] - '0');
        }
        return number;
}

int ledger_day_parse(const char *text, uint32_t *ret_day)
{
        struct tm when = { 0 };
        char again[LEDGER_DAY_TEXT_SIZE];
        int year, month, day;

        if (strlen(text) != strlen("YYYY-MM-DD") || text[4] != '-' || text[7] != '-')
                return -EINVAL;
        year = read_digits(text, 4);
        month = read_digits(text + 5, 2);
        day = read_digits(text + 8, 2);
        if (year < 1970 || month < 1 || day < 1)
                return -EINVAL;
        when.tm_year = year - 1900;
        when.tm_mon = month - 1;
        when.tm_mday = day;
        *ret_day = (uint32_t) (timegm(&when) / SECONDS_PER_DAY);
        /* The 31st of a shorter month became a day of the next. */
        return strcmp(ledger_day_format(*ret_day, again), text) == 0 ? 0 : -EINVAL;
}
