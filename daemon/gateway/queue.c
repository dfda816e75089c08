/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/queue.h"

#include <errno.h>
#include <stdlib.h>

struct queue_user {
        struct queue_tenant *tenant;
        uint64_t id;
        struct queue_user *next, *before; /* a ring within the tenant */
        struct queue_item *first, *last;
};

struct queue_tenant {
        struct queue_class *class;
        struct tenant_id id;
        struct queue_tenant *next, *before; /* a ring within the class */
        struct queue_user *turn;
        size_t count;
        uint64_t tokens;
};

/* Rings: a new member goes to the end, which is before whose turn it is. */
#define RING_ADD(turn, member)                            \
        do {                                              \
                if (turn) {                               \
                        (member)->next = (turn);          \
                        (member)->before = (turn)->before; \
                        (turn)->before->next = (member);  \
                        (turn)->before = (member);        \
                } else {                                  \
                        (turn) = (member);                \
                        (member)->next = (member);        \
                        (member)->before = (member);      \
                }                                         \
        } while (0)

#define RING_REMOVE(turn, member)                                          \
        do {                                                               \
                if ((turn) == (member))                                    \
                        (turn) = (member)->next == (member) ? NULL : (member)->next; \
                (member)->before->next = (member)->next;                   \
                (member)->next->before = (member)->before;                 \
        } while (0)

static struct queue_tenant *find_tenant(const struct queue_class *class, struct tenant_id id)
{
        struct queue_tenant *tenant = class->turn;

        if (!tenant)
                return NULL;
        do {
                if (id_equal(tenant->id.id, id.id))
                        return tenant;
                tenant = tenant->next;
        } while (tenant != class->turn);
        return NULL;
}

static struct queue_user *find_user(const struct queue_tenant *tenant, uint64_t id)
{
        struct queue_user *user = tenant->turn;

        if (!user)
                return NULL;
        do {
                if (user->id == id)
                        return user;
                user = user->next;
        } while (user != tenant->turn);
        return NULL;
}

static struct queue_tenant *get_tenant(struct queue_class *class, struct tenant_id id)
{
        struct queue_tenant *tenant = find_tenant(class, id);

        if (tenant)
                return tenant;
        tenant = calloc(1, sizeof *tenant);
        if (tenant) {
                tenant->class = class;
                tenant->id = id;
                RING_ADD(class->turn, tenant);
        }
        return tenant;
}

static struct queue_user *get_user(struct queue_tenant *tenant, uint64_t id)
{
        struct queue_user *user = find_user(tenant, id);

        if (user)
                return user;
        user = calloc(1, sizeof *user);
        if (user) {
                user->tenant = tenant;
                user->id = id;
                RING_ADD(tenant->turn, user);
        }
        return user;
}

static void drop_empty_tenant(struct queue_tenant *tenant)
{
        if (tenant->turn)
                return;
        RING_REMOVE(tenant->class->turn, tenant);
        free(tenant);
}

static void drop_empty(struct queue_user *user)
{
        struct queue_tenant *tenant = user->tenant;

        if (user->first)
                return;
        RING_REMOVE(tenant->turn, user);
        free(user);
        drop_empty_tenant(tenant);
}

int queue_push(struct queue *queue, struct queue_item *item, struct tenant_id tenant_id,
               uint64_t user_id, bool low_priority)
{
        struct queue_class *class = &queue->classes[low_priority];
        struct queue_tenant *tenant = get_tenant(class, tenant_id);
        struct queue_user *user = tenant ? get_user(tenant, user_id) : NULL;

        if (!user) {
                if (tenant)
                        drop_empty_tenant(tenant);
                return -ENOMEM;
        }
        item->user = user;
        item->next = NULL;
        item->before = user->last;
        if (user->last)
                user->last->next = item;
        else
                user->first = item;
        user->last = item;
        tenant->count++;
        tenant->tokens += item->tokens;
        class->count++;
        class->tokens += item->tokens;
        return 0;
}

static void take_out(struct queue_item *item)
{
        struct queue_user *user = item->user;

        if (item->before)
                item->before->next = item->next;
        else
                user->first = item->next;
        if (item->next)
                item->next->before = item->before;
        else
                user->last = item->before;
        user->tenant->count--;
        user->tenant->tokens -= item->tokens;
        user->tenant->class->count--;
        user->tenant->class->tokens -= item->tokens;
        item->user = NULL;
}

void queue_remove(struct queue *queue, struct queue_item *item)
{
        struct queue_user *user = item->user;

        (void) queue;
        if (!user)
                return;
        take_out(item);
        drop_empty(user);
}

struct queue_item *queue_first(const struct queue *queue)
{
        for (size_t i = 0; i < sizeof queue->classes / sizeof queue->classes[0]; i++)
                if (queue->classes[i].turn)
                        return queue->classes[i].turn->turn->first;
        return NULL;
}

void queue_serve(struct queue *queue, struct queue_item *item)
{
        struct queue_user *user = item->user;
        struct queue_tenant *tenant = user->tenant;

        (void) queue;
        take_out(item);
        tenant->turn = user->next;
        tenant->class->turn = tenant->next;
        drop_empty(user);
}

size_t queue_count(const struct queue *queue)
{
        return queue->classes[0].count + queue->classes[1].count;
}

/* Within its tenant at least the earlier calls of the same user; each other tenant has as many
 * turns before it, as far as it has calls. */
void queue_ahead(const struct queue *queue, const struct queue_item *item, uint64_t *ret_calls,
                 uint64_t *ret_tokens)
{
        const struct queue_tenant *own = item->user->tenant;
        const struct queue_class *class = own->class;
        uint64_t before = 0, calls, tokens = 0;

        for (const struct queue_item *at = item->before; at; at = at->before) {
                before++;
                tokens += at->tokens;
        }
        calls = before;
        for (const struct queue_tenant *at = own->next; at != own; at = at->next) {
                calls += at->count < before ? at->count : before;
                tokens += at->count <= before ? at->tokens : 0;
        }
        if (class == &queue->classes[1]) {
                calls += queue->classes[0].count;
                tokens += queue->classes[0].tokens;
        }
        *ret_calls = calls;
        *ret_tokens = tokens;
}
