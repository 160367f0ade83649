// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the compiler expects to find (memcpy and its kin), memory for the runtime, and the last
// words.
#include <initializer_list>

#include "ssi/runtime/arena.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/process.h"

extern "C" {
void* memcpy(void* to, const void* from, std::size_t size) {
    void* result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}
void* memmove(void* to, const void* from, std::size_t size) {
    auto* target = static_cast<std::uint8_t*>(to);
    const auto* source = static_cast<const std::uint8_t*>(from);
    if (target <= source || target >= source + size) return memcpy(to, from, size);
    while (size-- > 0) target[size] = source[size];
    return to;
}
void* memset(void* at, int value, std::size_t size) {
    void* result = at;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
    return result;
}
int memcmp(const void* left, const void* right, std::size_t size) {
    const auto* a = static_cast<const std::uint8_t*>(left);
    const auto* b = static_cast<const std::uint8_t*>(right);
    for (std::size_t i = 0; i < size; ++i)
        if (a[i] != b[i]) return a[i] - b[i];
    return 0;
}
std::size_t strlen(const char* text) {
    std::size_t size = 0;
    while (text[size] != '\0') ++size;
    return size;
}
int ssi_prepared;
}

namespace holon::ssi {

Process process;

namespace arena {
namespace {
Lock lock;
std::uint64_t next = layout::arena;
void* free_pages;

/// While it lives, the process may have more memory than the program has allowed itself: what the
/// engine needs for it grows with what the program has, and a program may have used all of that.
/// Under the lock.
class AboveLimits {
  public:
    AboveLimits() {
        for (int i = 0; i < 2; ++i) {
            sys::call_with(__NR_prlimit64, 0, which[i], 0, &programs_[i]);
            const Limit most{programs_[i].hard, programs_[i].hard};
            sys::call_with(__NR_prlimit64, 0, which[i], &most, 0);
        }
    }
    ~AboveLimits() {
        for (int i = 0; i < 2; ++i) {
            Limit present{};
            sys::call_with(__NR_prlimit64, 0, which[i], &programs_[i], &present);
            // Another thread of the program's has set it meanwhile.
            if (present.soft != programs_[i].hard)
                sys::call_with(__NR_prlimit64, 0, which[i], &present, 0);
        }
    }
    AboveLimits(const AboveLimits&) = delete;
    AboveLimits& operator=(const AboveLimits&) = delete;

  private:
    struct Limit {
        std::uint64_t soft, hard;
    };
    static constexpr long which[2] = {9, 2};  // RLIMIT_AS, RLIMIT_DATA
    Limit programs_[2];
};
}  // namespace

void* allocate(std::size_t size, std::size_t alignment) {
    size = (size + layout::page_size - 1) & ~(layout::page_size - 1);
    Holding held(lock);
    const std::uint64_t at = (next + alignment - 1) & ~(alignment - 1);
    if (at + size > layout::range_end) return nullptr;
    const auto map = [&] {
        return sys::call_with(__NR_mmap, at, size, sys::prot_read | sys::prot_write,
                              sys::map_private | sys::map_anonymous | sys::map_fixed, -1, 0);
    };
    long got = map();
    if (got == -sys::e_nomem) {
        const AboveLimits above;
        got = map();
    }
    if (sys::failed(got)) return nullptr;
    next = at + size;
    return reinterpret_cast<void*>(at);
}

void* allocate_page() {
    {
        Holding held(lock);
        if (free_pages != nullptr) {
            void* page = free_pages;
            free_pages = *static_cast<void**>(page);
            memset(page, 0, layout::page_size);
            return page;
        }
    }
    // Tables grow page by page: take them from the kernel in larger pieces.
    constexpr std::size_t batch = 64;
    auto* pages = static_cast<std::uint8_t*>(allocate(batch * layout::page_size));
    if (pages == nullptr) return nullptr;
    Holding held(lock);
    for (std::size_t i = 1; i < batch; ++i) {
        void* page = pages + i * layout::page_size;
        *static_cast<void**>(page) = free_pages;
        free_pages = page;
    }
    return pages;
}

void free_page(void* page) {
    Holding held(lock);
    *static_cast<void**>(page) = free_pages;
    free_pages = page;
}

void after_fork() { lock = Lock{}; }
}  // namespace arena

namespace {
struct Line {
    char text[256];
    std::size_t size = 0;
    void add(const char* more) {
        while (*more != '\0' && size < sizeof text - 1) text[size++] = *more++;
    }
    void hex(unsigned long value) {
        char digits[17];
        int n = 16;
        digits[16] = '\0';
        do {
            digits[--n] = "0123456789abcdef"[value & 15];
            value >>= 4;
        } while (value != 0);
        add(digits + n);
    }
    void decimal(unsigned long value) {
        char digits[21];
        int n = 20;
        digits[20] = '\0';
        do {
            digits[--n] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        add(digits + n);
    }
    void print() {
        text[size++] = '\n';
        sys::write_all(2, text, size);
    }
};
}  // namespace

void die(const char* what, long number) {
    Line line;
    line.add("ssi: process ");
    line.decimal(static_cast<unsigned long>(process.pid));
    line.add(process.home ? " (home): " : " (body): ");
    line.add(what);
    if (number != 0) {
        line.add(number < 0 ? ": error " : ": ");
        line.decimal(static_cast<unsigned long>(number < 0 ? -number : number));
    }
    line.print();
    const long pid = sys::call(__NR_getpid);
    sys::call_with(__NR_kill, pid, sys::sig_kill);
    for (;;) sys::call(__NR_exit_group, 120);
}

void trace(const char* what, unsigned long a, unsigned long b, unsigned long c) {
    Line line;
    line.add("ssi[");
    line.decimal(process.node);
    line.add("] ");
    line.add(what);
    for (const unsigned long value : {a, b, c}) {
        line.add(" ");
        line.hex(value);
    }
    line.print();
}

}  // namespace holon::ssi
