// SPDX-License-Identifier: GPL-2.0-or-later
//
// Asks the daemon as a program's runtime does:
//   ssi-test-client nodes                the CPUs of each node, as hello is answered
//   ssi-test-client body NODE CHANNELS   a body process there, whose link and channels must send
//   back what they are
//                                        sent; prints what one start of a thread costs
//   ssi-test-client hold NODE            a body process there; prints "held", ends when the body
//   process does
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "plugins/os/error.h"
#include "ssi/control/control.h"
#include "ssi/daemon/client.h"
#include "ssi/daemon/socket.h"

namespace {

using namespace holon;
using namespace holon::ssi;
using Clock = std::chrono::steady_clock;

struct Answer {
    ControlMessage message;
    os::Fd fd;
};

class Control {
  public:
    Control() : socket_(daemon::connect_local(daemon::control_address(daemon::default_partition))) {
        if (!socket_.valid()) throw Error("no daemon: {}", errno_text());
    }
    Answer ask(ControlType type, std::uint32_t node = 0, std::uint64_t value = 0) {
        ControlMessage request{};
        request.type = type;
        request.node = node;
        request.value = value;
        daemon::send_packet(socket_.get(),
                            {reinterpret_cast<const char*>(&request), sizeof request});
        auto packet = daemon::receive_packet(socket_.get(), sizeof request);
        if (!packet || packet->bytes.size() != sizeof request) throw Error("the daemon is gone");
        Answer answer{{}, std::move(packet->fd)};
        std::memcpy(&answer.message, packet->bytes.data(), sizeof answer.message);
        if (answer.message.type == ControlType::refused)
            throw Error("refused: {}", answer.message.text);
        return answer;
    }

  private:
    os::Fd socket_;
};

void check_echo(int fd, const std::string& text) {
    const auto deadline = Clock::now() + std::chrono::seconds(10);
    daemon::write_exactly(fd, text, deadline);
    if (daemon::read_exactly(fd, text.size(), deadline) != text)
        throw Error("'{}' came back as something else", text);
}

double microseconds(Clock::time_point from) {
    return std::chrono::duration<double, std::micro>(Clock::now() - from).count();
}

void nodes(Control& control) {
    const Answer welcome = control.ask(ControlType::hello);
    if (::fcntl(welcome.fd.get(), F_GETFL) < 0) throw Error("no userfaultfd came with the welcome");
    for (std::uint64_t i = 0; i < welcome.message.value; ++i)
        std::printf("%u%s ", welcome.message.node_cpus[i],
                    (welcome.message.node >> i & 1) != 0 ? "" : "-");
    std::printf("\n");
}

void body(Control& control, std::uint32_t node, unsigned channels) {
    control.ask(ControlType::hello);
    auto start = Clock::now();
    const Answer started = control.ask(ControlType::start_body, node);
    const double body_time = microseconds(start);
    check_echo(started.fd.get(), "link");
    std::vector<double> times;
    std::vector<os::Fd> open;
    for (unsigned i = 0; i < channels; ++i) {
        start = Clock::now();
        Answer channel = control.ask(ControlType::open_channel, node, i);
        times.push_back(microseconds(start));
        check_echo(channel.fd.get(), "channel " + std::to_string(i));
        open.push_back(std::move(channel.fd));
    }
    std::sort(times.begin(), times.end());
    std::printf("body %.0f us, channel median %.0f us, longest %.0f us\n", body_time,
                times.empty() ? 0 : times[times.size() / 2], times.empty() ? 0 : times.back());
}

void hold(Control& control, std::uint32_t node) {
    control.ask(ControlType::hello);
    const Answer started = control.ask(ControlType::start_body, node);
    check_echo(started.fd.get(), "link");
    std::printf("held\n");
    std::fflush(stdout);
    char byte = 0;
    const ssize_t count = ::read(started.fd.get(), &byte, 1);
    std::printf("the link has ended (%zd)\n", count);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        Control control;
        const std::string what = argc > 1 ? argv[1] : "";
        const auto node = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 1);
        if (what == "nodes")
            nodes(control);
        else if (what == "body")
            body(control, node, static_cast<unsigned>(argc > 3 ? std::atoi(argv[3]) : 1));
        else if (what == "hold")
            hold(control, node);
        else
            return 2;
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
