// SPDX-License-Identifier: GPL-2.0-or-later
//
// The key that the daemons of one partition share. Who holds it can act as any user on any node of
// the partition: it stands for root's word, and its file must be root's alone.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

namespace holon::ssi::daemon {

using Digest = std::array<std::uint8_t, 32>;

class Key {
  public:
    explicit Key(std::string bytes) : bytes_(std::move(bytes)) {}

    // HMAC-SHA256 over all parts, each preceded by its length.
    Digest sign(std::initializer_list<std::string_view> parts) const;

  private:
    std::string bytes_;
};

inline constexpr std::size_t min_key_bytes = 32;

// Throws Error naming the file: it must be of the caller's uid, mode 0600 or less, of 32 bytes or
// more.
Key read_key(const std::filesystem::path& path);

// In time that does not depend on where they differ.
bool equal(const Digest& a, const Digest& b);

Digest random_digest();

std::string_view view(const Digest& digest);
std::string hex(std::string_view bytes);

}  // namespace holon::ssi::daemon
