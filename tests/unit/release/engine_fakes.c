/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine calls, played.  The rooms and figures are those of the one engine that runs. */
#include "engine.h"

#include "config/load.h"
#include "engine_fakes.h"
#include "gateway/gateway.h"
#include "ingest/ingest.h"
#include "release/bundle.h"
#include "release/live.h"
#include "release/observe.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct play *playing;

void fakes_play(struct play *play)
{
        playing = play;
}

static void note(char *text, size_t size, const char *what, const char *word)
{
        pthread_mutex_lock(&playing->lock);
        size_t len = strlen(text);

        if (len + strlen(word) + strlen(what) + 3 < size)
                (void) snprintf(text + len, size - len, "%s:%s ", word, what);
        pthread_mutex_unlock(&playing->lock);
}

/* ---- Snapshots ---------------------------------------------------------------------------- */

int snapshot_new(const struct snapshot_settings *settings, struct config *takes_config,
                 uint32_t release, struct snapshot *beside, struct snapshot **ret,
                 struct error *reterr)
{
        struct snapshot *snapshot = calloc(1, sizeof *snapshot);
        int r;

        (void) beside;
        assert_non_null(snapshot);
        snapshot->settings = settings;
        snapshot->release = release;
        snapshot->config = takes_config;
        atomic_init(&snapshot->refs, 1);
        r = release_wants(takes_config, &snapshot->spec, snapshot->identity, NULL, reterr);
        assert_int_equal(r, 0);
        snapshot->observations = observations_new();
        pthread_mutex_lock(&playing->lock);
        playing->snapshots++;
        pthread_mutex_unlock(&playing->lock);
        *ret = snapshot;
        return 0;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
        atomic_fetch_add(&snapshot->refs, 1);
        return snapshot;
}

struct snapshot *snapshot_unref(struct snapshot *snapshot)
{
        if (snapshot && atomic_fetch_sub(&snapshot->refs, 1) == 1)
                snapshot->settings->bury(snapshot->settings->bury_data, snapshot);
        return NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
        assert_int_equal(atomic_load(&snapshot->refs), 0);
        pthread_mutex_lock(&playing->lock);
        playing->snapshots--;
        pthread_mutex_unlock(&playing->lock);
        observations_free(snapshot->observations);
        (void) config_free(snapshot->config);
        free(snapshot);
}

void gateway_close(struct gateway *gateway)
{
        (void) gateway;
}

void gateway_get_figures(struct gateway *gateway, struct gateway_figures *ret)
{
        (void) gateway;
        *ret = (struct gateway_figures){ 0 };
}

int gateway_price(const struct provider_config *provider, uint64_t input_tokens,
                  uint64_t output_tokens, uint64_t *ret_microusd)
{
        (void) output_tokens;
        if (!provider->has_price_input_usd_per_mtok)
                return -ENODATA;
        *ret_microusd = input_tokens;
        return 0;
}

int gateway_check_room(const struct embedding_config *embedding, uint64_t n, struct error *reterr)
{
        (void) reterr;
        return n > embedding->cache_size ? -E2BIG : 0;
}

int gateway_expect_vectors(struct gateway *gateway, uint64_t n, struct error *reterr)
{
        (void) gateway;
        (void) n;
        (void) reterr;
        return 0;
}

int gateway_take_vector(struct gateway *gateway, struct tenant_id tenant,
                        const struct embed_text *text, const float *vector, uint32_t dimensions,
                        struct error *reterr)
{
        (void) gateway;
        (void) tenant;
        (void) text;
        (void) vector;
        (void) dimensions;
        (void) reterr;
        return 0;
}

int gateway_flush_vectors(struct gateway *gateway, struct error *reterr)
{
        (void) gateway;
        (void) reterr;
        return 0;
}

/* ---- Generations -------------------------------------------------------------------------- */

static struct {
        void *owners[INGEST_RELEASES_MAX];
        void (*unref[INGEST_RELEASES_MAX])(void *owner);
        size_t n;
} followed;

void fakes_unfollow(void)
{
        for (size_t i = 0; i < followed.n; i++)
                followed.unref[i](followed.owners[i]);
        followed.n = 0;
}

int ingest_follow(struct ingest *ingest, const struct ingest_release *releases, size_t n,
                  struct error *reterr)
{
        uint32_t serves = 0, other = 0;
        unsigned serving = 0;

        (void) ingest;
        if (playing->follow_fails > 0 && --playing->follow_fails == 0)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                const struct snapshot *snapshot = releases[i].owner;

                releases[i].ref(releases[i].owner);
                serving += releases[i].serves;
                if (releases[i].serves)
                        serves = snapshot->release;
                else
                        other = snapshot->release;
        }
        assert_int_equal(serving, 1);
        fakes_unfollow();
        for (size_t i = 0; i < n; i++) {
                followed.owners[i] = releases[i].owner;
                followed.unref[i] = releases[i].unref;
        }
        followed.n = n;
        pthread_mutex_lock(&playing->lock);
        if (playing->n_follows < FOLLOWS_MAX) {
                playing->follows[playing->n_follows].serves = serves;
                playing->follows[playing->n_follows++].other = other;
        }
        pthread_mutex_unlock(&playing->lock);
        return 0;
}

