// SPDX-License-Identifier: GPL-2.0-or-later
// XXH3-128, by which a file that a disk or a network has damaged is known. It is no protection from
// somebody who wants to deceive: the files are their user's, who may write what they like.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace holon::checkpoint {

std::string xxh3(std::string_view bytes);  // 32 hexadecimal digits

// The same over bytes that come in pieces.
class Digest {
  public:
    Digest();
    ~Digest();
    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;
    void add(const void* bytes, std::size_t size);
    std::string hex() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace holon::checkpoint
