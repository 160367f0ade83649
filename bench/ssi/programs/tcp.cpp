// SPDX-License-Identifier: GPL-2.0-or-later
// The network as it is without the engine, by blocking sockets: what its figures are compared with.
//
// tcp serve ADDRESS PORT           answers until the connection ends
// tcp ask ADDRESS PORT ROUNDS      round trips of 32 bytes there and 32, or 32 + 4096, back
// tcp stream ADDRESS PORT BYTES    receives so much in reads of 256 KiB
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "figures.h"

namespace {

struct Question {
    std::uint64_t bytes;  ///< wanted in return
    std::uint64_t rest[3];
};
static_assert(sizeof(Question) == 32);
constexpr std::size_t piece = 256 << 10;

sockaddr_in address_of(char** argv) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(std::uint16_t(std::strtol(argv[3], nullptr, 10)));
    MUST(inet_pton(AF_INET, argv[2], &address.sin_addr) == 1);
    return address;
}

void at_once(int fd) {
    const int one = 1;
    MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
}

bool read_all(int fd, void* data, std::size_t size) {
    for (auto* at = static_cast<char*>(data); size != 0;) {
        const ssize_t n = read(fd, at, size);
        MUST(n >= 0);
        if (n == 0) return false;
        at += n;
        size -= std::size_t(n);
    }
    return true;
}

void write_all(int fd, const char* data, std::size_t size) {
    while (size != 0) {
        const ssize_t n = write(fd, data, size);
        MUST(n > 0);
        data += n;
        size -= std::size_t(n);
    }
}

int serve(char** argv) {
    const sockaddr_in address = address_of(argv);
    const int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    MUST(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    MUST(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    MUST(listen(listener, 1) == 0);
    std::printf("ready\n");
    std::fflush(stdout);
    const int fd = accept(listener, nullptr, nullptr);
    MUST(fd >= 0);
    at_once(fd);
    const std::vector<char> data(piece, 'x');
    for (Question question; read_all(fd, &question, sizeof question);)
        while (question.bytes != 0) {
            const std::size_t part = std::min<std::uint64_t>(question.bytes, piece);
            write_all(fd, data.data(), part);
            question.bytes -= part;
        }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    MUST(argc >= 4);
    if (std::strcmp(argv[1], "serve") == 0) return serve(argv);
    MUST(argc == 5);
    const long amount = std::strtol(argv[4], nullptr, 10);
    const sockaddr_in address = address_of(argv);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    MUST(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    at_once(fd);
    std::vector<char> data(piece);
    if (std::strcmp(argv[1], "stream") == 0) {
        const Question question{std::uint64_t(amount), {}};
        const std::int64_t begin = now();
        write_all(fd, reinterpret_cast<const char*>(&question), sizeof question);
        for (long left = amount; left > 0;) {
            const ssize_t n = read(fd, data.data(), piece);
            MUST(n > 0);
            left -= n;
        }
        std::printf("stream %.3f GB/s\n", double(amount) / double(now() - begin));
        return 0;
    }
    for (const std::uint64_t bytes : {32, 32 + 4096}) {
        std::vector<std::int64_t> times;
        for (long round = -100; round < amount; ++round) {
            const Question question{bytes, {}};
            const std::int64_t begin = now();
            write_all(fd, reinterpret_cast<const char*>(&question), sizeof question);
            MUST(read_all(fd, data.data(), bytes));
            if (round >= 0) times.push_back(now() - begin);
        }
        print_times(bytes == 32 ? "rtt32" : "rtt4096", times);
    }
}
