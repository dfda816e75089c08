/* SPDX-License-Identifier: Apache-2.0 */
/* What writer and reader of tenants' archives share. */
#pragma once
#include "store/tarball.h"
#include "store/tenant_archive.h"

#define TENANT_ARCHIVE_WORD "archive of the tenant"
#define TENANT_ARCHIVE_PIECE (UINT64_C(512) << 20) /* of a file, in one member */
#define TENANT_ARCHIVE_DEPTH 4                     /* of folders in the tenant's own */
#define TENANT_ARCHIVE_PATH_MAX 96                 /* of a file below it; ustar's limit is 100 */

/* "a/b.c": of letters, digits and "._-", no part begins with a dot, none is empty. */
bool tenant_archive_is_path(const char *path);
