// SPDX-License-Identifier: GPL-2.0-or-later
// Real processes behind the guest's engine; the test is the host at the other end of a socket.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "guest/engine.h"
#include "guest/json.h"
#include "guest/link.h"

namespace holon::guest {
namespace {

using channel::Frame;
using channel::Stream;
using channel::Type;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string little_endian(std::uint64_t value, std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
    return bytes;
}

std::string random_bytes(std::size_t size) {
    std::mt19937_64 generator(42);
    std::string bytes;
    while (bytes.size() < size) bytes += little_endian(generator(), 8);
    bytes.resize(size);
    return bytes;
}

// What holon-run would know of one session.
struct Seen {
    std::array<std::string, 3> bytes;  // by stream; index 0 unused
    std::array<bool, 3> eof{};
    std::uint64_t input_acknowledged = 0;
    std::optional<std::uint64_t> input_wanted;
    std::optional<int> status;
    std::optional<Json> error;
    std::vector<std::string> notices;
    bool opened = false;
    bool unknown = false;
    std::string& out() { return bytes[1]; }
    std::string& err() { return bytes[2]; }
};

class GuestSession : public ::testing::Test {
  protected:
    GuestSession() {
        std::string name = "/tmp/holon-guest-test-XXXXXX";
        folder = ::mkdtemp(name.data());
        ::chmod(folder.c_str(), 0755);
        for (const auto* base : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"})
            if (cgroup.empty() &&
                ::access((std::string(base) + "/cgroup.procs").c_str(), W_OK) == 0)
                cgroup = std::string(base) + "/holon-guest-test-" + std::to_string(::getpid());
    }

    ~GuestSession() override {
        link.reset();
        engine.reset();
        if (!cgroup.empty()) ::rmdir(cgroup.c_str());
        std::filesystem::remove_all(folder);
    }

    void start() {
        EngineOptions options;
        options.sessions.cgroup_root = cgroup;
        options.sessions.scripts = folder + "/scripts";
        options.sessions.unattended = unattended;
        options.boot_id = "boot";
        options.configure = [](const std::string&, const std::function<void(std::string)>& done) {
            done({});
        };
        options.set_clock = [this](std::int64_t time_ns) { clock = time_ns; };
        engine.emplace(loop, reaper, options);
        connect();
        send(Type::configure, 0, R"({"hostname":"vm0"})", 0, Stream::in, channel::flag_last);
        until([&] { return ready; });
    }

    // A new connection, as after the daemon was replaced.
    void connect() {
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()),
                  0);
        host.reset(ends[0]);
        link.emplace(loop, *engine, os::Fd(ends[1]));
        const std::array<std::uint8_t, 16> nonce{static_cast<std::uint8_t>(++connections), 2, 3};
        decoder = channel::Decoder(channel::Decoder::Mode::strict);
        decoder.hunt_for_sync(nonce);
        to_send = channel::sync_preamble(nonce);
        greeting.reset();
        until([&] { return greeting.has_value(); });
    }

    void disconnect() {
        host.reset();
        for (int i = 0; i < 3; ++i) turn();
        link.reset();
    }

    void send(Type type, std::uint64_t session, std::string payload, std::uint64_t offset = 0,
              Stream stream = Stream::in, std::uint8_t flags = 0) {
        Frame frame;
        frame.type = type;
        frame.session = session;
        frame.payload = std::move(payload);
        frame.offset = offset;
        frame.stream = stream;
        frame.flags = flags;
        channel::encode_to(to_send, frame);
    }

    Json request(std::vector<std::string> argv) const {
        return {{"argv", std::move(argv)},
                {"env", {"PATH=/usr/bin:/bin", "LC_ALL=C"}},
                {"cwd", "/"},
                {"umask", 18},
                {"pty", nullptr},
                {"script", nullptr},
                {"stdin", true},
                {"uid", ::getuid()},
                {"gid", ::getgid()},
                {"groups", Json::array()}};
    }

