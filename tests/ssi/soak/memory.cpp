// SPDX-License-Identifier: GPL-2.0-or-later
//
// A piece of memory and all that can be done to one.
#include <fcntl.h>
#include <sys/syscall.h>

#include "soak.h"

namespace soak {
namespace {

constexpr unsigned char none = PROT_NONE, readable = PROT_READ, both = PROT_READ | PROT_WRITE;

void fill(unsigned char* to, std::size_t size, Random& random) {
    const std::uint64_t start = random.next();
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
        const std::uint64_t word = start + i * 0x9e37'79b9U;
        std::memcpy(to + i, &word, 8);
    }
}

/// The program's own file: the same for every run of it.
int own_file() {
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    MUST(file >= 0);
    return file;
}

}  // namespace

void Piece::make_whole(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) prot_[i] = both;
}

void Piece::map(Random& random) {
    pages_ = 1 + random.below(most);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (random.once_in(8) ? MAP_POPULATE : 0);
    void* got = mmap(nullptr, pages_ * page, both, flags, -1, 0);
    MUST(got != MAP_FAILED);
    begin_ = static_cast<unsigned char*>(got);
    make_whole(0, pages_);
}

void Piece::unmap(Random& random) {
    // From the end, or all of it: what is left is one piece.
    const std::size_t left = random.once_in(2) ? 0 : random.below(pages_);
    MUST(munmap(at(left), (pages_ - left) * page) == 0);
    pages_ = left;
}

void Piece::write_somewhere(Random& random) {
    const std::size_t start = random.below(pages_);
    for (std::size_t i = 0; i < pages_; ++i) {
        const std::size_t index = (start + i) % pages_;
        if ((prot_[index] & PROT_WRITE) == 0) continue;
        const std::size_t offset = random.below(page / 8) * 8;
        fill(at(index) + offset, random.once_in(2) ? 8 : page - offset, random);
        return;
    }
}

void Piece::protect(Random& random, Sum& sum) {
    static constexpr unsigned char choices[] = {none, readable, both, both, PROT_READ | PROT_EXEC};
    const std::size_t first = random.below(pages_), count = 1 + random.below(pages_ - first);
    const unsigned char prot = choices[random.below(sizeof choices)];
    MUST(mprotect(at(first), count * page, prot) == 0);
    for (std::size_t i = first; i < first + count; ++i) prot_[i] = prot;
    const std::size_t look_at = first + random.below(count);
    sum.fold(touch(at(look_at), random.once_in(2)), 3);
}

