// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/checkpoint/part.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

#include "plugins/checkpoint/digest.h"
#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::checkpoint {
namespace {

constexpr std::string_view magic = "HOLONPT1";
constexpr std::size_t block_size = 1u << 20;
constexpr std::size_t header_size = 8;  // of a block
constexpr std::uint32_t compressed_flag = 1u << 31;
constexpr int level = 1;
// A block that gets no smaller than this many 16ths is stored as it is, and so are the next ones.
constexpr std::size_t worth_16ths = 14;
constexpr int blocks_not_tried = 15;
// The kernel is told to write after this much, so that the fsync at the end has little left to do.
constexpr std::uint64_t flush_every = 16u << 20;
constexpr auto progress_every = std::chrono::milliseconds(200);

struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
};

void put_u32(char* at, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(value >> (8 * i));
}
std::uint32_t get_u32(const char* at) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i)
        value |= static_cast<std::uint32_t>(static_cast<unsigned char>(at[i])) << (8 * i);
    return value;
}

// Up to SIZE bytes; fewer only at the end.
std::size_t read_full(int fd, char* into, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
        const ssize_t n = ::read(fd, into + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error("{}", errno_text());
        if (n == 0) break;
        got += static_cast<std::size_t>(n);
    }
    return got;
}

void write_full(int fd, const char* from, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::write(fd, from, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error("{}", errno_text());
        from += n;
        size -= static_cast<std::size_t>(n);
    }
}

