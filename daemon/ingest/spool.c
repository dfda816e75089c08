/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ingest/spool.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "ingest/seen.h"

#include <fcntl.h>

#define PIECE 65536U
#define LOOK_BYTES (1U << 20U) /* how often free space is looked at */

struct spool {
        struct ingest *ingest;
        int fd;
        uint64_t bytes, looked_at;
        struct ingest_batch *counter;
        struct seen *seen;
        struct tenant_amounts sum, peak;
};

int spool_new(struct ingest *ingest, struct tenant_id tenant, const char *collection,
              struct spool **ret, struct error *reterr)
{
        int dirfd = store_dirfd(ingest->settings.store);
        struct spool *spool = calloc(1, sizeof *spool);
        int r = 0;

        if (!spool)
                return error_oom(reterr);
        spool->ingest = ingest;
        spool->fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (spool->fd < 0)
                r = error_set_errno(reterr, -errno, "a temporary file in the state folder");
        if (r == 0)
                r = seen_new(dirfd, &spool->seen, reterr);
        if (r == 0)
                r = ingest_batch_count(ingest, tenant, collection, spool, &spool->counter, reterr);
        if (r < 0) {
                (void) spool_free(spool);
                return r;
        }
        *ret = spool;
        return 0;
}

struct spool *spool_free(struct spool *spool)
{
        if (spool) {
                (void) ingest_batch_free(spool->counter);
                (void) seen_free(spool->seen);
                if (spool->fd >= 0)
                        (void) close(spool->fd);
                free(spool);
        }
        return NULL;
}

/* ---- Counting ----------------------------------------------------------------------------- */

static struct docs_delta difference(const struct seen_document *after,
                                    const struct seen_document *before)
{
        return (struct docs_delta){ .bytes = (int64_t) after->bytes - (int64_t) before->bytes,
                                    .vectors = (int64_t) after->chunks -
                                               (int64_t) before->chunks };
}

int spool_count(struct spool *spool, struct collection *collection,
                const struct document_input *input, struct error *reterr)
{
        const struct seen_document after = { input->body_len, input->chunks };
        struct seen_document before = { 0 };
        struct docs_receipt receipt;
        struct docs_delta delta;
        int r = seen_put(spool->seen, input->external_id, &after, &before, reterr);

        if (r < 0)
                return r;
        if (r > 0) {
                delta = difference(&after, &before);
        } else {
                (void) ingest_compare(collection, input, &receipt);
                delta = receipt.delta;
        }
        quota_add(&spool->sum, &delta);
        return 0;
}

static void raise(int64_t *peak, int64_t sum)
{
        if (sum > *peak)
                *peak = sum;
}

void spool_end_group(struct spool *spool)
{
        raise(&spool->peak.documents, spool->sum.documents);
        raise(&spool->peak.bytes, spool->sum.bytes);
        raise(&spool->peak.vectors, spool->sum.vectors);
}

/* ---- The stream ----------------------------------------------------------------------------- */

int spool_feed(struct spool *spool, const char *bytes, size_t len, struct error *reterr)
{
        int r = 0;

        if (spool->bytes - spool->looked_at >= LOOK_BYTES) {
                spool->looked_at = spool->bytes;
                r = ingest_check_space(spool->ingest, reterr);
        }
        if (r == 0) {
                r = io_write_all(spool->fd, bytes, len);
                if (r < 0)
                        return error_set_errno(reterr, r, "a temporary file in the state folder");
        }
        spool->bytes += len;
        return r < 0 ? r : ingest_batch_feed(spool->counter, bytes, len, reterr);
}

int spool_end(struct spool *spool, struct tenant_amounts *ret, struct error *reterr)
{
        struct ingest_batch_summary summary;
        int r = ingest_batch_finish(spool->counter, &summary, reterr);

        if (r == 0)
                *ret = spool->peak;
        return r;
}

int spool_replay(struct spool *spool, struct ingest_batch *batch, struct error *reterr)
{
        cleanup_free_ char *piece = malloc(PIECE);
        uint64_t at = 0;
        int r = piece ? 0 : error_oom(reterr);

        while (r == 0 && at < spool->bytes) {
                ssize_t n = pread(spool->fd, piece, PIECE, (off_t) at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return error_set_errno(reterr, n < 0 ? -errno : -EIO,
                                               "a temporary file in the state folder");
                r = ingest_batch_feed(batch, piece, (size_t) n, reterr);
                at += (uint64_t) n;
        }
        return r;
}
