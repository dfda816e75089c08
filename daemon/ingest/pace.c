/* SPDX-License-Identifier: Apache-2.0 */
/* A pace for each release that is followed, in each follower: where its generation waits, and what
 * was done for it. */
#include "base/cleanup.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <string.h>

struct pace *pace_find(struct follower *follower, const uint8_t *key)
{
        for (size_t i = 0; i < ELEMENTSOF(follower->paces); i++)
                if (follower->paces[i].used &&
                    memcmp(follower->paces[i].key, key, GENERATION_IDENTITY_BYTES) == 0)
                        return &follower->paces[i];
        return NULL;
}

void pace_reset(struct follower *follower, struct pace *pace)
{
        pace->long_document = long_document_free(pace->long_document);
        pthread_mutex_lock(&follower->ingest->lock);
        *pace = (struct pace){ .used = false };
        pthread_mutex_unlock(&follower->ingest->lock);
}

static bool is_followed(const struct followed *followed, const struct pace *pace)
{
        for (size_t i = 0; i < followed->n; i++)
                if (memcmp(followed->at[i].key, pace->key, sizeof pace->key) == 0)
                        return true;
        return false;
}

/* The jobs were counted as they became visible in another generation. */
static void serve_with(struct follower *follower, struct pace *pace)
{
        struct ingest *ingest = follower->ingest;

        pthread_mutex_lock(&ingest->lock);
        for (struct live_job *job = follower->jobs; job && follower->serving; job = job->next)
                job->resumed |= follower->serving != pace && job->row.type == JOB_INGEST;
        follower->serving = pace;
        pthread_mutex_unlock(&ingest->lock);
}

void follower_match(struct follower *follower, const struct followed *followed)
{
        struct ingest *ingest = follower->ingest;

        for (size_t i = 0; i < INGEST_RELEASES_MAX; i++) {
                struct pace *pace = &follower->paces[i];

                if (!pace->used || is_followed(followed, pace))
                        continue;
                if (follower->serving == pace)
                        serve_with(follower, NULL);
                pace_reset(follower, pace);
        }
        for (size_t i = 0; i < followed->n; i++) {
                struct pace *free_one = follower->paces;

                if (pace_find(follower, followed->at[i].key))
                        continue;
                while (free_one->used)
                        free_one++;
                pthread_mutex_lock(&ingest->lock);
                free_one->used = true;
                memcpy(free_one->key, followed->at[i].key, sizeof free_one->key);
                pthread_mutex_unlock(&ingest->lock);
        }
        serve_with(follower, pace_find(follower, followed->at[followed->serves].key));
}
