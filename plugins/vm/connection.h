// SPDX-License-Identifier: GPL-2.0-or-later
// Connection keeps one connection to libvirtd, through restarts of the daemon. Calls go through
// with(), which makes them again on the next connection when libvirtd went away under them: so they
// must be repeatable.
#pragma once

#include <libvirt/libvirt.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugins/os/error.h"
#include "plugins/vm/vm.h"

namespace holon::vm {

class Connection {
  public:
    // A Holon domain has stopped, as libvirt's event says.
    using OnStopped =
        std::function<void(const std::string& domain, End how, const std::string& detail)>;
    // Connected, for the first time or again; these Holon domains are active. Runs in a thread of
    // the Connection.
    using OnConnected = std::function<void(const std::vector<std::string>& active)>;

    // Returns at once, also where libvirtd is away; calls wait for it.
    Connection(const std::string& uri, OnStopped on_stopped, OnConnected on_connected);
    ~Connection();  // no callback follows
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // libvirtd went away during a call.
    class Broken : public Error {
      public:
        using Error::Error;
    };

    // CALL's result. CALL throws by fail().
    template <typename Call>
    auto with(Call&& call) {
        std::shared_ptr<virConnect> handle = use();
        try {
            return call(handle.get());
        } catch (const Broken&) {
            lose(handle.get());
        }
        handle = use();
        return call(handle.get());
    }

    // The same for a call that must not be made twice: where libvirtd went away, it throws.
    template <typename Call>
    auto once(Call&& call) {
        std::shared_ptr<virConnect> handle = use();
        try {
            return call(handle.get());
        } catch (const Broken&) {
            lose(handle.get());
            throw;
        }
    }

    // Throws libvirt's last error, for OBJECT, as Broken or as Error.
    [[noreturn]] static void fail(const std::string& object);
    // The active "holon-…" domains.
    static std::vector<std::string> active(virConnectPtr handle);

  private:
    // The live connection, with a reference of its own; waits some seconds for one that is being
    // made.
    std::shared_ptr<virConnect> use();
    void lose(virConnectPtr handle);

    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace holon::vm
