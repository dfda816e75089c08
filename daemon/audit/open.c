/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/inside.h"

#include "base/io.h"
#include "base/json.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SEGMENT_BYTES_USUAL (UINT64_C(16) << 20)
#define SEGMENT_USEC_USUAL (UINT64_C(86400) * 1000000)

static int open_folder(struct audit *audit, struct error *reterr)
{
        int r = io_make_directories(audit->path, 0700, reterr);

        if (r < 0)
                return r;
        audit->dirfd = open(audit->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (audit->dirfd < 0)
                return error_set_errno(reterr, -errno, "cannot open the audit log in %s",
                                       audit->path);
        if (flock(audit->dirfd, LOCK_EX | LOCK_NB) < 0)
                return error_set(reterr, errno == EWOULDBLOCK ? -EBUSY : -errno,
                                 "another ragd writes the audit log in %s", audit->path);
        return 0;
}

static struct audit *make(const struct audit_settings *settings)
{
        struct audit *audit = calloc(1, sizeof *audit);

        if (!audit)
                return NULL;
        audit->dirfd = audit->fd = audit->key_fd = -1;
        audit->last = &audit->first;
        (void) pthread_mutex_init(&audit->lock, NULL);
        (void) pthread_mutex_init(&audit->retention, NULL);
        (void) pthread_cond_init(&audit->changed, NULL);
        audit->segment_bytes = settings->segment_bytes ? settings->segment_bytes
                                                       : SEGMENT_BYTES_USUAL;
        audit->segment_usec = settings->segment_usec ? settings->segment_usec : SEGMENT_USEC_USUAL;
        audit->journal = settings->journal;
        audit->data = settings->data;
        audit->path = strdup(settings->path);
        audit->stage = strdup(settings->stage);
        audit->ends = calloc(AUDIT_NOTICES_MAX + AUDIT_BATCH_MAX, sizeof *audit->ends);
        return audit;
}

int audit_open(const struct audit_settings *settings, struct audit **ret, struct error *reterr)
{
        cleanup_(audit_close_cleanup) struct audit *audit = make(settings);
        struct error error = { 0 };
        int r;

        if (!audit || !audit->path || !audit->stage || !audit->ends || sodium_init() < 0)
                return error_oom(reterr);
        r = open_folder(audit, reterr);
        if (r == 0)
                r = audit_recover(audit, reterr);
        if (r < 0)
                return r;
        audit->head.seq = audit->chain.seq;
        audit->head.segment = audit->chain.segment;
        memcpy(audit->head.digest, audit->chain.digest, sizeof audit->head.digest);
        r = audit_flush(audit, &error);
        if (r < 0) { /* a full disk: it says so by audit_healthy(), and heals */
                audit->failure = error;
                audit->failure.code = r;
                audit->figures.failures++;
        }
        *ret = take_ptr(audit);
        return 0;
}

struct audit *audit_close(struct audit *audit)
{
        if (!audit)
                return NULL;
        if (audit->key_fd >= 0) {
                (void) fdatasync(audit->key_fd);
                (void) close(audit->key_fd);
        }
        if (audit->fd >= 0)
                (void) close(audit->fd);
        if (audit->dirfd >= 0)
                (void) close(audit->dirfd);
        for (size_t i = 0; i < audit->n_notices; i++)
                json_object_put(audit->notices[i].details);
        chain_done(&audit->chain);
        buf_done(&audit->out);
        (void) pthread_cond_destroy(&audit->changed);
        (void) pthread_mutex_destroy(&audit->retention);
        (void) pthread_mutex_destroy(&audit->lock);
        free(audit->ends);
        free(audit->stage);
        free(audit->path);
        free(audit);
        return NULL;
}
