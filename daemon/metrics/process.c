/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/process.h"

#include "base/cleanup.h"
#include "metrics/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
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

void metrics_watch_process(struct metrics *metrics)
{
        metrics_set_source(metrics, METRIC_RESIDENT_BYTES, resident_bytes, NULL);
        metrics_set_source(metrics, METRIC_OPEN_FDS, open_fds, NULL);
}
