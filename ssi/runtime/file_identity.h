// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whether a file on one node is the file of that name on another: a program's text is mapped from
// each node's own copy. Size and time of last change must agree, as where one image or one shared
// file system is mounted on all nodes.
#pragma once

#include "ssi/runtime/sys.h"

namespace holon::ssi {

struct FileIdentity {
    std::uint64_t size;
    std::int64_t modified;  ///< ns
};

/// False: no such regular file here.
bool identify(const char* path, FileIdentity& identity);

}  // namespace holon::ssi
