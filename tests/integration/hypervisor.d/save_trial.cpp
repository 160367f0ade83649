// SPDX-License-Identifier: GPL-2.0-or-later
// Saving and restoring VMs (plugins/vm/save.h) with real guests: what they hold is compared with
// what they held.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "bench.h"
#include "fixture.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"
#include "plugins/vm/save.h"
#include "save_trial.h"

namespace holon::vm {
namespace {

using trial::Console;
using trial::machine;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::filesystem::path scratch(const std::string& name) {
    return std::filesystem::path(std::getenv("HOLON_TRIAL_DIR")) / name;
}

struct Pipe : SavePipe {
    Pipe() : SavePipe(scratch("")) {}
};

// A pipe whose other end goes into a file.
class Sink {
  public:
    explicit Sink(std::filesystem::path file) : file_(std::move(file)) {
        thread_ = std::jthread([this] {
            std::ofstream out(file_, std::ios::binary);
            std::vector<char> bytes(1u << 20);
            for (ssize_t n; (n = ::read(pipe_.reader.get(), bytes.data(), bytes.size())) > 0;)
                out.write(bytes.data(), n);
        });
    }
    ~Sink() { file(); }
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    int reader() const { return pipe_.reader.get(); }
    int writer() const { return pipe_.writer.get(); }
    // All that was written to the pipe, once nobody else holds its end.
    const std::filesystem::path& file() {
        pipe_.writer.reset();
        if (thread_.joinable()) thread_.join();
        return file_;
    }

  private:
    std::filesystem::path file_;
    Pipe pipe_;
    std::jthread thread_;
};

class SaveTrial : public trial::HypervisorFixture {
  protected:
    SaveMethod method = SaveMethod::stopped;

    // The same machine for the next run of the job, with other devices on the host.
    static Machine restored(Machine machine, const Hardware& hardware) {
        machine.job.restart = 1;
        machine.restored = true;
        machine.type = hardware.type;
        machine.channel_socket += ".1";
        machine.console_socket += ".1";
        return machine;
    }

    pid_t restore(const Machine& machine, const std::filesystem::path& memory) {
        const pid_t pid = hypervisor->create_paused(machine);
        Pipe pipe;
        const std::jthread source([out = pipe.writer.release(), memory] {
            const os::Fd end(out);
            const std::string bytes = os::read_file(memory);
            os::write_all(out, bytes.data(), bytes.size());
        });
        hypervisor->load_memory(domain_name(machine.job, machine.vm.index), pipe.reader.get());
        return pid;
    }

    // Saves the VM, and returns what it was made as.
    Hardware save(const Machine& machine, Sink& sink, const std::filesystem::path& disk = {}) {
        const std::string domain = domain_name(machine.job, machine.vm.index);
        auto save = hypervisor->save({domain, machine.vm.memory_mb, method, disk});
        save->prepare(sink.reader(), sink.writer());
        EXPECT_EQ(save->method(), method) << save->reason();
        const auto start = Clock::now();
        save->stop();
        save->go_on();
        fmt::print("it stood for {:.1f} ms\n", ms_since(start));
        save->finish();
        return hypervisor->hardware(domain, machine);
    }

    Console up(const Machine& machine) {
        hypervisor->create_paused(machine);
        Console console(machine.console_socket);
        hypervisor->resume(domain_name(machine.job, machine.vm.index));
        if (!console.wait_for("guest is up")) throw Error("the guest did not come up");
        return console;
    }

    // With more to save than a pipe holds.
    Console up_with_memory_in_use(const Machine& machine) {
        Console console = up(machine);
        console.ask("fill 64", "filled");
        return console;
    }

    static void go_on_and_finish(Save& save) {
        save.go_on();
        save.finish();
    }

