/* SPDX-License-Identifier: Apache-2.0 */
/* usearch on float32 as a peer.  PEER_NAME and PEER_ABOUT come from peers.sh. */
#include "adapter.h"

#include <usearch/index_dense.hpp>

#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

namespace {

using namespace unum::usearch;

constexpr size_t THREADS = 8; /* that may search or build at once */

struct peer {
        index_dense_t index;
        uint32_t ef = 0;
};

void *complain(const char *what)
{
        std::fprintf(stderr, PEER_NAME ": %s\n", what);
        return nullptr;
}

std::unique_ptr<peer> make(const adapter_rows *rows, const adapter_params *params)
{
        metric_punned_t metric(rows->dimensions, metric_kind_t::ip_k, scalar_kind_t::f32_k);
        index_dense_config_t config(params->m, params->ef_construction, 64);
        auto self = std::make_unique<peer>();

        config.enable_key_lookups = false;
        auto state = index_dense_t::make(metric, config);
        if (!state) {
                complain(state.error.release());
                return nullptr;
        }
        self->index = std::move(state.index);
        return self;
}

void *build(const adapter *, const adapter_rows *rows, const adapter_params *params)
try {
        auto self = make(rows, params);
        std::vector<std::thread> threads;
        std::atomic<uint32_t> next{0};
        std::atomic<bool> failed{false};

        if (!self || !self->index.try_reserve(index_limits_t(rows->count, THREADS)))
                return complain("no memory");
        for (uint32_t t = 0; t < params->threads; t++)
                threads.emplace_back([&, t] {
                        for (uint32_t i; (i = next++) < rows->count;) {
                                auto *row = reinterpret_cast<const float *>(
                                        rows->base + i * rows->stride_bytes);
                                auto added = self->index.add(i, row, t);

                                if (!added) {
                                        complain(added.error.release());
                                        failed = true;
                                }
                        }
                });
        for (auto &thread : threads)
                thread.join();
        return failed ? nullptr : self.release();
} catch (const std::exception &e) {
        return complain(e.what());
}

int save(void *index, const adapter_params *params)
{
        auto result = static_cast<peer *>(index)->index.save(output_file_t(params->path));

        if (!result) {
                complain(result.error.release());
                return -1;
        }
        return 0;
}

void *load(const adapter *, const adapter_rows *rows, const adapter_params *params)
try {
        auto self = make(rows, params);

        if (!self)
                return nullptr;
        auto result = self->index.load(input_file_t(params->path));
        if (!result)
                return complain(result.error.release());
        if (!self->index.try_reserve(index_limits_t(rows->count, THREADS)))
                return complain("no memory");
        return self.release();
} catch (const std::exception &e) {
        return complain(e.what());
}

int search(void *index, const float *query, uint32_t k, uint32_t ef, uint32_t *ret_ids)
{
        auto *self = static_cast<peer *>(index);

        if (__atomic_load_n(&self->ef, __ATOMIC_RELAXED) != ef) {
                self->index.change_expansion_search(ef);
                __atomic_store_n(&self->ef, ef, __ATOMIC_RELAXED);
        }
        auto result = self->index.search(query, k);
        index_dense_t::vector_key_t keys[ADAPTER_K_MAX];

        if (!result) {
                complain(result.error.release());
                return -1;
        }
        size_t count = result.dump_to(keys);
        for (size_t i = 0; i < count; i++)
                ret_ids[i] = static_cast<uint32_t>(keys[i]);
        return static_cast<int>(count);
}

void release(void *index)
{
        delete static_cast<peer *>(index);
}

const adapter row = { ADAPTER_VERSION, PEER_NAME, PEER_ABOUT, 0, nullptr, build, save, load,
                      nullptr, search, nullptr, nullptr, release };

} // namespace

const adapter *bench_adapter(void)
{
        return &row;
}
