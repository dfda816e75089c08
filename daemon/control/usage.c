/* SPDX-License-Identifier: Apache-2.0 */
/* What calls to providers used and cost: sums of the ledger, budgets, and where the month goes. */
#include "base/clock.h"
#include "config/values.h"
#include "config/words.h"
#include "control/handlers.h"
#include "release/snapshot.h"
#include "store/ledger.h"
#include "store/store.h"
#include "store/tenants.h"

#include <stdio.h>
#include <string.h>

#define DAYS_MAX 3660
#define USEC_PER_DAY (UINT64_C(86400) * USEC_PER_SEC)
#define MICROUSD_PER_USD 1e6

struct period {
        uint32_t first_day, last_day;
        bool present; /* the month that is under way */
};

/* What is summed. */
struct asked {
        struct period period;
        unsigned by;
        const struct tenant_id *tenant; /* NULL: of all */
};

static const struct {
        const char *word;
        enum ledger_by by;
} groups[] = {
        { "day", LEDGER_BY_DAY },
        { "tenant", LEDGER_BY_TENANT },
        { "provider", LEDGER_BY_PROVIDER },
        { "kind", LEDGER_BY_KIND },
};

/* ---- Which days --------------------------------------------------------------------------- */

static int read_month(const char *text, uint32_t today, struct period *ret, struct error *reterr)
{
        char first[LEDGER_DAY_TEXT_SIZE];
        uint32_t day;

        if (strlen(text) != strlen("YYYY-MM") ||
            snprintf(first, sizeof first, "%s-01", text) >= (int) sizeof first ||
            ledger_day_parse(first, &day) < 0) {
                error_set(reterr, -EINVAL, "\"%s\" is no month: write it as 2026-11", text);
                error_set_origin(reterr, NULL, "month", 0, 0);
                return -EINVAL;
        }
        *ret = (struct period){ .first_day = day,
                                .last_day = day + ledger_month_days(day) - 1,
                                .present = day == ledger_month_begin(today) };
        return 0;
}

static int read_period(struct call *call, uint32_t today, struct period *ret,
                       struct error *reterr)
{
        const char *month = call_string(call, "month", NULL);
        uint64_t days = 0;
        int r = json_get_u64(call_parameters(call), "days", 1, DAYS_MAX, &days, reterr);

        if (r < 0)
                return r;
        if (month && days > 0)
                return error_set(reterr, -EINVAL, "either a month or a number of days, not both");
        if (month)
                return read_month(month, today, ret, reterr);
        *ret = (struct period){ .first_day = ledger_month_begin(today), .last_day = today,
                                .present = true };
        if (days > 0)
                *ret = (struct period){ .first_day = days > today ? 0 : today + 1 - (uint32_t) days,
                                        .last_day = today };
        return 0;
}

/* ---- Rows --------------------------------------------------------------------------------- */

static void add_tenant(struct json_object *object, struct store *store, struct tenant_id tenant)
{
        char name[STORE_NAME_MAX + 1], id[ID_TEXT_SIZE];

        if (store_get_tenant_name(store, tenant, name, NULL) < 0) /* it is no more */
                (void) snprintf(name, sizeof name, "%s", id_format(tenant.id, id));
        json_add_string(object, "tenant", name);
}

static struct json_object *row_json(struct store *store, const struct ledger_entry *entry,
                                    unsigned by)
{
        struct json_object *object = json_object_new_object();
        char day[LEDGER_DAY_TEXT_SIZE];

        if (by & LEDGER_BY_DAY)
                json_add_string(object, "day", ledger_day_format(entry->day, day));
        if (by & LEDGER_BY_TENANT)
                add_tenant(object, store, entry->tenant);
        if (by & LEDGER_BY_PROVIDER)
                json_add_string(object, "provider", entry->provider);
        if (by & LEDGER_BY_KIND)
                json_add_string(object, "kind", entry->kind);
        json_add_u64(object, "requests", entry->requests);
        json_add_u64(object, "errors", entry->errors);
        json_add_u64(object, "input_tokens", entry->input_tokens);
        json_add_u64(object, "output_tokens", entry->output_tokens);
        json_add_u64(object, "estimated_tokens", entry->estimated_tokens);
        json_add_u64(object, "cost_microusd", entry->cost_microusd);
        return object;
}

static int add_rows(struct store *store, const struct asked *asked, struct json_object *reply,
                    struct error *reterr)
{
        const struct ledger_query query = { .first_day = asked->period.first_day,
                                            .last_day = asked->period.last_day,
                                            .tenant = asked->tenant, .by = asked->by };
        cleanup_free_ struct ledger_entry *entries = NULL;
        struct json_object *rows;
        size_t n = 0;
        int r = ledger_sum(store, &query, &entries, &n, reterr);

        if (r < 0)
                return r;
        rows = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_add(rows, NULL, row_json(store, &entries[i], asked->by));
        json_add(reply, "rows", rows);
        return 0;
}

