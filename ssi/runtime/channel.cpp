// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/channel.h"

#include "ssi/runtime/clock.h"

namespace holon::ssi {
namespace {

using sys::IoVec;
using sys::MsgHeader;
constexpr int msg_nosignal = 0x4000;

struct Entry {
    long number;
    Carried carried;
};
constexpr Entry entries[] = {
    {__NR_read, {1, 2, false}},    {__NR_write, {1, 2, true}},  {__NR_pread64, {1, 2, false}},
    {__NR_pwrite64, {1, 2, true}}, {__NR_sendto, {1, 2, true}}, {__NR_getrandom, {0, 1, false}},
};

}  // namespace

const Carried* carried(long number) {
    for (const Entry& entry : entries)
        if (entry.number == number) return &entry.carried;
    return nullptr;
}

long send_frame(int fd, wire::Type type, std::uint16_t flags, std::uint64_t a, std::uint64_t b,
                const void* first, std::size_t first_size, const void* second,
                std::size_t second_size) {
    const wire::Frame frame{
        static_cast<std::uint32_t>(first_size + second_size), type, flags, a, b, clock_now()};
    IoVec vectors[3] = {{&frame, sizeof frame}, {first, first_size}, {second, second_size}};
    std::size_t left = sizeof frame + first_size + second_size, begin = 0;
    while (left > 0) {
        while (vectors[begin].length == 0) ++begin;
        MsgHeader header{nullptr, 0, vectors + begin, 3 - begin, nullptr, 0, 0};
        const long n = sys::call_with(__NR_sendmsg, fd, &header, msg_nosignal);
        if (n == -sys::e_intr) continue;
        if (n <= 0) return n == 0 ? -sys::e_badf : n;
        left -= static_cast<std::size_t>(n);
        for (auto sent = static_cast<std::size_t>(n); sent > 0;) {
            const std::size_t piece = sent < vectors[begin].length ? sent : vectors[begin].length;
            vectors[begin].base = static_cast<const std::uint8_t*>(vectors[begin].base) + piece;
            vectors[begin].length -= piece;
            sent -= piece;
            if (vectors[begin].length == 0) ++begin;
        }
    }
    return 0;
}

long receive_header(int fd, wire::Frame& frame) {
    const long error = sys::read_all(fd, &frame, sizeof frame);
    if (error == 0) clock_seen(frame.clock);
    return error;
}

long receive_frame(int fd, wire::Frame& frame, void* buffer, std::size_t capacity) {
    const long error = receive_header(fd, frame);
    if (error != 0) return error;
    if (frame.length > capacity) return -sys::e_inval;
    return frame.length == 0 ? 0 : sys::read_all(fd, buffer, frame.length);
}

long receive_for_program(int fd, std::uint64_t target, std::size_t size, void* scratch,
                         std::size_t scratch_size) {
    while (size > 0) {
        const long n = sys::call_with(__NR_read, fd, target, size);
        if (n == -sys::e_intr) continue;
        if (n == -sys::e_fault) break;
        if (n <= 0) return n == 0 ? -sys::e_badf : n;
        target += static_cast<std::uint64_t>(n);
        size -= static_cast<std::size_t>(n);
    }
    if (size == 0) return 0;
    while (size > 0) {
        const std::size_t piece = size < scratch_size ? size : scratch_size;
        if (const long error = sys::read_all(fd, scratch, piece); error != 0) return error;
        size -= piece;
    }
    return -sys::e_fault;
}

}  // namespace holon::ssi
