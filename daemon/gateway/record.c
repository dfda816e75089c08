/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "gateway/record.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "config/values.h"
#include "gateway/inside.h"
#include "gateway/thread.h"
#include "provider/recorded.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct recording {
        struct lane *lane;
        int fd; /* taken by the thread; -1: no longer */
};

/* On the provider thread, which alone looks at the descriptors. */
static void set_recording(void *data)
{
        struct recording *recording = data;
        int *fd = &recording->lane->state->recording;

        if (*fd >= 0)
                (void) close(*fd);
        *fd = recording->fd;
}

/* A recording that cannot be written ends; calls go on. */
void record_answer(const struct lane *lane, const struct call_request *request,
                   const struct call_result *result)
{
        int *fd = &lane->state->recording;
        cleanup_(buf_done) struct buf line = BUF_EMPTY;

        if (*fd < 0)
                return;
        recorded_write(lane->provider, request, result, &line);
        if (buf_failed(&line) || line.len == 0)
                return;
        if (io_write_all(*fd, line.data, line.len) < 0)
                (void) close(take_fd(*fd));
}

static int open_file(const char *folder, const char *name, char **ret_path, int *ret_fd,
                     struct error *reterr)
{
        cleanup_free_ char *path = NULL;
        int fd, r = io_make_directories(folder, 0700, reterr);

        if (r < 0)
                return r;
        if (asprintf(&path, "%s/%s.jsonl", folder, name) < 0)
                return error_oom(reterr);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "open %s", path);
        *ret_path = take_ptr(path);
        *ret_fd = fd;
        return 0;
}

int gateway_record(struct gateway *gateway, const char *provider, bool on, char **ret_path,
                   struct error *reterr)
{
        struct lane *lane = gateway_find_lane(gateway, provider);
        struct recording recording = { .lane = lane, .fd = -1 };
        cleanup_free_ char *path = NULL;
        int r;

        if (!lane)
                return error_set(reterr, -ENOENT, "there is no provider %s", provider);
        if (!gateway->settings.recordings)
                return error_set(reterr, -EOPNOTSUPP, "no folder for recordings is set");
        if (!lane->provider || !lane->provider->ops->wire)
                return error_set(reterr, -EOPNOTSUPP,
                                 "provider %s: only answers that come over the network are "
                                 "recorded", provider);
        r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        if (on)
                r = open_file(gateway->settings.recordings, provider, &path, &recording.fd, reterr);
        else if (asprintf(&path, "%s/%s.jsonl", gateway->settings.recordings, provider) < 0)
                r = error_oom(reterr);
        if (r == 0 && thread_run(gateway->thread, set_recording, &recording) < 0) {
                if (recording.fd >= 0)
                        (void) close(recording.fd);
                r = error_oom(reterr);
        }
        gateway_leave(gateway);
        if (r == 0)
                *ret_path = take_ptr(path);
        return r;
}
