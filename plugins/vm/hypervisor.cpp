// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
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

// Four equal ids (real, effective, saved, file system) and no capabilities.
void check_identity(const std::string& domain, pid_t pid, const Machine& machine) {
    std::istringstream lines(os::read_file(fmt::format("/proc/{}/status", pid)));
    for (std::string line; std::getline(lines, line);) {
        unsigned ids[4];
        auto expect = [&](const char* format, unsigned wanted, const char* what) {
            if (std::sscanf(line.c_str(), format, &ids[0], &ids[1], &ids[2], &ids[3]) != 4) return;
            for (unsigned id : ids)
                if (id != wanted)
                    throw Error("{}: its QEMU has {} {}, not the job's {}", domain, what, id,
                                wanted);
        };
        expect("Uid: %u %u %u %u", machine.uid, "uid");
        expect("Gid: %u %u %u %u", machine.gid, "gid");
        if (line.rfind("CapEff:", 0) == 0 && line.find_first_not_of("0 \t", 7) != std::string::npos)
            throw Error("{}: its QEMU has capabilities ({})", domain, line.substr(8));
    }
}

}  // namespace

struct Hypervisor::State {
    std::string uri;
    std::function<void(const Ended&)> on_end;
    std::mutex lock;
    std::condition_variable changed;
    virConnectPtr connection = nullptr;
    bool stopping = false;
    std::set<std::string> known;  // domains that were seen alive and whose end was not told yet
    std::thread supervisor;

    void end(const std::string& domain, End how, const std::string& detail) {
        {
            std::lock_guard guard(lock);
            if (stopping || known.erase(domain) == 0) return;
        }
        on_end({domain, how, detail});
    }

    static int on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int detail,
                            void* opaque) {
        if (event != VIR_DOMAIN_EVENT_STOPPED) return 0;
        std::string name = ::virDomainGetName(domain);
        auto* state = static_cast<State*>(opaque);
        switch (detail) {
            case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
                state->end(name, End::shutdown, "powered off");
                break;
            case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
                state->end(name, End::crashed, "the guest crashed");
                break;
            case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
                state->end(name, End::killed, "destroyed");
                break;
            default:
                state->end(name, End::killed, "QEMU's monitor closed: killed or crashed");
                break;
        }
        return 0;
    }

    static void on_close(virConnectPtr, int, void* opaque) {
        auto* state = static_cast<State*>(opaque);
        std::lock_guard guard(state->lock);
        state->lost = true;
        state->changed.notify_all();
    }
    bool lost = false;

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

    virConnectPtr open() {
        virConnectPtr made = ::virConnectOpen(uri.c_str());
        if (made == nullptr) throw Error("libvirtd does not answer ({}: {})", uri, libvirt_words());
        ::virConnectSetKeepAlive(made, 5, 3);
        ::virConnectRegisterCloseCallback(made, &State::on_close, this, nullptr);
        ::virConnectDomainEventRegisterAny(made, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                           VIR_DOMAIN_EVENT_CALLBACK(&State::on_lifecycle), this,
                                           nullptr);
        return made;
    }

    void close(virConnectPtr old) {
        if (old == nullptr) return;
        ::virConnectUnregisterCloseCallback(old, &State::on_close);
        ::virConnectClose(old);
    }

    // Waits for a lost connection and makes it again; domains that vanished meanwhile have ended.
    void supervise() {
        auto pause = std::chrono::milliseconds(100);
        std::unique_lock guard(lock);
        for (;;) {
            changed.wait(guard, [&] { return stopping || lost; });
            if (stopping) return;
            virConnectPtr old = std::exchange(connection, nullptr);
            guard.unlock();
            close(old);
            virConnectPtr made = nullptr;
            std::vector<std::string> alive;
            try {
                made = open();
                alive = list(made);
            } catch (const Error&) {
                close(std::exchange(made, nullptr));
            }
            guard.lock();
            if (made == nullptr) {
                changed.wait_for(guard, pause, [&] { return stopping; });
                pause = std::min(pause * 2, std::chrono::milliseconds(3000));
                continue;
            }
            pause = std::chrono::milliseconds(100);
            connection = made;
            lost = false;
            changed.notify_all();
            std::set<std::string> gone = known;
            for (const auto& name : alive) gone.erase(name);
            guard.unlock();
            for (const auto& name : gone) end(name, End::killed, "gone when libvirtd was back");
            guard.lock();
        }
    }

    // The live connection, with a reference of its own; waits some seconds for one that is being
    // made.
    std::shared_ptr<virConnect> use() {
        std::unique_lock guard(lock);
        if (!changed.wait_for(guard, std::chrono::seconds(15),
                              [&] { return connection != nullptr && !lost; }))
            throw Error("libvirtd does not answer ({}); see `holon doctor`", uri);
        ::virConnectRef(connection);
        return {connection, [](virConnectPtr held) { ::virConnectClose(held); }};
    }
};

Hypervisor::Hypervisor(const std::string& uri, std::function<void(const Ended&)> on_end)
    : state_(std::make_unique<State>()) {
    start_event_loop();
    state_->uri = uri;
    state_->on_end = std::move(on_end);
    // A daemon that comes up before libvirtd waits for it like one that lost it.
    state_->lost = true;
    state_->supervisor = std::thread([state = state_.get()] { state->supervise(); });
}

Hypervisor::~Hypervisor() {
    virConnectPtr last = nullptr;
    {
        std::lock_guard guard(state_->lock);
        state_->stopping = true;
        last = std::exchange(state_->connection, nullptr);
    }
    state_->changed.notify_all();
    state_->supervisor.join();
    state_->close(last);
}

pid_t Hypervisor::create_paused(const Machine& machine) {
    auto connection = state_->use();
    std::string name = domain_name(machine.job, machine.vm.index);
    std::string xml = domain_xml(machine);
    {
        std::lock_guard guard(state_->lock);
        state_->known.insert(name);
    }
    Domain domain(::virDomainCreateXML(connection.get(), xml.c_str(), VIR_DOMAIN_START_PAUSED));
    if (!domain) {
        std::string words = libvirt_words();
        std::lock_guard guard(state_->lock);
        state_->known.erase(name);
        throw Error("{}: {}", name, words);
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
