// SPDX-License-Identifier: GPL-2.0-or-later
// A hostile peer at the home and at a node: whatever it sends, the others' memory stays coherent
// and nothing is done to a page that is not there. The first byte picks who is attacked; then each
// three bytes are one thing that happens.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/unit/ssi_dsm_kit.h"

using namespace holon::ssi;
using namespace holon::ssi::dsm;

namespace {

constexpr Page first_page = 0x1000;
constexpr Page pages = 8;
constexpr std::uint64_t step_ns = 20'000;
constexpr Node hostile = 1;
constexpr Node honest = 2;

const auto payload = test::full_of('h', max_run);

/// The lengths that a peer may claim; the payload behind them is really there.
std::uint32_t length_of(unsigned choice) {
    constexpr std::uint32_t lengths[] = {0, page_size, 8, 2 * page_size, 0, page_size, 0, 4095};
    return lengths[choice & 7];
}

Config config_of(unsigned choice) {
    Config config;
    if (choice & 2) config.hold_ns = 0;
    if (choice & 4) config.first_touch = 1;
    if (choice & 8) config.prefetch_reads = config.prefetch_writes = 4;
    config.migratory = choice & 16;
    return config;
}

/// Home and node 2 are honest, node 1 sends what the bytes say.
class AtHome {
  public:
    explicit AtHome(unsigned choice) : net_(config_of(choice), 2) {
        net_.kernel(0).mapping = {first_page, first_page + pages};
        for (Page page = first_page; page < first_page + pages / 2; ++page)
            net_.begin_with(page, 'a');
    }
    /// False: the program has ended.
    bool happen(std::uint8_t what, std::uint8_t where, std::uint8_t how) {
        const Page page = first_page + where % pages;
        Status status = Status::ok;
        switch (what & 7) {
            case 0:
                receive(make_frame(wire::Type::request, page, how & 1, 0, 0));
                break;
            case 1:
                ack(page, 1 + (how >> 3) % 3, how & 3, how & 4);
                break;
            case 2:
                receive(make_frame(static_cast<wire::Type>(what >> 3), where, how & 3, how >> 6,
                                   length_of(how >> 2)));
                break;
            case 3:
                status = net_.fault(how & 2 ? honest : home_node, page,
                                    how & 1 ? Mode::write : Mode::read);
                break;
            case 4:
                if (net_.frames_to(honest)) net_.to_node(honest);
                break;
            case 5:
                if (net_.frames_from(honest)) net_.to_home(honest);
                break;
            case 6:
                net_.pass(step_ns);
                status = net_.home().tick(net_.now());
                if (net_.remote(honest).tick(net_.now()) != Status::ok) std::abort();
                break;
            default:
                ranges(how);
        }
        if (!net_.failure.empty()) return fatal(net_.failure);
        if (status != Status::ok) return fatal(describe(status));
        check();
        return true;
    }

  private:
    void ack(Page page, unsigned count, unsigned flags, bool data) {
        receive(make_frame(wire::Type::ack, page, count, flags, data ? count * page_size : 0));
    }
    void receive(const wire::Frame& frame) {
        (void)net_.home().receive(hostile, frame, frame.length ? payload.data() : nullptr,
                                  net_.now());
        net_.kernel(0).out[hostile].clear();
    }
    /// Honest peers are never at fault, and the home never loses its own pages.
    static bool fatal(const std::string& failure) {
        if (failure != describe(Status::too_many_requests) &&
            failure != describe(Status::out_of_memory)) {
            std::fprintf(stderr, "%s\n", failure.c_str());
            std::abort();
        }
        return false;
    }
    void ranges(unsigned how) {
        auto& home = net_.home();
        const Page last = first_page + pages - 1;
        if (range_ == Range::none && how & 1) {
            if (home.begin_discard(first_page, last) != Status::ok) std::abort();
            range_ = Range::discarding;
        } else if (range_ == Range::none) {
            (void)home.gather(first_page, last, how & 2 ? Mode::write : Mode::read, 1, net_.now());
            range_ = Range::gathering;
        } else if (range_ == Range::gathering) {
            (void)home.release(first_page, last, net_.now());
            range_ = Range::none;
        } else {
            while (net_.frames_to(honest)) net_.to_node(honest);
            while (net_.frames_from(honest)) net_.to_home(honest);
            home.discard(first_page, last);
            net_.remote(honest).discard(first_page, last);
            net_.kernel(0).pages.clear();
            net_.kernel(honest).pages.clear();
            (void)home.finish_discard(first_page, last,
                                      how & 2 ? Afterwards::unknown : Afterwards::untouched,
                                      how & 4 ? Held::serve : Held::drop, net_.now());
            range_ = Range::none;
        }
    }
    void check() {
        for (Page page = first_page; page < first_page + pages; ++page) {
            const auto mine = net_.home().state(page);
            const auto other = net_.remote(honest).state(page);
            if ((mine == PageState::modified && other != PageState::invalid) ||
                (other == PageState::modified && mine != PageState::invalid))
                std::abort();
        }
        if (net_.kernel(0).blocks.size() > 100) std::abort();
    }

    enum class Range { none, discarding, gathering };
    test::Net net_;
    Range range_ = Range::none;
};

/// A node whose home sends what the bytes say.
class AtNode {
  public:
    explicit AtNode(unsigned choice) : remote_(test::Port{&kernel_}, config_of(choice)) {}

    bool happen(std::uint8_t what, std::uint8_t where, std::uint8_t how) {
        const Page page = first_page + where % pages;
        Status status = Status::ok;
        if ((what & 7) < 2) {
            status = remote_.fault(page, how & 1 ? Mode::write : Mode::read);
        } else if ((what & 7) == 2) {
            now_ += step_ns;
            status = remote_.tick(now_);
        } else if ((what & 7) == 3) {
            remote_.discard(page, page + how % 4);
            for (Page each = page; each <= page + how % 4; ++each) kernel_.pages.erase(each);
        } else {
            const auto type = static_cast<wire::Type>(what & 4 && what & 8 ? 2 : (what >> 4) + 1);
            const unsigned count = how >> 5;
            const auto length = how & wire::grant_data ? count * page_size : where >> 7;
            auto frame =
                make_frame(type, page, count, type == wire::Type::grant ? how & 31U : 0U, length);
            (void)remote_.receive(frame, payload.data(), now_);
        }
        if (status != Status::ok) std::abort();
        for (Page each = first_page; each < first_page + pages; ++each) {
            const auto at = kernel_.pages.find(each);
            const auto state = at == kernel_.pages.end() ? PageState::invalid
                               : at->second.writable     ? PageState::modified
                                                         : PageState::shared;
            if (remote_.state(each) != state) std::abort();
        }
        kernel_.out.clear();
        return true;
    }

  private:
    test::Kernel kernel_;
    Remote<test::Port> remote_;
    std::uint64_t now_ = 1'000'000'000;
};

template <class Target>
void attack(Target target, const std::uint8_t* data, std::size_t size) {
    for (; size >= 3; data += 3, size -= 3)
        if (!target.happen(data[0], data[1], data[2])) return;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    if (data[0] & 1) {
        AtNode target(data[0]);
        attack<AtNode&>(target, data + 1, size - 1);
    } else {
        AtHome target(data[0]);
        attack<AtHome&>(target, data + 1, size - 1);
    }
    return 0;
}
