/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tarball.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void tarball_list_done(struct tarball_list *list)
{
        free(list->members);
        *list = (struct tarball_list){ 0 };
}

int tarball_list_add(struct tarball_list *list, const struct tarball_member *member,
                     struct error *reterr)
{
        if (list->n == list->room) {
                size_t room = list->room ? 2 * list->room : 16;
                struct tarball_member *more = reallocarray(list->members, room, sizeof *more);

                if (!more)
                        return error_oom(reterr);
                list->members = more;
                list->room = room;
        }
        list->members[list->n++] = *member;
        return 0;
}

const struct tarball_member *tarball_list_find(const struct tarball_list *list, const char *name)
{
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->members[i].name, name) == 0)
                        return &list->members[i];
        return NULL;
}

static const char *digest_text(const struct tarball_member *member, char text[static 65])
{
        return sodium_bin2hex(text, 65, member->sha256, sizeof member->sha256);
}

void tarball_list_sums(const struct tarball_list *list, struct buf *buf)
{
        char digest[65];

        for (size_t i = 0; i < list->n; i++)
                buf_append_format(buf, "%s  %s\n", digest_text(&list->members[i], digest),
                                  list->members[i].name);
}

void tarball_list_manifest(const struct tarball_list *list, struct buf *buf)
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

/* Compares line by line, since a line is a member. */
int tarball_list_compare(const struct tarball_list *list, const char *path, const char *text,
                         size_t len, const struct buf *wanted, size_t lines_before,
                         struct error *reterr)
{
        size_t line = 0, same = 0;

        if (len == wanted->len && memcmp(text, buf_text(wanted), len) == 0)
                return 0;
        while (same < len && same < wanted->len && text[same] == buf_text(wanted)[same])
                line += text[same++] == '\n';
        if (line < lines_before || line - lines_before >= list->n)
                return error_set(reterr, -EBADMSG, "%s: it names other members than there are",
                                 path);
        return error_set(reterr, -EBADMSG, "%s: its name, size or digest is not that of %s",
                         list->members[line - lines_before].name, path);
}
