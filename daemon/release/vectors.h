/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that come with a release, from its bundle into the embedding cache, so that the build
 * finds them there and asks the embedder nothing for their texts.
 *
 *     incoming/…/vectors         while the plan of the bundle is kept
 *     releases/NNNNNN/vectors    from its deploy until that operation ends; no digest covers them
 *     the embedding cache        before the candidate is followed; a start that goes on with the
 *                                deploy takes them again
 *
 * Tenants are found by name.  Of one that this stage does not have the vectors are passed over. */
#pragma once
#include "release/bundle.h"
#include "release/inside.h"

/* Reads them all and says what becomes of them: {count, passed_over, used, why|null}; NULL: the
 * bundle has none.  They are not used where the embedder is built in or where other generations
 * are wanted.  -EUCLEAN, in `diagnostics`: they would be used, and the cache is off or too small
 * for them, or the profile wants vectors as they were before they got unit length. */
int vectors_look(struct releases *releases, const struct bundle *bundle,
                 const struct config *config, struct config_diagnostics *diagnostics,
                 struct json_object **ret, bool *ret_used, struct error *reterr);

/* Out of the bundle's folder into the release's, durable; and back where it is not deployed. */
int vectors_move(struct releases *releases, const struct bundle *bundle, uint32_t number,
                 struct error *reterr);
void vectors_move_back(struct releases *releases, const struct bundle *bundle, uint32_t number);

/* What the release's plan said is done, and told as evidence.  -ECANCELED; -ESHUTDOWN; else what
 * keeps the release from being built. */
int vectors_take(struct releases *releases, struct operation *operation, struct error *reterr);

/* The operation of this release has ended; at a start: all have, but that of `working` (or 0). */
void vectors_remove(struct releases *releases, uint32_t number);
void vectors_sweep(struct releases *releases, uint32_t working);