    void open(std::uint64_t id, const Json& request) {
        for (const auto& frame : channel::fragment(Type::open, id, request.dump()))
            channel::encode_to(to_send, frame);
    }
    void open_shell(std::uint64_t id, const std::string& text) {
        open(id, request({"sh", "-c", text}));
    }

    void attach(std::uint64_t id) {
        auto& seen = sessions[id];
        send(Type::attach, id,
             little_endian(seen.out().size(), 8) + little_endian(seen.err().size(), 8));
    }

    // Sends all of BYTES within the window, then the end.
    void feed(std::uint64_t id, const std::string& bytes) {
        for (std::size_t offset = 0; offset < bytes.size();) {
            const auto size = std::min(bytes.size() - offset, channel::max_payload);
            until([&] {
                return offset + size <= sessions[id].input_acknowledged + channel::stream_window;
            });
            send(Type::data, id, bytes.substr(offset, size), offset);
            offset += size;
        }
        send(Type::eof, id, {}, bytes.size());
    }

    void turn() {
        if (link) link->pump();
        engine->sweep();
        exchange();
        const bool busy = link && link->pump();
        loop.turn(busy ? 0ms : 5ms);
        exchange();
    }

    template <typename Condition>
    void until(Condition condition, std::chrono::seconds limit = 20s) {
        const auto deadline = Loop::Clock::now() + limit;
        while (!condition()) {
            ASSERT_LT(Loop::Clock::now(), deadline) << "it did not happen in time";
            turn();
        }
    }
    void until_exit(std::uint64_t id) {
        until([&] { return sessions[id].status || sessions[id].error; });
    }

    void exchange() {
        while (host.valid() && !to_send.empty()) {
            const auto size = ::send(host.get(), to_send.data(), to_send.size(), MSG_NOSIGNAL);
            if (size <= 0) break;
            to_send.erase(0, static_cast<std::size_t>(size));
        }
        std::array<char, 16384> buffer{};
        for (int i = 0; host.valid() && reading && i < 8; ++i) {
            const auto size = ::read(host.get(), buffer.data(), buffer.size());
            if (size <= 0) break;
            decoder.feed({buffer.data(), static_cast<std::size_t>(size)});
            while (const auto frame = decoder.next()) take(*frame);
        }
    }

    void take(const Frame& frame) {
        auto& seen = sessions[frame.session];
        const auto index = static_cast<std::size_t>(frame.stream);
        order.push_back(frame.session);
        switch (frame.type) {
            case Type::sync_ack:
                greeting = Json::parse(frame.payload.substr(16));
                break;
            case Type::ready:
                ready = true;
                break;
            case Type::opened:
                seen.opened = true;
                break;
            case Type::data:
                ASSERT_EQ(frame.offset, seen.bytes[index].size()) << "a gap or a repetition";
                seen.bytes[index] += frame.payload;
                if (acknowledging)
                    send(Type::ack, frame.session, {}, seen.bytes[index].size(), frame.stream);
                break;
            case Type::eof:
                ASSERT_EQ(frame.offset, seen.bytes[index].size());
                seen.eof[index] = true;
                break;
            case Type::ack:
                seen.input_acknowledged = frame.offset;
                break;
            case Type::attached:
                seen.input_wanted = 0;
                for (std::size_t i = 8; i-- > 0;)
                    seen.input_wanted =
                        *seen.input_wanted << 8 | static_cast<unsigned char>(frame.payload[i]);
                break;
            case Type::exit:
                EXPECT_TRUE(seen.eof[1] && seen.eof[2])
                    << "exit came before the ends of the output";
                seen.status = 0;
                for (std::size_t i = 4; i-- > 0;)
                    seen.status = *seen.status << 8 | static_cast<unsigned char>(frame.payload[i]);
                break;
            case Type::error:
                seen.error = Json::parse(frame.payload);
                break;
            case Type::notice:
                seen.notices.push_back(frame.payload);
                break;
            case Type::no_session:
                seen.unknown = true;
                break;
            default:
                ADD_FAILURE() << "unexpected frame type " << static_cast<int>(frame.type);
        }
    }

