/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a key and the pepper: whatever is not exactly a key is refused. */
#include "config.h"

#include "tenant/key.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
/* cmocka wants setjmp.h, stdarg.h, stddef.h above it */
#include <cmocka.h>

static void random_key(enum stage stage, struct key_text *ret)
{
        ret->stage = stage;
        randombytes_buf(ret->id.bytes, sizeof ret->id.bytes);
        randombytes_buf(ret->secret, sizeof ret->secret);
}

static int parse(const char *text, size_t len, struct key_text *ret)
{
        /* Exactly as long as the token: the sanitizer sees a read beyond it. */
        char *copy = malloc(len ? len : 1);
        struct error error = { 0 };
        int r;

        assert_non_null(copy);
        memcpy(copy, text, len);
        r = key_text_parse(copy, len, ret, &error);
        if (r < 0)
                assert_true(len < 8 || !memmem(error.message, sizeof error.message, copy, len));
        free(copy);
        return r;
}

static void test_a_key_has_the_form_that_is_promised(void **state)
{
        struct key_text key = { .stage = STAGE_PRODUCTION }, back;
        char text[KEY_TEXT_MAX], crc[9];
        size_t crc_at;

        (void) state;
        memset(key.id.bytes, 0x00, sizeof key.id.bytes);
        memset(key.secret, 0xff, sizeof key.secret);
        assert_string_equal(key_text_format(&key, text), text);
        assert_memory_equal(text, "ragd_production_aaaaaaaaaaaaaaaa_77777777", 41);
        assert_int_equal(strlen(text), 5 + 10 + 1 + 16 + 1 + 52 + 1 + 8);
        crc_at = strlen(text) - 8;
        (void) snprintf(crc, sizeof crc, "%08lx",
                        crc32(0, (const unsigned char *) text, (unsigned) crc_at - 1));
        assert_string_equal(text + crc_at, crc);
        assert_int_equal(parse(text, strlen(text), &back), 0);
        assert_memory_equal(back.secret, key.secret, sizeof key.secret);
        assert_memory_equal(back.id.bytes, key.id.bytes, sizeof key.id.bytes);
        assert_int_equal(back.stage, STAGE_PRODUCTION);
}

static void test_every_stage_comes_back(void **state)
{
        (void) state;
        for (int stage = 0; stage < STAGE_MAX; stage++)
                for (int i = 0; i < 100; i++) {
                        struct key_text key, back;
                        char text[KEY_TEXT_MAX];

                        random_key((enum stage) stage, &key);
                        (void) key_text_format(&key, text);
                        assert_true(strlen(text) < KEY_TEXT_MAX);
                        assert_true(key_text_is_ours(text, strlen(text)));
                        assert_int_equal(parse(text, strlen(text), &back), 0);
                        assert_int_equal(back.stage, stage);
                        assert_memory_equal(back.id.bytes, key.id.bytes, KEY_ID_BYTES);
                        assert_memory_equal(back.secret, key.secret, KEY_SECRET_BYTES);
                        key_text_done(&back);
                        assert_true(sodium_is_zero(back.secret, sizeof back.secret));
                }
}

/* Puts a right CRC behind what was changed: then the other rules have to refuse it. */
static size_t sign(char *text, size_t body_len)
{
        (void) snprintf(text + body_len, 10, "_%08lx",
                        crc32(0, (const unsigned char *) text, (unsigned) body_len));
        return body_len + 9;
}

static void test_a_changed_byte_a_cut_and_an_addition_are_refused(void **state)
{
        struct key_text key, back;
        char text[KEY_TEXT_MAX], changed[KEY_TEXT_MAX + 8];

        (void) state;
        random_key(STAGE_STAGING, &key);
        (void) key_text_format(&key, text);
        for (size_t at = 0; at < strlen(text); at++) {
                for (int byte = 0; byte < 256; byte++) {
                        if (text[at] == (char) byte)
                                continue;
                        memcpy(changed, text, sizeof text);
                        changed[at] = (char) byte;
                        assert_int_equal(parse(changed, strlen(text), &back), -EINVAL);
                }
                assert_int_equal(parse(text, at, &back), -EINVAL);
                assert_int_equal(parse(text + at + 1, strlen(text) - at - 1, &back), -EINVAL);
                memcpy(changed, text, at);
                changed[at] = 'a';
                memcpy(changed + at + 1, text + at, strlen(text) - at);
                assert_int_equal(parse(changed, strlen(text) + 1, &back), -EINVAL);
        }
        for (size_t more = 1; more < 8; more++) {
                memset(changed, 'a', sizeof changed);
                memcpy(changed, text, strlen(text));
                assert_int_equal(parse(changed, strlen(text) + more, &back), -EINVAL);
        }
}

