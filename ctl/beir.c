/* SPDX-License-Identifier: Apache-2.0 */
#include "beir.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t) 256 * 1024 * 1024)
#define METADATA_MAX 16
#define METADATA_KEY_MAX 64
#define METADATA_TEXT_MAX 512

static bool is_attribute(struct json_object *value)
{
        switch (json_object_get_type(value)) {
        case json_type_string:
                return json_object_get_string_len(value) <= METADATA_TEXT_MAX;
        case json_type_int:
        case json_type_double:
        case json_type_boolean:
                return true;
        default:
                return false;
        }
}

/* Of the collection's metadata what a document of ours may hold: a few short scalars. */
static void add_metadata(struct json_object *document, struct json_object *metadata)
{
        struct json_object *kept;
        int n = 0;

        if (!json_object_is_type(metadata, json_type_object))
                return;
        kept = json_object_new_object();
        json_object_object_foreach(metadata, key, value)
        {
                if (n == METADATA_MAX || strlen(key) > METADATA_KEY_MAX || !is_attribute(value))
                        continue;
                json_add(kept, key, json_object_get(value));
                n++;
        }
        json_add(document, "metadata", kept);
}

struct json_object *beir_document(struct json_object *line)
{
        struct json_object *id, *value, *document;

        if (!json_object_is_type(line, json_type_object) ||
            !json_object_object_get_ex(line, "_id", &id) ||
            json_object_object_get_ex(line, "external_id", NULL))
                return json_object_get(line);
        document = json_object_new_object();
        if (!document)
                return NULL;
        json_add(document, "external_id", json_object_get(id));
        if (json_object_object_get_ex(line, "text", &value))
                json_add(document, "text", json_object_get(value));
        if (json_object_object_get_ex(line, "title", &value) &&
            json_object_get_string_len(value) > 0)
                json_add(document, "title", json_object_get(value));
        if (json_object_object_get_ex(line, "metadata", &value))
                add_metadata(document, value);
        return document;
}

/* ---- Golden sets ---------------------------------------------------------------------------- */

/* Takes the next line out of *at; NULL at the end.  `number` counts from 1. */
static char *next_line(char **at, uint32_t *number)
{
        char *line = *at, *end;

        if (!line || *line == '\0')
                return NULL;
        end = strchr(line, '\n');
        if (end) {
                if (end > line && end[-1] == '\r')
                        end[-1] = '\0';
                *end = '\0';
        }
        *at = end ? end + 1 : NULL;
        (*number)++;
        return line;
}

static int read_file(int dirfd, const char *name, char **ret, struct error *reterr)
{
        size_t len;

        return io_read_file(dirfd, name, FILE_MAX, ret, &len, reterr);
}

/* {query id: {document id: gain}}; the first line is a header where its gain is no number. */
static int read_judgements(char *text, const char *name, struct json_object *ret,
                           struct error *reterr)
{
        uint32_t number = 0;
        char *line;

        while ((line = next_line(&text, &number))) {
                char *query = strtok(line, "\t"), *document = strtok(NULL, "\t");
                char *gain = strtok(NULL, "\t"), *end;
                struct json_object *relevant;
                long value;

                if (!query)
                        continue;
                value = gain ? strtol(gain, &end, 10) : 0;
                if (!gain || end == gain || *end != '\0') {
                        if (number == 1)
                                continue;
                        return error_set(reterr, -EINVAL,
                                         "%s:%u: not a query, a document and a gain between tabs",
                                         name, number);
                }
                if (!json_object_object_get_ex(ret, query, &relevant)) {
                        relevant = json_object_new_object();
                        json_add(ret, query, relevant);
                }
                json_add_i64(relevant, document, value > 0 ? value : 0);
        }
        return 0;
}

static int write_questions(char *text, struct json_object *judgements, struct buf *out,
                           struct error *reterr)
{
        uint32_t number = 0;
        char *line;

        while ((line = next_line(&text, &number))) {
                cleanup_json_ struct json_object *query = NULL;
                cleanup_json_ struct json_object *question = NULL;
                struct json_object *relevant;
                const char *id = NULL, *words = NULL;
                int r;

                if (line[strspn(line, " \t")] == '\0')
                        continue;
                r = json_parse(line, strlen(line), &query, reterr);
                if (r < 0)
                        return error_prefix(reterr, r, "queries.jsonl:%u", number);
                (void) json_get_string(query, "_id", &id, NULL);
                (void) json_get_string(query, "text", &words, NULL);
                if (!id || !words)
                        return error_set(reterr, -EINVAL, "queries.jsonl:%u: no _id or no text",
                                         number);
                if (!json_object_object_get_ex(judgements, id, &relevant))
                        continue;
                question = json_object_new_object();
                json_add_string(question, "query", words);
                json_add(question, "relevant", json_object_get(relevant));
                buf_append_text(out, json_text(question, NULL));
                buf_append_char(out, '\n');
        }
        return 0;
}

static int read_folder(int dirfd, struct buf *out, struct error *reterr)
{
        cleanup_free_ char *queries = NULL;
        cleanup_free_ char *qrels = NULL;
        cleanup_json_ struct json_object *judgements = json_object_new_object();
        const char *name = "qrels.tsv";
        int r = read_file(dirfd, "queries.jsonl", &queries, reterr);

        if (r < 0)
                return r;
        r = read_file(dirfd, name, &qrels, reterr);
        if (r == -ENOENT) {
                name = "qrels/test.tsv";
                r = read_file(dirfd, name, &qrels, reterr);
        }
        if (r >= 0)
                r = read_judgements(qrels, name, judgements, reterr);
        if (r >= 0)
                r = write_questions(queries, judgements, out, reterr);
        if (r >= 0 && out->len == 0)
                r = error_set(reterr, -ENODATA, "no question has a judgement");
        return r;
}

int beir_read_golden(const char *path, struct buf *out, struct error *reterr)
{
        cleanup_close_ int dirfd = -1;
        cleanup_free_ char *text = NULL;
        size_t len;
        int r;

        dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dirfd >= 0) {
                r = read_folder(dirfd, out, reterr);
                if (r < 0)
                        return error_prefix(reterr, r, "%s", path);
        } else {
                r = io_read_file(AT_FDCWD, path, FILE_MAX, &text, &len, reterr);
                if (r < 0)
                        return r;
                buf_append(out, text, len);
        }
        if (buf_failed(out))
                return error_oom(reterr);
        if (strlen(buf_text(out)) < out->len || utf8_valid_prefix(out->data, out->len) < out->len)
                return error_set(reterr, -EILSEQ, "%s is not UTF-8 text", path);
        return 0;
}