    std::int64_t clock = 0;
    Loop loop;
    Reaper reaper{loop};
    std::optional<Engine> engine;
    std::optional<Link> link;
    os::Fd host;
    channel::Decoder decoder{channel::Decoder::Mode::strict};
    std::string to_send;
    std::map<std::uint64_t, Seen> sessions;
    std::optional<Json> greeting;
    std::vector<std::uint64_t> order;
    int connections = 0;
    bool ready = false, reading = true, acknowledging = true;
    std::chrono::milliseconds unattended{120'000};
    std::string folder, cgroup;
};

TEST_F(GuestSession, AVmThatStoodIsToldWhatTimeItIs) {
    start();
    send(Type::clock, 0, {}, 1'700'000'000'123'456'789);
    until([&] { return clock != 0; });
    EXPECT_EQ(clock, 1'700'000'000'123'456'789);
}

TEST_F(GuestSession, KeepsOutputAndErrorsApartAndReportsTheStatus) {
    start();
    open_shell(1, "echo out; echo err >&2; exit 7");
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), "out\n");
    EXPECT_EQ(sessions[1].err(), "err\n");
    EXPECT_TRUE(sessions[1].opened);
    EXPECT_EQ(sessions[1].status, 7 << 8);
}

TEST_F(GuestSession, IsBinaryCleanInBothDirections) {
    start();
    const auto bytes = random_bytes(1'000'003);
    open_shell(1, "tee /dev/stderr");
    feed(1, bytes);
    until_exit(1);
    EXPECT_TRUE(sessions[1].out() == bytes);
    EXPECT_TRUE(sessions[1].err() == bytes);
    EXPECT_EQ(sessions[1].input_acknowledged, bytes.size());
}

TEST_F(GuestSession, ReportsDeathByASignal) {
    start();
    open_shell(1, "kill -9 $$");
    until_exit(1);
    ASSERT_TRUE(sessions[1].status);
    EXPECT_TRUE(WIFSIGNALED(*sessions[1].status));
    EXPECT_EQ(WTERMSIG(*sessions[1].status), SIGKILL);
}

TEST_F(GuestSession, AnUnknownProgramIsToldLikeAShellDoes) {
    start();
    open(1, request({"no-such-program"}));
    open(2, request({"/no/such/program"}));
    open(3, request({"/etc"}));
    open(4, request({"/etc/passwd"}));
    for (std::uint64_t id = 1; id <= 4; ++id) until_exit(id);
    EXPECT_EQ(*sessions[1].error,
              Json({{"error", "no-such-program: command not found"}, {"status", 127}}));
    EXPECT_EQ(*sessions[2].error,
              Json({{"error", "/no/such/program: No such file or directory"}, {"status", 127}}));
    EXPECT_EQ(*sessions[3].error, Json({{"error", "/etc: Is a directory"}, {"status", 126}}));
    EXPECT_EQ(*sessions[4].error,
              Json({{"error", "/etc/passwd: Permission denied"}, {"status", 126}}));
}

TEST_F(GuestSession, TheErrorIsRepeatedToWhoeverAttaches) {
    start();
    open(1, request({"no-such-program"}));
    until_exit(1);
    sessions[1].error.reset();
    disconnect();
    connect();
    attach(1);
    until_exit(1);
    EXPECT_EQ((*sessions[1].error)["status"], 127);
}

