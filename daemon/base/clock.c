/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_usec(clockid_t clock)
{
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000U;
}

uint64_t clock_monotonic_usec(void)
{
        return read_usec(CLOCK_MONOTONIC);
}

uint64_t clock_wall_usec(void)
{
        return read_usec(CLOCK_REALTIME);
}

const char *clock_format(uint64_t wall_usec, char text[static CLOCK_TEXT_SIZE])
{
        time_t seconds = (time_t) (wall_usec / USEC_PER_SEC);
        unsigned msec = (unsigned) (wall_usec % USEC_PER_SEC / USEC_PER_MSEC);
        char date[24] = "";
        struct tm tm;

        if (gmtime_r(&seconds, &tm))
                (void) strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
        (void) snprintf(text, CLOCK_TEXT_SIZE, "%s.%03uZ", date, msec);
        return text;
}
