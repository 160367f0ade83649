// SPDX-License-Identifier: GPL-2.0-or-later
// Large reads of stream sockets: contents in order, what is there and no more, an end, a descriptor
// that does not wait, and a signal while nothing comes.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "program.h"

namespace {

constexpr std::size_t piece = 1 << 20, amount = 24 << 20;
int ends[2], quiet[2];
volatile sig_atomic_t handled;
bool done;

unsigned char pattern(std::size_t i) { return static_cast<unsigned char>(i * 2654435761U >> 13); }

void write_all() {
    std::vector<unsigned char> data(amount);
    for (std::size_t i = 0; i < amount; ++i) data[i] = pattern(i);
    for (std::size_t at = 0; at < amount;) {
        const ssize_t n = write(ends[1], &data[at], std::min<std::size_t>(amount - at, 300'001));
        MUST(n > 0);
        at += std::size_t(n);
    }
    MUST(close(ends[1]) == 0);
}

void read_all() {
    std::vector<unsigned char> data(piece);
    std::size_t at = 0, different = 0;
    for (;;) {
        const ssize_t n = read(ends[0], data.data(), piece);
        MUST(n >= 0);
        if (n == 0) break;
        for (std::size_t i = 0; i < std::size_t(n); ++i) different += data[i] != pattern(at + i);
        at += std::size_t(n);
    }
    std::printf("%zu bytes, %zu different\n", at, different);
    MUST(fcntl(quiet[0], F_SETFL, O_NONBLOCK) == 0);
    MUST(read(quiet[0], data.data(), piece) == -1 && errno == EAGAIN);
    MUST(write(quiet[1], "ten bytes.", 10) == 10);
    MUST(read(quiet[0], data.data(), piece) == 10 &&
         std::memcmp(data.data(), "ten bytes.", 10) == 0);
    MUST(fcntl(quiet[0], F_SETFL, 0) == 0);
    MUST(read(quiet[0], data.data(), piece) == -1 && errno == EINTR);
    std::printf("handled %d\n", int(handled));
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
}

}  // namespace

int main() {
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, quiet) == 0);
    struct sigaction action = {};
    action.sa_handler = [](int) { handled = 1; };
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    Thread<void (*)(int)> reader;
    void (*const body)(int) = [](int) { read_all(); };
    reader.start(body, 0);
    write_all();
    // Until one has found it waiting.
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        MUST(pthread_kill(reader.id(), SIGUSR1) == 0);
        usleep(20'000);
    }
    reader.join();
}
