/* SPDX-License-Identifier: Apache-2.0 */
/* Work handed from any thread to the thread that runs an sd-event loop.
 *
 * Letters are delivered in the order in which they were posted, on the loop's thread, at most
 * a bounded number per turn so that other sources are not starved. */
#pragma once
#include "base/error.h"

#include <systemd/sd-event.h>

struct mailbox;

typedef void (*mailbox_function)(void *data);

/* The loop is borrowed and must outlive the mailbox. */
int mailbox_new(sd_event *loop, struct mailbox **ret, struct error *reterr);

/* Delivers what is still queued, then frees.  No thread may post any more. */
struct mailbox *mailbox_free(struct mailbox *mailbox);

/* Any thread.  -ENOMEM: not posted. */
int mailbox_post(struct mailbox *mailbox, mailbox_function function, void *data);
