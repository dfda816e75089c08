/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include "base/cleanup.h"
#include "index/kernel.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- The machine -------------------------------------------------------------------------- */

void report_machine(const struct plan *plan)
{
        cleanup_(fclose_cleanup) FILE *file = fopen("/proc/cpuinfo", "re");
        char line[4096], model[128] = "unknown";
        bool vnni = false;

        while (file && fgets(line, sizeof line, file)) {
                if (sscanf(line, "model name : %127[^\n]", model) == 1)
                        continue;
                if (strncmp(line, "flags", 5) == 0) {
                        vnni = strstr(line, " avx512_vnni") != NULL;
                        break;
                }
        }
        (void) printf("%s, %ld processors%s; ragd's best kernels here: %s\n"
                      "k=%u, M=%u, ef_construction=%u, unit vectors, largest inner product, "
                      "medians of %u rounds\n", model, sysconf(_SC_NPROCESSORS_ONLN),
                      vnni ? ", AVX-512 VNNI" : "", kernel_best()->name, plan->k, plan->m,
                      plan->ef_construction, plan->rounds);
}

/* ---- A table per set ---------------------------------------------------------------------- */

/* hnswlib as Debian has it, else the newest that is there. */
static const struct contestant *find_base(const struct contestant *contestants, size_t count)
{
        static const char *const names[] = { "hnswlib", "hnswlib-new" };

        for (size_t n = 0; n < ELEMENTSOF(names); n++)
                for (size_t i = 0; i < count; i++)
                        if (strcmp(contestants[i].ops->name, names[n]) == 0)
                                return &contestants[i];
        return NULL;
}

static void print_seconds(const struct build *build)
{
        if (build->seconds > 0)
                (void) printf(" %7.1f%c%c", build->seconds, build->kept ? '*' : ' ',
                              build->disturbed > LOAD_OF_OTHERS_MAX ? '!' : ' ');
        else
                (void) printf(" %7s  ", "-");
}

static void print_time(double usec)
{
        if (usec < 0)
                (void) printf(" %8s", "-");
        else
                (void) printf(" %8.3f", usec / 1000);
}

static void print_builds(const struct contestant *contestants, size_t count, const struct set *set)
{
        bool kept = false, disturbed = false;

        (void) printf("\n%-14s %7s   %7s  %8s %8s %8s %8s %8s %8s\n", "", "build 1", "build 2",
                      "B/vector", "own word", "file", "save ms", "open ms", "first ms");
        for (size_t i = 0; i < count; i++) {
                const struct contestant *c = &contestants[i];

                (void) printf("%-14s", c->ops->name);
                for (size_t b = 0; b < BUILDS_MAX; b++) {
                        print_seconds(&c->builds[b]);
                        kept |= c->builds[b].kept;
                        disturbed |= c->builds[b].disturbed > LOAD_OF_OTHERS_MAX;
                }
                (void) printf("%8.0f", (double) c->anonymous_bytes / set->rows.count);
                if (c->hot_bytes)
                        (void) printf(" %8.0f", (double) c->hot_bytes / set->rows.count);
                else
                        (void) printf(" %8s", "-");
                (void) printf(" %8.0f", (double) c->file_bytes / set->rows.count);
                print_time(c->save_seconds < 0 ? -1 : c->save_seconds * 1e6);
                print_time(c->open_usec);
                print_time(c->first_query_usec);
                (void) printf("%s%s\n", c->note ? "  " : "", c->note ? c->note : "");
        }
        (void) printf("build: seconds with 1 and 2 threads%s%s\n"
                      "B/vector: anonymous memory of the open index; own word: what the library says "
                      "it keeps in memory\n"
                      "file: bytes per vector of what was saved; open, first query: warm page cache\n",
                      kept ? " (*: of an earlier run)" : "",
                      disturbed ? " (!: others used the machine meanwhile)" : "");
}

static void print_at(const struct at_recall *at, const struct at_recall *base)
{
        char ratio[32] = "-";

        if (!at->reached) {
                (void) printf(" | %9s %7s %7s %7s", "never", "", "", "");
                return;
        }
        if (base->reached)
                (void) snprintf(ratio, sizeof ratio, "%.2fx", at->per_second / base->per_second);
        (void) printf(" | %8.0f%c %7s %7.0f %7.0f", at->per_second, at->beyond ? '+' : ' ', ratio,
                      at->p50_usec, at->p99_usec);
}

static void print_points(const struct contestant *c, const struct speeds *speeds)
{
        (void) printf("  %-12s", c->ops->name);
        for (size_t i = 0; i < speeds->count; i++)
                if (speeds->points[i].timed)
                        (void) printf("  ef %u: %.4f %.0f/s", speeds->points[i].ef,
                                      speeds->points[i].recall, speeds->points[i].per_second[0]);
        (void) printf("\n");
}

void report_set(const struct contestant *contestants, const struct speeds *speeds, size_t count,
                const struct set *set, const struct plan *plan)
{
        const struct contestant *base = find_base(contestants, count);
        struct at_recall to[TARGETS] = { 0 };

        (void) printf("\nSet %s: %u x %u\n", set->name, set->rows.count, set->rows.dimensions);
        print_builds(contestants, count, set);
        (void) printf("\n%-14s", "one thread");
        for (size_t t = 0; t < TARGETS; t++) {
                (void) printf(" | %.2f: q/s %7s %7s %7s", measure_targets[t],
                              base ? "ratio" : "", "p50 us", "p99 us");
                if (base)
                        to[t] = measure_at(&speeds[base - contestants], measure_targets[t]);
        }
        (void) printf("%s\n", plan->threads ? " | 2 threads" : "");
        for (size_t i = 0; i < count; i++) {
                (void) printf("%-14s", contestants[i].ops->name);
                for (size_t t = 0; t < TARGETS; t++) {
                        struct at_recall at = measure_at(&speeds[i], measure_targets[t]);

                        print_at(&at, &to[t]);
                }
                if (plan->threads)
                        (void) printf(" | %.2fx", speeds[i].threads_scaling);
                (void) printf("\n");
        }
        (void) printf("at recall@%u 0.95 and 0.99, between the points measured (+: the first point "
                      "is better already):\n", plan->k);
        for (size_t i = 0; i < count; i++)
                print_points(&contestants[i], &speeds[i]);
}
