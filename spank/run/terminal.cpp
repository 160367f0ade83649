// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace holon::run {

Terminal::Terminal() {
    termios now{};
    if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0 &&
        ::tcgetattr(STDIN_FILENO, &now) == 0)
        before_ = now;
}

Terminal::~Terminal() { restore(); }

void Terminal::make_raw() {
    if (!before_ || raw_) return;
    termios raw = *before_;
    ::cfmakeraw(&raw);
    raw_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void Terminal::restore() {
    if (raw_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &*before_);
    raw_ = false;
}

OpenRequest::Terminal Terminal::size() const {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return {24, 80};
    return {size.ws_row, size.ws_col};
}

}  // namespace holon::run
