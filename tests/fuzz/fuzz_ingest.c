/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that reads a document: JSON of one document, JSON Lines, raw bodies, Markdown,
 * and the chunker.  The first byte chooses the media type and the rules of chunking. */
#include "base/json.h"
#include "ingest/chunk.h"
#include "ingest/extract.h"
#include "ingest/ingest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
        if (!good)
                abort();
}

static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

static void cut(struct text_analyzer *analyzer, const struct chunk_rules *rules, const char *text,
                size_t len)
{
        struct chunk_cut *cuts = NULL;
        size_t n = 0, covered = 0;

        if (chunk_cut_text(analyzer, rules, text, len, &cuts, &n, NULL) < 0)
                return;
        for (size_t i = 0; i < n; i++) {
                check(cuts[i].start < cuts[i].end && cuts[i].end <= len);
                check(cuts[i].tokens <= rules->max_chunk_size);
                check(utf8_valid_prefix(text + cuts[i].start, cuts[i].end - cuts[i].start) ==
                      cuts[i].end - cuts[i].start);
                for (; covered < cuts[i].start; covered++)
                        check(is_space(text[covered]));
                if (cuts[i].end > covered)
                        covered = cuts[i].end;
        }
        for (; covered < len; covered++)
                check(is_space(text[covered]));
        free(cuts);
}

static void work_out(const struct document_input *input, uint8_t choice)
{
        struct chunk_rules rules = {
                .strategy = choice & 4 ? CHUNK_SENTENCE : CHUNK_SLIDING_WINDOW,
                .chunk_size = 1 + (choice >> 3),
                .overlap = choice >> 4,
                .max_chunk_size = 1 + (choice >> 2),
                .min_chunk_size = choice >> 5,
        };
        struct text_analyzer *analyzer = NULL;
        struct extracted text = { 0 };
        struct error error = { 0 };
        char *body = malloc(input->body_len + 1);

        check(body && text_analyzer_new("none", &analyzer, NULL) == 0);
        if (input->body_len > 0)
                memcpy(body, input->body, input->body_len);
        body[input->body_len] = '\0';
        if (input->chunking)
                (void) chunk_rules_override(&rules, input->chunking, &error);
        if (extract_text(input->mime, body, input->body_len, &text, &error) == 0) {
                check(utf8_valid_prefix(text.text, text.len) == text.len);
                cut(analyzer, &rules, text.text, text.len);
                extracted_done(&text);
        }
        free(body);
        text_analyzer_free(analyzer);
}

static void read_line(const char *line, size_t len, uint8_t choice)
{
        struct ingest_document document = { 0 };
        struct json_object *json = NULL;
        struct error error = { 0 };

        if (json_parse(line, len, &json, &error) < 0)
                return;
        if (ingest_document_parse(json, NULL, &document, &error) == 0) {
                check(document.input.external_id != NULL);
                work_out(&document.input, choice);
                ingest_document_done(&document);
        } else {
                check(error.code < 0 && error.message[0]);
        }
        json_object_put(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const mimes[] = { "text/markdown", "text/plain", "application/json" };
        struct ingest_document document = { 0 };
        struct error error = { 0 };
        const char *at, *end;
        uint8_t choice;

        if (size == 0)
                return 0;
        choice = *data;
        at = (const char *) data + 1;
        end = (const char *) data + size;
        if ((choice & 3) < 3) {
                if (ingest_document_from_body("a", mimes[choice & 3], at, (size_t) (end - at),
                                              &document, &error) == 0) {
                        work_out(&document.input, choice);
                        ingest_document_done(&document);
                }
                return 0;
        }
        while (at < end) {
                const char *line_end = memchr(at, '\n', (size_t) (end - at));

                line_end = line_end ? line_end : end;
                read_line(at, (size_t) (line_end - at), choice);
                at = line_end + (line_end < end);
        }
        return 0;
}
