// SPDX-License-Identifier: GPL-2.0-or-later
//
// The system that the model checker explores: three nodes with one thread each, two pages, the
// links between them, and everything that can happen next.
#pragma once

#include <string>
#include <vector>

#include "ssi/dsm/model/inspector.h"
#include "ssi/dsm/model/parts.h"

namespace holon::ssi::dsm::model {

enum class RangeOperation : std::uint8_t { none, discard, gather_shared, gather_exclusive };

/// What is explored.
struct Setup {
    const char* name = "";
    unsigned accesses[nodes] = {2, 2, 2};  ///< by the thread of each node
    bool present_at_home = true;           ///< the pages existed before the directory
    Config config{.hold_ns = 100 * 1024,
                  .first_touch = 1,
                  .prefetch_reads = 0,
                  .prefetch_writes = 0,
                  .migratory = false};
    RangeOperation operation = RangeOperation::none;
    bool late_faults = false;  ///< an agent may have read a fault that a grant has already served
    bool single_page = false;  ///< threads use page 0 only
    bool progress = false;     ///< also: every state leads to one in which all accesses are done
};

/// One thing that happens.
struct Event {
    enum class Kind : std::uint8_t {
        access,   ///< a = thread, b = page, c = mode
        retry,    ///< a = thread: woken, it tries again
        report,   ///< a = thread: the agent handles its fault
        to_node,  ///< a = node: the first frame from the home arrives
        to_home,  ///< a = node: the first frame to the home arrives
        expire,   ///< a = node, b = page: the minimum hold is over, the command is carried out
        start,    ///< the range operation begins
        finish,   ///< every node has answered: the discard ends
        release,  ///< the gathered range is released
    };
    Kind kind;
    std::uint8_t a;
    std::uint8_t b;
    std::uint8_t c;
    bool aged;  ///< what the node that acts holds has been held long enough
};

/// A state of the whole, and its successors. Copied as bytes. The checks in it are the coherence
/// promise itself: single writer or many readers, and a read returns what the last write, in the
/// order in which writers owned the page, left there.
template <Broken how>
class System {
  public:
    using Shape = ModelShape<how>;

    explicit System(const Setup& setup)
        : home_(Port{}, setup.config),
          remotes_{Remote<Port, Shape>(Port{}, setup.config),
                   Remote<Port, Shape>(Port{}, setup.config)} {
        for (unsigned i = 0; i < nodes; ++i) threads_[i].left = setup.accesses[i] & 15;
        if (setup.present_at_home)
            for (unsigned page = 0; page < pages; ++page) home_.port().pte[page] = Pte::writable;
    }

    /// Everything that can happen now.
    void enabled(const Setup& setup, std::vector<Event>& events) const {
        using Kind = Event::Kind;
        events.clear();
        for (std::uint8_t i = 0; i < nodes; ++i) {
            const Thread& thread = threads_[i];
            if (thread.state == Thread::State::idle && thread.left)
                for (std::uint8_t page = 0; page < (setup.single_page ? 1 : pages); ++page)
                    for (std::uint8_t mode = 0; mode < 2; ++mode)
                        events.push_back({Kind::access, i, page, mode, false});
            if (thread.state == Thread::State::woken) events.push_back({Kind::retry, i});
            if (thread.reported) with_age(events, {Kind::report, i}, i == 0 && holds(0));
            for (std::uint8_t page = 0; page < pages; ++page)
                if (deferred(i, page)) events.push_back({Kind::expire, i, page});
        }
        for (std::uint8_t i = 1; i < nodes; ++i) {
            if (port(0).out[i].count) with_age(events, {Kind::to_node, i}, holds(i));
            if (port(i).out[0].count) with_age(events, {Kind::to_home, i}, holds(0));
        }
        if (setup.operation != RangeOperation::none && stage_ == Stage::before)
            with_age(events, {Kind::start}, holds(0));
        if (stage_ == Stage::running && setup.operation == RangeOperation::discard && done_ == 6)
            events.push_back({Kind::finish});
        if (stage_ == Stage::running && port(0).gather_complete) events.push_back({Kind::release});
    }

