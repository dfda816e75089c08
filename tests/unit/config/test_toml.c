/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the TOML parser: kinds and places arrive, and what is not TOML is refused. */
#include "profile.h"

#include "config/toml.h"

static const struct toml_node *child(const struct toml_node *table, const char *key)
{
        for (size_t i = 0; i < table->count; i++)
                if (strcmp(table->children[i].key, key) == 0)
                        return &table->children[i];
        fail_msg("no key %s", key);
        return NULL;
}

static void test_every_kind_arrives_with_its_place(void **state)
{
        static const char good[] = "s = \"a\\u0000b\"\ni = -7\nf = 2.5e1\n  b = true\n"
                                   "t = 2026-01-01T00:00:00Z\na = [1, \"ä\", [ ]]\n"
                                   "[x.\"y z\"]\nq = ''\n";
        cleanup_toml_ struct toml_node *root = NULL;
        const struct toml_node *node;
        struct toml_failure failure;

        (void) state;
        assert_int_equal(toml_read(good, strlen(good), &root, &failure), 0);
        assert_int_equal(root->kind, TOML_KIND_TABLE);
        node = child(root, "s");
        assert_int_equal(node->kind, TOML_KIND_STRING);
        assert_int_equal(node->string_bytes, 3);
        assert_memory_equal(node->string, "a\0b", 4);
        assert_int_equal(child(root, "i")->integer, -7);
        assert_true(child(root, "f")->number == 25.0);
        node = child(root, "b");
        assert_true(node->kind == TOML_KIND_BOOLEAN && node->boolean);
        assert_int_equal(node->key_place.line, 4);
        assert_int_equal(node->key_place.column, 3);
        assert_int_equal(node->place.column, 7);
        assert_int_equal(child(root, "t")->kind, TOML_KIND_TIME);
        node = child(root, "a");
        assert_int_equal(node->kind, TOML_KIND_ARRAY);
        assert_int_equal(node->count, 3);
        assert_string_equal(node->children[1].string, "ä");
        assert_int_equal(node->children[2].count, 0);
        node = child(child(root, "x"), "y z");
        assert_string_equal(child(node, "q")->string, "");
}

/* Texts that are refused, with where. */
static const struct {
        const char *text;
        size_t len; /* 0: strlen */
        uint32_t line, column;
} refused[] = {
        { "a = \"\xff\"\n", 0, 1, 6 },
        { "# \xc0\x80\n", 0, 1, 3 },             /* overlong */
        { "a = 1\nb = \"\xed\xa0\x80\"\n", 0, 2, 6 }, /* a surrogate */
        { "a = '\xf4\x90\x80\x80'\n", 0, 1, 6 }, /* beyond U+10FFFF */
        { "a = \"\xe2\x82", 0, 1, 6 },           /* cut */
        { "a = \"x\0y\"\n", 11, 1, 7 },
        { "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s = 1\n", 0, 1, 34 },
        { "[a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s]\n", 0, 1, 35 },
        { "x = {a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s = 1}\n", 0, 1, 39 },
        { "x = ['''y'''', {a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s = 1}]\n", 0, 1, 50 },
        { "x = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n", 0, 1, 21 },
        { "a = 1\na = 2\n", 0, 2, 0 },
        { "[a]\nb = 1\n[a]\n", 0, 3, 0 },
        { "a = 99999999999999999999\n", 0, 1, 0 },
        { "a = \"open\n", 0, 1, 0 },
        { "= 1\n", 0, 1, 0 },
        { "a\n", 0, 0, 0 },
        { "a = 1 b = 2\n", 0, 1, 0 },
        { "{\"json\": 1}\n", 0, 1, 0 },
};

static void test_what_is_not_toml_is_refused_where_it_ends(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                size_t len = refused[i].len ? refused[i].len : strlen(refused[i].text);
                struct toml_failure failure = { 0 };
                struct toml_node *root = NULL;
                int r = toml_read(refused[i].text, len, &root, &failure);

                if (r != -EBADMSG || !failure.message[0] || root ||
                    (refused[i].line && failure.place.line != refused[i].line) ||
                    (refused[i].column && failure.place.column != refused[i].column))
                        fail_msg("%s: %d, %u:%u %s", refused[i].text, r, failure.place.line,
                                 failure.place.column, failure.message);
        }
}

static void test_dots_in_strings_and_comments_are_no_depth(void **state)
{
        static const char *const texts[] = {
                "a = \"1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0\"\n",
                "a = \"\\\"1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0\"\n",
                "a = '1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0'\n",
                "a = \"\"\"\n\"1.2.3.4.5.6.7.8.9.0.1\n.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9\"\"\"\n",
                "a = '''\n'1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5'''''\n",
                "a = 1 # 1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0\n",
                ("a = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, "
                 "1.0, 1.0, 1.0, 1.0, 1.0]\n"),
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                cleanup_toml_ struct toml_node *root = NULL;
                struct toml_failure failure = { 0 };

                if (toml_read(texts[i], strlen(texts[i]), &root, &failure) < 0)
                        fail_msg("%s: %u:%u %s", texts[i], failure.place.line,
                                 failure.place.column, failure.message);
        }
}

static void test_a_dotted_key_of_a_million_parts_is_refused(void **state)
{
        size_t len = TOML_INPUT_MAX;
        struct toml_failure failure;
        struct toml_node *root = NULL;
        char *text = malloc(len);

        (void) state;
        assert_non_null(text);
        for (size_t i = 0; i < len; i++)
                text[i] = i % 2 ? '.' : 'a';
        assert_int_equal(toml_read(text, len, &root, &failure), -EBADMSG);
        memset(text, '[', len);
        assert_int_equal(toml_read(text, len, &root, &failure), -EBADMSG);
        assert_int_equal(toml_read(text, len + 1, &root, &failure), -E2BIG);
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_kind_arrives_with_its_place),
                cmocka_unit_test(test_what_is_not_toml_is_refused_where_it_ends),
                cmocka_unit_test(test_dots_in_strings_and_comments_are_no_depth),
                cmocka_unit_test(test_a_dotted_key_of_a_million_parts_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
