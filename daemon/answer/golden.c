/* SPDX-License-Identifier: Apache-2.0 */
/* Golden sets: JSON Lines of {query, relevant: {external_id: gain}, collection}. */
#include "answer/eval.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static int read_relevant(struct json_object *relevant, struct golden_question *question,
                         struct error *reterr)
{
        size_t n = (size_t) json_object_object_length(relevant);

        question->relevant = calloc(n ? n : 1, sizeof *question->relevant);
        if (!question->relevant)
                return error_oom(reterr);
        json_object_object_foreach(relevant, external_id, value)
        {
                struct golden_gain *gain = &question->relevant[question->n_relevant];
                int64_t number = json_object_get_int64(value);

                if (!json_object_is_type(value, json_type_int) || number < 0 ||
                    number > GOLDEN_GAIN_MAX)
                        return error_set(reterr, -EINVAL,
                                         "the gain of \"%s\" must be a whole number from 0 to %d",
                                         external_id, GOLDEN_GAIN_MAX);
                gain->gain = (uint32_t) number;
                gain->external_id = strdup(external_id);
                if (!gain->external_id)
                        return error_oom(reterr);
                question->n_relevant++;
        }
        return 0;
}

static int read_question(const char *text, size_t len, struct golden_question *question,
                         struct error *reterr)
{
        static const char *const known[] = { "query", "relevant", "collection", NULL };
        cleanup_json_ struct json_object *json = NULL;
        struct json_object *relevant = NULL;
        const char *query = NULL, *collection = NULL;
        int r = json_parse(text, len, &json, reterr);

        if (r < 0)
                return r;
        if (!json_object_is_type(json, json_type_object))
                return error_set(reterr, -EINVAL, "not an object of query and relevant");
        r = json_refuse_unknown(json, known, reterr);
        if (r >= 0)
                r = json_get_string(json, "query", &query, reterr);
        if (r >= 0)
                r = json_get_object(json, "relevant", &relevant, reterr);
        if (r >= 0)
                r = json_get_string(json, "collection", &collection, reterr);
        if (r < 0)
                return r;
        if (!query || !relevant)
                return error_set(reterr, -EINVAL, "\"%s\" is missing",
                                 query ? "relevant" : "query");
        question->query = strdup(query);
        question->collection = collection ? strdup(collection) : NULL;
        if (!question->query || (collection && !question->collection))
                return error_oom(reterr);
        return read_relevant(relevant, question, reterr);
}

static int add_question(struct golden_set *set, size_t *room, const char *text, size_t len,
                        struct error *reterr)
{
        if (set->n_questions == *room) {
                size_t more = *room ? 2 * *room : 64;
                struct golden_question *grown =
                        realloc(set->questions, more * sizeof *set->questions);

                if (!grown)
                        return error_oom(reterr);
                set->questions = grown;
                *room = more;
        }
        set->questions[set->n_questions] = (struct golden_question){ 0 };
        return read_question(text, len, &set->questions[set->n_questions++], reterr);
}

static bool is_blank(const char *line, size_t len)
{
        size_t i = 0;

        while (i < len && (line[i] == ' ' || line[i] == '\t' || line[i] == '\r'))
                i++;
        return i == len;
}

int golden_set_parse(const char *text, size_t len, struct golden_set *ret, struct error *reterr)
{
        struct golden_set set = { 0 };
        size_t room = 0;
        uint32_t line = 1;
        int r = 0;

        for (size_t at = 0; r >= 0 && at < len; line++) {
                const char *stop = memchr(text + at, '\n', len - at);
                size_t end = stop ? (size_t) (stop - text) : len;

                if (!is_blank(text + at, end - at))
                        r = add_question(&set, &room, text + at, end - at, reterr);
                if (r < 0) {
                        r = error_prefix(reterr, r, "line %u", line);
                        error_set_origin(reterr, NULL, NULL, line, 0);
                }
                at = end + 1;
        }
        if (r >= 0 && set.n_questions == 0)
                r = error_set(reterr, -ENODATA, "the golden set holds no question");
        if (r < 0) {
                golden_set_done(&set);
                return r;
        }
        *ret = set;
        return 0;
}