static int sum_days(struct store *store, const struct tenant_id *tenant, uint32_t first_day,
                    uint32_t last_day, struct ledger_entry *ret, struct error *reterr)
{
        const struct ledger_query query = { .first_day = first_day, .last_day = last_day,
                                            .tenant = tenant };
        cleanup_free_ struct ledger_entry *entries = NULL;
        size_t n = 0;
        int r = ledger_sum(store, &query, &entries, &n, reterr);

        if (r < 0)
                return r;
        *ret = n > 0 ? entries[0] : (struct ledger_entry){ 0 };
        return 0;
}

/* ---- Budgets and the month ---------------------------------------------------------------- */

static void add_budget(struct json_object *budgets, const struct budget_config *config,
                       const char *period, double limit_usd, uint64_t spent_microusd)
{
        double limit_microusd = limit_usd * MICROUSD_PER_USD;
        struct json_object *object;

        if (limit_usd <= 0)
                return;
        object = json_object_new_object();
        json_add_string(object, "period", period);
        json_add_u64(object, "spent_microusd", spent_microusd);
        json_add_u64(object, "limit_microusd", (uint64_t) (limit_microusd + 0.5));
        json_add_double(object, "used", (double) spent_microusd / limit_microusd);
        json_add_bool(object, "alert",
                      (double) spent_microusd >= limit_microusd * config->alert_ratio);
        json_add_bool(object, "spent", (double) spent_microusd >= limit_microusd);
        json_add_string(object, "on_exceeded", budget_action_name(config->on_exceeded));
        json_add(budgets, NULL, object);
}

static int add_budgets(struct call *call, uint32_t today,
                       struct json_object *reply, struct error *reterr)
{
        const struct control_services *services = call_services(call);
        const struct budget_config *config = &call_release(call)->config->budget;
        struct ledger_entry day = { 0 }, month = { 0 };
        struct json_object *budgets;
        int r = sum_days(services->store, NULL, today, today, &day, reterr);

        if (r == 0)
                r = sum_days(services->store, NULL, ledger_month_begin(today), today, &month,
                             reterr);
        if (r < 0)
                return r;
        budgets = json_object_new_array();
        add_budget(budgets, config, "day", config->daily_usd, day.cost_microusd);
        add_budget(budgets, config, "month", config->monthly_usd, month.cost_microusd);
        json_add(reply, "budgets", budgets);
        return 0;
}

/* As much for each day of the month as for those that are over; the first day counts as whole. */
static uint64_t project(uint64_t spent_microusd, uint64_t now_wall_usec)
{
        uint32_t today = ledger_day(now_wall_usec);
        double elapsed = (double) (now_wall_usec -
                                   (uint64_t) ledger_month_begin(today) * USEC_PER_DAY) /
                         (double) USEC_PER_DAY;
        double projected = (double) spent_microusd / (elapsed < 1 ? 1 : elapsed) *
                           (double) ledger_month_days(today);

        return projected >= (double) INT64_MAX ? INT64_MAX : (uint64_t) projected;
}

/* Budgets are of all tenants together; one alone has limits of its own. */
static int describe_asked(struct call *call, struct asked *asked, struct json_object *reply,
                          struct error *reterr)
{
        const struct control_services *services = call_services(call);
        uint64_t now_usec = clock_wall_usec();
        uint32_t today = ledger_day(now_usec);
        char text[LEDGER_DAY_TEXT_SIZE];
        struct ledger_entry total = { 0 };
        struct period *period = &asked->period;
        int r = read_period(call, today, period, reterr);

        if (r < 0)
                return r;
        json_add_string(reply, "first_day", ledger_day_format(period->first_day, text));
        json_add_string(reply, "last_day", ledger_day_format(period->last_day, text));
        r = add_rows(services->store, asked, reply, reterr);
        if (r == 0)
                r = sum_days(services->store, asked->tenant, period->first_day, period->last_day,
                             &total, reterr);
        if (r == 0 && asked->tenant)
                json_add(reply, "budgets", json_object_new_array());
        else if (r == 0)
                r = add_budgets(call, today, reply, reterr);
        if (r < 0)
                return r;
        json_add(reply, "total", row_json(services->store, &total, 0));
        if (period->present)
                json_add_u64(reply, "projection_microusd", project(total.cost_microusd, now_usec));
        return 0;
}

static int describe(struct call *call, unsigned by, struct json_object *reply,
                    struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        const char *tenant = call_string(call, "tenant", NULL);
        struct asked asked = { .by = by, .tenant = tenant ? &info.id : NULL };
        int r = tenant ? call_find_tenant(call, tenant, false, &info, reterr) : 0;

        return r < 0 ? r : describe_asked(call, &asked, reply, reterr);
}

void on_usage(struct call *call)
{
        const char *by = call_string(call, "by", "day");
        struct json_object *reply = json_object_new_object();
        struct error error = { 0 };
        size_t i = 0;
        int r;

        while (i + 1 < ELEMENTSOF(groups) && strcmp(groups[i].word, by) != 0)
                i++; /* its type leaves no other word */
        json_add_string(reply, "by", groups[i].word);
        r = describe(call, groups[i].by, reply, &error);
        if (r < 0) {
                json_object_put(reply);
                call_fail(call, r, &error);
        } else {
                call_reply(call, reply);
        }
}
