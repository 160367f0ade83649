// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plugins/os/error.h"

namespace holon::checkpoint {

// Takes the members out of a JSON object one by one, each with its type and range, so that what is
// left over is known to be unknown. Errors name the way to the key, "manifest: vms[1].memory".
class Members {
  public:
    Members(nlohmann::json object, std::string where);

    std::uint64_t number(const char* key, std::uint64_t most, std::uint64_t least = 0);
    std::uint32_t number32(const char* key, std::uint32_t most, std::uint32_t least = 0);
    bool boolean(const char* key);
    // Printable UTF-8 of at most LONGEST bytes.
    std::string text(const char* key, std::size_t longest);
    // Exactly DIGITS lower-case hexadecimal digits.
    std::string hex(const char* key, std::size_t digits);
    Members object(const char* key);
    // nullopt where it is null.
    std::optional<Members> object_or_null(const char* key);
    std::vector<Members> objects(const char* key, std::size_t most);
    // The value as it is, to be read by somebody else.
    nlohmann::json take(const char* key);

    // What was not taken yet.
    const nlohmann::json& rest() const { return object_; }

    [[noreturn]] void refuse(const std::string& key, const std::string& why) const;
    void nothing_left() const;

  private:
    nlohmann::json object_;
    std::string where_;
};

// TEXT as JSON that is not nested deeply; throws "WHERE: not JSON" with the reason.
nlohmann::json parse_json(std::string_view text, const std::string& where);

}  // namespace holon::checkpoint
