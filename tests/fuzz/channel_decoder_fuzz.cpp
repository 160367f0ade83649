// SPDX-License-Identifier: GPL-2.0-or-later
// Any bytes in any pieces: frames within the limits or, on a socket, one exception; and a sync is
// found behind them. The first byte picks mode and piece size.
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "plugins/channel/frame.h"

using holon::channel::Decoder;
using holon::channel::Type;

namespace {

constexpr std::array<std::uint8_t, 16> nonce{7, 7, 7, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

void drain(Decoder& decoder) {
    while (const auto frame = decoder.next()) {
        if (frame->payload.size() > holon::channel::max_payload) std::abort();
        // What was decoded is what its encoder would have sent.
        Decoder again(Decoder::Mode::strict);
        again.feed(holon::channel::encode(*frame));
        const auto copy = again.next();
        if (!copy || copy->payload != frame->payload || copy->offset != frame->offset) std::abort();
    }
    if (decoder.buffered() > holon::channel::max_payload + holon::channel::header_size)
        std::abort();
}

bool finds_sync(Decoder& decoder) {
    decoder.feed(holon::channel::sync_preamble(nonce));
    while (const auto frame = decoder.next())
        if (frame->type == Type::sync && frame->payload.size() == nonce.size()) return true;
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto choice = data[0];
    std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t piece = 1 + choice / 4;
    Decoder decoder(choice & 1 ? Decoder::Mode::strict : Decoder::Mode::resync);
    if (choice & 2) decoder.hunt_for_sync(nonce);
    try {
        while (!bytes.empty()) {
            const auto part = bytes.substr(0, piece);
            decoder.feed(part);
            drain(decoder);
            bytes.remove_prefix(part.size());
        }
    } catch (const std::runtime_error&) {
        if (!(choice & 1)) std::abort();  // on the serial port nothing is an error
        return 0;
    }
    if (!(choice & 3) && !finds_sync(decoder)) std::abort();
    return 0;
}
