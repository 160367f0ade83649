// SPDX-License-Identifier: GPL-2.0-or-later
// What one question to select/placement costs on a large cluster: 5,000 nodes of 64 CPUs in 160
// latency domains, seven in ten busy in part. Run: build/release/bench/placement/placement_bench
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <random>

#include "select/placement/placement.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

// Counted, because a call under slurmctld's locks should not allocate once it has run.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace holon::placement;

std::vector<Node> cluster(std::uint32_t count) {
    std::mt19937_64 random(1);
    std::vector<Node> nodes(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        Node& node = nodes[i];
        node.cpus = 64;
        node.free_cpus = random() % 10 < 3 ? 64 : static_cast<std::uint32_t>(random() % 64);
        node.memory_mb = 256 * 1024;
        node.free_memory_mb = std::uint64_t{node.free_cpus} * 4096;
        node.domain = i / 32;
        node.image = random() % 4 == 0 ? ImageState::present : ImageState::cached;
    }
    return nodes;
}

void ask(benchmark::State& state, const Request& request, const Weights& weights) {
    const auto nodes = cluster(static_cast<std::uint32_t>(state.range(0)));
    Placer placer;
    Answer answer;
    for (int warm = 0; warm < 3; ++warm) placer.place(nodes, request, weights, answer);
    const std::uint64_t before = allocations;
    for (auto _ : state) placer.place(nodes, request, weights, answer);
    state.counters["allocations"] =
        static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
    state.counters["nodes"] =
        answer.any() ? static_cast<double>(answer.candidates[0].nodes.size()) : 0;
    state.counters["domains"] = answer.any() ? answer.candidates[0].domains : 0;
}

void smp(benchmark::State& state) {
    Request request;
    request.mode = Mode::smp;
    request.cpus = static_cast<std::uint32_t>(state.range(1));
    ask(state, request, smp_weights);
}

void virtual_cluster(benchmark::State& state) {
    Request request;
    request.min_nodes = request.max_nodes = static_cast<std::uint32_t>(state.range(1));
    request.cpus = request.min_nodes * 8;
    request.min_cpus_per_node = 8;
    ask(state, request, cluster_weights);
}

void restart(benchmark::State& state) {
    Request request;
    request.mode = Mode::restart;
    for (std::int64_t i = 0; i < state.range(1); ++i)
        request.shapes.push_back({i % 2 == 0 ? 8u : 16u, 16384});
    ask(state, request, smp_weights);
}

BENCHMARK(smp)->ArgsProduct({{500, 5000}, {24, 256, 4096}})->Unit(benchmark::kMicrosecond);
BENCHMARK(virtual_cluster)
    ->ArgsProduct({{500, 5000}, {4, 64, 1000}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(restart)->ArgsProduct({{500, 5000}, {4, 64}})->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