    /// Makes it happen. An error, or null.
    const char* apply(const Setup& setup, const Event& event) {
        using Kind = Event::Kind;
        if (event.aged)
            inspect(event.kind == Kind::to_node ? event.a : 0, [](auto& replica) {
                for (Page page = 0; page < pages; ++page) Inspector::age(replica, page);
            });
        Status status = Status::ok;
        switch (event.kind) {
            case Kind::access:
                threads_[event.a].page = event.b;
                threads_[event.a].mode = Mode{event.c};
                attempt(event.a);
                break;
            case Kind::retry:
                attempt(event.a);
                break;
            case Kind::report:
                status = report(event.a);
                break;
            case Kind::to_node:
                status = deliver_to_node(event.a);
                break;
            case Kind::to_home:
                status = deliver_to_home(event.a);
                break;
            case Kind::expire:
                inspect(event.a, [&](auto& replica) { Inspector::due(replica, event.b); });
                status = event.a == 0 ? home_.tick(due) : remotes_[event.a - 1].tick(due);
                break;
            case Kind::start:
                status = start(setup);
                break;
            case Kind::finish:
                status = home_.finish_discard(0, pages - 1, Afterwards::unknown, Held::serve, now);
                stage_ = Stage::after;
                for (auto& version : latest_) version = 0;
                break;
            case Kind::release:
                stage_ = Stage::after;
                status = home_.release(0, pages - 1, now);
                break;
        }
        wake(setup);
        if (error_) return error_;
        for (unsigned i = 0; i < nodes; ++i)
            if (port(i).error) return port(i).error;
        if (status != Status::ok) return describe(status);
        return check(setup);
    }

    /// Every thread has done all it had to do.
    bool complete() const {
        for (const auto& thread : threads_)
            if (thread.left || thread.state != Thread::State::idle) return false;
        return true;
    }
    const char* stuck(const Setup& setup) const {
        if (!complete()) return "deadlock: a thread waits and nothing can happen";
        if (setup.operation != RangeOperation::none && stage_ != Stage::after)
            return "deadlock: the range operation never ends";
        if (Inspector::busy(home_)) return "a page stays busy although nothing is under way";
        return nullptr;
    }

    /// The state in canonical form: what cannot make a difference is left out, and the remote nodes
    /// are named in the order `swap_nodes` says.
    void encode(std::vector<std::uint8_t>& out, bool swap_nodes, bool swap_pages) const;

    static std::string text(const Event& event, const System& before);

  private:
    struct Thread {
        enum class State : std::uint8_t { idle, blocked, woken };
        std::uint8_t left;
        State state;
        std::uint8_t page;
        Mode mode;
        bool reported;  ///< userfaultfd has a fault of this thread that the agent has not handled
        std::uint8_t reported_page;
        Mode reported_mode;
    };
    enum class Stage : std::uint8_t { before, running, after };
    static constexpr std::uint64_t now = 1U << 20;
    static constexpr std::uint64_t due = 1;  ///< Inspector::due() makes one deadline as early

    Port& port(unsigned node) { return node ? remotes_[node - 1].port() : home_.port(); }
    const Port& port(unsigned node) const { return const_cast<System*>(this)->port(node); }
    template <class F>
    auto inspect(unsigned node, F&& look) const {
        auto* self = const_cast<System*>(this);
        return node ? look(Inspector::replica(self->remotes_[node - 1]))
                    : look(Inspector::replica(self->home_));
    }
    bool holds(unsigned node) const {
        return inspect(node, [](auto& replica) {
            for (Page page = 0; page < pages; ++page)
                if (Inspector::holds(replica, page)) return true;
            return false;
        });
    }
    bool deferred(unsigned node, Page page) const {
        return inspect(node, [&](auto& replica) { return Inspector::deferred(replica, page); });
    }
    static void with_age(std::vector<Event>& events, Event event, bool either) {
        events.push_back(event);
        event.aged = true;
        if (either) events.push_back(event);
    }

