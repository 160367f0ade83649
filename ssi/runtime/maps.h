// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/self/maps, line by line.
#pragma once

#include "ssi/runtime/sys.h"

namespace holon::ssi {

struct Mapping {
    std::uint64_t begin, end;
    int prot;
    bool shared;
    bool file;  ///< has an inode: path names it
    std::uint64_t offset;
    std::uint64_t device, inode;  ///< of the file, 0 where there is none
    const char* path;  ///< "[stack]", "/usr/lib/…", "" for anonymous; valid until the next call
};

/// Reads the whole table at once, so that the loop may change the address space.
class Maps {
  public:
    /// False: /proc is not there, or no memory.
    bool read();
    bool next(Mapping& mapping);
    void rewind() { at_ = 0; }

  private:
    char* text_;
    std::size_t capacity_, size_, at_;
};

}  // namespace holon::ssi
