/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the profile on disk is taken as `ragctl reload` takes it; the verdict goes to the service
 * manager's status and to the log.  On the loop's thread; the engine does the work. */
#pragma once
#include <stdint.h>
#include <systemd/sd-event.h>

struct releases;

struct reload {
        struct releases *releases; /* borrowed */
        sd_event_source *timer;
        uint32_t operation; /* that is waited for; 0: none */
};

/* Begins one; where another change is under way that is the verdict. */
void reload_begin(struct reload *reload, sd_event *loop);
void reload_done(struct reload *reload);