bool all_zero(const char* bytes, std::size_t size) {
    return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

// The file that is being written: what goes to it is counted and digested on its way.
class Output {
  public:
    Output(const std::filesystem::path& file, const WriteOptions& options)
        : fd_(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) {
        if (!fd_.valid()) throw Error("{}", errno_text());
        reserve(options.reserve, options.min_free);
        add(magic.data(), magic.size());
    }

    void add(const char* bytes, std::size_t size) {
        write_full(fd_.get(), bytes, size);
        digest_.add(bytes, size);
        written_ += size;
        if (written_ - flushed_ < flush_every) return;
        ::sync_file_range(fd_.get(), static_cast<off_t>(flushed_),
                          static_cast<off_t>(written_ - flushed_), SYNC_FILE_RANGE_WRITE);
        flushed_ = written_;
    }

    void finish() {
        // What was reserved and not needed goes back.
        if (::ftruncate(fd_.get(), static_cast<off_t>(written_)) != 0 || ::fsync(fd_.get()) != 0)
            throw Error("{}", errno_text());
    }

    std::uint64_t written() const { return written_; }
    std::string digest() const { return digest_.hex(); }

  private:
    os::Fd fd_;
    Digest digest_;
    std::uint64_t written_ = 0, flushed_ = 0;

    void reserve(std::uint64_t bytes, std::uint64_t min_free) {
        // Some file systems cannot reserve; they can be asked.
        const bool reserved = bytes > 0 && ::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0,
                                                       static_cast<off_t>(bytes)) == 0;
        if (bytes > 0 && !reserved && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
            throw Error("{} MB are needed: {}", (bytes >> 20) + 1, errno_text());
        struct statvfs facts {};
        if (::fstatvfs(fd_.get(), &facts) != 0) throw Error("{}", errno_text());
        const std::uint64_t free = std::uint64_t{facts.f_bavail} * facts.f_frsize;
        if (free < min_free + (reserved ? 0 : bytes))
            throw Error(
                "{} MB are needed, and less than the {} MB that must stay free "
                "(checkpoints.min_free) would be left",
                (bytes >> 20) + 1, min_free >> 20);
    }
};

// Packs blocks, and remembers whether compressing is worth it.
class Packer {
  public:
    explicit Packer(Compress compress)
        : compress_(compress), packed_(ZSTD_compressBound(block_size)) {}

    void pack(const char* block, std::size_t size, Output& output) {
        char header[header_size];
        put_u32(header, static_cast<std::uint32_t>(size));
        if (all_zero(block, size)) {
            put_u32(header + 4, 0);
            output.add(header, sizeof header);
            return;
        }
        const std::size_t packed = try_to_compress(block, size);
        put_u32(header + 4, packed > 0 ? static_cast<std::uint32_t>(packed) | compressed_flag
                                       : static_cast<std::uint32_t>(size));
        output.add(header, sizeof header);
        if (packed > 0)
            output.add(packed_.data(), packed);
        else
            output.add(block, size);
    }

  private:
    Compress compress_;
    int skip_ = 0;
    std::unique_ptr<ZSTD_CCtx, FreeContext> context_{::ZSTD_createCCtx()};
    std::vector<char> packed_;

    // 0: it is to be stored as it is.
    std::size_t try_to_compress(const char* block, std::size_t size) {
        if (compress_ == Compress::none) return 0;
        if (skip_ > 0) {
            --skip_;
            return 0;
        }
        const std::size_t packed =
            ::ZSTD_compressCCtx(context_.get(), packed_.data(), packed_.size(), block, size, level);
        if (::ZSTD_isError(packed) == 0 && packed < size * worth_16ths / 16) return packed;
        if (compress_ == Compress::automatic) skip_ = blocks_not_tried;
        return 0;
    }
};

Part write(int in, const std::filesystem::path& file, const WriteOptions& options) {
    Output output(file, options);
    if (options.reserved) options.reserved();
    Packer packer(options.compress);
    std::vector<char> block(block_size);
    Part part;
    auto last = std::chrono::steady_clock::now();
    for (;;) {
        const std::size_t got = read_full(in, block.data(), block.size());
        if (got == 0) break;
        packer.pack(block.data(), got, output);
        part.content += got;
        if (const auto now = std::chrono::steady_clock::now();
            options.progress && now - last >= progress_every) {
            last = now;
            options.progress({part.content, output.written()});
        }
    }
    const char end[header_size] = {};
    output.add(end, sizeof end);
    output.finish();
    part.file = file.filename().string();
    part.bytes = output.written();
    part.xxh3 = output.digest();
    return part;
}

void give(int out, const char* bytes, std::size_t size) {
    if (out >= 0) write_full(out, bytes, size);
}

// The blocks of a file, one after the other.
class Input {
  public:
    Input(const std::filesystem::path& file, const Part& part)
        : fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {
        struct stat facts {};
        if (!fd_.valid() || ::fstat(fd_.get(), &facts) != 0) throw Error("{}", errno_text());
        if (!S_ISREG(facts.st_mode)) throw Error("not a regular file");
        if (static_cast<std::uint64_t>(facts.st_size) != part.bytes)
            throw Error("damaged: it has {} bytes instead of {}", facts.st_size, part.bytes);
        ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    }

    void take(char* into, std::size_t size) {
        if (read_full(fd_.get(), into, size) != size) throw Error("damaged: it ends too soon");
        digest_.add(into, size);
        taken_ += size;
    }
    std::uint64_t taken() const { return taken_; }
    std::string digest() const { return digest_.hex(); }

  private:
    os::Fd fd_;
    Digest digest_;
    std::uint64_t taken_ = 0;
};

void read(const std::filesystem::path& file, const Part& part, int out) {
    Input input(file, part);
    std::vector<char> stored(ZSTD_compressBound(block_size)), block(block_size);
    char header[header_size];
    input.take(header, magic.size());
    if (std::string_view(header, magic.size()) != magic)
        throw Error("damaged: not a checkpoint's file");
    std::uint64_t content = 0;
    for (;;) {
        input.take(header, sizeof header);
        const std::uint32_t size = get_u32(header);
        const bool compressed = (get_u32(header + 4) & compressed_flag) != 0;
        const std::uint32_t length = get_u32(header + 4) & ~compressed_flag;
        if (size == 0 && length == 0 && !compressed) break;
        const bool zeros = length == 0 && !compressed;
        if (size == 0 || size > block_size || length > stored.size() ||
            (!compressed && !zeros && length != size))
            throw Error("damaged at byte {}", input.taken() - sizeof header);
        input.take(stored.data(), length);
        content += size;
        if (content > part.content) throw Error("damaged: more in it than there was");
        if (compressed) {
            if (::ZSTD_decompress(block.data(), size, stored.data(), length) != size)
                throw Error("damaged at byte {}", input.taken() - length);
            give(out, block.data(), size);
        } else {
            if (zeros) std::memset(stored.data(), 0, size);
            give(out, stored.data(), size);
        }
    }
    if (input.taken() != part.bytes || content != part.content)
        throw Error("damaged: it ends too soon");
    if (input.digest() != part.xxh3) throw Error("damaged (its checksum does not fit)");
}

}  // namespace

std::optional<Compress> compress_from(std::string_view text) {
    for (const Compress each : {Compress::automatic, Compress::zstd, Compress::none})
        if (text == to_string(each)) return each;
    return std::nullopt;
}

const char* to_string(Compress compress) {
    return compress == Compress::automatic ? "auto" : compress == Compress::zstd ? "zstd" : "none";
}

Part write_part(int in, const std::filesystem::path& file, const WriteOptions& options) {
    try {
        return write(in, file, options);
    } catch (const Error& error) {
        throw Error("{}: {}", file.string(), error.what());
    }
}

void read_part(const std::filesystem::path& file, const Part& part, int out) {
    try {
        read(file, part, out);
    } catch (const Error& error) {
        throw Error("{}: {}", file.string(), error.what());
    }
}

}  // namespace holon::checkpoint
