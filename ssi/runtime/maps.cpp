// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/maps.h"

#include "ssi/runtime/arena.h"

namespace holon::ssi {
namespace {

std::uint64_t number(const char*& at, unsigned base) {
    std::uint64_t value = 0;
    for (;; ++at) {
        unsigned digit;
        if (*at >= '0' && *at <= '9')
            digit = static_cast<unsigned>(*at - '0');
        else if (base == 16 && *at >= 'a' && *at <= 'f')
            digit = static_cast<unsigned>(*at - 'a') + 10;
        else
            return value;
        value = value * base + digit;
    }
}

}  // namespace

bool Maps::read() {
    if (!text_) {
        capacity_ = 8 << 20;  // address space; a table of 100,000 mappings
        text_ = static_cast<char*>(arena::allocate(capacity_));
        if (!text_) return false;
    }
    const long file =
        sys::call_with(__NR_openat, -100, "/proc/self/maps", sys::o_rdonly | sys::o_cloexec, 0);
    if (sys::failed(file)) return false;
    size_ = at_ = 0;
    for (;;) {
        const long n = sys::call_with(__NR_read, file, text_ + size_, capacity_ - size_ - 1);
        if (n == -sys::e_intr) continue;
        if (n <= 0) break;
        size_ += static_cast<std::size_t>(n);
    }
    sys::call(__NR_close, file);
    text_[size_] = '\0';
    return size_ != 0;
}

bool Maps::next(Mapping& mapping) {
    if (at_ >= size_) return false;
    const char* at = text_ + at_;
    mapping.begin = number(at, 16);
    ++at;
    mapping.end = number(at, 16);
    ++at;
    mapping.prot = (at[0] == 'r' ? sys::prot_read : 0) | (at[1] == 'w' ? sys::prot_write : 0) |
                   (at[2] == 'x' ? sys::prot_exec : 0);
    mapping.shared = at[3] == 's';
    at += 5;
    mapping.offset = number(at, 16);
    ++at;
    const std::uint64_t major = number(at, 16);
    ++at;
    mapping.device = major << 32 | number(at, 16);
    ++at;
    mapping.inode = number(at, 10);
    mapping.file = mapping.inode != 0;
    while (*at == ' ') ++at;
    mapping.path = at;
    std::size_t end = static_cast<std::size_t>(at - text_);
    while (text_[end] != '\n' && text_[end] != '\0' && end < size_) ++end;
    text_[end] = '\0';
    at_ = end + 1;
    return true;
}

}  // namespace holon::ssi
