// SPDX-License-Identifier: GPL-2.0-or-later
//
// What another daemon may send: the first byte says which message, the rest is its payload, or the
// handshake's bytes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plugins/os/error.h"
#include "ssi/daemon/messages.h"
#include "ssi/daemon/session.h"

using namespace holon::ssi::daemon;

namespace {

void decode(unsigned which, std::string_view bytes) {
    static const Key key(std::string(32, 'k'));
    switch (which) {
        case 0:
            decode_join(bytes);
            break;
        case 1:
            decode_joined(bytes);
            break;
        case 2:
            // What decodes must survive the way back.
            decode_members(encode(decode_members(bytes)));
            break;
        case 3:
            decode_body(bytes);
            break;
        case 4:
            decode_channel(bytes);
            break;
        case 5: {
            Session server = Session::server(key);
            server.challenge(bytes.substr(0, hello_size));
            server.accept(bytes.size() > hello_size ? bytes.substr(hello_size) : bytes);
            break;
        }
        case 6:
            Session::client(key, Purpose::work).proof(bytes);
            break;
        case 7: {
            Session client = Session::client(key, Purpose::work), server = Session::server(key);
            server.accept(client.proof(server.challenge(client.hello())));
            const std::string_view header = bytes.substr(0, message_header_size);
            const std::size_t rest = Session::rest_of(header);
            if (bytes.size() >= header.size() + rest)
                server.open(header, bytes.substr(header.size(), rest));
            break;
        }
        case 8:
            decode_ended(bytes);
            break;
        case 9:
            decode_used(bytes);
            break;
        default:
            break;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    try {
        decode(data[0] % 10, {reinterpret_cast<const char*>(data) + 1, size - 1});
    } catch (const holon::Error&) {
    }
    return 0;
}
