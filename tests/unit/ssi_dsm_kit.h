// SPDX-License-Identifier: GPL-2.0-or-later
//
// Nodes for the tests of ssi/dsm: a page table that is a map, links that are queues, and a log of
// what the protocol did to the pages.
#pragma once

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ssi/dsm/home.h"
#include "ssi/dsm/remote.h"

namespace holon::ssi::dsm::test {

struct Packet {
    wire::Frame frame;
    std::vector<std::byte> payload;
    const std::byte* data() const { return payload.empty() ? nullptr : payload.data(); }
};

/// Contents of a page in the tests: one letter, repeated.
inline std::vector<std::byte> full_of(char letter, std::size_t pages = 1) {
    return std::vector<std::byte>(pages * page_size, static_cast<std::byte>(letter));
}

/// One node's kernel, mappings, links and allocator.
struct Kernel {
    struct Mapped {
        std::vector<std::byte> contents;
        bool writable;
    };
    std::map<Page, Mapped> pages;
    Mapping mapping{0, page_limit};
    std::vector<std::string> log;  ///< page operations, as "install 5", "drop 5"…
    std::map<Node, std::deque<Packet>> out;
    std::set<std::uint64_t> gathered;
    std::vector<std::byte> buffer;
    std::set<void*> blocks;
    std::size_t block_limit = 1 << 16;
    unsigned home_questions = 0;

    ~Kernel() {
        for (void* block : blocks) std::free(block);
    }
    void note(const char* what, Page page) {
        log.push_back(std::string(what) + ' ' + std::to_string(page));
    }
    /// What the log says, emptied.
    std::string said() {
        std::string all;
        for (const auto& line : log) all += (all.empty() ? "" : ", ") + line;
        log.clear();
        return all;
    }
    char letter(Page page) const {
        const auto at = pages.find(page);
        return at == pages.end() ? '-' : static_cast<char>(at->second.contents[0]);
    }
    void store(Page page, char letter) { pages.at(page).contents = full_of(letter); }
};

/// The port is a value; what it stands for stays where it is.
struct Port {
    Kernel* kernel;

    void install(Page page, unsigned count, const std::byte* data, bool writable) {
        for (unsigned i = 0; i < count; ++i) {
            auto contents = full_of('0');
            if (data) std::memcpy(contents.data(), data + i * page_size, page_size);
            if (!kernel->pages.emplace(page + i, Kernel::Mapped{contents, writable}).second)
                std::abort();
            kernel->note(writable ? "own" : "share", page + i);
        }
    }
    void upgrade(Page page, unsigned count) {
        for (unsigned i = 0; i < count; ++i) kernel->pages.at(page + i).writable = true;
        kernel->note("upgrade", page);
    }
    void protect(Page page, unsigned count) {
        for (unsigned i = 0; i < count; ++i) kernel->pages.at(page + i).writable = false;
        kernel->note("protect", page);
    }
    void copy(Page page, unsigned count, std::byte* out) {
        for (unsigned i = 0; i < count; ++i) {
            const auto& mapped = kernel->pages.at(page + i);
            if (mapped.writable) std::abort();  // it could change under the copy
            std::memcpy(out + i * page_size, mapped.contents.data(), page_size);
        }
        kernel->note("copy", page);
    }
    void drop(Page page, unsigned count) {
        for (unsigned i = 0; i < count; ++i) kernel->pages.erase(page + i);
        kernel->note("drop", page);
    }
    void wake(Page page) { kernel->note("wake", page); }
    std::byte* buffer() {
        kernel->buffer.resize(max_run * page_size);
        return kernel->buffer.data();
    }
    void send(Node node, const wire::Frame& frame, const std::byte* data) {
        Packet packet{frame, {}};
        if (data) packet.payload.assign(data, data + frame.length);
        if (packet.payload.size() != frame.length) std::abort();
        kernel->out[node].push_back(std::move(packet));
    }
    void* allocate() {
        if (kernel->blocks.size() >= kernel->block_limit) return nullptr;
        void* block = std::aligned_alloc(4096, 4096);
        std::memset(block, 0, 4096);
        return *kernel->blocks.insert(block).first;
    }
    void free(void* block) {
        if (kernel->blocks.erase(block) != 1) std::abort();
        std::free(block);
    }
    bool home_has(Page page) {
        ++kernel->home_questions;
        return kernel->pages.count(page) != 0;
    }
    Mapping mapping(Page) { return kernel->mapping; }
    void gathered(std::uint64_t token) { kernel->gathered.insert(token); }
};
static_assert(HomePort<Port>);

/// A home (node 0) and remote nodes 1 to `others`, and the time.
class Net {
  public:
    explicit Net(const Config& config = plain(), unsigned others = 3)
        : kernels_(others + 1), home_(std::make_unique<Home<Port>>(Port{&kernels_[0]}, config)) {
        for (Node node = 1; node <= others; ++node)
            remotes_.push_back(std::make_unique<Remote<Port>>(Port{&kernels_[node]}, config));
    }
    /// No guesses, no hold: each test turns on what it is about.
    static Config plain() {
        return {.hold_ns = 0,
                .first_touch = 1,
                .prefetch_reads = 0,
                .prefetch_writes = 0,
                .migratory = false};
    }

