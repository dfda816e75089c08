/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "base/cleanup.h"
#include "screen.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

static const struct {
        const char *suffix;
        enum file_kind kind;
        const char *mime;
} suffixes[] = {
        { ".md", FILE_DOCUMENT, "text/markdown" },
        { ".markdown", FILE_DOCUMENT, "text/markdown" },
        { ".txt", FILE_DOCUMENT, "text/plain" },
        { ".text", FILE_DOCUMENT, "text/plain" },
        { ".json", FILE_DOCUMENT, "application/json" },
        { ".jsonl", FILE_LINES, NULL },
        { ".ndjson", FILE_LINES, NULL },
};

static int find_suffix(const char *path)
{
        const char *dot = strrchr(path, '.');

        for (size_t i = 0; dot && i < ELEMENTSOF(suffixes); i++)
                if (strcasecmp(dot, suffixes[i].suffix) == 0)
                        return (int) i;
        return -1;
}

static void say_skipped(struct source_files *files, const char *path, const char *why)
{
        files->n_skipped++;
        (void) fputs("skipped ", stderr);
        screen_write(stderr, path, strlen(path), false);
        (void) fprintf(stderr, ": %s\n", why);
}

static int add(struct source_files *files, const char *path, const char *external_id,
               enum file_kind kind, const char *mime, uint64_t size, struct error *reterr)
{
        struct source_file file = { .mime = mime, .kind = kind, .size_bytes = size };

        if (files->n == files->capacity) {
                size_t capacity = files->capacity ? 2 * files->capacity : 64;
                struct source_file *items = reallocarray(files->items, capacity, sizeof *items);

                if (!items)
                        return error_oom(reterr);
                files->items = items;
                files->capacity = capacity;
        }
        file.path = strdup(path);
        file.external_id = strdup(external_id);
        if (!file.path || !file.external_id) {
                free(file.path);
                free(file.external_id);
                return error_oom(reterr);
        }
        files->items[files->n++] = file;
        files->size_bytes += size;
        return 0;
}

static int add_file(struct source_files *files, const char *path, const char *external_id,
                    const struct stat *st, struct error *reterr)
{
        int i = find_suffix(path);

        if (!S_ISREG(st->st_mode) || i < 0) {
                say_skipped(files, path, S_ISREG(st->st_mode)
                                                 ? "not a kind of file that ragd reads"
                                                 : "not a regular file");
                return 0;
        }
        return add(files, path, external_id, suffixes[i].kind, suffixes[i].mime,
                   (uint64_t) st->st_size, reterr);
}

/* ---- Folders -------------------------------------------------------------------------------- */

static int visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

static int walk(struct source_files *files, const char *path, const char *inside, int depth,
                struct error *reterr);

static int walk_entry(struct source_files *files, const char *path, const char *external_id,
                      int depth, struct error *reterr)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return error_set_errno(reterr, -errno, "look at %s", path);
        if (S_ISDIR(st.st_mode))
                return walk(files, path, external_id, depth + 1, reterr);
        if (S_ISLNK(st.st_mode) && (stat(path, &st) < 0 || S_ISDIR(st.st_mode)))
                return 0;
        return add_file(files, path, external_id, &st, reterr);
}

/* "a/b", or "b" where `a` is empty; heap, NULL: no memory. */
static char *join(const char *a, const char *b)
{
        size_t a_len = strlen(a), b_len = strlen(b) + 1;
        char *path = malloc(a_len + 1 + b_len), *at = path;

        if (path && a_len > 0) {
                memcpy(at, a, a_len);
                at += a_len;
                *at++ = '/';
        }
        if (path)
                memcpy(at, b, b_len);
        return path;
}

/* `inside`: the path below the folder that was named, "" for that itself. */
static int walk(struct source_files *files, const char *path, const char *inside, int depth,
                struct error *reterr)
{
        struct dirent **entries = NULL;
        int n, r = 0;

        if (depth > DEPTH_MAX)
                return error_set(reterr, -ELOOP, "%s lies too deep", path);
        n = scandir(path, &entries, visible, alphasort);
        if (n < 0)
                return error_set_errno(reterr, -errno, "read the folder %s", path);
        for (int i = 0; i < n; i++) {
                cleanup_free_ char *whole = join(path, entries[i]->d_name);
                cleanup_free_ char *id = join(inside, entries[i]->d_name);

                if (r >= 0 && whole && id)
                        r = walk_entry(files, whole, id, depth, reterr);
                else if (r >= 0)
                        r = error_oom(reterr);
                free(entries[i]);
        }
        free(entries);
        return r;
}

/* A file named by itself is called as it was named, as long as that stays below the folder one
 * is in; else by its last name. */
static const char *id_of_file(const char *path)
{
        const char *slash = strrchr(path, '/');

        while (strncmp(path, "./", 2) == 0)
                path += 2;
        if (path[0] == '/' || strncmp(path, "../", 3) == 0 || strstr(path, "/../"))
                return slash + 1;
        return path;
}

static int compare_ids(const void *a, const void *b)
{
        const struct source_file *const *left = a, *const *right = b;

        return strcmp((*left)->external_id, (*right)->external_id);
}

/* Documents of several folders may have the same path within them: the later would replace the
 * earlier in silence. */
static int check_ids(const struct source_files *files, struct error *reterr)
{
        cleanup_free_ const struct source_file **sorted =
                calloc(files->n + 1, sizeof(struct source_file *));
        size_t n = 0;

        if (!sorted)
                return error_oom(reterr);
        for (size_t i = 0; i < files->n; i++)
                if (files->items[i].kind == FILE_DOCUMENT)
                        sorted[n++] = &files->items[i];
        qsort(sorted, n, sizeof(struct source_file *), compare_ids);
        for (size_t i = 1; i < n; i++)
                if (strcmp(sorted[i - 1]->external_id, sorted[i]->external_id) == 0)
                        return error_set(reterr, -EEXIST,
                                         "%s and %s would both be the document %s: ingest their "
                                         "common folder instead",
                                         sorted[i - 1]->path, sorted[i]->path,
                                         sorted[i]->external_id);
        return 0;
}

int source_files_add(struct source_files *files, const char *path, struct error *reterr)
{
        struct stat st;
        int r;

        if (strcmp(path, "-") == 0)
                return add(files, "standard input", "", FILE_STDIN, NULL, 0, reterr);
        if (stat(path, &st) < 0)
                return error_set_errno(reterr, -errno, "%s", path);
        if (S_ISDIR(st.st_mode)) {
                cleanup_free_ char *folder = strdup(path);
                size_t len = strlen(path);

                if (!folder)
                        return error_oom(reterr);
                while (len > 1 && folder[len - 1] == '/')
                        folder[--len] = '\0';
                r = walk(files, folder, "", 0, reterr);
        } else {
                r = add_file(files, path, id_of_file(path), &st, reterr);
        }
        return r < 0 ? r : check_ids(files, reterr);
}

void source_files_done(struct source_files *files)
{
        for (size_t i = 0; i < files->n; i++) {
                free(files->items[i].path);
                free(files->items[i].external_id);
        }
        free(files->items);
        *files = (struct source_files){ 0 };
}
