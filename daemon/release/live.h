/* SPDX-License-Identifier: Apache-2.0 */
/* `validate --live`: what only a try can tell of a profile.
 *
 * Each address is bound on a throw-away port, and its own port where the running release has not
 * got it; every secret is read; certificates and keys are opened; every provider that the profile
 * uses is probed, and one string is embedded; what the change needs is compared with the disk and
 * the memory that are left.  The providers are opened by a gateway of the trial's own, with its own
 * limits and breakers and nothing remembered: nothing that runs is touched. */
#pragma once
#include "config/diagnostics.h"

struct config;
struct error;
struct ingest;
struct snapshot;
struct snapshot_settings;

struct live_settings {
        const struct snapshot_settings *snapshot; /* whose store keeps the trial's books */
        struct snapshot *running; /* whose addresses are ours already; or NULL */
        struct ingest *ingest;    /* for what the change needs; NULL: that is not judged */
};
/* Adds a diagnostic for each thing that fails, with the key's place in the profile where there is
 * one (config_origin()), and its remedy: E_LISTEN, E_SECRET, E_FILE, E_PROVIDER, E_DIM, E_DISK;
 * W_SECRET (of a provider that is not used), W_MODEL, W_MEMORY.  -ENOMEM.  Waits for providers, as
 * long as their timeouts; any thread but the provider thread. */
int live_validate(const struct live_settings *settings, const struct config *config,
                  struct config_diagnostics *diagnostics, struct error *reterr);