    Home<Port>& home() { return *home_; }
    Remote<Port>& remote(Node node) { return *remotes_.at(node - 1); }
    Kernel& kernel(Node node) { return kernels_.at(node); }
    void pass(std::uint64_t ns) { now_ += ns; }
    std::uint64_t now() const { return now_; }

    /// A thread of the node faults; frames stay where they are.
    Status fault(Node node, Page page, Mode mode) {
        return node ? remote(node).fault(page, mode) : home().fault(page, mode, now_);
    }
    /// The first frame on the link arrives. What it was.
    wire::Type to_node(Node node) {
        const Packet packet = take(kernels_[0].out[node]);
        expect_ok(remote(node).receive(packet.frame, packet.data(), now_));
        return packet.frame.type;
    }
    wire::Type to_home(Node node) {
        const Packet packet = take(kernels_[node].out[0]);
        expect_ok(home().receive(node, packet.frame, packet.data(), now_));
        return packet.frame.type;
    }
    std::size_t frames_to(Node node) { return kernels_[0].out[node].size(); }
    std::size_t frames_from(Node node) { return kernels_[node].out[0].size(); }
    /// Delivers until nothing is under way.
    void settle() {
        for (bool moved = true; moved;) {
            moved = false;
            for (Node node = 1; node < kernels_.size(); ++node) {
                while (frames_to(node)) to_node(node), moved = true;
                while (frames_from(node)) to_home(node), moved = true;
            }
        }
    }
    void read(Node node, Page page) { access(node, page, Mode::read); }
    void write(Node node, Page page, char letter) {
        access(node, page, Mode::write);
        kernels_[node].store(page, letter);
    }
    /// The page is at home before the engine comes.
    void begin_with(Page page, char letter) { kernels_[0].pages[page] = {full_of(letter), true}; }
    void quiet() {
        for (auto& kernel : kernels_) kernel.log.clear();
    }
    std::string failure;

  private:
    void access(Node node, Page page, Mode mode) {
        const auto enough = [&] {
            const auto at = kernels_[node].pages.find(page);
            return at != kernels_[node].pages.end() && (mode == Mode::read || at->second.writable);
        };
        for (int tries = 0; tries < 4 && !enough(); ++tries) {
            expect_ok(fault(node, page, mode));
            settle();
        }
        if (!enough()) std::abort();
    }
    static Packet take(std::deque<Packet>& queue) {
        if (queue.empty()) std::abort();
        Packet packet = std::move(queue.front());
        queue.pop_front();
        return packet;
    }
    void expect_ok(Status status) {
        if (status != Status::ok) failure = describe(status);
    }

    std::vector<Kernel> kernels_;
    std::unique_ptr<Home<Port>> home_;
    std::vector<std::unique_ptr<Remote<Port>>> remotes_;
    std::uint64_t now_ = 1'000'000'000;
};

}  // namespace holon::ssi::dsm::test
