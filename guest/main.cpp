// SPDX-License-Identifier: GPL-2.0-or-later
// holon-guest: the first process of a VM (kernel parameter rdinit=/holon/holon-guest).
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "guest/boot.h"
#include "guest/configure.h"
#include "guest/devices.h"
#include "guest/engine.h"
#include "guest/files.h"
#include "guest/link.h"
#include "guest/log.h"
#include "guest/poweroff.h"
#include "ssi/daemon/client.h"
#include "ssi/enter/enter.h"
#include "ssi/enter/local_socket.h"

namespace holon::guest {
namespace {

using namespace std::chrono_literals;

constexpr const char* port_name = "org.holon.0";
constexpr const char* cgroup_root = "/sys/fs/cgroup/holon";

os::Fd open_port() {
    DeviceEvents events;
    std::string path;
    os::Fd port;
    // The name arrives after the port, the node of /dev after both.
    const auto open_it = [&] {
        path = find_port(port_name);
        if (!path.empty()) port.reset(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
        return port.valid();
    };
    if (!events.wait_for(open_it, 10s)) {
        log(std::string("no virtio-serial port ") + port_name +
            " yet; the image needs the virtio_console driver");
        while (!events.wait_for(open_it, 1h)) {
        }
    }
    return port;
}

std::string boot_id() {
    auto id = read_file_or_empty("/proc/sys/kernel/random/boot_id");
    if (id.ends_with('\n')) id.pop_back();
    return id;
}

[[noreturn]] void serve() {
    // Every frame allocates up to 64 KiB; given back to the kernel each time, its pages would be
    // faulted in and cleared again for the next, which costs more than the frame itself.
    ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
    ::mallopt(M_MMAP_THRESHOLD, 8 << 20);
    Loop loop;
    Reaper reaper(loop);
    const bool cgroups = exists("/sys/fs/cgroup/cgroup.procs");
    if (!cgroups)
        log("no cgroup v2 in this kernel: processes that daemonise themselves outlive their "
            "session");
    Configurator configurator(loop, reaper, cgroups ? cgroup_root : "");
    bool poweroff = false;

    EngineOptions options;
    options.sessions.cgroup_root = cgroups ? cgroup_root : "";
    options.sessions.enter = [&] {
        if (!configurator.home_of_smp()) return;
        // ssid may have ended, and is started again. This is the session's own process: nobody else
        // waits, and there is nothing to be told by.
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        const auto address = ssi::daemon::client_address(ssi::daemon::default_partition);
        while (!ssi::enter::connect_local(address).valid() &&
               std::chrono::steady_clock::now() < deadline)
            ::usleep(50'000);
        ssi::enter::enter(ssi::daemon::default_partition, 0);
    };
    options.boot_id = boot_id();
    options.configure = [&](const std::string& text, std::function<void(std::string)> done) {
        configurator.apply(text, std::move(done));
    };
    options.poweroff = [&] { poweroff = true; };
    options.set_clock = set_clock;
    Engine engine(loop, reaper, std::move(options));

    Link link(loop, engine, open_port());
    // A process that writes fills its pipe before the agent takes over its CPU: frames of 64 KiB
    // instead of 4.
    const sched_param parameters{};
    ::sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &parameters);
    log("waiting for the host");
    for (bool more = true; !poweroff;) {
        loop.turn(more ? 0ms : 1h);
        more = link.pump();
        engine.sweep();
    }
    power_off();
}

[[noreturn]] void run_as_init() {
    open_console();
    log("started");
    ::reboot(RB_DISABLE_CAD);
    try {
        bring_up_system();
        serve();
    } catch (const std::exception& error) {
        // Holond shows the console's last lines to the user; the kernel's panic must not be the
        // last.
        log(std::string("fatal: ") + error.what());
        power_off();
    }
}

}  // namespace
}  // namespace holon::guest

int main(int argc, char** argv) {
    if (::getpid() == 1) holon::guest::run_as_init();
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::puts("holon-guest " HOLON_VERSION);
        return 0;
    }
    std::fputs(
        "holon-guest: the first process of a Holon VM (rdinit=/holon/holon-guest); it does nothing "
        "elsewhere\n",
        stderr);
    return 2;
}
