// SPDX-License-Identifier: GPL-2.0-or-later
//
// ssi-syscalls-document > docs/ssi-syscalls.md
#include <cstdio>

#include "ssi/syscalls/document.h"

int main() {
    const std::string text = holon::ssi::syscalls::document();
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return written && std::fflush(stdout) == 0 ? 0 : 1;
}
