/* SPDX-License-Identifier: Apache-2.0 */
/* ragd's vector index beside its peers: recall, speed, builds, memory and opening, on the data
 * sets of vectors.py, in one process and one interleaved run. */
#include "base/cleanup.h"
#include "report.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
        "usage: bench_index --data FOLDER --peers FOLDER [OPTION…]\n"
        "  --own FOLDER        keep ragd's indexes there (the data's)\n"
        "  --set a,h,b,c       the sets, made by vectors.py (a)\n"
        "  --only NAMES        these contestants, with commas (all)\n"
        "  --ef LIST           measure at each of these (as many as reach recall 0.99)\n"
        "  --rounds N          medians of so many interleaved rounds (5)\n"
        "  --build 1,2         build with so many threads (1,2)\n"
        "  --m N --ef-construction N --k N   (16, 200, 10)\n"
        "  --fresh             build the peers, too, though they are kept\n"
        "  --reuse             open the index that ragd built in an earlier run\n"
        "  --no-threads        no searches with two threads\n";

static const uint32_t ladder[] = {
        10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 96, 112, 128, 144, 160, 192,
        224, 256, 288, 320, 384, 448, 512, 576, 640, 768, 896, 1024, 0,
};

static bool parse_number(const char *text, uint32_t low, uint32_t high, uint32_t *ret)
{
        char *end;
        unsigned long value = strtoul(text, &end, 10);

        if (end == text || *end || value < low || value > high)
                return false;
        *ret = (uint32_t) value;
        return true;
}

/* A list of rising numbers, ended by 0. */
static bool parse_list(char *text, uint32_t *ret, size_t size)
{
        size_t n = 0;

        for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
                if (n + 1 == size || !parse_number(at, n ? ret[n - 1] + 1 : 1, 100000, &ret[n]))
                        return false;
                n++;
        }
        ret[n] = 0;
        return n > 0;
}

static bool parse_option(int option, char *value, struct plan *plan, char **sets)
{
        uint32_t builds[BUILDS_MAX + 1];

        switch (option) {
        case 'd':
                plan->data = value;
                return true;
        case 'p':
                plan->peers = value;
                return true;
        case 'w':
                plan->own = value;
                return true;
        case 's':
                *sets = value;
                return true;
        case 'o':
                plan->only = value;
                return true;
        case 'e':
                plan->given_efs = true;
                return parse_list(value, plan->efs, ELEMENTSOF(plan->efs));
        case 'r':
                return parse_number(value, 1, ROUNDS_MAX, &plan->rounds);
        case 'b':
                memset(plan->build, 0, sizeof plan->build);
                if (!parse_list(value, builds, ELEMENTSOF(builds)))
                        return false;
                for (size_t i = 0; builds[i]; i++) {
                        if (builds[i] > BUILDS_MAX)
                                return false;
                        plan->build[builds[i] - 1] = true;
                }
                return true;
        case 'm':
                return parse_number(value, 2, 256, &plan->m);
        case 'c':
                return parse_number(value, 1, 10000, &plan->ef_construction);
        case 'k':
                return parse_number(value, 1, ADAPTER_K_MAX, &plan->k);
        case 'f':
                plan->fresh = true;
                return true;
        case 'u':
                plan->reuse = true;
                return true;
        case 'n':
                plan->threads = false;
                return true;
        default:
                return false;
        }
}

static bool parse_options(int argc, char **argv, struct plan *plan, char **sets)
{
        static const struct option options[] = {
                { "data", required_argument, NULL, 'd' },
                { "peers", required_argument, NULL, 'p' },
                { "own", required_argument, NULL, 'w' },
                { "set", required_argument, NULL, 's' },
                { "only", required_argument, NULL, 'o' },
                { "ef", required_argument, NULL, 'e' },
                { "rounds", required_argument, NULL, 'r' },
                { "build", required_argument, NULL, 'b' },
                { "m", required_argument, NULL, 'm' },
                { "ef-construction", required_argument, NULL, 'c' },
                { "k", required_argument, NULL, 'k' },
                { "fresh", no_argument, NULL, 'f' },
                { "reuse", no_argument, NULL, 'u' },
                { "no-threads", no_argument, NULL, 'n' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (!parse_option(option, optarg, plan, sets))
                        return false;
        if (!plan->own)
                plan->own = plan->data;
        return optind == argc && plan->data && plan->peers;
}

/* Everything about one set, from opening to the table; those that fail are left out. */
static int bench_set(const char *name, const struct contestant *all, size_t count,
                     const struct plan *plan, struct error *reterr)
{
        cleanup_free_ struct speeds *speeds = calloc(CONTESTANTS_MAX, sizeof *speeds);
        struct contestant open[CONTESTANTS_MAX];
        struct load load;
        struct set set;
        size_t n = 0;
        int r;

        if (!speeds)
                return error_oom(reterr);
        r = set_open(plan->data, name, &set, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < count; i++) {
                struct error error = { 0 };
                bool built = false;

                open[n] = all[i];
                for (size_t j = 0; j < n; j++)
                        built |= open[n].ops->graph_of &&
                                 strcmp(open[j].ops->name, open[n].ops->graph_of) == 0;
                if (contestant_open(&open[n], &set, plan, built, &error) < 0)
                        (void) printf("skipped %s: %s\n", all[i].ops->name, error_text(&error));
                else
                        n++;
        }
        load_read(&load);
        r = measure(open, n, &set, plan, speeds, reterr);
        if (r >= 0) {
                double disturbed = load_of_others(&load);

                report_set(open, speeds, n, &set, plan);
                report_goals(open, speeds, n, &set, disturbed);
        }
        for (size_t i = 0; i < n; i++)
                contestant_close(&open[i]);
        set_done(&set);
        return r;
}

int main(int argc, char **argv)
{
        struct plan plan = { .m = 16, .ef_construction = 200, .k = 10, .rounds = 5,
                             .build = { true, true }, .threads = true };
        struct contestant contestants[CONTESTANTS_MAX];
        char first[] = "a";
        char *sets = first;
        size_t count;

        memcpy(plan.efs, ladder, sizeof ladder);
        if (!parse_options(argc, argv, &plan, &sets)) {
                (void) fputs(usage, stderr);
                return 2;
        }
        report_machine(&plan);
        count = contestants_find(&plan, contestants);
        for (size_t i = 0; i < count; i++)
                (void) printf("%-14s %s\n", contestants[i].ops->name, contestants[i].ops->about);
        for (char *name = strtok(sets, ","); name; name = strtok(NULL, ",")) {
                struct error error = { 0 };

                if (bench_set(name, contestants, count, &plan, &error) < 0) {
                        (void) fprintf(stderr, "bench_index: set %s: %s\n", name,
                                       error_text(&error));
                        return 1;
                }
        }
        return 0;
}
