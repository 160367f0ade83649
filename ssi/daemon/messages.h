// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the messages between daemons carry. Encoding is little-endian, strings and lists preceded by
// their length; decoding throws Error for anything that is not exactly one such structure within
// its bounds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ssi/control/control.h"
#include "ssi/daemon/key.h"

namespace holon::ssi::daemon {

using Token = Digest;  // random, names a body process between two daemons

inline constexpr std::size_t max_name = 64;
inline constexpr std::size_t max_groups = 4096;

// What must be equal on all nodes: a thread is to run on any of them without noticing.
struct Machine {
    std::array<std::uint32_t, 12> features{};  // CPUID words, see machine.h
    std::uint32_t xsave_size = 0;
    std::uint64_t xsave_mask = 0;
    bool operator==(const Machine&) const = default;
};

struct Join {
    Digest instance{};  // random, made at the start of the daemon
    std::string name;
    std::uint16_t port = 0;    // where the member listens; its address is the connection's
    std::uint32_t wanted = 0;  // the number it had before; 0: none
    std::uint32_t cpus = 0;
    Digest runtime{};
    Machine machine;
};

struct Joined {
    std::uint32_t number = 0;
    std::string home;
};

struct MemberInfo {
    std::uint32_t number = 0;
    std::string name;
    std::string address;
    std::uint32_t cpus = 0;
    bool up = false;
};

struct BodyRequest {
    Token token{};
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;
    Digest runtime{};
    std::uint32_t process = 0;  // its number at home, for the log
};

struct ChannelRequest {
    Token token{};
    std::uint64_t value = 0;
};

struct EndedRequest {
    Token token{};
};

// ns of CPU time.
struct BodyUsed {
    std::uint64_t user = 0, system = 0;
};

std::string encode(const Join& join);
std::string encode(const Joined& joined);
std::string encode(const std::vector<MemberInfo>& members);
std::string encode(const BodyRequest& request);
std::string encode(const ChannelRequest& request);
std::string encode(const EndedRequest& request);
std::string encode(const BodyUsed& used);

Join decode_join(std::string_view bytes);
Joined decode_joined(std::string_view bytes);
std::vector<MemberInfo> decode_members(std::string_view bytes);
BodyRequest decode_body(std::string_view bytes);
ChannelRequest decode_channel(std::string_view bytes);
EndedRequest decode_ended(std::string_view bytes);
BodyUsed decode_used(std::string_view bytes);

// A reason sent by the other end, fit for a log: printable, one line, bounded.
std::string printable(std::string_view text);

// Names appear in tables and logs: letters, digits, '.', '-', '_'.
bool is_name(std::string_view text);

}  // namespace holon::ssi::daemon
