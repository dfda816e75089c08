/* SPDX-License-Identifier: Apache-2.0 */
/* An embedding without a model: deterministic feature hashing (Weinberger et al. 2009,
 * "Feature Hashing for Large Scale Multitask Learning", arXiv 0902.2206).
 *
 * The terms of base/text.h, stop words aside, and the character n-grams of words are hashed to
 * a few components with a sign each; a feature that occurs n times weighs 1 + ln n; the vector
 * has unit length.  It knows no meaning: it is a lexical model that forgives spelling and
 * needs no network. */
#pragma once
#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define HASHING_VERSION 1 /* belongs to the fingerprint; rises when any vector changes */
#define HASHING_DIMENSIONS_MIN 32
#define HASHING_DIMENSIONS_MAX 4096

/* Writes `dimensions` floats of unit length.  The same text gives the same vector on every
 * machine, to the last bit or two of each component.  Text without a single term gives the vector of "no terms", a fixed one, never
 * zeros.  -EINVAL: dimensions out of range; -ENOMEM. */
int hashing_embed(struct text_analyzer *analyzer, const char *text, size_t len,
                  uint32_t dimensions, float *ret, struct error *reterr);
