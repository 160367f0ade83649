// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"
#include "plugins/vm/vm.h"

namespace holon::vm {
namespace {

std::string libvirt_words() {
    const virError* error = ::virGetLastError();
    return error && error->message ? error->message : "no details from libvirt";
}

struct FreeDomain {
    void operator()(virDomainPtr domain) const { ::virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, FreeDomain>;

// libvirt keeps one event loop for the whole process.
void start_event_loop() {
    static std::once_flag once;
    std::call_once(once, [] {
        ::virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
        if (::virEventRegisterDefaultImpl() != 0) throw Error("libvirt: {}", libvirt_words());
        std::thread([] {
            for (;;) ::virEventRunDefaultImpl();
        }).detach();
    });
}

// libvirtd records the pid of each QEMU that it started.
pid_t qemu_pid(const std::string& domain) {
    auto text = os::read_file_if_exists("/run/libvirt/qemu/" + domain + ".pid");
    pid_t pid = text ? static_cast<pid_t>(std::strtol(text->c_str(), nullptr, 10)) : 0;
    if (pid <= 1) throw Error("{}: libvirt tells no pid of its QEMU", domain);
    return pid;
}

// Four equal ids (real, effective, saved, file system), no capabilities, no groups but the user's
// own.
void check_identity(const std::string& domain, pid_t pid, const Machine& machine) {
    std::set<gid_t> allowed{machine.gid};
    try {
        const os::Identity user = os::identity_of(machine.uid);
        allowed.insert(user.gid);
        allowed.insert(user.groups.begin(), user.groups.end());
    } catch (const Error&) {
        // A uid without a name has no supplementary groups.
    }
    auto expect = [&](std::istringstream& ids, const char* what, unsigned wanted) {
        for (unsigned id; ids >> id;)
            if (id != wanted)
                throw Error("{}: its QEMU has {} {}, not the job's {}", domain, what, id, wanted);
    };
    std::istringstream lines(os::read_file(fmt::format("/proc/{}/status", pid)));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key;
        words >> key;
        if (key == "Uid:") expect(words, "uid", machine.uid);
        if (key == "Gid:") expect(words, "gid", machine.gid);
        if (key == "Groups:")
            for (gid_t group; words >> group;)
                if (!allowed.contains(group))
                    throw Error("{}: its QEMU is in group {}, its user is not", domain, group);
        std::string mask;
        if ((key == "CapEff:" || key == "CapPrm:" || key == "CapInh:" || key == "CapAmb:") &&
            words >> mask && mask.find_first_not_of('0') != mask.npos)
            throw Error("{}: its QEMU has capabilities ({} {})", domain, key, mask);
    }
}

}  // namespace

// Shared with libvirt's callbacks, each of which holds a reference: libvirt may still be inside one
// when the Hypervisor goes.
struct Hypervisor::State : std::enable_shared_from_this<Hypervisor::State> {
    struct Connection {
        virConnectPtr handle = nullptr;
        int events = -1;  // id of the registered lifecycle callback, which keeps HANDLE alive
    };

    std::string uri;
    std::function<void(const Ended&)> on_end;
    std::mutex telling;  // held while on_end runs
    std::mutex lock;     // of all that follows
    std::condition_variable changed;
    Connection connection;
    bool lost = true;  // there is no connection, or the one there is was closed by libvirtd
    bool stopping = false;
    std::set<std::string> known;  // domains that were seen alive and whose end was not told yet
    std::map<std::string, bool> starting;  // domains being created; true: ended already
    std::thread supervisor;

    void end(const std::string& domain, End how, const std::string& detail) {
        std::lock_guard one_at_a_time(telling);
        {
            std::lock_guard guard(lock);
            if (stopping) return;
            if (auto start = starting.find(domain); start != starting.end()) {
                start->second = true;
                return;
            }
            if (known.erase(domain) == 0) return;
        }
        on_end({domain, how, detail});
    }

