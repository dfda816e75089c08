/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/process.h"

#include "base/cleanup.h"
#include "metrics/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

DEFINE_CLEANUP(DIR *, closedir)

static double resident_bytes(void *data)
{
        cleanup_(fclose_cleanup) FILE *file = fopen("/proc/self/statm", "re");
        unsigned long long size, resident;

        (void) data;
        if (!file || fscanf(file, "%llu %llu", &size, &resident) != 2)
                return (double) NAN;
        return (double) resident * (double) sysconf(_SC_PAGESIZE);
}

static double open_fds(void *data)
{
        cleanup_(closedir_cleanup) DIR *folder = opendir("/proc/self/fd");
        double n = -1; /* the folder's own descriptor */

        (void) data;
        if (!folder)
                return (double) NAN;
        for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
                if (entry->d_name[0] != '.')
                        n++;
        return n;
}

/* Field 22 of proc(5) stat counts ticks since boot.  The boot is dated by the two clocks,
 * because the unit's ProcSubset=pid hides /proc/stat. */
static double start_time(void *data)
{
        cleanup_(fclose_cleanup) FILE *file = fopen("/proc/self/stat", "re");
        char text[1024];
        unsigned long long ticks;
        struct timespec wall, boot;
        char *at;

        (void) data;
        if (!file || !fgets(text, sizeof text, file))
                return (double) NAN;
        at = strrchr(text, ')');
        if (!at || sscanf(at + 1,
                          " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
                          " %*d %*d %llu",
                          &ticks) != 1)
                return (double) NAN;
        (void) clock_gettime(CLOCK_REALTIME, &wall);
        (void) clock_gettime(CLOCK_BOOTTIME, &boot);
        return floor((double) (wall.tv_sec - boot.tv_sec) +
                     (double) ticks / (double) sysconf(_SC_CLK_TCK));
}

void metrics_watch_process(struct metrics *metrics)
{
        metrics_set_source(metrics, METRIC_RESIDENT_BYTES, resident_bytes, NULL);
        metrics_set_source(metrics, METRIC_OPEN_FDS, open_fds, NULL);
        metrics_set_source(metrics, METRIC_START_TIME, start_time, NULL);
}
