/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on tenants share, in this folder only.  States stand in SQL as their numbers:
 * TENANT_ACTIVE 0, TENANT_SUSPENDED 1, TENANT_OFFLOADED 2, TENANT_DELETED 3. */
#pragma once
#include "store/db.h"
#include "store/tenants.h"

/* "<name>.<id>" and its NUL, as deleted ones are called; one more for a bound in tenant_list(). */
#define TENANT_STORED_NAME_SIZE (STORE_NAME_MAX + 1 + ID_TEXT_SIZE + 1)

_Static_assert(TENANT_ACTIVE == 0 && TENANT_SUSPENDED == 1 && TENANT_OFFLOADED == 2 &&
                       TENANT_DELETED == 3, "numbers of states lie on disks");

/* Runs a statement whose one parameter is the tenant's id; `sql` is a literal.  *ret_rows (may be
 * NULL) grows by the rows that it changed. */
int tenant_execute(struct db *db, const char *sql, struct tenant_id tenant, uint64_t *ret_rows,
                   struct error *reterr);
/* In a transaction.  -ENOENT. */
int tenant_read_state(struct db *db, struct tenant_id tenant, enum tenant_state *ret,
                      struct error *reterr);
