// SPDX-License-Identifier: GPL-2.0-or-later
// holon-checkpoint: the store's hand. holond runs it as the job's user, so that whatever lies in
// the user's folders (quotas, links, a server that knows no root) is met with the user's rights.
// Answers are lines of JSON on standard output; what went wrong is the last line on standard error.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "plugins/checkpoint/part.h"
#include "plugins/checkpoint/store.h"
#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::checkpoint {
namespace {

using nlohmann::json;
using Arguments = std::vector<std::string>;

void say(const json& line) {
    std::cout << line.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
}

std::uint64_t number(const std::string& text) {
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || stop != text.data() + text.size())
        throw Error("'{}' is not a number", text);
    return value;
}
std::uint32_t number32(const std::string& text) { return static_cast<std::uint32_t>(number(text)); }

std::string all_of_stdin() {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

void run_begin(const Arguments& words) {
    const Begun begun = begin(words[0], number32(words[1]), number(words[2]), number(words[3]));
    say({{"number", begun.number}, {"folder", begun.folder.string()}});
}

void run_write(const Arguments& words) {
    WriteOptions options;
    const auto compress = compress_from(words[1]);
    if (!compress) throw Error("'{}' is no way to compress", words[1]);
    options.compress = *compress;
    options.reserve = number(words[2]);
    options.min_free = number(words[3]);
    options.reserved = [] { say({{"reserved", true}}); };
    options.progress = [](const Progress& at) {
        say({{"content", at.content}, {"bytes", at.bytes}});
    };
    const Part part = write_part(STDIN_FILENO, words[0], options);
    say({{"file", part.file},
         {"bytes", part.bytes},
         {"content", part.content},
         {"xxh3", part.xxh3}});
}

void run_commit(const Arguments& words) {
    const Manifest manifest = from_json(all_of_stdin());
    const std::filesystem::path folder = commit(words[0], manifest);
    // What is committed stays so, whatever becomes of the old ones.
    std::string trouble;
    std::vector<std::uint32_t> removed;
    try {
        const auto of_job = folder.parent_path();
        removed = prune(of_job.parent_path(), number32(of_job.filename()), number32(words[1]));
    } catch (const Error& error) {
        trouble = error.what();
    }
    say({{"folder", folder.string()}, {"removed", removed}, {"trouble", trouble}});
}

void run_abandon(const Arguments& words) { abandon(words[0]); }
void run_sweep(const Arguments& words) { sweep(words[0], number32(words[1])); }

void run_newest(const Arguments& words) {
    const Newest found = newest_good(words[0], number32(words[1]));
    say({{"folder", found.good.folder.string()},
         {"manifest", json::parse(to_json(*found.good.manifest))},
         {"refused", found.refused}});
}

void run_verify(const Arguments& words) {
    say({{"folder", words[0]}, {"manifest", json::parse(to_json(verify(words[0])))}});
}

void run_manifest(const Arguments& words) {
    say({{"folder", words[0]}, {"manifest", json::parse(to_json(read_manifest(words[0])))}});
}

void unpack(const std::string& folder, const std::string& file, int out) {
    const Manifest manifest = read_manifest(folder);
    for (const SavedVm& vm : manifest.vms)
        for (const Part* part : {&vm.memory, vm.disk ? &*vm.disk : nullptr})
            if (part != nullptr && part->file == file)
                return read_part(std::filesystem::path(folder) / part->file, *part, out);
    throw Error("{}: no file '{}' in it", folder, file);
}

// One file of a checkpoint, unpacked to standard output, or to a new file.
void run_read(const Arguments& words) { unpack(words[0], words[1], STDOUT_FILENO); }
void run_unpack(const Arguments& words) {
    const os::Fd to(
        ::open(words[2].c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!to.valid()) throw Error("{}: {}", words[2], errno_text());
    unpack(words[0], words[1], to.get());
}

struct Command {
    const char* name;
    std::size_t words;
    void (*run)(const Arguments&);
};
constexpr Command commands[] = {
    {"begin", 4, run_begin},        // DIR JOB NEEDED MIN_FREE
    {"write", 4, run_write},        // FILE COMPRESS RESERVE MIN_FREE, the stream on standard input
    {"commit", 2, run_commit},      // FOLDER KEEP, the manifest on standard input
    {"abandon", 1, run_abandon},    // FOLDER
    {"sweep", 2, run_sweep},        // DIR JOB
    {"newest", 2, run_newest},      // DIR JOB
    {"verify", 1, run_verify},      // FOLDER
    {"manifest", 1, run_manifest},  // FOLDER, of which only the manifest is read
    {"read", 2, run_read},          // FOLDER FILE
    {"unpack", 3, run_unpack},      // FOLDER FILE TO
};

void dispatch(Arguments words) {
    const std::string name = words.empty() ? "" : words.front();
    for (const Command& command : commands)
        if (name == command.name && words.size() == command.words + 1) {
            words.erase(words.begin());
            return command.run(words);
        }
    throw Error("'{}' with {} words is no command; holond runs this program", name, words.size());
}

}  // namespace
}  // namespace holon::checkpoint

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    ::umask(077);
    try {
        holon::checkpoint::dispatch({argv + 1, argv + argc});
        return 0;
    } catch (const std::exception& error) {
        std::cout.flush();
        std::cerr << error.what() << '\n';
        return 1;
    }
}