    // The process that writes memory over and over does so in this guest.
    static bool goes_beyond(Console& console, std::uint64_t rounds) {
        for (const auto deadline = Clock::now() + trial::patience; Clock::now() < deadline;)
            if (console.ask("rounds", "rounds") > rounds) return true;
        return false;
    }
};

class EachMethod : public SaveTrial, public ::testing::WithParamInterface<SaveMethod> {
  protected:
    void SetUp() override {
        SaveTrial::SetUp();
        method = GetParam();
    }
};
INSTANTIATE_TEST_SUITE_P(SaveTrial, EachMethod,
                         ::testing::Values(SaveMethod::background, SaveMethod::stopped),
                         [](const auto& given) {
                             return given.param == SaveMethod::background ? "Background"
                                                                          : "Stopped";
                         });

TEST_P(EachMethod, ASavedVmGoesOnAndGoesOnAgainElsewhere) {
    const Machine original = machine(0);
    Console console = up(original);
    console.ask("fill 64", "filled");
    const auto sum = console.ask("sum", "sum");
    console.ask("dirty 32", "dirtying");
    ASSERT_TRUE(goes_beyond(console, 0));
    Sink sink(scratch("memory"));
    const Hardware hardware = save(original, sink);
    // The VM is unharmed.
    const auto rounds = console.ask("rounds", "rounds");
    EXPECT_EQ(console.ask("rounds", "wrong"), 0u);
    EXPECT_EQ(console.ask("sum", "sum"), sum);
    EXPECT_TRUE(goes_beyond(console, rounds));
    hypervisor->destroy(name(0));

    EXPECT_EQ(hypervisor->cannot_restore(hardware), "");
    const Machine again = restored(original, hardware);
    restore(again, sink.file());
    Console other(again.console_socket);
    hypervisor->resume(domain_name(again.job, 0));
    EXPECT_EQ(other.ask("sum", "sum"), sum);
    EXPECT_EQ(other.ask("rounds", "wrong"), 0u);
    EXPECT_TRUE(goes_beyond(other, 0));
}

TEST_P(EachMethod, DiskAndMemoryAreOfTheSameInstant) {
    Machine original = trial::machine_with_disk(0);
    original.disk.overlay = trial::overlay(original, "disk.qcow2");
    const auto copy = trial::overlay(original, "copy.qcow2");
    Console console = up(original);
    ASSERT_EQ(console.ask("disk", "disk"), 1u);
    ASSERT_EQ(console.ask("write 17", "wrote"), 17u);
    Sink sink(scratch("memory"));
    const Hardware hardware = save(original, sink, copy);
    ASSERT_EQ(console.ask("write 18", "wrote"), 18u);
    EXPECT_EQ(console.ask("read", "read"), 18u);
    hypervisor->destroy(name(0));

    Machine again = restored(original, hardware);
    again.disk.overlay = copy;
    restore(again, sink.file());
    Console other(again.console_socket);
    hypervisor->resume(domain_name(again.job, 0));
    EXPECT_EQ(other.ask("read", "read"), 17u);
}

TEST_P(EachMethod, AnAbortedSaveLetsTheVmRunOnAndTheNextOneWorks) {
    const Machine original = machine(0);
    Console console = up(original);
    for (int steps = 0; steps < 4; ++steps) {
        Sink sink(scratch("aborted"));
        auto save = hypervisor->save({name(0), original.vm.memory_mb, method, {}});
        if (steps > 0) save->prepare(sink.reader(), sink.writer());
        if (steps > 1) save->stop();
        if (steps > 2) save->go_on();
        save.reset();
        EXPECT_EQ(console.ask("eat 1", "ate"), 1u) << "after " << steps << " steps";
    }
    Sink sink(scratch("memory"));
    save(original, sink);
    EXPECT_EQ(console.ask("eat 1", "ate"), 1u);
}

TEST_P(EachMethod, ACancelledSaveEndsSoonAndTheVmRunsOn) {
    const Machine original = machine(0);
    Console console = up_with_memory_in_use(original);
    Pipe pipe;
    auto save = hypervisor->save({name(0), original.vm.memory_mb, method, {}});
    save->prepare(pipe.reader.get(), pipe.writer.get());
    pipe.writer.reset();
    save->stop();
    // Nobody reads: it would take for ever.
    std::jthread other([&] {
        char bytes[4096];
        EXPECT_GT(::read(pipe.reader.get(), bytes, sizeof bytes), 0);
        save->cancel();
    });
    EXPECT_THROW(go_on_and_finish(*save), Error);
    other.join();
    pipe.reader.reset();
    save->abort();
    EXPECT_EQ(console.ask("eat 1", "ate"), 1u);
}

TEST_P(EachMethod, WhenTheFileCannotBeWrittenTheVmRunsOn) {
    const Machine original = machine(0);
    Console console = up_with_memory_in_use(original);
    Pipe pipe;
    auto save = hypervisor->save({name(0), original.vm.memory_mb, method, {}});
    save->prepare(pipe.reader.get(), pipe.writer.get());
    pipe.writer.reset();
    save->stop();
    // QEMU sees the pipe break, or does not, where it holds both ends: then whoever reads says so.
    std::jthread reader([&, end = pipe.reader.release()] {
        os::Fd read(end);
        std::vector<char> bytes(1u << 20);
        for (ssize_t sum = 0, n = 1; n > 0 && sum < (8 << 20); sum += n)
            n = ::read(end, bytes.data(), bytes.size());
        read.reset();
        if (save->method() == SaveMethod::background) save->cancel();
    });
    EXPECT_THROW(go_on_and_finish(*save), Error);
    reader.join();
    save->abort();
    EXPECT_EQ(console.ask("eat 1", "ate"), 1u);
    Sink sink(scratch("memory"));
    this->save(original, sink);
    EXPECT_EQ(console.ask("eat 1", "ate"), 1u);
}

TEST_P(EachMethod, WhatADaemonThatWasKilledInMidSaveLeftIsEndedByTheNextOne) {
    const Machine original = machine(0);
    Console console = up_with_memory_in_use(original);
    Pipe pipe;
    const char* how = method == SaveMethod::background ? "background" : "stopped";
    os::Child daemon({"/proc/self/exe", "--save", name(0), how}, {},
                     os::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), std::move(pipe.writer));
    // The VM stands and is being written.
    char byte = 0;
    ASSERT_EQ(::read(pipe.reader.get(), &byte, 1), 1);
    daemon.kill();
    daemon.wait();
    pipe.reader.reset();
    hypervisor->end_save(name(0));
    hypervisor->resume(name(0));
    EXPECT_EQ(console.ask("eat 1", "ate"), 1u);
    Sink sink(scratch("memory"));
    save(original, sink);
    EXPECT_EQ(console.ask("eat 1", "ate"), 1u);
}

TEST_P(EachMethod, AQemuThatIsKilledInMidSaveIsToldAsAnErrorAndAsAnEnd) {
    const Machine original = machine(0);
    const pid_t pid = hypervisor->create_paused(original);
    Console console(original.console_socket);
    hypervisor->resume(name(0));
    ASSERT_TRUE(console.wait_for("guest is up"));
    Sink sink(scratch("memory"));
    auto save = hypervisor->save({name(0), original.vm.memory_mb, method, {}});
    save->prepare(sink.reader(), sink.writer());
    save->stop();
    kill(pid, SIGKILL);
    EXPECT_THROW(go_on_and_finish(*save), Error);
    save.reset();
    EXPECT_TRUE(ends.wait_for(name(0)));
}

TEST_F(SaveTrial, MemoryThatIsCutShortIsNotRunOn) {
    const Machine original = machine(0);
    Console console = up(original);
    Sink sink(scratch("memory"));
    const Hardware hardware = save(original, sink);
    hypervisor->destroy(name(0));
    std::filesystem::resize_file(sink.file(), std::filesystem::file_size(sink.file()) / 2);
    EXPECT_THROW(restore(restored(original, hardware), sink.file()), Error);
}

TEST_F(SaveTrial, AMachineThatThisHostDoesNotHaveIsRefusedInWords) {
    const Machine original = machine(0);
    hypervisor->create_paused(original);
    const Hardware good = hypervisor->hardware(name(0), original);
    fmt::print("{} {} on {}, QEMU {}\n", good.type, good.cpu, good.host_cpu, good.qemu);
    EXPECT_EQ(hypervisor->cannot_restore(good), "");
    Hardware bad = good;
    bad.type = "pc-i440fx-99.9";
    EXPECT_NE(hypervisor->cannot_restore(bad).find("no machine 'pc-i440fx-99.9'"),
              std::string::npos);
    bad = good;
    bad.layout = 77;
    EXPECT_NE(hypervisor->cannot_restore(bad).find("other devices"), std::string::npos);
    bad = good;
    bad.cpu = "host";
    bad.host_cpu = "another";
    EXPECT_NE(hypervisor->cannot_restore(bad).find("it ran on 'another'"), std::string::npos);
    bad = good;
    bad.qemu = "1.2.3";
    EXPECT_NE(hypervisor->cannot_restore(bad).find("QEMU 1.2.3"), std::string::npos);
}

}  // namespace

int save_to_stdout(const std::string& domain, const std::string& method) {
    Hypervisor hypervisor("qemu:///system", [](const Ended&) {});
    const auto best = method == "background" ? SaveMethod::background : SaveMethod::stopped;
    auto save = hypervisor.save({domain, 256, best, {}});
    os::Fd reader(::open("/proc/self/fd/1", O_RDONLY | O_CLOEXEC));
    save->prepare(reader.get(), STDOUT_FILENO);
    reader.reset();
    ::close(STDOUT_FILENO);
    save->stop();
    save->go_on();
    save->finish();
    return 0;
}

}  // namespace holon::vm
