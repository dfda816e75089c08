/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a bundle: which names there are. */
#include "release/bundle_inside.h"

#include "release/record_files.h"

#include <string.h>

/* "vectors/<64 hex digits>.<4 digits>.jsonl" */
static bool is_piece(const char *name)
{
        const char *at = name + strlen("vectors/");

        return strncmp(name, "vectors/", strlen("vectors/")) == 0 &&
               strspn(at, "0123456789abcdef") == 64 && at[64] == '.' &&
               strspn(at + 65, "0123456789") == 4 && strcmp(at + 69, ".jsonl") == 0;
}

enum bundle_kind bundle_kind_of(const char *name)
{
        static const struct {
                const char *name;
                enum bundle_kind kind;
        } fixed[] = {
                { "HEADER.json", BUNDLE_HEADER },
                { "release/manifest.json", BUNDLE_RELEASE },
                { "SHA256SUMS", BUNDLE_SUMS },
                { "MANIFEST.json", BUNDLE_MANIFEST },
        };

        for (size_t i = 0; i < ELEMENTSOF(fixed); i++)
                if (strcmp(name, fixed[i].name) == 0)
                        return fixed[i].kind;
        if (strlen(name) >= TARBALL_NAME_MAX)
                return BUNDLE_KIND_INVALID;
        if (strncmp(name, "release/", strlen("release/")) == 0 &&
            record_is_file(name + strlen("release/")))
                return BUNDLE_RELEASE;
        return is_piece(name) ? BUNDLE_VECTORS : BUNDLE_KIND_INVALID;
}
