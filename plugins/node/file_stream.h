// SPDX-License-Identifier: GPL-2.0-or-later
// A file through a stream (a tunnel's end): its size in 8 bytes, little-endian, then its bytes; the
// other end answers with one byte when it has all of them. Both block, and throw Error where the
// stream ends before that.
#pragma once

#include <cstdint>

namespace holon::node {

// FILE as it is now, from its beginning; nobody writes to it meanwhile.
void send_file(int file, int stream);
// Into FILE, whose contents are replaced and which gets the same size; not more than MOST bytes.
void receive_file(int stream, int file, std::uint64_t most);

}  // namespace holon::node
