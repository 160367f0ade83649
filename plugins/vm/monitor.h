// SPDX-License-Identifier: GPL-2.0-or-later
// What libvirt has no call for is asked of a domain's QEMU itself (QMP), through libvirt.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "plugins/vm/connection.h"

namespace holon::vm {

class Monitor {
  public:
    Monitor(Connection& connection, std::string domain)
        : connection_(connection), domain_(std::move(domain)) {}

    const std::string& domain() const { return domain_; }

    // The command's result. Throws QEMU's refusal as one line. Never repeated, unlike other calls:
    // what libvirtd did before it went away is not known.
    nlohmann::json ask(const char* command, const nlohmann::json& arguments = {}) const;
    // Gives QEMU a copy of FD under NAME.
    void give(const char* name, int fd) const;
    // The same as ask(), for what may be refused or be done already.
    void try_to(const char* command, const nlohmann::json& arguments = {}) const noexcept;

    void suspend() const;
    void resume() const;
    bool running() const;

    // Asks until DONE is true; throws "… took more than N s". QEMU's own events go to libvirt
    // alone.
    void until(const char* what, std::chrono::milliseconds patience,
               const std::function<bool()>& done) const;

  private:
    Connection& connection_;
    std::string domain_;

    nlohmann::json send(const char* command, const nlohmann::json& arguments, int fd) const;
};

}  // namespace holon::vm