TEST_F(GuestSession, MalformedRequestsAreErrorsOfThatSessionOnly) {
    start();
    send(Type::open, 1, "{\"argv\":[]}", 0, Stream::in, channel::flag_last);
    send(Type::open, 2, "{", 0, Stream::in, channel::flag_last);
    send(Type::open, 3, std::string(1000, '['), 0, Stream::in, channel::flag_last);
    send(Type::open, 4, R"({"argv":"ls","uid":"x"})", 0, Stream::in, channel::flag_last);
    open_shell(5, "echo fine");
    for (std::uint64_t id = 1; id <= 5; ++id) until_exit(id);
    for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_TRUE(sessions[id].error) << id;
    EXPECT_EQ(sessions[5].out(), "fine\n");
}

TEST_F(GuestSession, EnvironmentUmaskLimitsAndDirectoryAreTheRequested) {
    start();
    auto wanted = request({"sh", "-c", "echo $GREETING; umask; ulimit -n; ulimit -c; pwd"});
    wanted["env"].push_back("GREETING=hello there");
    wanted["umask"] = 077;
    wanted["rlimits"] = {{"nofile", {100, 200}}, {"core", {0, -1}}};
    wanted["cwd"] = "/tmp";
    open(1, wanted);
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), "hello there\n0077\n100\n0\n/tmp\n");
}

TEST_F(GuestSession, TheScriptIsStoredAndRunUnderItsOwnName) {
    start();
    auto wanted = request({"ignored", "one", "two words"});
    wanted["script"] = "IyEvYmluL3NoCmVjaG8gIiQwOiQxOiQyIgo=";  // echo "$0:$1:$2"
    open(1, wanted);
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), folder + "/scripts/0000000000000001/slurm_script:one:two words\n");
    send(Type::close, 1, {});
    until([&] { return engine->sessions() == 0; });
    EXPECT_FALSE(std::filesystem::exists(folder + "/scripts/0000000000000001"));
}

TEST_F(GuestSession, AMissingWorkingDirectoryIsMadeForTheUserAndTold) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    start();
    auto wanted = request({"sh", "-c", "pwd; touch here; id -u"});
    wanted["cwd"] = folder + "/place/deep";
    wanted["uid"] = 12345;
    wanted["gid"] = 12345;
    open(1, wanted);
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), folder + "/place/deep\n12345\n");
    EXPECT_EQ(sessions[1].err(), "");
    ASSERT_EQ(sessions[1].notices.size(), 1u);
    EXPECT_THAT(sessions[1].notices[0], StartsWith(folder + "/place/deep: was not there"));
    struct stat status {};
    ASSERT_EQ(::stat((folder + "/place").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 12345u);
}

TEST_F(GuestSession, AnUnusableWorkingDirectoryFallsBackToTmp) {
    start();
    auto wanted = request({"pwd"});
    wanted["cwd"] = "/etc/passwd/x";
    open(1, wanted);
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), "/tmp\n");
    ASSERT_EQ(sessions[1].notices.size(), 1u);
    EXPECT_THAT(sessions[1].notices[0], HasSubstr("Not a directory"));
}

TEST_F(GuestSession, TakesTheUsersIdentityAndCannotTakeRootsBack) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    start();
    auto wanted =
        request({"sh", "-c", "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/self/status"});
    wanted["uid"] = 12345;
    wanted["gid"] = 12346;
    wanted["groups"] = {12346, 777};
    open(1, wanted);
    until_exit(1);
    EXPECT_THAT(sessions[1].out(), HasSubstr("Uid:\t12345\t12345\t12345\t12345\n"));
    EXPECT_THAT(sessions[1].out(), HasSubstr("Gid:\t12346\t12346\t12346\t12346\n"));
    EXPECT_THAT(sessions[1].out(), HasSubstr("Groups:\t777 12346 \n"));
    EXPECT_THAT(sessions[1].out(), HasSubstr("CapPrm:\t0000000000000000\n"));
    EXPECT_THAT(sessions[1].out(), HasSubstr("CapEff:\t0000000000000000\n"));
}

