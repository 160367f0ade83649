// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/channel/frame.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace holon::channel {
namespace {

template <typename T>
void put(char* at, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i) at[i] = static_cast<char>(value >> (8 * i));
}

template <typename T>
T get(const char* at) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i)
        value = static_cast<T>(value | static_cast<T>(static_cast<std::uint8_t>(at[i])) << (8 * i));
    return value;
}

// The eight tables of "slicing by 8" for the reflected Castagnoli polynomial.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
    Tables tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        tables[0][i] = crc;
    }
    for (std::size_t t = 1; t < tables.size(); ++t)
        for (std::size_t i = 0; i < 256; ++i)
            tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
    return tables;
}

constexpr Tables tables = make_tables();

constexpr std::uint8_t last_type = static_cast<std::uint8_t>(Type::clock);
constexpr std::uint8_t last_stream = static_cast<std::uint8_t>(Stream::err);

struct Header {
    std::uint8_t type = 0;
    std::uint8_t stream = 0;
    std::uint8_t flags = 0;
    std::uint32_t length = 0;
    std::uint64_t session = 0;
    std::uint64_t offset = 0;
    std::uint32_t payload_crc = 0;
};

// nullopt for anything that no encode() has made.
std::optional<Header> parse_header(const char* at) {
    if (get<std::uint16_t>(at) != magic) return std::nullopt;
    if (get<std::uint32_t>(at + 28) != crc32c({at, 28})) return std::nullopt;
    Header header;
    header.type = get<std::uint8_t>(at + 2);
    header.stream = get<std::uint8_t>(at + 3);
    const auto length_and_flags = get<std::uint32_t>(at + 4);
    header.length = length_and_flags & 0xffffff;
    header.flags = static_cast<std::uint8_t>(length_and_flags >> 24);
    header.session = get<std::uint64_t>(at + 8);
    header.offset = get<std::uint64_t>(at + 16);
    header.payload_crc = get<std::uint32_t>(at + 24);
    if (header.type == 0 || header.type > last_type || header.stream > last_stream ||
        header.length > max_payload)
        return std::nullopt;
    return header;
}

}  // namespace

std::uint32_t crc32c(std::span<const char> bytes) {
    std::uint32_t crc = ~0u;
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) {
        const auto low = get<std::uint32_t>(at) ^ crc;
        const auto high = get<std::uint32_t>(at + 4);
        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
              tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
    }
    for (; left > 0; ++at, --left)
        crc = crc >> 8 ^ tables[0][(crc ^ static_cast<std::uint8_t>(*at)) & 0xff];
    return ~crc;
}

void encode_to(std::string& out, const Frame& frame) {
    if (frame.payload.size() > max_payload)
        throw std::length_error("channel: a frame's payload is larger than 65536 bytes");
    std::array<char, header_size> header{};
    char* at = header.data();
    put<std::uint16_t>(at, magic);
    put<std::uint8_t>(at + 2, static_cast<std::uint8_t>(frame.type));
    put<std::uint8_t>(at + 3, static_cast<std::uint8_t>(frame.stream));
    put<std::uint32_t>(at + 4, static_cast<std::uint32_t>(frame.payload.size()) |
                                   std::uint32_t{frame.flags} << 24);
    put<std::uint64_t>(at + 8, frame.session);
    put<std::uint64_t>(at + 16, frame.offset);
    put<std::uint32_t>(at + 24, crc32c(frame.payload));
    put<std::uint32_t>(at + 28, crc32c({at, 28}));
    out.append(header.data(), header.size());
    out.append(frame.payload);
}

std::string encode(const Frame& frame) {
    std::string out;
    out.reserve(header_size + frame.payload.size());
    encode_to(out, frame);
    return out;
}

void Decoder::feed(std::span<const char> bytes) {
    if (start_ == buffer_.size()) {
        buffer_.clear();
        start_ = 0;
    } else if (start_ > buffer_.size() / 2) {
        buffer_.erase(0, start_);
        start_ = 0;
    }
    buffer_.append(bytes.data(), bytes.size());
}

void Decoder::hunt_for_sync(const std::array<std::uint8_t, 16>& nonce) {
    nonce_ = nonce;
    hunting_ = true;
}

void Decoder::skip(std::size_t bytes) {
    start_ += bytes;
    skipped_ += bytes;
}

bool Decoder::skip_to_magic() {
    const char* begin = buffer_.data() + start_;
    const auto* found =
        buffered() == 0 ? nullptr
                        : static_cast<const char*>(std::memchr(begin, magic & 0xff, buffered()));
    skip(found == nullptr ? buffered() : static_cast<std::size_t>(found - begin));
    return buffered() >= header_size;
}

std::optional<Frame> Decoder::next() {
    const bool lenient = hunting_ || mode_ == Mode::resync;
    for (;;) {
        if (lenient ? !skip_to_magic() : buffered() < header_size) return std::nullopt;
        const char* at = buffer_.data() + start_;
        const auto header = parse_header(at);
        if (!header) {
            if (!lenient) throw std::runtime_error("channel: the other end sent no valid frame");
            skip(1);
            continue;
        }
        if (hunting_) {
            if (header->type != static_cast<std::uint8_t>(Type::sync_ack) ||
                header->length < nonce_.size()) {
                skip(1);
                continue;
            }
            const auto seen = std::min(buffered() - header_size, nonce_.size());
            if (std::memcmp(at + header_size, nonce_.data(), seen) != 0) {
                skip(1);
                continue;
            }
        }
        if (buffered() < header_size + header->length) return std::nullopt;
        const std::span payload{at + header_size, header->length};
        if (crc32c(payload) != header->payload_crc) {
            if (!lenient) throw std::runtime_error("channel: a frame's payload is damaged");
            // While hunting not even a matching nonce makes a damaged frame's length trustworthy.
            skip(hunting_ ? 1 : header_size + header->length);
            continue;
        }
        Frame frame{static_cast<Type>(header->type),
                    static_cast<Stream>(header->stream),
                    header->flags,
                    header->session,
                    header->offset,
                    std::string(payload.data(), payload.size())};
        start_ += header_size + header->length;
        hunting_ = false;
        return frame;
    }
}

std::string sync_preamble(const std::array<std::uint8_t, 16>& nonce) {
    std::string bytes(max_payload + header_size, '\0');
    Frame sync;
    sync.type = Type::sync;
    sync.payload.assign(reinterpret_cast<const char*>(nonce.data()), nonce.size());
    encode_to(bytes, sync);
    return bytes;
}

std::optional<std::string> Reassembly::add(const Frame& frame) {
    if (frame.offset == 0) text_.clear();
    if (frame.offset != text_.size()) {
        text_.clear();
        throw std::runtime_error("channel: a fragment is missing");
    }
    if (frame.payload.size() > limit_ - text_.size()) {
        text_.clear();
        throw std::length_error("channel: a fragmented message is too long");
    }
    text_ += frame.payload;
    if ((frame.flags & flag_last) == 0) return std::nullopt;
    return std::exchange(text_, {});
}

std::vector<Frame> fragment(Type type, std::uint64_t session, std::string_view text) {
    std::vector<Frame> frames;
    std::size_t offset = 0;
    do {
        Frame frame;
        frame.type = type;
        frame.session = session;
        frame.offset = offset;
        frame.payload = text.substr(offset, max_payload);
        offset += frame.payload.size();
        if (offset == text.size()) frame.flags = flag_last;
        frames.push_back(std::move(frame));
    } while (offset < text.size());
    return frames;
}

}  // namespace holon::channel
