// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cstdlib>
#include <memory>
#include <set>
#include <sstream>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"
#include "plugins/vm/connection.h"
#include "plugins/vm/ends.h"
#include "plugins/vm/hardware.h"
#include "plugins/vm/save_domain.h"
#include "plugins/vm/vm.h"

namespace holon::vm {
namespace {

struct FreeDomain {
    void operator()(virDomainPtr domain) const { ::virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, FreeDomain>;

// Null where there is no such domain; that is not to be confused with a libvirtd that does not
// answer.
Domain look_up(virConnectPtr handle, const std::string& name) {
    Domain domain(::virDomainLookupByName(handle, name.c_str()));
    const virError* error = ::virGetLastError();
    if (!domain && (!error || error->code != VIR_ERR_NO_DOMAIN)) Connection::fail(name);
    return domain;
}

// Ends NAME if there is such a domain.
void destroy_domain(virConnectPtr handle, const std::string& name) {
    Domain domain = look_up(handle, name);
    if (!domain || ::virDomainDestroy(domain.get()) == 0) return;
    const virError* error = ::virGetLastError();
    // It ended by itself between the two calls.
    if (error && (error->code == VIR_ERR_NO_DOMAIN || error->code == VIR_ERR_OPERATION_INVALID))
        return;
    Connection::fail(name);
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

// The order matters: the Connection calls into Ends, so it goes first.
struct Hypervisor::State {
    Ends ends;
    Connection connection;

    State(const std::string& uri, std::function<void(const Ended&)> on_end)
        : ends(std::move(on_end)),
          connection(
              uri,
              [this](const std::string& domain, End how, const std::string& detail) {
                  ends.ended(domain, how, detail);
              },
              [this](const std::vector<std::string>& active) { connected(active); }) {}

    // Domains that vanished while libvirtd was away have ended. (Of one that libvirtd still lists
    // though its QEMU is dead, the process tells.)
    void connected(const std::vector<std::string>& active) {
        std::set<std::string> gone = ends.watched();
        for (const auto& name : active) gone.erase(name);
        for (const auto& name : gone)
            ends.ended(name, End::killed, "it ended while libvirtd was away");
    }
};

Hypervisor::Hypervisor(const std::string& uri, std::function<void(const Ended&)> on_end)
    : state_(std::make_unique<State>(uri, std::move(on_end))) {}

Hypervisor::~Hypervisor() = default;

pid_t Hypervisor::create_paused(const Machine& machine) {
    const std::string name = domain_name(machine.job, machine.vm.index);
    const std::string xml = domain_xml(machine);
    Ends& ends = state_->ends;
    ends.starting(name);
    try {
        bool repeated = false;
        state_->connection.with([&](virConnectPtr handle) {
            // The libvirtd that went away may have started it, or not quite.
            if (std::exchange(repeated, true)) destroy_domain(handle, name);
            Domain domain(::virDomainCreateXML(handle, xml.c_str(), VIR_DOMAIN_START_PAUSED));
            if (!domain) Connection::fail(name);
        });
        const pid_t pid = qemu_pid(name);
        check_identity(name, pid, machine);
        if (!ends.started(name, pid)) throw Error("{}: its QEMU ended at once", name);
        return pid;
    } catch (const Error&) {
        ends.forget(name);
        try {
            destroy(name);
        } catch (const Error&) {
            // The first error is the one to know; the caller destroys what it gave up.
        }
        throw;
    }
}

void Hypervisor::suspend(const std::string& name) {
    state_->connection.with([&](virConnectPtr handle) {
        Domain domain = look_up(handle, name);
        if (!domain) throw Error("{}: it is not there any more", name);
        int state = 0;
        if (::virDomainGetState(domain.get(), &state, nullptr, 0) == 0 &&
            state == VIR_DOMAIN_PAUSED)
            return;
        if (::virDomainSuspend(domain.get()) != 0) Connection::fail(name);
    });
}

void Hypervisor::resume(const std::string& name) {
    state_->connection.with([&](virConnectPtr handle) {
        Domain domain = look_up(handle, name);
        if (!domain) throw Error("{}: it is not there any more", name);
        int state = 0;
        if (::virDomainGetState(domain.get(), &state, nullptr, 0) == 0 &&
            state == VIR_DOMAIN_RUNNING)
            return;
        if (::virDomainResume(domain.get()) != 0) Connection::fail(name);
    });
}

void Hypervisor::destroy(const std::string& name) {
    state_->ends.forget(name);
    state_->connection.with([&](virConnectPtr handle) { destroy_domain(handle, name); });
}

std::vector<std::string> Hypervisor::domains() {
    auto names =
        state_->connection.with([](virConnectPtr handle) { return Connection::active(handle); });
    for (const auto& name : names) {
        try {
            state_->ends.adopt(name, qemu_pid(name));
        } catch (const Error&) {
            // Its pid file went between the two calls, and so did the domain.
        }
    }
    return names;
}

bool Hypervisor::alive(const std::string& name) {
    return state_->connection.with([&](virConnectPtr handle) {
        Domain domain = look_up(handle, name);
        return domain && ::virDomainIsActive(domain.get()) == 1;
    });
}

std::unique_ptr<Save> Hypervisor::save(const SaveRequest& request) {
    return std::make_unique<DomainSave>(state_->connection, request, qemu_pid(request.domain));
}

void Hypervisor::end_save(const std::string& domain) {
    DomainSave(state_->connection, {.domain = domain}, qemu_pid(domain)).forget_leftovers();
}

void Hypervisor::load_memory(const std::string& name, int stream) {
    const Monitor monitor(state_->connection, name);
    monitor.give("holon-load", stream);
    monitor.ask("migrate-incoming", {{"uri", "fd:holon-load"}});
    monitor.until("loading the memory", std::chrono::hours(1), [&] {
        const auto answer = monitor.ask("query-migrate");
        const auto status = answer.value("status", std::string("none"));
        if (status == "failed")
            throw Error("{}: QEMU cannot load the saved memory{}{}", name,
                        answer.contains("error-desc") ? ": " : "",
                        answer.value("error-desc", std::string()));
        return status == "completed";
    });
}

Hardware Hypervisor::hardware(const std::string& name, const Machine& machine) {
    return state_->connection.with([&](virConnectPtr handle) {
        Domain domain = look_up(handle, name);
        if (!domain) throw Error("{}: it is not there any more", name);
        return hardware_of(handle, domain.get(), machine);
    });
}

std::string Hypervisor::cannot_restore(const Hardware& saved) {
    return state_->connection.with([&](virConnectPtr handle) { return why_not_on(saved, handle); });
}

}  // namespace holon::vm
