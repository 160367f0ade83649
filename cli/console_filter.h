// SPDX-License-Identifier: GPL-2.0-or-later
// What a guest writes to its console is the user's, and may be meant for the terminal of somebody
// else who looks at it, root first of all. Towards a terminal only text, line control and colours
// pass.
#pragma once

#include <string>
#include <string_view>

namespace holon::cli {

class ConsoleFilter {
  public:
    // The harmless part of the next BYTES; an escape sequence may begin in one call and end in the
    // next.
    std::string pass(std::string_view bytes);

  private:
    enum class State { text, escape, sequence, string, string_escape };
    State state_ = State::text;
    std::string sequence_;
    void take(unsigned char c, std::string& out);
};

// Throws holon::Error on anything but base64 with padding.
std::string decode_base64(std::string_view text);

}  // namespace holon::cli