#define ID "aaaaaaaaaaaaaaaa"
#define SECRET "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_a_right_checksum_alone_makes_no_key(void **state)
{
        static const char *const bodies[] = {
                "ragd__" ID "_" SECRET,
                "ragd_nowhere_" ID "_" SECRET,
                "ragd_Staging_" ID "_" SECRET,
                "ragd_staging_aaaaaaaaaaaaaaaA_" SECRET,
                "ragd_staging_aaaaaaaaaaaaaaa1_" SECRET,
                "ragd_staging_" ID "_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa8",
                /* bits beyond the 256th */
                "ragd_staging_" ID "_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
                "ragd_staging-" ID "_" SECRET,
                "ragd_staging_" ID "-" SECRET,
                "ragd_staging_aaaaaaaaaaaaaaa_a" SECRET,
        };
        static const char good[] = "ragd_staging_" ID "_" SECRET;
        struct key_text back;
        char text[KEY_TEXT_MAX * 2];

        (void) state;
        memcpy(text, good, sizeof good);
        assert_int_equal(parse(text, sign(text, strlen(good)), &back), 0);
        for (size_t i = 0; i < ELEMENTSOF(bodies); i++) {
                (void) snprintf(text, sizeof text, "%s", bodies[i]);
                assert_int_equal(parse(text, sign(text, strlen(bodies[i])), &back), -EINVAL);
        }
        (void) snprintf(text, sizeof text, "%s", good);
        text[8] = '\0'; /* within the stage */
        assert_int_equal(parse(text, sign(text, strlen(good)), &back), -EINVAL);
        (void) snprintf(text, sizeof text, "%s", good);
        (void) sign(text, strlen(good));
        for (char *at = text + strlen(good); *at; at++)
                if (*at >= 'a' && *at <= 'f') {
                        *at = (char) (*at - 32); /* an upper-case digit */
                        assert_int_equal(parse(text, strlen(text), &back), -EINVAL);
                        *at = (char) (*at + 32);
                }
}

static void test_noise_is_no_key(void **state)
{
        struct key_text key, back;
        char text[KEY_TEXT_MAX], noise[160];

        (void) state;
        for (int i = 0; i < 40000; i++) {
                size_t len = randombytes_uniform(sizeof noise);

                randombytes_buf(noise, len);
                assert_int_equal(parse(noise, len, &back), -EINVAL);
                if (len > 5)
                        memcpy(noise, "ragd_", 5);
                assert_int_equal(parse(noise, len, &back), -EINVAL);
                /* Some bytes of a key replaced by others. */
                random_key(STAGE_DEVELOPMENT, &key);
                (void) key_text_format(&key, text);
                len = strlen(text);
                memcpy(noise, text, len);
                for (unsigned n = 1 + randombytes_uniform(4); n > 0; n--)
                        noise[randombytes_uniform((uint32_t) len)] =
                                "abc_270f\0-"[randombytes_uniform(10)];
                assert_int_equal(parse(noise, len, &back),
                                 memcmp(noise, text, len) == 0 ? 0 : -EINVAL);
        }
}

static void test_the_hash_depends_on_stage_id_secret_and_pepper(void **state)
{
        /* HMAC-SHA-256(pepper = 32 times 0x0b, "staging\0" || id || secret), computed by
         * Python's hmac module. */
        static const char expected[] =
                "a7a65c4e40672e0ad3f404d598e801e11e332ccb6d8c6c7465f44e0cca8e5077";
        struct key_text key = { .stage = STAGE_STAGING }, other;
        uint8_t pepper[KEY_PEPPER_BYTES], hash[KEY_HASH_BYTES], again[KEY_HASH_BYTES];
        char hex[2 * KEY_HASH_BYTES + 1];

        (void) state;
        memset(pepper, 0x0b, sizeof pepper);
        for (size_t i = 0; i < KEY_ID_BYTES; i++)
                key.id.bytes[i] = (uint8_t) i;
        for (size_t i = 0; i < KEY_SECRET_BYTES; i++)
                key.secret[i] = (uint8_t) (100 + i);
        key_hash(&key, pepper, hash);
        (void) sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
        assert_string_equal(hex, expected);
        for (int what = 0; what < 4; what++) {
                other = key;
                other.stage = what == 0 ? STAGE_TESTING : key.stage;
                other.id.bytes[9] ^= what == 1;
                other.secret[31] ^= what == 2;
                pepper[31] ^= what == 3;
                key_hash(&other, pepper, again);
                assert_memory_not_equal(hash, again, sizeof hash);
        }
}