void Piece::move(Random& random, Sum& sum) {
    // One mapping with one protection, as mremap wants it; contents stay as they are.
    MUST(mprotect(begin_, pages_ * page, both) == 0);
    make_whole(0, pages_);
    std::size_t wanted = 1 + random.below(most);
    void* place = nullptr;
    void* got;
    if (random.once_in(3)) {
        // Not smaller: the kernel takes the end away before it refuses.
        if (wanted < pages_) wanted = pages_;
        place = mmap(nullptr, most * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(place != MAP_FAILED);
        got = mremap(begin_, pages_ * page, wanted * page, MREMAP_MAYMOVE | MREMAP_FIXED, place);
        if (got != MAP_FAILED && wanted < most)
            MUST(munmap(static_cast<unsigned char*>(place) + wanted * page,
                        (most - wanted) * page) == 0);
    } else {
        got = mremap(begin_, pages_ * page, wanted * page, MREMAP_MAYMOVE);
    }
    if (got == MAP_FAILED) {
        // Not one mapping to the kernel, although of one kind: copied by hand.
        MUST(errno == EFAULT);
        if (place != nullptr) MUST(munmap(place, most * page) == 0);
        got = mmap(nullptr, wanted * page, both, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(got != MAP_FAILED);
        std::memcpy(got, begin_, (wanted < pages_ ? wanted : pages_) * page);
        MUST(munmap(begin_, pages_ * page) == 0);
    }
    begin_ = static_cast<unsigned char*>(got);
    if (wanted > pages_) make_whole(pages_, wanted);
    pages_ = wanted;
    sum.fold(pages_);
}

void Piece::discard(Random& random, Sum& sum) {
    const std::size_t first = random.below(pages_), count = 1 + random.below(pages_ - first);
    MUST(madvise(at(first), count * page, MADV_DONTNEED) == 0);
    for (std::size_t i = first; i < first + count; ++i)
        if ((prot_[i] & PROT_READ) != 0) sum.fold(*at(i));
}

void Piece::replace(Random& random, Sum& sum) {
    const std::size_t first = random.below(pages_), count = 1 + random.below(pages_ - first);
    const int prot = random.once_in(4) ? none : both;
    MUST(mmap(at(first), count * page, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
         at(first));
    for (std::size_t i = first; i < first + count; ++i) prot_[i] = static_cast<unsigned char>(prot);
    sum.fold(first * most + count);
}

void Piece::map_file(Random& random, Sum& sum) {
    // Read only, or private and then written: beside the piece, and gone at the end.
    const int file = own_file();
    const bool write = random.once_in(2);
    const std::size_t size = (1 + random.below(4)) * page;
    void* got = mmap(nullptr, size, write ? both : readable, MAP_PRIVATE, file,
                     off_t(random.below(3) * page));
    MUST(got != MAP_FAILED);
    close(file);
    auto* bytes = static_cast<unsigned char*>(got);
    sum.fold(bytes, size);
    if (!write && random.once_in(2)) MUST(mprotect(bytes, size, both) == 0);
    if (touch(bytes + page / 2, true)[0] == 'o') {
        fill(bytes + page / 4, page / 4, random);
        sum.fold(bytes, size);
    } else {
        sum.fold(1);
    }
    MUST(munmap(got, size) == 0);
}

void Piece::refused(Random& random, Sum& sum) {
    // Calls that fail leave everything as it is.
    long result = 0;
    errno = 0;
    switch (random.below(7)) {
        case 0:
            result = munmap(begin_ + 1, page);
            break;
        case 1:
            result = mprotect(begin_ + 8, page, both);
            break;
        case 2:
            result = mmap(begin_, page, both, MAP_PRIVATE | MAP_FIXED, -1, 0) == MAP_FAILED;
            break;
        case 3:
            result = madvise(begin_, page, 9999);
            break;
        case 4:
            result = mremap(begin_, page, 0, MREMAP_MAYMOVE) == MAP_FAILED;
            break;
        case 5:
            result = mmap(begin_, page, both, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                          0) == MAP_FAILED;
            break;
        default:
            result = mmap(begin_, 0, both, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
            break;
    }
    sum.fold(std::uint64_t(result));
    sum.fold(std::uint64_t(errno));
    look(sum);
}

void Piece::fault(Random& random, Sum& sum) {
    const std::size_t index = random.below(pages_);
    sum.fold(touch(at(index) + random.below(page), random.once_in(2)), 3);
}

void Piece::read_into(Random& random, Sum& sum) {
    // The kernel writes to it, or reads from it: through a pipe.
    int ends[2];
    MUST(pipe2(ends, O_CLOEXEC) == 0);
    const std::size_t from = random.below(pages_), to = random.below(pages_);
    const std::size_t size = 1 + random.below(page);
    errno = 0;
    const ssize_t put = write(ends[1], at(from), size);
    sum.fold(std::uint64_t(put));
    if (put > 0) {
        const ssize_t got = read(ends[0], at(to), std::size_t(put));
        sum.fold(std::uint64_t(got));
    }
    sum.fold(std::uint64_t(errno));
    close(ends[0]);
    close(ends[1]);
}

void Piece::look(Sum& sum) const {
    for (std::size_t i = 0; i < pages_; ++i)
        if ((prot_[i] & PROT_READ) != 0) sum.fold(at(i), page);
}

void Piece::work(Random& random, Sum& sum, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        if (pages_ == 0) map(random);
        switch (random.below(20)) {
            case 0:
            case 1:
                unmap(random);
                break;
            case 2:
            case 3:
                protect(random, sum);
                break;
            case 4:
            case 5:
                move(random, sum);
                break;
            case 6:
            case 7:
                discard(random, sum);
                break;
            case 8:
                replace(random, sum);
                break;
            case 9:
                map_file(random, sum);
                break;
            case 10:
                refused(random, sum);
                break;
            case 11:
                fault(random, sum);
                break;
            case 12:
                read_into(random, sum);
                break;
            case 13:
                look(sum);
                break;
            default:
                write_somewhere(random);
                break;
        }
    }
}

void memory_phase(Phase& phase) {
    phase.each_of_mine([&](Piece& piece) {
        piece.work(phase.own, phase.sum, 4 + unsigned(phase.own.below(12)));
        piece.look(phase.sum);
    });
}

void reading_phase(Phase& phase) {
    for (unsigned i = 0; i < pieces; ++i)
        phase.piece((i + phase.thread * 3) % pieces).look(phase.sum);
}

void heap_phase(Phase& phase) {
    constexpr unsigned count = 24;
    unsigned char* blocks[count] = {};
    std::size_t sizes[count] = {};
    for (unsigned i = 0; i < 96; ++i) {
        const std::size_t which = phase.own.below(count);
        if (blocks[which] != nullptr) {
            phase.sum.fold(blocks[which], sizes[which]);
            if (phase.own.once_in(2)) {
                free(blocks[which]);
                blocks[which] = nullptr;
                continue;
            }
        }
        const std::size_t kept = blocks[which] != nullptr ? sizes[which] : 0;
        sizes[which] = 1 + phase.own.below(phase.own.once_in(6) ? 400'000 : 3000);
        blocks[which] = static_cast<unsigned char*>(realloc(blocks[which], sizes[which]));
        MUST(blocks[which] != nullptr);
        if (kept < sizes[which])
            std::memset(blocks[which] + kept, int(phase.own.below(256)), sizes[which] - kept);
    }
    for (unsigned i = 0; i < count; ++i) {
        if (blocks[i] != nullptr) phase.sum.fold(blocks[i], sizes[i]);
        free(blocks[i]);
    }
}

void break_phase(Phase& phase) {
    // One thread moves the break; the others work on what they have, and allocate nothing.
    if (phase.thread != phase.common.below(phase.threads)) {
        phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 6); });
        return;
    }
    for (int i = 0; i < 4; ++i) {
        const std::size_t size = (1 + phase.own.below(20)) * page / 2;
        auto* begin = static_cast<unsigned char*>(sbrk(intptr_t(size)));
        MUST(begin != reinterpret_cast<void*>(-1));
        phase.sum.fold(begin, size);  // zeros
        fill(begin, size & ~std::size_t{7}, phase.own);
        phase.sum.fold(begin, size);
        // The rest of the last page keeps what was in it.
        std::memset(begin, 0, size);
        MUST(sbrk(-intptr_t(size)) != reinterpret_cast<void*>(-1));
    }
}

void file_phase(Phase& phase) {
    // A file of each thread's own, written through the descriptor and read through mappings.
    const int file = memfd_create("soak", MFD_CLOEXEC);
    MUST(file >= 0);
    unsigned char bytes[3 * page];
    fill(bytes, sizeof bytes, phase.own);
    MUST(write(file, bytes, sizeof bytes) == ssize_t(sizeof bytes));
    unsigned char back[2 * page];
    for (int i = 0; i < 6; ++i) {
        const auto offset = off_t(phase.own.below(2 * page));
        const std::size_t size = 1 + phase.own.below(sizeof back - 1);
        const ssize_t got = pread(file, back, size, offset);
        phase.sum.fold(std::uint64_t(got));
        if (got > 0) phase.sum.fold(back, std::size_t(got));
    }
    void* map = mmap(nullptr, sizeof bytes, PROT_READ, MAP_PRIVATE, file, 0);
    MUST(map != MAP_FAILED);
    phase.sum.fold(map, sizeof bytes);
    MUST(munmap(map, sizeof bytes) == 0);
    close(file);
}

}  // namespace soak
