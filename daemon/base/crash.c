/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crash.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct {
        pthread_once_t once;
        const char *name; /* NULL: no point kills */
        size_t len;
        atomic_long left; /* times that it is still passed by */
} chosen = { .once = PTHREAD_ONCE_INIT };

static void choose(void)
{
        const char *text = getenv("RAGD_CRASH_AT");
        const char *colon = text ? strrchr(text, ':') : NULL;

        if (!text || !*text)
                return;
        chosen.len = colon ? (size_t) (colon - text) : strlen(text);
        atomic_store(&chosen.left, colon ? strtol(colon + 1, NULL, 10) : 1);
        chosen.name = text;
}

void crash_point(const char *name)
{
        (void) pthread_once(&chosen.once, choose);
        if (chosen.name && strlen(name) == chosen.len &&
            strncmp(name, chosen.name, chosen.len) == 0 && atomic_fetch_sub(&chosen.left, 1) == 1)
                (void) raise(SIGKILL);
}