int ingest_get_progress(struct ingest *ingest, const struct generation_spec *spec,
                        struct ingest_progress *ret, struct error *reterr)
{
        (void) ingest;
        (void) spec;
        (void) reterr;
        *ret = (struct ingest_progress){ .collections = 2, .documents = 10 };
        ret->ready = playing->build_waits || playing->build_hopeless ? 1 : 2;
        ret->documents_done = ret->ready == 2 ? 10 : 4;
        ret->hopeless = playing->build_hopeless;
        if (ret->hopeless)
                (void) snprintf(ret->why, sizeof ret->why, "the provider refuses the key");
        return 0;
}

int ingest_forecast_release(struct ingest *ingest, const struct generation_spec *spec,
                            bool remote_embedder, struct ingest_forecast *ret,
                            struct error *reterr)
{
        (void) ingest;
        (void) spec;
        (void) remote_embedder;
        (void) reterr;
        *ret = (struct ingest_forecast){ .documents = playing->work_documents,
                                         .chunks = playing->work_documents,
                                         .tokens = playing->work_documents * 100 };
        return 0;
}

int ingest_sweep_generations(struct ingest *ingest,
                             bool (*keep)(void *data, const uint8_t *identity), void *data,
                             bool dry_run, struct ingest_sweep *ret, struct error *reterr)
{
        static const uint8_t unknown[GENERATION_IDENTITY_BYTES] = { 1 };

        (void) ingest;
        (void) dry_run;
        (void) reterr;
        *ret = (struct ingest_sweep){ .generations = !keep(data, unknown) };
        return 0;
}

/* ---- Verdicts ----------------------------------------------------------------------------- */

int gate_run(const struct gate_settings *settings, struct json_object **ret,
             enum gate_verdict *ret_verdict, struct error *reterr)
{
        assert_non_null(settings->candidate);
        if (settings->progress && settings->progress(settings->data, "asking", 1, 2) != 0)
                return error_set(reterr, -ECANCELED, "cancelled");
        pthread_mutex_lock(&playing->lock);
        playing->gates++;
        pthread_mutex_unlock(&playing->lock);
        *ret = json_object_new_object();
        *ret_verdict = (enum gate_verdict) (int) playing->gate;
        return 0;
}

enum gate_verdict gate_look(const struct promotion_config *promotion,
                            const struct observed *short_run, const struct observed *long_run,
                            uint64_t month_microusd, char ret_why[static 256])
{
        (void) promotion;
        (void) short_run;
        (void) long_run;
        (void) month_microusd;
        (void) snprintf(ret_why, 256, "half of the requests fail");
        return (enum gate_verdict) (int) playing->watch;
}

enum release_arm canary_arm(uint32_t release, uint32_t percent, const struct arm_key *key)
{
        (void) release;
        (void) percent;
        return key->session ? RELEASE_ARM_CANARY : RELEASE_ARM_BASELINE;
}

enum canary_verdict canary_look(const struct canary *canary, const struct observed *baseline,
                                const struct observed *candidate, uint64_t now_usec,
                                struct json_object **ret_report)
{
        (void) baseline;
        (void) candidate;
        (void) now_usec;
        *ret_report = json_object_new_object();
        json_add_u64(*ret_report, "percent", canary->percent);
        return (enum canary_verdict) (int) playing->canary;
}

int live_validate(const struct live_settings *settings, const struct config *config,
                  struct config_diagnostics *diagnostics, struct error *reterr)
{
        (void) settings;
        (void) config;
        (void) reterr;
        config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_LIVE", "profile", 0, 0, NULL,
                               "a try failed");
        return 0;
}

/* ---- Rooms -------------------------------------------------------------------------------- */

static int prepare(void *data, const struct snapshot *now, const struct snapshot *next,
                   void **ret_prepared, struct error *reterr)
{
        assert_non_null(now);
        assert_non_null(next);
        note(playing->rooms, sizeof playing->rooms, data, "prepare");
        if (playing->room_refuses && strcmp(playing->room_refuses, data) == 0)
                return error_set(reterr, -EADDRINUSE, "the address is taken");
        *ret_prepared = data;
        return 0;
}

static void commit(void *data, void *prepared, const struct snapshot *next)
{
        assert_ptr_equal(data, prepared);
        assert_non_null(next);
        note(playing->rooms, sizeof playing->rooms, data, "commit");
}

static void undo(void *data, void *prepared)
{
        assert_ptr_equal(data, prepared);
        note(playing->rooms, sizeof playing->rooms, data, "abort");
}

static void retire(void *data, void *prepared)
{
        assert_ptr_equal(data, prepared);
        note(playing->rooms, sizeof playing->rooms, data, "retire");
}

static char names[ROOMS][8] = { "index", "http", "log" };

const struct release_room fake_rooms[ROOMS] = {
        { names[0], prepare, commit, undo, retire, names[0] },
        { names[1], prepare, commit, undo, retire, names[1] },
        { names[2], prepare, commit, undo, NULL, names[2] },
};