TEST_F(GuestSession, InheritsNoDescriptorAndNoBlockedSignal) {
    start();
    open_shell(1, "ls /proc/self/fd | tr '\\n' ' '; grep -E '^Sig(Blk|Ign)' /proc/self/status");
    until_exit(1);
    EXPECT_THAT(sessions[1].out(), StartsWith("0 1 2 3 "));  // 3 is ls reading the folder
    EXPECT_THAT(sessions[1].out(), HasSubstr("SigBlk:\t0000000000000000"));
    EXPECT_THAT(sessions[1].out(), HasSubstr("SigIgn:\t0000000000000000"));
}

TEST_F(GuestSession, ATerminalHasItsSizeAndEchoes) {
    start();
    auto wanted = request({"sh", "-c", "stty size; tty; read line; echo got:$line; stty size"});
    wanted["pty"] = {{"rows", 33}, {"cols", 101}};
    open(1, wanted);
    until([&] { return sessions[1].out().find("/dev/pts/") != std::string::npos; });
    send(Type::winsize, 1, little_endian(44, 2) + little_endian(120, 2) + std::string(4, '\0'));
    send(Type::data, 1, "hi\r", 0);
    until_exit(1);
    EXPECT_THAT(sessions[1].out(), StartsWith("33 101\r\n/dev/pts/"));
    EXPECT_THAT(sessions[1].out(), HasSubstr("hi\r\ngot:hi\r\n44 120\r\n"));
    EXPECT_EQ(sessions[1].status, 0);
}

TEST_F(GuestSession, ControlCInterruptsOnATerminal) {
    start();
    auto wanted =
        request({"sh", "-c",
                 "trap 'echo interrupted; exit 3' INT; echo waiting; while :; do sleep 0.1; done"});
    wanted["pty"] = {{"rows", 24}, {"cols", 80}};
    open(1, wanted);
    until([&] { return sessions[1].out().find("waiting") != std::string::npos; });
    send(Type::data, 1, "\x03", 0);
    until_exit(1);
    EXPECT_THAT(sessions[1].out(), HasSubstr("interrupted"));
    EXPECT_EQ(sessions[1].status, 3 << 8);
}

TEST_F(GuestSession, EndOfInputEndsAReaderOnATerminal) {
    start();
    auto wanted = request({"cat"});
    wanted["pty"] = {{"rows", 24}, {"cols", 80}};
    open(1, wanted);
    feed(1, "line\n");
    until_exit(1);
    EXPECT_EQ(sessions[1].status, 0);
}

TEST_F(GuestSession, WithoutInputItReadsNothing) {
    start();
    auto wanted = request({"sh", "-c", "cat; readlink /proc/self/fd/0"});
    wanted["stdin"] = false;
    open(1, wanted);
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), "/dev/null\n");
}

TEST_F(GuestSession, InputThatNobodyReadsIsTakenAndTheProcessEndsNormally) {
    start();
    open_shell(1, "exec <&-; echo closed; sleep 0.2");
    until([&] { return sessions[1].out() == "closed\n"; });
    feed(1, random_bytes(1'000'000));
    until_exit(1);
    EXPECT_EQ(sessions[1].status, 0);
}

TEST_F(GuestSession, DescendantsDieWithTheFirstProcess) {
    if (cgroup.empty()) GTEST_SKIP() << "needs a writable cgroup v2";
    start();
    // One in the background holding the pipes, one that daemonised itself.
    open_shell(1, "sleep 1000 & setsid -f sh -c 'exec >/dev/null 2>&1 </dev/null; echo $$ >" +
                      folder + "/daemon; exec sleep 1000'; while ! test -s " + folder +
                      "/daemon; do :; done; echo done");
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), "done\n");
    EXPECT_EQ(sessions[1].status, 0);
    pid_t daemon = 0;
    std::ifstream(folder + "/daemon") >> daemon;
    ASSERT_GT(daemon, 1);
    until([&] {
        std::ifstream status("/proc/" + std::to_string(daemon) + "/stat");
        std::string pid, name, state;
        return !(status >> pid >> name >> state) || state == "Z";
    });
    // The kernel tells a moment after the last process that the cgroup is empty.
    until([&] { return !std::filesystem::exists(cgroup + "/s-0000000000000001"); });
}

