// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/monitor.h"

#include <libvirt/libvirt-qemu.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <thread>

namespace holon::vm {
namespace {

using nlohmann::json;

struct FreeDomain {
    void operator()(virDomainPtr domain) const { ::virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, FreeDomain>;

constexpr std::chrono::milliseconds longest_pause{8};  // between questions

Domain find(virConnectPtr handle, const std::string& name) {
    Domain domain(::virDomainLookupByName(handle, name.c_str()));
    if (!domain) Connection::fail(name);
    return domain;
}

}  // namespace

json Monitor::send(const char* command, const json& arguments, int fd) const {
    json request = {{"execute", command}};
    if (!arguments.is_null()) request["arguments"] = arguments;
    const std::string text = request.dump();
    const std::string answer = connection_.once([&](virConnectPtr handle) {
        const Domain domain = find(handle, domain_);
        char* reply = nullptr;
        unsigned descriptors = fd >= 0 ? 1 : 0;
        const int status =
            descriptors == 0
                ? ::virDomainQemuMonitorCommand(domain.get(), text.c_str(), &reply, 0)
                : ::virDomainQemuMonitorCommandWithFiles(domain.get(), text.c_str(), descriptors,
                                                         &fd, nullptr, nullptr, &reply, 0);
        if (status != 0) Connection::fail(domain_);
        std::string copy = reply;
        std::free(reply);
        return copy;
    });
    json reply = json::parse(answer, nullptr, false);
    if (!reply.is_object()) throw Error("{}: {}: no answer of QEMU", domain_, command);
    if (reply.contains("error"))
        throw Error("{}: {}: {}", domain_, command,
                    reply["error"].value("desc", std::string("refused by QEMU")));
    return reply.value("return", json());
}

json Monitor::ask(const char* command, const json& arguments) const {
    return send(command, arguments, -1);
}

void Monitor::give(const char* name, int fd) const { send("getfd", {{"fdname", name}}, fd); }

void Monitor::try_to(const char* command, const json& arguments) const noexcept {
    try {
        ask(command, arguments);
    } catch (const std::exception&) {
        // It was done, or cannot be done.
    }
}

void Monitor::suspend() const {
    connection_.once([&](virConnectPtr handle) {
        const Domain domain = find(handle, domain_);
        if (::virDomainSuspend(domain.get()) != 0) Connection::fail(domain_);
    });
}

void Monitor::resume() const {
    connection_.with([&](virConnectPtr handle) {
        const Domain domain = find(handle, domain_);
        int state = 0;
        if (::virDomainGetState(domain.get(), &state, nullptr, 0) == 0 &&
            state == VIR_DOMAIN_RUNNING)
            return;
        if (::virDomainResume(domain.get()) != 0) Connection::fail(domain_);
    });
}

bool Monitor::running() const { return ask("query-status").value("running", false); }

void Monitor::until(const char* what, std::chrono::milliseconds patience,
                    const std::function<bool()>& done) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    auto pause = std::chrono::milliseconds(1);
    while (!done()) {
        if (std::chrono::steady_clock::now() > deadline)
            throw Error("{}: {} took more than {} s", domain_, what, patience.count() / 1000);
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, longest_pause);
    }
}

}  // namespace holon::vm