    static State& of(void* opaque) { return **static_cast<std::shared_ptr<State>*>(opaque); }
    void* reference() { return new std::shared_ptr<State>(shared_from_this()); }
    static void drop(void* opaque) { delete static_cast<std::shared_ptr<State>*>(opaque); }

    static int on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int detail,
                            void* opaque) {
        if (event != VIR_DOMAIN_EVENT_STOPPED) return 0;
        const std::string name = ::virDomainGetName(domain);
        State& state = of(opaque);
        switch (detail) {
            case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
                state.end(name, End::shutdown, "powered off");
                break;
            case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
                state.end(name, End::crashed, "the guest crashed");
                break;
            case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
                state.end(name, End::killed, "destroyed");
                break;
            default:
                state.end(name, End::killed, "QEMU's monitor closed: killed or crashed");
                break;
        }
        return 0;
    }

    static void on_close(virConnectPtr, int, void* opaque) {
        State& state = of(opaque);
        std::lock_guard guard(state.lock);
        state.lost = true;
        state.changed.notify_all();
    }

    std::vector<std::string> list(virConnectPtr to) {
        virDomainPtr* domains = nullptr;
        int count = ::virConnectListAllDomains(to, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
        if (count < 0) throw Error("libvirtd: {}", libvirt_words());
        std::vector<std::string> names;
        for (int i = 0; i < count; ++i) {
            std::string name = ::virDomainGetName(domains[i]);
            if (name.rfind("holon-", 0) == 0) names.push_back(name);
            ::virDomainFree(domains[i]);
        }
        std::free(domains);
        return names;
    }

    Connection open() {
        Connection made{::virConnectOpen(uri.c_str())};
        if (made.handle == nullptr)
            throw Error("libvirtd does not answer ({}: {})", uri, libvirt_words());
        ::virConnectSetKeepAlive(made.handle, 5, 3);
        if (void* held = reference(); ::virConnectRegisterCloseCallback(
                                          made.handle, &State::on_close, held, &State::drop) != 0)
            drop(held);
        void* held = reference();
        made.events = ::virConnectDomainEventRegisterAny(
            made.handle, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            VIR_DOMAIN_EVENT_CALLBACK(&State::on_lifecycle), held, &State::drop);
        if (made.events < 0) {
            drop(held);
            std::string words = libvirt_words();
            close(made);
            throw Error("libvirtd: no events: {}", words);
        }
        return made;
    }

    void close(Connection old) {
        if (old.handle == nullptr) return;
        if (old.events >= 0) ::virConnectDomainEventDeregisterAny(old.handle, old.events);
        ::virConnectUnregisterCloseCallback(old.handle, &State::on_close);
        ::virConnectClose(old.handle);
    }

    // Connects, and returns the Holon domains that are alive. nullopt: libvirtd is away.
    std::optional<std::pair<Connection, std::vector<std::string>>> connect() {
        Connection made;
        try {
            made = open();
            return {{made, list(made.handle)}};
        } catch (const Error&) {
            close(made);
            return std::nullopt;
        }
    }

    // Waits for a lost connection and makes it again; domains that vanished meanwhile have ended.
    void supervise() {
        constexpr auto shortest = std::chrono::milliseconds(100);
        auto pause = shortest;
        std::unique_lock guard(lock);
        for (;;) {
            changed.wait(guard, [&] { return stopping || lost; });
            if (stopping) return;
            Connection old = std::exchange(connection, {});
            lost = false;  // a new connection may be lost before it is put to use
            guard.unlock();
            close(old);
            auto made = connect();
            guard.lock();
            if (!made) {
                lost = true;
                changed.wait_for(guard, pause, [&] { return stopping; });
                pause = std::min(pause * 2, std::chrono::milliseconds(3000));
                continue;
            }
            pause = shortest;
            connection = made->first;
            changed.notify_all();
            std::set<std::string> gone = known;
            for (const auto& name : made->second) gone.erase(name);
            guard.unlock();
            for (const auto& name : gone)
                end(name, End::killed, "it ended while libvirtd was away");
            guard.lock();
        }
    }

    // The live connection, with a reference of its own; waits some seconds for one that is being
    // made.
    std::shared_ptr<virConnect> use() {
        std::unique_lock guard(lock);
        if (!changed.wait_for(guard, std::chrono::seconds(15),
                              [&] { return connection.handle != nullptr && !lost; }))
            throw Error("libvirtd does not answer ({}); see `holon doctor`", uri);
        ::virConnectRef(connection.handle);
        return {connection.handle, [](virConnectPtr held) { ::virConnectClose(held); }};
    }
};

Hypervisor::Hypervisor(const std::string& uri, std::function<void(const Ended&)> on_end)
    : state_(std::make_shared<State>()) {
    start_event_loop();
    state_->uri = uri;
    state_->on_end = std::move(on_end);
    // A daemon that comes up before libvirtd waits for it like one that lost it.
    state_->supervisor = std::thread([state = state_.get()] { state->supervise(); });
}

Hypervisor::~Hypervisor() {
    {
        std::lock_guard no_call_is_running(state_->telling);
        std::lock_guard guard(state_->lock);
        state_->stopping = true;
    }
    state_->changed.notify_all();
    state_->supervisor.join();
    state_->close(std::exchange(state_->connection, {}));
}

pid_t Hypervisor::create_paused(const Machine& machine) {
    auto connection = state_->use();
    const std::string name = domain_name(machine.job, machine.vm.index);
    const std::string xml = domain_xml(machine);
    {
        std::lock_guard guard(state_->lock);
        state_->starting[name] = false;
    }
    Domain domain(::virDomainCreateXML(connection.get(), xml.c_str(), VIR_DOMAIN_START_PAUSED));
    const std::string words = domain ? "QEMU ended at once" : libvirt_words();
    {
        std::lock_guard guard(state_->lock);
        const bool ended = state_->starting[name];
        state_->starting.erase(name);
        if (!domain || ended) throw Error("{}: {}", name, words);
        state_->known.insert(name);
    }
    try {
        pid_t pid = qemu_pid(name);
        check_identity(name, pid, machine);
        return pid;
    } catch (const Error&) {
        destroy(name);
        throw;
    }
}

void Hypervisor::resume(const std::string& name) {
    auto connection = state_->use();
    Domain domain(::virDomainLookupByName(connection.get(), name.c_str()));
    if (!domain) throw Error("{}: {}", name, libvirt_words());
    int state = 0;
    if (::virDomainGetState(domain.get(), &state, nullptr, 0) == 0 && state == VIR_DOMAIN_RUNNING)
        return;
    if (::virDomainResume(domain.get()) != 0) throw Error("{}: {}", name, libvirt_words());
}

void Hypervisor::destroy(const std::string& name) {
    auto connection = state_->use();
    {
        std::lock_guard guard(state_->lock);
        state_->known.erase(name);
    }
    Domain domain(::virDomainLookupByName(connection.get(), name.c_str()));
    if (!domain) return;
    if (::virDomainDestroy(domain.get()) == 0) return;
    const virError* error = ::virGetLastError();
    // It ended by itself between the two calls.
    if (error && (error->code == VIR_ERR_NO_DOMAIN || error->code == VIR_ERR_OPERATION_INVALID))
        return;
    throw Error("{}: {}", name, libvirt_words());
}

std::vector<std::string> Hypervisor::domains() {
    auto connection = state_->use();
    auto names = state_->list(connection.get());
    std::lock_guard guard(state_->lock);
    state_->known.insert(names.begin(), names.end());
    return names;
}

bool Hypervisor::alive(const std::string& name) {
    auto connection = state_->use();
    Domain domain(::virDomainLookupByName(connection.get(), name.c_str()));
    return domain && ::virDomainIsActive(domain.get()) == 1;
}

}  // namespace holon::vm
