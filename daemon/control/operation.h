/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as replies.  Pure. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* "o-91" or "91"; 0: neither. */
uint32_t operation_number(const char *text);
bool operation_is_finished(struct json_object *operation);
/* The reply of COMMAND_OPERATION; `result`: with all of the operation, which is borrowed. */
struct json_object *operation_reply(struct json_object *operation, bool result);
