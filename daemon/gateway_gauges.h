/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway counts, made readable for metrics: its caches, its queue, its budget and the
 * state of each provider. */
#pragma once
#include "base/error.h"

struct gateway;
struct gateway_gauges;
struct metrics;

/* Both are borrowed; `metrics` goes before the gauges do. */
int gateway_gauges_new(struct gateway *gateway, struct metrics *metrics,
                       struct gateway_gauges **ret, struct error *reterr);
struct gateway_gauges *gateway_gauges_free(struct gateway_gauges *gauges);
