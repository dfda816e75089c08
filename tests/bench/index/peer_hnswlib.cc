/* SPDX-License-Identifier: Apache-2.0 */
/* hnswlib as a peer.  PEER_NAME and PEER_ABOUT come from peers.sh. */
#include "adapter.h"

#include <hnswlib/hnswlib.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

namespace {

using graph = hnswlib::HierarchicalNSW<float>;

struct peer {
        explicit peer(size_t dimensions) : space(dimensions) {}
        hnswlib::InnerProductSpace space;
        std::unique_ptr<graph> index;
};

void *complain(const char *what)
{
        std::fprintf(stderr, PEER_NAME ": %s\n", what);
        return nullptr;
}

void *build(const adapter *, const adapter_rows *rows, const adapter_params *params)
try {
        auto self = std::make_unique<peer>(rows->dimensions);
        std::vector<std::thread> threads;
        std::atomic<uint32_t> next{1};
        auto row = [&](uint32_t i) { return rows->base + i * rows->stride_bytes; };

        self->index = std::make_unique<graph>(&self->space, rows->count, params->m,
                                              params->ef_construction);
        self->index->addPoint(row(0), 0);
        for (uint32_t t = 0; t < params->threads; t++)
                threads.emplace_back([&] {
                        for (uint32_t i; (i = next++) < rows->count;)
                                self->index->addPoint(row(i), i);
                });
        for (auto &thread : threads)
                thread.join();
        return self.release();
} catch (const std::exception &e) {
        return complain(e.what());
}

int save(void *index, const adapter_params *params)
try {
        static_cast<peer *>(index)->index->saveIndex(params->path);
        return 0;
} catch (const std::exception &e) {
        complain(e.what());
        return -1;
}

void *load(const adapter *, const adapter_rows *rows, const adapter_params *params)
try {
        auto self = std::make_unique<peer>(rows->dimensions);

        self->index = std::make_unique<graph>(&self->space, std::string(params->path));
        return self.release();
} catch (const std::exception &e) {
        return complain(e.what());
}

int search(void *index, const float *query, uint32_t k, uint32_t ef, uint32_t *ret_ids)
try {
        graph &self = *static_cast<peer *>(index)->index;

        if (self.ef_ != ef)
                self.setEf(ef);
        auto hits = self.searchKnn(query, k);
        int count = static_cast<int>(hits.size());
        for (int i = count; i-- > 0; hits.pop())
                ret_ids[i] = static_cast<uint32_t>(hits.top().second);
        return count;
} catch (const std::exception &e) {
        complain(e.what());
        return -1;
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
