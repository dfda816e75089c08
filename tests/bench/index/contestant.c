/* SPDX-License-Identifier: Apache-2.0 */
#include "contestant.h"

#include "base/cleanup.h"
#include "ragd.h"

#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define OPENS 5
#define OPENS_SECONDS 1.0 /* no further opening after so long */
#define FIRST_EF 64

double now_seconds(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

static double cpu_seconds(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

/* Anonymous memory of this process, after what was freed went back to the system. */
static uint64_t anonymous_bytes(void)
{
        cleanup_(fclose_cleanup) FILE *file = NULL;
        char line[256];
        unsigned long long kib = 0;

        (void) malloc_trim(0);
        file = fopen("/proc/self/status", "re");
        while (file && fgets(line, sizeof line, file))
                if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
                        break;
        return kib * 1024;
}

void load_read(struct load *ret)
{
        cleanup_(fclose_cleanup) FILE *file = fopen("/proc/stat", "re");
        unsigned long long user, nice, system, idle, wait, irq, softirq, busy = 0;

        if (file && fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
                           &idle, &wait, &irq, &softirq) == 7)
                busy = user + nice + system + irq + softirq;
        *ret = (struct load) {
                .seconds = now_seconds(),
                .busy_seconds = (double) busy / (double) sysconf(_SC_CLK_TCK),
                .own_seconds = cpu_seconds(),
        };
}

double load_of_others(const struct load *before)
{
        struct load now;
        double others;

        load_read(&now);
        others = now.busy_seconds - before->busy_seconds;
        others -= now.own_seconds - before->own_seconds;
        others /= (now.seconds - before->seconds) * (double) sysconf(_SC_NPROCESSORS_ONLN);
        return others > 0 ? others : 0;
}

bool name_in(const char *names, const char *name)
{
        size_t length = strlen(name);

        for (const char *at = names; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
                if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
                        return true;
        return false;
}

/* ---- Who takes part ----------------------------------------------------------------------- */

static const struct adapter *load_module(const char *path)
{
        const struct adapter *(*get)(void);
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        const struct adapter *ops;

        if (!module) {
                (void) printf("skipped: %s\n", dlerror());
                return NULL;
        }
        get = (const struct adapter *(*)(void)) dlsym(module, ADAPTER_SYMBOL);
        ops = get ? get() : NULL;
        if (!ops || ops->version != ADAPTER_VERSION) {
                (void) printf("skipped: %s is not a module of this bench: run peers.sh again\n",
                              path);
                (void) dlclose(module);
                return NULL;
        }
        return ops; /* for as long as the process lives */
}

/* peers.sh leaves NAME.so, or NAME.skipped with the reason. */
static void find_peer(const struct plan *plan, const char *file, struct contestant *ret, size_t *n)
{
        const char *dot = strrchr(file, '.');
        char name[64], path[4096], reason[256] = "";

        if (!dot || *n == CONTESTANTS_MAX)
                return;
        (void) snprintf(name, sizeof name, "%.*s", (int) (dot - file), file);
        (void) snprintf(path, sizeof path, "%s/%s", plan->peers, file);
        if (plan->only && !name_in(plan->only, name))
                return;
        if (strcmp(dot, ".so") == 0) {
                ret[*n] = (struct contestant) { .ops = load_module(path) };
                *n += ret[*n].ops ? 1 : 0;
        } else if (strcmp(dot, ".skipped") == 0) {
                cleanup_(fclose_cleanup) FILE *why = fopen(path, "re");

                if (why && fgets(reason, sizeof reason, why))
                        reason[strcspn(reason, "\n")] = '\0';
                (void) printf("skipped %s: %s\n", name, reason);
        }
}

size_t contestants_find(const struct plan *plan, struct contestant ret[static CONTESTANTS_MAX])
{
        const struct adapter *own;
        struct dirent **entries;
        size_t n = 0;
        int count;

        for (size_t i = 0; (own = ragd_adapter(i)); i++)
                if (!plan->only || name_in(plan->only, own->name))
                        ret[n++] = (struct contestant) { .ops = own, .own = true };
        count = scandir(plan->peers, &entries, NULL, alphasort);
        if (count < 0)
                (void) printf("skipped: all peers: there is no %s: run peers.sh\n", plan->peers);
        for (int i = 0; i < count; i++) {
                find_peer(plan, entries[i]->d_name, ret, &n);
                free(entries[i]);
        }
        if (count >= 0)
                free(entries);
        return n;
}

/* ---- Builds and the figures kept of them -------------------------------------------------- */

/* Where a contestant's index of a set lies. */
struct place {
        char folder[4096]; /* of the file, or the index itself */
        char path[4200];
        char figures[4200];
};

static int find_place(const struct contestant *c, const struct set *set, const struct plan *plan,
                      struct place *ret, struct error *reterr)
{
        const char *top = c->own ? plan->own : plan->data;
        const char *owner = c->ops->graph_of ? c->ops->graph_of : c->ops->name;
        char part[3072];

        (void) mkdir(top, 0755);
        (void) snprintf(part, sizeof part, "%s/indexes", top);
        (void) mkdir(part, 0755);
        (void) snprintf(part, sizeof part, "%s/indexes/%s-m%u-ef%u", top, set->name, plan->m,
                        plan->ef_construction);
        (void) mkdir(part, 0755);
        if (snprintf(ret->folder, sizeof ret->folder, "%s/%s", part, owner) >=
            (int) sizeof ret->folder)
                return error_set(reterr, -ENAMETOOLONG, "%s is too long a path", top);
        if (mkdir(ret->folder, 0755) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot make %s", ret->folder);
        (void) snprintf(ret->path, sizeof ret->path, "%s%s", ret->folder,
                        c->ops->folder ? "" : "/index");
        (void) snprintf(ret->figures, sizeof ret->figures, "%s/figures", ret->folder);
        return 0;
}

static uint64_t file_bytes(const struct place *place)
{
        struct dirent **entries;
        int count = scandir(place->folder, &entries, NULL, NULL);
        uint64_t sum = 0;

        for (int i = 0; i < count; i++) {
                char path[4096 + 256 + 2];
                struct stat st;

                (void) snprintf(path, sizeof path, "%s/%s", place->folder, entries[i]->d_name);
                if (strcmp(path, place->figures) != 0 && stat(path, &st) == 0 &&
                    S_ISREG(st.st_mode))
                        sum += (uint64_t) st.st_size;
                free(entries[i]);
        }
        if (count >= 0)
                free(entries);
        return sum;
}

static void empty_folder(const char *folder)
{
        struct dirent **entries;
        int count = scandir(folder, &entries, NULL, NULL);

        for (int i = 0; i < count; i++) {
                char path[4096 + 256 + 2];

                (void) snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
                if (entries[i]->d_name[0] != '.')
                        (void) unlink(path);
                free(entries[i]);
        }
        if (count >= 0)
                free(entries);
}

/* First line: what was built; then a line per build. */
static void read_figures(struct contestant *c, const char *path)
{
        cleanup_(fclose_cleanup) FILE *file = fopen(path, "re");
        char line[256];
        double seconds, cpu, disturbed;
        unsigned threads;

        if (!file || !fgets(line, sizeof line, file))
                return;
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, c->ops->about) != 0)
                return;
        while (fscanf(file, "%u threads %lf s %lf cpu %lf others\n", &threads, &seconds, &cpu,
                      &disturbed) == 4)
                if (threads >= 1 && threads <= BUILDS_MAX)
                        c->builds[threads - 1] = (struct build) { seconds, cpu, disturbed, true };
}

static void write_figures(const struct contestant *c, const char *path)
{
        cleanup_(fclose_cleanup) FILE *file = fopen(path, "we");

        if (!file)
                return;
        (void) fprintf(file, "%s\n", c->ops->about);
        for (unsigned i = 0; i < BUILDS_MAX; i++)
                if (c->builds[i].seconds > 0)
                        (void) fprintf(file, "%u threads %.3f s %.3f cpu %.3f others\n", i + 1,
                                       c->builds[i].seconds, c->builds[i].cpu_seconds,
                                       c->builds[i].disturbed);
}

static int build_once(struct contestant *c, const struct set *set, const struct plan *plan,
                      const struct place *place, uint32_t threads, struct error *reterr)
{
        struct adapter_params params = { plan->m, plan->ef_construction, threads, place->path };
        struct load load;
        double begin;

        contestant_close(c);
        if (c->ops->folder)
                empty_folder(place->folder);
        (void) printf("set %s: %s builds with %u thread%s\n", set->name, c->ops->name, threads,
                      threads > 1 ? "s" : "");
        (void) fflush(stdout);
        load_read(&load);
        c->index = c->ops->build(c->ops, &set->rows, &params);
        if (!c->index)
                return error_set(reterr, -EIO, "%s does not build", c->ops->name);
        c->builds[threads - 1] = (struct build) {
                .seconds = now_seconds() - load.seconds,
                .cpu_seconds = cpu_seconds() - load.own_seconds,
                .disturbed = load_of_others(&load),
        };
        c->hot_bytes = c->ops->hot_bytes ? c->ops->hot_bytes(c->index) : 0;
        begin = now_seconds();
        if (c->ops->save(c->index, &params) != 0)
                return error_set(reterr, -EIO, "%s does not save", c->ops->name);
        c->save_seconds = now_seconds() - begin;
        write_figures(c, place->figures);
        return 0;
}

static int build_missing(struct contestant *c, const struct set *set, const struct plan *plan,
                         const struct place *place, struct error *reterr)
{
        bool keeps = c->own ? plan->reuse : !plan->fresh;
        bool built = false;
        uint32_t last = 1;
        int r = 0;

        if (keeps && access(place->path, R_OK) == 0)
                read_figures(c, place->figures);
        for (uint32_t i = 0; i < BUILDS_MAX; i++) {
                built |= c->builds[i].seconds > 0;
                last = plan->build[i] ? i + 1 : last;
        }
        for (uint32_t i = 0; r >= 0 && i < BUILDS_MAX; i++)
                if (plan->build[i] && c->builds[i].seconds <= 0) {
                        r = build_once(c, set, plan, place, i + 1, reterr);
                        built = true;
                }
        return r < 0 || built ? r : build_once(c, set, plan, place, last, reterr);
}

/* ---- Opening ------------------------------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

/* Opens it several times, with the page cache warm from the saving or the first opening. */
static int open_often(struct contestant *c, const struct set *set, const struct plan *plan,
                      const struct place *place, struct error *reterr)
{
        struct adapter_params params = { plan->m, plan->ef_construction, BUILDS_MAX, place->path };
        double opens[OPENS], firsts[OPENS], start = now_seconds();
        uint64_t before = anonymous_bytes();
        uint32_t ids[ADAPTER_K_MAX];
        size_t n = 0;

        do {
                const float *query = set_query(set, (uint32_t) n);
                double begin;

                contestant_close(c);
                begin = now_seconds();
                c->index = c->ops->load(c->ops, &set->rows, &params);
                if (!c->index)
                        return error_set(reterr, -EIO, "%s does not open what it saved",
                                         c->ops->name);
                opens[n] = now_seconds() - begin;
                begin = now_seconds();
                if (c->ops->search(c->index, query, plan->k, FIRST_EF, ids) < 0)
                        return error_set(reterr, -EIO, "%s does not search", c->ops->name);
                firsts[n++] = now_seconds() - begin;
        } while (n < OPENS && now_seconds() - start < OPENS_SECONDS);
        qsort(opens, n, sizeof opens[0], compare_doubles);
        qsort(firsts, n, sizeof firsts[0], compare_doubles);
        if (c->ops->settle && c->ops->settle(c->index) < 0)
                return error_set(reterr, -EIO, "%s does not come to rest", c->ops->name);
        c->open_usec = opens[n / 2] * 1e6;
        c->first_query_usec = firsts[n / 2] * 1e6;
        c->anonymous_bytes = anonymous_bytes() - before;
        if (c->ops->hot_bytes && c->ops->hot_bytes(c->index) > 0)
                c->hot_bytes = c->ops->hot_bytes(c->index);
        c->file_bytes = file_bytes(place);
        c->note = c->ops->note ? c->ops->note(c->index) : NULL;
        return 0;
}

int contestant_open(struct contestant *c, const struct set *set, const struct plan *plan,
                    bool graph_is_built, struct error *reterr)
{
        struct place place;
        int r = find_place(c, set, plan, &place, reterr);

        c->save_seconds = c->open_usec = c->first_query_usec = -1;
        c->hot_bytes = 0;
        memset(c->builds, 0, sizeof c->builds);
        if (r >= 0 && !(c->ops->graph_of && graph_is_built))
                r = build_missing(c, set, plan, &place, reterr);
        contestant_close(c);
        if (r >= 0)
                r = open_often(c, set, plan, &place, reterr);
        if (r < 0)
                contestant_close(c);
        return r;
}

void contestant_close(struct contestant *contestant)
{
        if (contestant->index)
                contestant->ops->free(contestant->index);
        contestant->index = NULL;
}
