/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant as one file: what lay in its folder, and its rows of the registry; tar.gz that plain tar
 * reads (store/tarball.h).
 *
 *     HEADER.json             {format, ragd_state, tenant: {id, name, created_usec}, made_usec,
 *                             collections: [{id, name, language, description, created_usec,
 *                             last_number, generations: [{number, state, identity}]}]}
 *     <collection>/docs.db …  every file of tenants/<id>/, by name; one beyond 512 MiB goes on in
 *                             <name>@0002, <name>@0003 …, to be put together with cat
 *     MANIFEST.json           name, size and digest of every member before it; last
 *
 * Nobody writes in the folder meanwhile: store_close_tenant() comes first.  The logs of databases
 * are brought into them where that is possible, else they are members as they are.  Any thread;
 * all of it waits for disks. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "store/store.h"

#include <stdint.h>

#define TENANT_ARCHIVE_FORMAT 1

struct tenant_archive_info {
        struct tenant_id tenant;
        char name[STORE_NAME_MAX + 1]; /* of the tenant */
        uint64_t made_usec;            /* wall */
        uint64_t files, bytes;         /* members beside the two above, and what they hold */
        uint64_t archive_bytes;        /* the file itself */
};

/* `path` is below the state folder; its folder is made.  Written beside it under the name
 * <path>.partial, synced, renamed, and its folder synced; nothing is left of it on failure.
 * -ENOSPC, -EIO …; -EMEDIUMTYPE: there is something in the folder that is no plain file, or whose
 * name an archive cannot hold. */
int tenant_archive_write(struct store *store, struct tenant_id tenant, const char *path,
                         struct tenant_archive_info *ret, struct error *reterr);

/* Reads all of it.  -EBADMSG: it is damaged, the member is named; -EPROTONOSUPPORT: a newer format;
 * -ENOENT.  `ret` may be NULL. */
int tenant_archive_verify(struct store *store, const char *path, struct tenant_archive_info *ret,
                          struct error *reterr);

/* Brings tenants/<id>/ back, which must not be there (-EEXIST): unpacked beside everything
 * (incoming/ in the state folder), compared with the manifest, synced, then renamed, so that the
 * folder is whole or absent.  Errors as tenant_archive_verify(); also -EBADMSG: it is another
 * tenant's, -ENOSPC: it would not fit. */
int tenant_archive_restore(struct store *store, struct tenant_id tenant, const char *path,
                           struct error *reterr);
