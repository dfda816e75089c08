/* SPDX-License-Identifier: Apache-2.0 */
/* Plans on their way to an operation. */
#pragma once
#include "ctl.h"

#include <json-c/json.h>
#include <stdbool.h>

struct client;

/* Whether a rule stands against it that no override lifts. */
bool plan_is_refused(struct json_object *plan);
/* Deploys it as the words say (reason, confirm, canary, detach); an exit code. */
int deploy_plan(const struct ctl *ctl, struct client *client, const char *plan_id);
/* The same after it was printed, and after a person agreed. */
int deploy_shown(const struct ctl *ctl, struct client *client, struct json_object *plan);
