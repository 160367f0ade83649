// SPDX-License-Identifier: GPL-2.0-or-later
// One file of a checkpoint: a stream of bytes (QEMU's memory stream, a disk's overlay) in blocks of
// up to 1 MiB, each as it is, compressed, or, where it is all zeros, left out
// (docs/checkpoint-format.md). All functions block, and throw holon::Error naming the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/checkpoint/manifest.h"

namespace holon::checkpoint {

enum class Compress {
    automatic,  // zstd, but not of what does not get smaller by it
    zstd,
    none
};
std::optional<Compress> compress_from(std::string_view text);
const char* to_string(Compress compress);

struct Progress {
    std::uint64_t content = 0;  // bytes taken from the stream so far
    std::uint64_t bytes = 0;    // bytes of the file so far
};

struct WriteOptions {
    Compress compress = Compress::automatic;
    // Room for this many bytes is taken beforehand, so that a full disk or an exhausted quota is
    // known before anything depends on it. Returned at the end as far as it was not needed.
    std::uint64_t reserve = 0;
    std::uint64_t min_free = 0;                     // bytes that must stay free beside it
    std::function<void()> reserved;                 // called then
    std::function<void(const Progress&)> progress;  // some times a second
};

// Writes all that comes from the descriptor IN, to its end, to a new file, and fsyncs it.
Part write_part(int in, const std::filesystem::path& file, const WriteOptions& options);

// Unpacks the file to the descriptor OUT (-1: only looks whether it is whole). Throws where the
// file is not what PART says, at the latest after its last byte was given out.
void read_part(const std::filesystem::path& file, const Part& part, int out);

}  // namespace holon::checkpoint
