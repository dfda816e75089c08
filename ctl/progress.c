/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include "base/clock.h"

#include <stdio.h>

#define BAR 24
#define REDRAW_USEC (UINT64_C(100) * USEC_PER_MSEC)

void progress_begin(struct progress *progress, const struct ctl *ctl)
{
        *progress = (struct progress){ .ctl = ctl, .begun_usec = clock_monotonic_usec() };
}

double progress_seconds(const struct progress *progress)
{
        return (double) (clock_monotonic_usec() - progress->begun_usec) / (double) USEC_PER_SEC;
}

void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total,
                   const char *detail)
{
        const struct style *style = &progress->ctl->err;
        uint64_t now_usec = clock_monotonic_usec();
        unsigned percent, filled;

        if (!progress->ctl->progress || now_usec - progress->drawn_usec < REDRAW_USEC)
                return;
        progress->drawn_usec = now_usec;
        progress->drawn = true;
        if (done > total && total > 0)
                done = total;
        percent = total > 0 ? (unsigned) (100.0 * (double) done / (double) total) : 0;
        filled = percent * BAR / 100;

        (void) fprintf(stderr, "\r\x1b[K%s ", what);
        if (total > 0) {
                (void) fputs(style->green, stderr);
                for (unsigned i = 0; i < BAR; i++)
                        (void) fputs(i < filled ? "█" : "░", stderr);
                (void) fprintf(stderr, "%s %3u %% ", style->plain, percent);
        }
        (void) fprintf(stderr, " %s", detail);
        (void) fflush(stderr);
}

void progress_end(struct progress *progress)
{
        if (progress->drawn)
                (void) fputs("\r\x1b[K", stderr);
        progress->drawn = false;
        progress->drawn_usec = 0;
}
