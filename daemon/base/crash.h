/* SPDX-License-Identifier: Apache-2.0 */
/* Named points at which a test ends the process as a power cut would.
 *
 *     RAGD_CRASH_AT=deploy.journal     SIGKILL when the point is passed
 *     RAGD_CRASH_AT=deploy.journal:3   ... for the third time
 *
 * Without the variable a point costs one comparison.  Each name stands at one place of the
 * source; it is `noun.step`, the step being what is durable already. */
#pragma once

/* Any thread. */
void crash_point(const char *name);
