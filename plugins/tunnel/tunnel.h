// SPDX-License-Identifier: GPL-2.0-or-later
// A stream of bytes between programs on two nodes, through an encrypted connection: TLS 1.3 with a
// key that is used once and that both ends have from elsewhere (a request that MUNGE has sealed).
// Who has not got the key can neither read nor write, nor end the stream unnoticed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/os/fd.h"

namespace holon::tunnel {

using Key = std::array<std::uint8_t, 32>;
Key random_key();
std::string to_text(const Key& key);
Key key_from_text(std::string_view text);  // throws for what to_text() does not write

enum class Side { client, server };  // of the handshake alone

// Counts, and can be told to stop; by any thread.
struct Control {
    std::atomic<std::uint64_t> sent{0}, received{0};  // bytes of the stream, by this end
    std::atomic<bool> stop{false};                    // heeded within a fifth of a second
};

// Carries bytes both ways between LOCAL and REMOTE, both connected stream sockets, until both ends
// have closed, or either is broken. A half that ends in order is closed at the other end, too.
// Throws where the other end has not got the key, where the connection breaks or is cut (no end
// that the other side has not said), or for STOP. Blocks; both are closed when it returns. The
// process must ignore SIGPIPE.
void carry(os::Fd local, os::Fd remote, Side side, const Key& key, Control& control);

}  // namespace holon::tunnel