/* ---- The pepper ------------------------------------------------------------------------- */

struct folder {
        char path[64];
        int fd;
};

static int set_up(void **state)
{
        static struct folder folder;

        assert_true(sodium_init() >= 0);
        (void) unsetenv("CREDENTIALS_DIRECTORY");
        (void) snprintf(folder.path, sizeof folder.path, "/tmp/ragd-test-XXXXXX");
        assert_non_null(mkdtemp(folder.path));
        folder.fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(folder.fd >= 0);
        *state = &folder;
        return 0;
}

static int tear_down(void **state)
{
        struct folder *folder = *state;

        (void) unsetenv("CREDENTIALS_DIRECTORY");
        (void) close(folder->fd);
        return io_remove_tree(AT_FDCWD, folder->path);
}

static void test_a_pepper_is_made_once_and_for_its_owner_alone(void **state)
{
        struct folder *folder = *state;
        uint8_t first[KEY_PEPPER_BYTES] = { 0 }, second[KEY_PEPPER_BYTES] = { 0 };
        struct error error = { 0 };
        struct stat st;

        assert_int_equal(key_pepper_load(folder->fd, first, &error), 0);
        assert_false(sodium_is_zero(first, sizeof first));
        assert_int_equal(fstatat(folder->fd, "secrets/keys.pepper", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(fstatat(folder->fd, "secrets", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(key_pepper_load(folder->fd, second, &error), 0);
        assert_memory_equal(first, second, sizeof first);
        assert_int_equal(fchmodat(folder->fd, "secrets/keys.pepper", 0640, 0), 0);
        assert_int_equal(key_pepper_load(folder->fd, second, &error), -EACCES);
}

static void write_file(int dirfd, const char *name, const char *text)
{
        assert_int_equal(io_replace_file(dirfd, name, text, strlen(text), 0600, NULL), 0);
}

#define HEX16 "0123456789abcdef"

static void test_a_credential_is_preferred_and_must_be_whole(void **state)
{
        static const char *const bad[] = { "", HEX16 HEX16 HEX16 "0123456789abcde",
                                           HEX16 HEX16 HEX16 "0123456789abcdeg",
                                           HEX16 HEX16 HEX16 HEX16 "0",
                                           HEX16 HEX16 HEX16 HEX16 "\n\n", "\n" };
        struct folder *folder = *state;
        uint8_t pepper[KEY_PEPPER_BYTES] = { 0 }, drawn[KEY_PEPPER_BYTES];
        struct error error = { 0 };
        struct stat st;

        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder->path, 1), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                write_file(folder->fd, "keys.pepper", bad[i]);
                assert_int_equal(key_pepper_load(folder->fd, pepper, &error), -EBADMSG);
        }
        write_file(folder->fd, "keys.pepper", HEX16 HEX16 HEX16 HEX16 "\n");
        assert_int_equal(key_pepper_load(folder->fd, pepper, &error), 0);
        assert_int_equal(pepper[0], 0x01);
        assert_int_equal(pepper[31], 0xef);
        assert_int_not_equal(fstatat(folder->fd, "secrets", &st, 0), 0); /* nothing was drawn */
        assert_int_equal(unlinkat(folder->fd, "keys.pepper", 0), 0);
        assert_int_equal(key_pepper_load(folder->fd, drawn, &error), 0);
        assert_memory_not_equal(drawn, pepper, sizeof drawn);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_key_has_the_form_that_is_promised),
                cmocka_unit_test(test_every_stage_comes_back),
                cmocka_unit_test(test_a_changed_byte_a_cut_and_an_addition_are_refused),
                cmocka_unit_test(test_a_right_checksum_alone_makes_no_key),
                cmocka_unit_test(test_noise_is_no_key),
                cmocka_unit_test(test_the_hash_depends_on_stage_id_secret_and_pepper),
                cmocka_unit_test_setup_teardown(
                        test_a_pepper_is_made_once_and_for_its_owner_alone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_credential_is_preferred_and_must_be_whole,
                                                set_up, tear_down),
        };

        if (sodium_init() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
