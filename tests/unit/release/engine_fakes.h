/* SPDX-License-Identifier: Apache-2.0 */
/* Between the engine's fixture and what it plays. */
#pragma once
#include "engine.h"

extern const struct release_room fake_rooms[ROOMS];
void fakes_play(struct play *play); /* from now on; borrowed */
void fakes_unfollow(void);          /* as ingest ends */