    /// The processor executes the access, or faults.
    void attempt(unsigned node) {
        Thread& thread = threads_[node];
        Port& own = port(node);
        const auto page = thread.page;
        const Pte needed = thread.mode == Mode::write ? Pte::writable : Pte::read_only;
        if (own.pte[page] < needed) {
            thread.state = Thread::State::blocked;
            thread.reported = true;
            thread.reported_page = page;
            thread.reported_mode = thread.mode;
            return;
        }
        if (own.version[page] != latest_[page])
            error_ = "an access to contents that are not the last";
        if (thread.mode == Mode::write) {
            own.version[page] = ++writes_;
            latest_[page] = writes_;
            if (node && stage_ == Stage::running && port(0).gather_complete)
                error_ = "a write elsewhere after the range was gathered";
        }
        thread.state = Thread::State::idle;
        --thread.left;
    }
    Status report(unsigned node) {
        Thread& thread = threads_[node];
        thread.reported = false;
        if (node == 0) return home_.fault(thread.reported_page, thread.reported_mode, now);
        return remotes_[node - 1].fault(thread.reported_page, thread.reported_mode);
    }
    void wake(const Setup& setup) {
        for (unsigned i = 0; i < nodes; ++i) {
            Thread& thread = threads_[i];
            for (unsigned page = 0; page < pages; ++page) {
                if (port(i).woken[page] && thread.state == Thread::State::blocked &&
                    thread.page == page) {
                    thread.state = Thread::State::woken;
                    if (!setup.late_faults) thread.reported = false;
                }
                port(i).woken[page] = false;
            }
        }
    }

    static wire::Frame frame_of(const Message& message) {
        wire::Frame frame = make_frame(message.type, message.page, message.b, message.flags, 0);
        if (message.data) frame.length = static_cast<std::uint32_t>(message.b * page_size);
        for (unsigned i = 0; i < pages; ++i)
            write_version(scratch[1] + i * page_size, message.versions[i]);
        return frame;
    }
    Status deliver_to_node(unsigned node) {
        const Message message = port(0).out[node].pop();
        if (message.type != wire::Type::discard)
            return remotes_[node - 1].receive(frame_of(message), scratch[1], now);
        remotes_[node - 1].discard(0, pages - 1);
        for (unsigned page = 0; page < pages; ++page) {
            port(node).clear(page);
            port(node).woken[page] = true;
        }
        Message done{};
        done.type = wire::Type::done;
        port(node).out[0].push(done, error_);
        return Status::ok;
    }
    Status deliver_to_home(unsigned node) {
        const Message message = port(node).out[0].pop();
        if (message.type != wire::Type::done)
            return home_.receive(node, frame_of(message), scratch[1], now);
        done_ = static_cast<std::uint8_t>(done_ | 1U << node);
        return Status::ok;
    }
    Status start(const Setup& setup) {
        stage_ = Stage::running;
        if (setup.operation != RangeOperation::discard)
            return home_.gather(
                0, pages - 1,
                setup.operation == RangeOperation::gather_exclusive ? Mode::write : Mode::read, 1,
                now);
        const Status status = home_.begin_discard(0, pages - 1);
        home_.discard(0, pages - 1);
        Message message{};
        message.type = wire::Type::discard;
        for (unsigned page = 0; page < pages; ++page) {
            home_.port().clear(page);
            home_.port().woken[page] = true;
        }
        for (unsigned i = 1; i < nodes; ++i) home_.port().out[i].push(message, error_);
        return status;
    }

    const char* check(const Setup& setup) const {
        for (unsigned page = 0; page < pages; ++page) {
            unsigned writers = 0;
            unsigned readers = 0;
            for (unsigned i = 0; i < nodes; ++i) {
                const Port& own = port(i);
                writers += own.pte[page] == Pte::writable;
                readers += own.pte[page] == Pte::read_only;
                if (own.pte[page] != Pte::none && own.version[page] != latest_[page])
                    return "a node could read contents that are not the last";
                const auto known = inspect(i, [&](auto& replica) { return replica.state(page); });
                if (static_cast<unsigned>(known) != static_cast<unsigned>(own.pte[page]) &&
                    !(i == 0 && known == PageState::invalid))
                    return "a node's state and its page table differ";
            }
            if (writers > 1 || (writers && readers)) return "two nodes, and one of them may write";
            if (stage_ != Stage::running || !port(0).gather_complete) continue;
            if (latest_[page] && port(0).pte[page] == Pte::none)
                return "a gathered page is not at home";
            if (setup.operation == RangeOperation::gather_exclusive && writers + readers &&
                port(0).pte[page] != Pte::writable)
                return "a page gathered for the home alone is elsewhere";
        }
        return nullptr;
    }

    Home<Port, Shape> home_;
    Remote<Port, Shape> remotes_[nodes - 1];
    Thread threads_[nodes]{};
    Version latest_[pages]{};
    Version writes_ = 0;
    Stage stage_ = Stage::before;
    std::uint8_t done_ = 0;  ///< nodes that answered the discard
    const char* error_ = nullptr;
};

}  // namespace holon::ssi::dsm::model

#include "ssi/dsm/model/encode.h"
