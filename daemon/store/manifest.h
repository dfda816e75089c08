/* SPDX-License-Identifier: Apache-2.0 */
/* MANIFEST: a generation's specification in JSON, written last when one is made and never
 * again.  A folder that has it is whole.  It carries its format version and the identity, which
 * must be that of the specification beside it. */
#pragma once
#include "base/json.h"
#include "store/generation.h"

#define MANIFEST_VERSION 1

int manifest_write(int dirfd, const struct generation_spec *spec, uint64_t created_usec,
                   struct error *reterr);

/* Strings of *ret_spec are borrowed from *ret_owner.  `folder` is the path of `dirfd` for
 * messages.  -ENOENT: there is none; -EBADMSG: damaged; -EPROTONOSUPPORT: a newer version. */
int manifest_read(int dirfd, const char *folder, struct generation_spec *ret_spec,
                  uint64_t *ret_created_usec, struct json_object **ret_owner,
                  struct error *reterr);
