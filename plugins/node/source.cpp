// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/source.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "paths.h"
#include "plugins/os/error.h"

namespace holon::node {
namespace {

using nlohmann::json;

constexpr std::chrono::hours patience{
    1};  // all of a large checkpoint is read, perhaps over a network

std::string last_line(std::string text) {
    text.erase(text.find_last_not_of('\n') + 1);
    return text.substr(text.find_last_of('\n') + 1);
}

os::RunOptions options_for(const os::Identity& user) {
    os::RunOptions options;
    options.as = user;
    options.timeout = patience;
    return options;
}

json ask(const os::Identity& user, std::vector<std::string> words) {
    words.insert(words.begin(), paths::checkpoint_store);
    const os::RunResult result = os::run(words, options_for(user));
    if (!result.ok()) {
        const std::string complaint = last_line(result.err);
        throw Error("{}",
                    complaint.empty() ? "the checkpoint store ended without a word" : complaint);
    }
    json answer = json::parse(result.out, nullptr, false);
    if (!answer.is_object()) throw Error("the checkpoint store gave no answer");
    return answer;
}

Source source_of(const json& answer) {
    Source source;
    source.folder = answer.at("folder").get<std::string>();
    source.manifest = checkpoint::from_json(answer.at("manifest").dump());
    return source;
}

}  // namespace

std::optional<Newest> newest_source(const os::Identity& user, const std::filesystem::path& dir,
                                    std::uint32_t job) {
    json answer;
    try {
        answer = ask(user, {"newest", dir.string(), std::to_string(job)});
    } catch (const Error& error) {
        if (std::string(error.what()).ends_with(": no checkpoint")) return std::nullopt;
        throw;
    }
    return Newest{source_of(answer), answer.at("refused").get<std::vector<std::string>>()};
}

Source verified_source(const os::Identity& user, const std::filesystem::path& folder) {
    return source_of(ask(user, {"verify", folder.string()}));
}

Source read_source(const os::Identity& user, const std::filesystem::path& folder) {
    return source_of(ask(user, {"manifest", folder.string()}));
}

std::string cannot_go_on(vm::Hypervisor& hypervisor, const checkpoint::SavedVm& saved,
                         const vm::Machine& machine) {
    const auto accelerator = [](bool kvm) { return kvm ? "KVM" : "emulation (TCG)"; };
    if (saved.hardware.kvm != machine.kvm)
        return fmt::format("it ran under {} and this node has {}", accelerator(saved.hardware.kvm),
                           accelerator(machine.kvm));
    const std::string cpu = !machine.cpu_model.empty() ? machine.cpu_model
                            : machine.kvm              ? "host"
                                                       : "max";
    if (saved.hardware.cpu != cpu)
        return fmt::format("its CPU is '{}' and vm.cpu_model makes '{}' here", saved.hardware.cpu,
                           cpu);
    if (saved.disk.has_value() != !machine.disk.overlay.empty())
        return saved.disk ? "it had a disk and its image has none now"
                          : "it had no disk and its image has one now";
    vm::Hardware hardware;
    hardware.layout = saved.hardware.layout;
    hardware.type = saved.hardware.machine;
    hardware.kvm = saved.hardware.kvm;
    hardware.cpu = saved.hardware.cpu;
    hardware.host_cpu = saved.hardware.host_cpu;
    hardware.qemu = saved.hardware.qemu;
    return hypervisor.cannot_restore(hardware);
}

void unpack_disk(const os::Identity& user, const Source& source, const checkpoint::SavedVm& saved,
                 const std::filesystem::path& to) {
    os::run_checked(
        {paths::checkpoint_store, "unpack", source.folder.string(), saved.disk->file, to.string()},
        options_for(user));
}

void load_memory(vm::Hypervisor& hypervisor, const std::string& domain, const os::Identity& user,
                 const Source& source, const checkpoint::SavedVm& saved) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("pipe: {}", errno_text());
    os::Fd read(ends[0]);
    os::Child reader({paths::checkpoint_store, "read", source.folder.string(), saved.memory.file},
                     options_for(user), os::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
                     os::Fd(ends[1]));
    std::string fault;
    try {
        hypervisor.load_memory(domain, read.get());
    } catch (const Error& error) {
        fault = error.what();
    }
    read.reset();  // a QEMU that has stopped reading must not keep the reader
    const int status = reader.wait();
    std::string said;
    char bytes[4096];
    for (ssize_t n; said.size() < sizeof bytes &&
                    (n = ::read(reader.messages().get(), bytes, sizeof bytes)) > 0;)
        said.append(bytes, static_cast<std::size_t>(n));
    // What the reader found wrong is why QEMU could not go on.
    if (status != 0 && !last_line(said).empty()) throw Error("{}", last_line(said));
    if (!fault.empty()) throw Error("{}", fault);
    if (status != 0)
        throw Error("{}: {} was not read to its end", source.folder.string(), saved.memory.file);
}

}  // namespace holon::node
