/* SPDX-License-Identifier: Apache-2.0 */
/* faiss as a peer: HNSW over 8-bit scalar codes, the best 2 k refined with the float vectors.
 * PEER_NAME and PEER_ABOUT come from peers.sh.
 *
 * The Python package holds the library without its headers, so what is called is declared here:
 * the linker finds it by its full signature, or the module is not built. */
#include "adapter.h"

#include <cstdio>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <vector>

namespace faiss {

enum MetricType { METRIC_INNER_PRODUCT = 0 };
struct SearchParameters;
struct Index;

struct IndexRefine { /* is an Index */
        void train(int64_t n, const float *x);
        void add(int64_t n, const float *x);
        void search(int64_t n, const float *x, int64_t k, float *distances, int64_t *labels,
                    const SearchParameters *params) const;
        ~IndexRefine();
};

struct ParameterSpace {
        ParameterSpace();
        void set_index_parameter(Index *index, const std::string &name, double value) const;
        char storage[512]; /* more than it has */
};

Index *index_factory(int d, const char *description, MetricType metric, bool own_invlists);
void write_index(const Index *index, const char *path, int flags);
Index *read_index(const char *path, int flags);

} // namespace faiss

extern "C" void omp_set_num_threads(int threads);

namespace {

constexpr double REFINED = 2; /* times k */

struct peer {
        faiss::Index *index;
        uint32_t ef;
        std::mutex lock; /* of changes of ef */
};

void *complain(const char *what)
{
        std::fprintf(stderr, PEER_NAME ": %s\n", what);
        return nullptr;
}

void set(peer *self, const char *name, double value)
{
        /* Never destroyed: its destructor is inline, in the headers. */
        static void *memory = ::operator new(sizeof(faiss::ParameterSpace));
        static auto *space = new (memory) faiss::ParameterSpace;

        space->set_index_parameter(self->index, name, value);
}

faiss::IndexRefine *refine(const peer *self)
{
        return reinterpret_cast<faiss::IndexRefine *>(self->index);
}

void release(void *index)
{
        auto *self = static_cast<peer *>(index);

        if (!self)
                return;
        refine(self)->~IndexRefine();
        ::operator delete(self->index);
        delete self;
}

void *build(const adapter *, const adapter_rows *rows, const adapter_params *params)
try {
        std::string description = "HNSW" + std::to_string(params->m) + "_SQ8,RFlat";
        std::vector<float> x;
        auto *self = new peer{faiss::index_factory(static_cast<int>(rows->dimensions),
                                                   description.c_str(),
                                                   faiss::METRIC_INNER_PRODUCT, false), 0, {}};

        for (uint32_t i = 0; i < rows->count; i++) {
                auto *row = reinterpret_cast<const float *>(rows->base + i * rows->stride_bytes);
                x.insert(x.end(), row, row + rows->dimensions);
        }
        omp_set_num_threads(static_cast<int>(params->threads));
        set(self, "efConstruction", params->ef_construction);
        set(self, "k_factor_rf", REFINED);
        refine(self)->train(rows->count, x.data());
        refine(self)->add(rows->count, x.data());
        return self;
} catch (const std::exception &e) {
        return complain(e.what());
}

int save(void *index, const adapter_params *params)
try {
        faiss::write_index(static_cast<peer *>(index)->index, params->path, 0);
        return 0;
} catch (const std::exception &e) {
        complain(e.what());
        return -1;
}

void *load(const adapter *, const adapter_rows *, const adapter_params *params)
try {
        auto *self = new peer{faiss::read_index(params->path, 0), 0, {}};

        set(self, "k_factor_rf", REFINED);
        return self;
} catch (const std::exception &e) {
        return complain(e.what());
}

int search(void *index, const float *query, uint32_t k, uint32_t ef, uint32_t *ret_ids)
try {
        auto *self = static_cast<peer *>(index);
        float distances[ADAPTER_K_MAX];
        int64_t labels[ADAPTER_K_MAX];
        int count = 0;

        if (__atomic_load_n(&self->ef, __ATOMIC_ACQUIRE) != ef) {
                std::lock_guard<std::mutex> guard(self->lock);
                set(self, "efSearch", ef);
                __atomic_store_n(&self->ef, ef, __ATOMIC_RELEASE);
        }
        refine(self)->search(1, query, k, distances, labels, nullptr);
        for (uint32_t i = 0; i < k; i++)
                if (labels[i] >= 0)
                        ret_ids[count++] = static_cast<uint32_t>(labels[i]);
        return count;
} catch (const std::exception &e) {
        complain(e.what());
        return -1;
}

const adapter row = { ADAPTER_VERSION, PEER_NAME, PEER_ABOUT, 0, nullptr, build, save, load,
                      nullptr, search, nullptr, nullptr, release };

} // namespace

const adapter *bench_adapter(void)
{
        return &row;
}
