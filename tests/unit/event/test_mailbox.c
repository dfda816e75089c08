/* SPDX-License-Identifier: Apache-2.0 */
#include "event/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <systemd/sd-event.h>

#define LETTERS 1000

struct reader {
        sd_event *loop;
        struct mailbox *mailbox;
        int received[2 * LETTERS];
        size_t count;
        size_t other;
};

struct numbered {
        struct reader *reader;
        int number;
};

static void set_up(struct reader *reader)
{
        *reader = (struct reader){ 0 };
        assert_true(sd_event_new(&reader->loop) >= 0);
        assert_int_equal(mailbox_new(reader->loop, &reader->mailbox, NULL), 0);
}

static void tear_down(struct reader *reader)
{
        reader->mailbox = mailbox_free(reader->mailbox);
        (void) sd_event_unref(reader->loop);
}

static void receive(void *data)
{
        struct numbered *letter = data;

        letter->reader->received[letter->reader->count++] = letter->number;
}

static void run_until_quiet(struct reader *reader)
{
        while (sd_event_run(reader->loop, 0) > 0)
                ;
}

static void test_letters_arrive_in_the_order_of_posting(void **state)
{
        static struct numbered letters[LETTERS];
        struct reader reader;

        (void) state;
        set_up(&reader);
        for (int i = 0; i < LETTERS; i++) {
                letters[i] = (struct numbered){ &reader, i };
                assert_int_equal(mailbox_post(reader.mailbox, receive, &letters[i]), 0);
        }
        assert_int_equal(reader.count, 0);
        run_until_quiet(&reader);
        assert_int_equal(reader.count, LETTERS);
        for (int i = 0; i < LETTERS; i++)
                assert_int_equal(reader.received[i], i);
        tear_down(&reader);
}

static int count_turn(sd_event_source *source, void *data)
{
        (void) source;
        ((struct reader *) data)->other++;
        return 0;
}

static void test_other_sources_get_their_turn_between_letters(void **state)
{
        static struct numbered letters[LETTERS];
        sd_event_source *other = NULL;
        struct reader reader;

        (void) state;
        set_up(&reader);
        assert_true(sd_event_add_post(reader.loop, &other, count_turn, &reader) >= 0);
        for (int i = 0; i < LETTERS; i++) {
                letters[i] = (struct numbered){ &reader, i };
                assert_int_equal(mailbox_post(reader.mailbox, receive, &letters[i]), 0);
        }
        while (reader.count < LETTERS)
                assert_true(sd_event_run(reader.loop, 0) >= 0);
        assert_true(reader.other >= 5);
        (void) sd_event_source_disable_unref(other);
        tear_down(&reader);
}

static void test_what_is_queued_is_delivered_before_the_mailbox_goes(void **state)
{
        struct reader reader;
        struct numbered letter = { &reader, 7 };

        (void) state;
        set_up(&reader);
        assert_int_equal(mailbox_post(reader.mailbox, receive, &letter), 0);
        tear_down(&reader);
        assert_int_equal(reader.count, 1);
}

static void *post_many(void *data)
{
        struct numbered *letters = data;

        for (int i = 0; i < LETTERS; i++)
                while (mailbox_post(letters[i].reader->mailbox, receive, &letters[i]) < 0)
                        ;
        return NULL;
}

static void test_two_threads_post_while_the_loop_runs(void **state)
{
        static struct numbered letters[2][LETTERS];
        int next[2] = { 0, LETTERS };
        pthread_t threads[2];
        struct reader reader;

        (void) state;
        set_up(&reader);
        for (int i = 0; i < 2 * LETTERS; i++)
                letters[i / LETTERS][i % LETTERS] = (struct numbered){ &reader, i };
        for (int i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, post_many, letters[i]), 0);
        while (reader.count < 2 * LETTERS)
                assert_true(sd_event_run(reader.loop, UINT64_MAX) >= 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (size_t i = 0; i < 2 * LETTERS; i++) {
                int from = reader.received[i] / LETTERS;

                assert_int_equal(reader.received[i], next[from]++);
        }
        tear_down(&reader);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_letters_arrive_in_the_order_of_posting),
                cmocka_unit_test(test_other_sources_get_their_turn_between_letters),
                cmocka_unit_test(test_what_is_queued_is_delivered_before_the_mailbox_goes),
                cmocka_unit_test(test_two_threads_post_while_the_loop_runs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
