// SPDX-License-Identifier: GPL-2.0-or-later
// Placement: which nodes a VM job should get. Pure: no Slurm, no I/O, no clock, no globals; the
// same input gives the same answer on every machine. The select plugin asks under slurmctld's
// locks, `holon place` asks with a file of nodes, the tests ask both.
//
// A set of nodes is good for a request when every node of it is eligible (healthy, has the image,
// the accelerator, enough CPUs and memory), there are min_nodes to max_nodes of them, the required
// ones among them, and together they have the CPUs. Among good sets the cheapest is the best:
//
//     cost = nodes × W.node + (domains − 1) × W.domain
//          + Σ over the nodes that are wholly free: W.whole × its CPUs / CPUs of the largest node
//          + nodes without the image in their cache × W.uncached
//          + nodes that would emulate × W.emulated + nodes nobody has heard of × W.unknown
//
// Among sets of equal cost the one is taken that leaves fewer CPUs over in the nodes it touches.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holon::placement {

enum class Health : std::uint8_t {
    good,
    unknown,  // nothing was heard of the node's VM layer yet: used only where good ones do not do
    broken,   // its VM layer does not work: never used for VMs
};

// Of the request's image, on one node.
enum class ImageState : std::uint8_t {
    cached,   // ready to boot
    present,  // in the node's catalogue; its first boot there has to prepare it
    absent,   // the node does not have it: not eligible
};

inline constexpr std::uint64_t unlimited_mb = UINT64_MAX;

// One node as it is at this moment, for this request.
struct Node {
    std::uint32_t cpus = 0;       // that jobs may use at all
    std::uint32_t free_cpus = 0;  // ≤ cpus; equal: the node is wholly free
    std::uint64_t memory_mb = unlimited_mb;
    std::uint64_t free_memory_mb = unlimited_mb;  // unlimited where Slurm does not count memory
    std::uint64_t free_huge_mb = 0;               // in free huge pages
    std::uint32_t domain = 0;  // latency domain, any number; nodes of one number are near
    Health health = Health::good;
    ImageState image = ImageState::cached;
    bool kvm = true;        // VMs are accelerated
    bool required = false;  // the user named it (--nodelist): must be in the set
    bool available = true;  // false: not to be considered (down, in use exclusively, excluded)
};

enum class Mode : std::uint8_t { cluster, smp, restart };

// One VM of a checkpoint: to be had again as it was.
struct Shape {
    std::uint32_t cpus = 0;
    std::uint64_t memory_mb = 0;
    bool operator==(const Shape&) const = default;
};

struct Request {
    Mode mode = Mode::cluster;
    std::uint32_t cpus = 1;       // in all
    std::uint32_t min_nodes = 1;  // 0 counts as 1
    std::uint32_t max_nodes = 0;  // 0: as many as are needed
    std::uint32_t min_cpus_per_node = 1;
    std::uint32_t max_cpus_per_node = 0;  // 0: all that are free there
    std::uint32_t granule = 1;  // a node's CPUs are given in multiples of this (--cpus-per-task)
    std::uint64_t node_memory_mb = 0;  // wanted on each node
    std::uint64_t cpu_memory_mb = 0;   // wanted for each CPU
    std::uint64_t huge_mb = 0;         // in huge pages, on each node
    bool kvm = false;                  // only nodes that accelerate VMs
    bool whole_nodes = false;          // --exclusive
    // Mode::restart: the saved VMs. Several may share a node; cpus, granule, max_cpus_per_node and
    // the two memory sizes above are not used.
    std::vector<Shape> shapes;
    std::uint64_t vm_overhead_mb = 0;  // Mode::restart: a VM takes this much more than its shape
};

// From holon.yaml (placement.cluster.*, placement.smp.*). Restart uses those of the job's mode.
struct Weights {
    std::uint32_t node = 0;
    std::uint32_t domain = 0;
    std::uint32_t whole = 0;
    std::uint32_t uncached = 0;
    std::uint32_t emulated = 0;
    std::uint32_t unknown = 0;
};
// One domain first, then the image in the cache, then fewer nodes.
inline constexpr Weights cluster_weights{10, 100000, 1, 100, 1000, 1000000};
// Fewest nodes first, then one domain, then fragments before whole nodes.
inline constexpr Weights smp_weights{100000, 1000, 10, 1, 10000, 1000000};
inline constexpr std::uint32_t most_weight = 10'000'000;

// One set of nodes, and what it is made of.
struct Candidate {
    std::vector<std::uint32_t> nodes;    // indices into the nodes asked about, ascending
    std::vector<std::uint32_t> cpus;     // for each of them: CPUs the job would use there
    std::vector<std::uint32_t> vm_node;  // Mode::restart: for each shape, the node's index
    std::uint64_t cost = 0;
    std::uint32_t domains = 0;
    std::uint32_t whole = 0;     // of the nodes: wholly free ones
    std::uint32_t uncached = 0;  // without the image in their cache
    std::uint32_t emulated = 0;
    std::uint32_t unknown = 0;
    std::uint64_t left_over = 0;  // CPUs that stay free on the chosen nodes
};

// Why nodes were not eligible: how many for each reason (each node counts once, for the first).
struct Refused {
    std::uint32_t unavailable = 0, broken = 0, image = 0, accelerator = 0, huge_pages = 0, cpus = 0,
                  memory = 0;
    std::uint32_t total() const {
        return unavailable + broken + image + accelerator + huge_pages + cpus + memory;
    }
};

struct Answer {
    std::vector<Candidate> candidates;  // cheapest first; only the first COUNT are of this answer
    std::size_t count = 0;
    std::uint32_t eligible = 0;
    std::uint64_t eligible_cpus = 0;  // that the eligible nodes could give
    Refused refused;
    bool required_refused = false;  // a required node is not eligible
    bool any() const { return count != 0; }
    std::span<const Candidate> sets() const { return {candidates.data(), count}; }
};

// The engine with its memory. Reuse one and its vectors stop growing: no allocation per call. Not
// for two threads at once. Work is bounded (a fixed number of search steps), so an answer for 5,000
// nodes comes in well under a millisecond; small problems are solved exactly.
class Placer {
  public:
    Placer();
    ~Placer();
    Placer(const Placer&) = delete;
    Placer& operator=(const Placer&) = delete;

    // Up to MOST sets into ANSWER, which is emptied first (its memory is kept). No exception but
    // std::bad_alloc.
    void place(std::span<const Node> nodes, const Request& request, const Weights& weights,
               Answer& answer, std::size_t most = 4);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// CPUs that NODE can give to REQUEST, 0 where it is not eligible (and why, into REFUSED unless
// null). In Mode::restart: 1 where the smallest shape fits.
std::uint32_t capacity(const Node& node, const Request& request, Refused* refused = nullptr);

// One line for people: "3 nodes (n1 8, n3 5, n7 2 CPUs), one domain, …", "no set: …". NAME_OF gives
// a node's name by its index.
using NameOf = std::string (*)(const void* context, std::uint32_t node);
std::string explain(const Candidate& candidate, const Request& request, NameOf name_of,
                    const void* context);
std::string explain_none(const Answer& answer, const Request& request);

}  // namespace holon::placement
