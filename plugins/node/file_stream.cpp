// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/file_stream.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "plugins/os/error.h"

namespace holon::node {
namespace {

constexpr std::size_t chunk = 256 * 1024;
constexpr std::size_t size_bytes = 8;

void write_to_stream(int stream, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::send(stream, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) throw Error("the other node takes no more of the disk");
        data += n;
        size -= static_cast<std::size_t>(n);
    }
}

void read_from_stream(int stream, char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::read(stream, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) throw Error("the other node ended in the middle of the disk");
        data += n;
        size -= static_cast<std::size_t>(n);
    }
}

}  // namespace

void send_file(int file, int stream) {
    struct stat status {};
    if (::fstat(file, &status) != 0) throw Error("disk: {}", errno_text());
    const auto size = static_cast<std::uint64_t>(status.st_size);
    char header[size_bytes];
    for (std::size_t i = 0; i < size_bytes; ++i) header[i] = static_cast<char>(size >> (8 * i));
    write_to_stream(stream, header, sizeof header);
    std::vector<char> bytes(chunk);
    for (std::uint64_t at = 0; at < size;) {
        const ssize_t n =
            ::pread(file, bytes.data(), std::min<std::uint64_t>(bytes.size(), size - at),
                    static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error("disk: {}", errno_text());
        if (n == 0) throw Error("disk: it became shorter while it was sent");
        write_to_stream(stream, bytes.data(), static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    char answer = 0;
    read_from_stream(stream, &answer, 1);
}

void receive_file(int stream, int file, std::uint64_t most) {
    unsigned char header[size_bytes];
    read_from_stream(stream, reinterpret_cast<char*>(header), sizeof header);
    std::uint64_t size = 0;
    for (std::size_t i = size_bytes; i-- > 0;) size = size << 8 | header[i];
    if (size > most) throw Error("disk: {} bytes, and there is room for {}", size, most);
    std::vector<char> bytes(chunk);
    for (std::uint64_t at = 0; at < size;) {
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, size - at));
        read_from_stream(stream, bytes.data(), part);
        for (std::size_t done = 0; done < part;) {
            const ssize_t n =
                ::pwrite(file, bytes.data() + done, part - done, static_cast<off_t>(at + done));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) throw Error("disk: {}", errno_text());
            done += static_cast<std::size_t>(n);
        }
        at += part;
    }
    if (::ftruncate(file, static_cast<off_t>(size)) != 0) throw Error("disk: {}", errno_text());
    write_to_stream(stream, "!", 1);
}

}  // namespace holon::node
