/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about golden questions: what gates ask. */
#include "store/golden.h"

#include "answer/eval.h"
#include "control/handlers.h"
#include "store/collection.h"

#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(struct collection *, collection_unref)

static void reply_receipt(struct call *call, int code, const struct golden_receipt *receipt,
                          const struct error *error)
{
        struct json_object *reply;

        if (code < 0) {
                call_fail(call, code, error);
                return;
        }
        reply = json_object_new_object();
        json_add_u64(reply, "added", receipt->added);
        json_add_u64(reply, "changed", receipt->changed);
        json_add_u64(reply, "removed", receipt->removed);
        call_reply(call, reply);
}

/* "id" or "id=3": a number behind the last '=' is the gain. */
static int read_relevant(const char *text, struct golden_gain *ret, struct error *reterr)
{
        const char *equals = strrchr(text, '=');
        size_t digits = equals ? strspn(equals + 1, "0123456789") : 0;
        bool given = digits > 0 && equals[1 + digits] == '\0';
        unsigned long gain = given ? strtoul(equals + 1, NULL, 10) : 1;

        if (given && (digits > 3 || gain > GOLDEN_GAIN_MAX)) {
                (void) error_set(reterr, -EINVAL, "the gain of \"%.64s\" must be 0 to %d", text,
                                 GOLDEN_GAIN_MAX);
                error_set_origin(reterr, NULL, "ids", 0, 0);
                return -EINVAL;
        }
        ret->gain = (uint32_t) gain;
        ret->external_id = strndup(text, given ? (size_t) (equals - text) : strlen(text));
        return ret->external_id ? 0 : error_oom(reterr);
}

static int read_question(struct call *call, struct golden_question *ret, struct error *reterr)
{
        struct json_object *array = NULL;
        size_t n;

        (void) json_get_array(call_parameters(call), "ids", &array, NULL);
        n = json_object_array_length(array);
        ret->query = strdup(call_string(call, "query", ""));
        ret->relevant = calloc(n + 1, sizeof *ret->relevant);
        if (!ret->query || !ret->relevant)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                const char *text = json_object_get_string(json_object_array_get_idx(array, i));
                int r = read_relevant(text, &ret->relevant[i], reterr);

                if (r < 0)
                        return r;
                ret->n_relevant++;
        }
        return 0;
}

void on_golden_add(struct call *call)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(golden_set_done) struct golden_set set = { 0 };
        struct golden_receipt receipt = { 0 };
        struct error error = { 0 };
        int r;

        if (!open_collection(call, "collection", &collection))
                return;
        set.questions = calloc(1, sizeof *set.questions);
        set.n_questions = set.questions ? 1 : 0;
        r = set.questions ? read_question(call, &set.questions[0], &error) : error_oom(&error);
        if (r == 0)
                r = golden_add(collection, call_string(call, "set", NULL), &set.questions[0],
                               &receipt, &error);
        reply_receipt(call, r, &receipt, &error);
}

void on_golden_import(struct call *call)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(golden_set_done) struct golden_set set = { 0 };
        const char *text = call_string(call, "golden", "");
        struct golden_receipt receipt = { 0 };
        struct error error = { 0 };
        int r;

        if (!open_collection(call, "collection", &collection))
                return;
        r = golden_set_parse(text, strlen(text), &set, &error);
        if (r == 0)
                r = golden_import(collection, call_string(call, "set", NULL), &set,
                                  call_bool(call, "replace"), &receipt, &error);
        reply_receipt(call, r, &receipt, &error);
}

static struct json_object *question_json(const struct golden_question *question)
{
        struct json_object *object = json_object_new_object();
        struct json_object *relevant = json_object_new_object();

        json_add_string(object, "set", question->set ? question->set : GOLDEN_SET_USUAL);
        json_add_string(object, "query", question->query);
        for (size_t i = 0; i < question->n_relevant; i++)
                json_add_u64(relevant, question->relevant[i].external_id,
                             question->relevant[i].gain);
        json_add(object, "relevant", relevant);
        return object;
}

void on_golden_list(struct call *call)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(golden_set_done) struct golden_set set = { 0 };
        struct json_object *array;
        struct error error = { 0 };
        int r;

        if (!open_collection(call, "collection", &collection))
                return;
        r = golden_list(collection, call_string(call, "set", NULL), &set, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; i < set.n_questions; i++)
                json_add(array, NULL, question_json(&set.questions[i]));
        reply_with(call, "questions", array);
}

void on_golden_remove(struct call *call)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        const char *question = call_string(call, "query", NULL);
        struct error error = { 0 };
        uint64_t removed = 0;
        int r;

        if (!open_collection(call, "collection", &collection))
                return;
        if (!question == !call_bool(call, "all"))
                r = error_set(&error, -EINVAL, "name one question, or --all for the whole set");
        else
                r = golden_remove(collection, call_string(call, "set", NULL), question, &removed,
                                  &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "removed", json_object_new_int64((int64_t) removed));
}
