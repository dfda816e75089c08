/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes on tenants and on their keys share. */
#pragma once
#include "store/tenants.h"

#include <stdbool.h>

struct error;
struct request;

/* The tenant that the path names.  To whom is no operator every other one than his own is not
 * there.  Less than 0: the problem is set.  tenant_info_done() frees it. */
int tenants_find(struct request *request, struct tenant_info *ret);
/* As problem_set_error(), where -EPROTO is a state that does not allow it. */
void tenants_refuse(struct request *request, const struct error *error);