TEST_F(GuestSession, SignalsReachTheFirstProcessOrAll) {
    if (cgroup.empty()) GTEST_SKIP() << "needs a writable cgroup v2";
    start();
    const std::string child =
        "sh -c 'trap \"echo child\" USR1; echo up; while :; do sleep 0.05; done'";
    open_shell(1, "trap 'echo parent' USR1; setsid " + child +
                      " & echo up; trap 'exit 5' TERM; while :; do sleep 0.05; done");
    until([&] { return sessions[1].out() == "up\nup\n"; });
    send(Type::signal, 1, little_endian(SIGUSR1, 4) + std::string(1, '\0'));
    until([&] { return sessions[1].out() == "up\nup\nparent\n"; });
    send(Type::signal, 1, little_endian(SIGUSR1, 4) + std::string(1, '\1'));
    until([&] {
        const auto rest = sessions[1].out().substr(13);
        return rest == "parent\nchild\n" || rest == "child\nparent\n";
    });
    send(Type::signal, 1, little_endian(SIGTERM, 4) + std::string(1, '\0'));
    until_exit(1);
    EXPECT_EQ(sessions[1].status, 5 << 8);
}

TEST_F(GuestSession, ACutConnectionLosesAndRepeatsNothing) {
    start();
    std::string expected;
    for (int i = 1; i <= 200'000; ++i) expected += std::to_string(i) + "\n";
    open_shell(1, "cat >/dev/null; seq 1 200000; seq 1 200000 >&2; exit 9");
    feed(1, "x");
    for (std::size_t cut = 100'000; cut < 1'300'000; cut += 100'003) {
        until([&] { return sessions[1].out().size() >= cut; });
        to_send = to_send.substr(0, to_send.size() / 2);  // the daemon dies in mid-sentence
        exchange();
        disconnect();
        connect();
        EXPECT_EQ((*greeting)["sessions"], Json::array({"0000000000000001"}));
        EXPECT_EQ((*greeting)["configured"], true);
        attach(1);
    }
    until_exit(1);
    EXPECT_TRUE(sessions[1].out() == expected);
    EXPECT_TRUE(sessions[1].err() == expected);
    EXPECT_EQ(sessions[1].status, 9 << 8);
    // The status, too, is told again.
    sessions[1].status.reset();
    disconnect();
    connect();
    attach(1);
    until_exit(1);
    EXPECT_EQ(sessions[1].status, 9 << 8);
}

TEST_F(GuestSession, InputGoesOnWhereItWasCut) {
    start();
    const auto bytes = random_bytes(300'000);
    open(1, request({"cat"}));
    send(Type::data, 1, bytes.substr(0, 60'000), 0);
    until([&] { return !sessions[1].out().empty(); });
    disconnect();
    connect();
    attach(1);
    until([&] { return sessions[1].input_wanted.has_value(); });
    // From an earlier offset than wanted: what is known there already is passed over.
    auto offset = *sessions[1].input_wanted - 1000;
    while (offset < bytes.size()) {
        const auto size = std::min<std::size_t>(channel::max_payload, bytes.size() - offset);
        send(Type::data, 1, bytes.substr(offset, size), offset);
        offset += size;
    }
    send(Type::eof, 1, {}, bytes.size());
    until_exit(1);
    EXPECT_TRUE(sessions[1].out() == bytes);
}

TEST_F(GuestSession, OutputThatIsNotAcknowledgedHoldsTheProcessUp) {
    start();
    acknowledging = false;
    open_shell(1, "head -c 3000000 /dev/zero; echo end >&2");
    until([&] { return sessions[1].out().size() >= channel::stream_window; });
    for (int i = 0; i < 50; ++i) turn();
    EXPECT_EQ(sessions[1].out().size(), channel::stream_window);
    EXPECT_EQ(sessions[1].err(), "");
    acknowledging = true;
    send(Type::ack, 1, {}, sessions[1].out().size(), Stream::out);
    until_exit(1);
    EXPECT_EQ(sessions[1].out().size(), 3'000'000u);
    EXPECT_EQ(sessions[1].err(), "end\n");
}

TEST_F(GuestSession, AHostThatDoesNotReadHoldsTheProcessUp) {
    start();
    open_shell(1, "head -c 3000000 /dev/zero; echo end >" + folder + "/done");
    reading = false;
    for (int i = 0; i < 50; ++i) turn();
    EXPECT_FALSE(std::filesystem::exists(folder + "/done"));
    reading = true;
    until_exit(1);
    EXPECT_EQ(sessions[1].out().size(), 3'000'000u);
}

TEST_F(GuestSession, InputBeyondTheWindowEndsThatSessionOnly) {
    start();
    open_shell(1, "sleep 1000");
    open_shell(2, "cat");
    until([&] { return sessions[1].opened && sessions[2].opened; });
    for (std::uint64_t offset = 0; offset < 2 * channel::stream_window;
         offset += channel::max_payload)
        send(Type::data, 1, std::string(channel::max_payload, 'x'), offset);
    until_exit(1);
    ASSERT_TRUE(sessions[1].error);
    EXPECT_THAT((*sessions[1].error)["error"], HasSubstr("window"));
    feed(2, "still here");
    until_exit(2);
    EXPECT_EQ(sessions[2].out(), "still here");
}

TEST_F(GuestSession, SessionsTakeTurnsOnTheWire) {
    start();
    for (std::uint64_t id = 1; id <= 3; ++id) open_shell(id, "yes");
    until([&] {
        return sessions[1].out().size() > 1'000'000 && sessions[2].out().size() > 1'000'000 &&
               sessions[3].out().size() > 1'000'000;
    });
    for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_LT(sessions[id].out().size(), 20'000'000u);
    open_shell(4, "echo quick");
    until([&] { return sessions[4].status.has_value(); }, 5s);
    for (std::uint64_t id = 1; id <= 3; ++id) send(Type::close, id, {});
    until([&] { return engine->sessions() == 1; });
}

TEST_F(GuestSession, ClosingKillsAndForgets) {
    start();
    open_shell(1, "trap '' TERM HUP; echo up; while :; do sleep 0.05; done");
    until([&] { return sessions[1].out() == "up\n"; });
    send(Type::close, 1, {});
    until([&] { return engine->sessions() == 0; });
    if (!cgroup.empty()) {
        EXPECT_FALSE(std::filesystem::exists(cgroup + "/s-0000000000000001"));
    }
    attach(1);
    until([&] { return sessions[1].unknown; });
}

TEST_F(GuestSession, NobodyAttachedForLongKillsIt) {
    unattended = 50ms;
    start();
    open_shell(1, "sleep 1000");
    until([&] { return sessions[1].opened; });
    for (int i = 0; i < 30; ++i) turn();
    EXPECT_EQ(engine->sessions(), 1u);  // attended as long as the connection stands
    disconnect();
    until([&] { return engine->sessions() == 0; });
}

TEST_F(GuestSession, ARepeatedOpenIsIgnored) {
    start();
    open_shell(1, "echo once");
    open_shell(1, "echo twice");
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), "once\n");
}

TEST_F(GuestSession, NothingIsDoneBeforeASyncOrForUnknownSessions) {
    start();
    send(Type::data, 99, "x", 0);
    send(Type::close, 99, {});
    send(Type::signal, 99, "x");
    open_shell(1, "echo fine");
    until_exit(1);
    EXPECT_EQ(sessions[1].out(), "fine\n");
    EXPECT_EQ(engine->sessions(), 1u);
}

}  // namespace
}  // namespace holon::guest
