/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a bundle: which names there are, and the two lists of them that it ends with. */
#include "release/bundle_inside.h"

#include "release/record_files.h"

#include <stdlib.h>
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
        if (strlen(name) >= BUNDLE_NAME_MAX)
                return BUNDLE_KIND_INVALID;
        if (strncmp(name, "release/", strlen("release/")) == 0 &&
            record_is_file(name + strlen("release/")))
                return BUNDLE_RELEASE;
        return is_piece(name) ? BUNDLE_VECTORS : BUNDLE_KIND_INVALID;
}

void bundle_list_done(struct bundle_list *list)
{
        free(list->members);
        *list = (struct bundle_list){ 0 };
}

int bundle_list_add(struct bundle_list *list, const struct bundle_member *member,
                    struct error *reterr)
{
        if (list->n == list->room) {
                size_t room = list->room ? 2 * list->room : 16;
                struct bundle_member *more = reallocarray(list->members, room, sizeof *more);

                if (!more)
                        return error_oom(reterr);
                list->members = more;
                list->room = room;
        }
        list->members[list->n++] = *member;
        return 0;
}

const struct bundle_member *bundle_list_find(const struct bundle_list *list, const char *name)
{
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->members[i].name, name) == 0)
                        return &list->members[i];
        return NULL;
}

static const char *digest_text(const struct bundle_member *member, char text[static 65])
{
        return sodium_bin2hex(text, 65, member->sha256, sizeof member->sha256);
}

void bundle_list_sums(const struct bundle_list *list, struct buf *buf)
{
        char digest[65];

        for (size_t i = 0; i < list->n; i++)
                buf_append_format(buf, "%s  %s\n", digest_text(&list->members[i], digest),
                                  list->members[i].name);
}

void bundle_list_manifest(const struct bundle_list *list, struct buf *buf)
{
        char digest[65];

        buf_append_text(buf, "{\"members\":[");
        for (size_t i = 0; i < list->n; i++) {
                buf_append_text(buf, i > 0 ? ",\n{\"name\":" : "\n{\"name\":");
                buf_append_json_string(buf, list->members[i].name, strlen(list->members[i].name));
                buf_append_format(buf, ",\"size\":%llu,\"sha256\":\"%s\"}",
                                  (unsigned long long) list->members[i].size,
                                  digest_text(&list->members[i], digest));
        }
        buf_append_text(buf, "\n]}\n");
}
