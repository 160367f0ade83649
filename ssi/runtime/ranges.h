// SPDX-License-Identifier: GPL-2.0-or-later
//
// A set of address ranges, sorted, adjacent ones merged: which memory is under the engine, which is
// a file's. Its user holds the space lock.
#pragma once

#include "ssi/runtime/sys.h"

namespace holon::ssi {

struct Range {
    std::uint64_t begin, end;
};

class Ranges {
  public:
    /// False: no memory for it.
    bool open();
    bool add(std::uint64_t begin, std::uint64_t end);
    bool remove(std::uint64_t begin, std::uint64_t end);
    /// The range that contains the address; empty where none does.
    Range around(std::uint64_t address) const;
    /// The first range that has something in [begin, end), cut to it; empty where none has.
    Range first_in(std::uint64_t begin, std::uint64_t end) const;
    bool touches(std::uint64_t begin, std::uint64_t end) const {
        const Range found = first_in(begin, end);
        return found.begin < found.end;
    }
    void clear() { count_ = 0; }
    /// Needs no lock.
    bool empty() const { return __atomic_load_n(&count_, __ATOMIC_ACQUIRE) == 0; }

  private:
    std::size_t after(std::uint64_t address) const;  ///< index of the first range ending beyond it

    static constexpr std::size_t capacity = 1 << 18;
    Range* list_;
    std::size_t count_;
};

}  // namespace holon::ssi
