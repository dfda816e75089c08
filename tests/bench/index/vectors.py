#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data sets of make bench-index: vectors that look like sentence embeddings, with exact truth.

    vectors.py FOLDER SET…

For each set writes SET.base.fvecs, SET.query.fvecs and SET.truth.ivecs into FOLDER, once: what
is there is kept.  fvecs and ivecs: each row is its length (int32) and then its components.

A row is the unit vector along  z P + b + e.  z is drawn from one of 1000 Gaussian clusters whose
sizes fall like Zipf's and whose axes shrink as the principal components of embeddings do; P maps
the few latent dimensions into the many; b is a mean that all rows share; e is noise.  Queries are
drawn like rows but are none of them.  The truth is the 100 rows with the largest inner product,
which for unit vectors is the cosine, by comparing with every row.

Needs numpy."""

import os
import sys
import time
from typing import NamedTuple

import numpy as np


class Set(NamedTuple):
    rows: int
    dimensions: int
    seed: int
    latent: int = 48
    spread: float = 0.6  # of a cluster, against 1 between them
    queries: int = 1000


CLUSTERS = 1000
SETS = {
    "a": Set(100_000, 384, 1),
    "a2": Set(100_000, 384, 11),  # as a, from another seed
    "b": Set(200_000, 768, 2),
    "c": Set(1_000_000, 128, 4, spread=1.0),
    "h": Set(100_000, 384, 3, latent=64, spread=1.2),  # clusters overlap: the hardest
    "h2": Set(100_000, 384, 13, latent=64, spread=1.2),
    "tiny": Set(5_000, 64, 5, queries=200),  # to try the bench itself
}
TRUTH = 100
DRAW_ROWS = 20_000  # drawn at a time; part of what a seed means
SCAN_ROWS = 50_000


def draw(spec):
    """Rows, then queries.  The order of the draws is what makes a seed mean the same set."""
    rng = np.random.default_rng(spec.seed)
    decay = (np.arange(1, spec.latent + 1) ** -0.25).astype(np.float32)
    centres = rng.standard_normal((CLUSTERS, spec.latent), dtype=np.float32) * decay
    basis, _ = np.linalg.qr(rng.standard_normal((spec.dimensions, spec.latent)))
    projection = basis.T.astype(np.float32)
    share = np.arange(1, CLUSTERS + 1) ** -0.7
    share /= share.sum()
    root = np.sqrt(spec.dimensions)
    mean = rng.standard_normal(spec.dimensions).astype(np.float32) * (1.0 / root)
    noise = np.float32(0.9 / root)

    def sample(count):
        result = np.empty((count, spec.dimensions), np.float32)
        for start in range(0, count, DRAW_ROWS):
            n = min(DRAW_ROWS, count - start)
            cluster = rng.choice(CLUSTERS, size=n, p=share)
            inside = rng.standard_normal((n, spec.latent), dtype=np.float32)
            latent = centres[cluster] + np.float32(spec.spread) * inside * decay
            x = latent @ projection + mean
            x += rng.standard_normal((n, spec.dimensions), dtype=np.float32) * noise
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            result[start:start + n] = x
        return result

    return sample(spec.rows), sample(spec.queries)


def exact(rows, queries):
    """Numbers and products of each query's TRUTH best rows, best first."""
    products = np.full((len(queries), TRUTH), -9, np.float32)
    numbers = np.zeros((len(queries), TRUTH), np.int32)
    for start in range(0, len(rows), SCAN_ROWS):
        block = queries @ rows[start:start + SCAN_ROWS].T
        best = np.argpartition(-block, TRUTH, axis=1)[:, :TRUTH]
        products = np.concatenate([products, np.take_along_axis(block, best, 1)], 1)
        numbers = np.concatenate([numbers, (best + start).astype(np.int32)], 1)
        order = np.argsort(-products, axis=1, kind="stable")[:, :TRUTH]
        products = np.take_along_axis(products, order, 1)
        numbers = np.take_along_axis(numbers, order, 1)
    return numbers, products


def intrinsic_dimension(products):
    """Levina and Bickel's maximum likelihood estimate from the 100 nearest, mean over queries."""
    squares = np.maximum(2 - 2 * products, 1e-9)
    logs = 0.5 * np.log(squares[:, :TRUTH - 1] / squares[:, TRUTH - 1:])
    return float(np.mean(-1 / np.mean(logs, axis=1)))


def write_rows(path, matrix):
    framed = np.empty((matrix.shape[0], matrix.shape[1] + 1), np.int32)
    framed[:, 0] = matrix.shape[1]
    framed[:, 1:] = matrix.view(np.int32)
    part = f"{path}.{os.getpid()}.part"
    framed.tofile(part)
    os.rename(part, path)


def make(folder, name):
    spec = SETS[name]
    base, query, truth = (os.path.join(folder, f"{name}.{kind}")
                          for kind in ("base.fvecs", "query.fvecs", "truth.ivecs"))
    sizes = {base: spec.rows * (spec.dimensions + 1) * 4,
             query: spec.queries * (spec.dimensions + 1) * 4,
             truth: spec.queries * (TRUTH + 1) * 4}
    if all(os.path.exists(path) and os.path.getsize(path) == size for path, size in sizes.items()):
        return
    begin = time.monotonic()
    rows, queries = draw(spec)
    numbers, products = exact(rows, queries)
    write_rows(base, rows)
    write_rows(query, queries)
    write_rows(truth, numbers)
    print(f"set {name}: {spec.rows} x {spec.dimensions}, seed {spec.seed}, intrinsic dimension "
          f"{intrinsic_dimension(products):.1f}, in {time.monotonic() - begin:.0f} s", flush=True)


def main():
    if len(sys.argv) < 3 or any(name not in SETS for name in sys.argv[2:]):
        sys.exit(f"usage: vectors.py FOLDER SET…, a set being one of {' '.join(SETS)}")
    os.makedirs(sys.argv[1], exist_ok=True)
    for name in sys.argv[2:]:
        make(sys.argv[1], name)


main()
