/* SPDX-License-Identifier: Apache-2.0 */
#include "event/mailbox.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LETTERS_PER_TURN 64

struct letter {
        struct letter *next;
        mailbox_function function;
        void *data;
};

struct mailbox {
        sd_event_source *source;
        int fd; /* readable while letters may wait */
        pthread_mutex_t lock;
        struct letter *first, **last; /* guarded by `lock` */
};

static void ring(int fd)
{
        uint64_t one = 1;

        /* It fails only when the counter is at its end, and then the loop is awake anyway. */
        (void) !write(fd, &one, sizeof one);
}

static struct letter *take_first(struct mailbox *mailbox)
{
        struct letter *letter;

        pthread_mutex_lock(&mailbox->lock);
        letter = mailbox->first;
        if (letter) {
                mailbox->first = letter->next;
                if (!mailbox->first)
                        mailbox->last = &mailbox->first;
        }
        pthread_mutex_unlock(&mailbox->lock);
        return letter;
}

/* Delivers at most `max` letters; true when it stopped because of the bound. */
static bool deliver(struct mailbox *mailbox, size_t max)
{
        for (size_t n = 0; n < max; n++) {
                struct letter *letter = take_first(mailbox);

                if (!letter)
                        return false;
                letter->function(letter->data);
                free(letter);
        }
        return true;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data)
{
        struct mailbox *mailbox = data;
        uint64_t count;

        (void) source;
        (void) events;
        /* Emptied before delivering: a letter posted from now on rings again. */
        (void) !read(fd, &count, sizeof count);
        if (deliver(mailbox, LETTERS_PER_TURN))
                ring(fd);
        return 0;
}

int mailbox_new(sd_event *loop, struct mailbox **ret, struct error *reterr)
{
        struct mailbox *mailbox = calloc(1, sizeof *mailbox);
        int r;

        if (!mailbox)
                return error_oom(reterr);
        mailbox->last = &mailbox->first;
        (void) pthread_mutex_init(&mailbox->lock, NULL);
        mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = mailbox->fd < 0 ? -errno
                            : sd_event_add_io(loop, &mailbox->source, mailbox->fd, EPOLLIN,
                                              on_readable, mailbox);
        if (r < 0) {
                (void) mailbox_free(mailbox);
                return error_set_errno(reterr, r, "mailbox of the event loop");
        }
        (void) sd_event_source_set_description(mailbox->source, "mailbox");
        *ret = mailbox;
        return 0;
}

struct mailbox *mailbox_free(struct mailbox *mailbox)
{
        if (!mailbox)
                return NULL;
        while (deliver(mailbox, LETTERS_PER_TURN))
                ;
        (void) sd_event_source_disable_unref(mailbox->source);
        if (mailbox->fd >= 0)
                (void) close(mailbox->fd);
        (void) pthread_mutex_destroy(&mailbox->lock);
        free(mailbox);
        return NULL;
}

int mailbox_post(struct mailbox *mailbox, mailbox_function function, void *data)
{
        struct letter *letter = malloc(sizeof *letter);

        if (!letter)
                return -ENOMEM;
        *letter = (struct letter){ .function = function, .data = data };
        pthread_mutex_lock(&mailbox->lock);
        *mailbox->last = letter;
        mailbox->last = &letter->next;
        ring(mailbox->fd);
        pthread_mutex_unlock(&mailbox->lock);
        return 0;
}
