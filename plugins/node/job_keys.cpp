// SPDX-License-Identifier: GPL-2.0-or-later
// The private key's layout is OpenSSH's PROTOCOL.key, openssh-key-v1.
#include "plugins/node/job_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>
#include <vector>

#include "plugins/os/error.h"

namespace holon::node {
namespace {

std::string from_hex(std::string_view hex) {
    auto digit = [](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        return -1;
    };
    if (hex.size() != 64) throw Error("the spec's seed has {} digits, not 64", hex.size());
    std::string bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
        int high = digit(hex[i]), low = digit(hex[i + 1]);
        if (high < 0 || low < 0) throw Error("the spec's seed is not hexadecimal");
        bytes += static_cast<char>(high << 4 | low);
    }
    return bytes;
}

std::string hmac_sha256(const std::string& key, std::string_view text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest,
               &length) == nullptr)
        throw Error("HMAC-SHA-256 failed");
    return {reinterpret_cast<char*>(digest), length};
}

std::string public_key_of(const std::string& private_key) {
    std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> key(
        ::EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                       reinterpret_cast<const unsigned char*>(private_key.data()),
                                       private_key.size()),
        &::EVP_PKEY_free);
    unsigned char raw[32];
    size_t length = sizeof raw;
    if (!key || ::EVP_PKEY_get_raw_public_key(key.get(), raw, &length) != 1)
        throw Error("Ed25519 failed");
    return {reinterpret_cast<char*>(raw), length};
}

void put_u32(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}
void put_string(std::string& out, std::string_view text) {
    put_u32(out, static_cast<std::uint32_t>(text.size()));
    out += text;
}

std::string base64(const std::string& bytes) {
    std::vector<unsigned char> out(4 * ((bytes.size() + 2) / 3) + 1);
    int length = ::EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
    return {reinterpret_cast<char*>(out.data()), static_cast<size_t>(length)};
}

}  // namespace

std::string derive_engine_key(std::string_view seed) {
    std::string hex;
    for (unsigned char byte : hmac_sha256(from_hex(seed), "holon smp"))
        hex += fmt::format("{:02x}", byte);
    return hex;
}

SshKey derive_ssh_key(std::string_view seed, std::string_view purpose, std::string_view comment) {
    std::string private_key = hmac_sha256(from_hex(seed), "holon ssh " + std::string(purpose));
    std::string public_key = public_key_of(private_key);

    std::string public_blob;
    put_string(public_blob, "ssh-ed25519");
    put_string(public_blob, public_key);

    std::string secret;
    // The check integer only tells a right passphrase from a wrong one; without encryption any
    // value will do.
    put_u32(secret, 0x484f4c4f);
    put_u32(secret, 0x484f4c4f);
    put_string(secret, "ssh-ed25519");
    put_string(secret, public_key);
    put_string(secret, private_key + public_key);
    put_string(secret, comment);
    for (char pad = 1; secret.size() % 8 != 0; ++pad) secret += pad;

    std::string blob("openssh-key-v1\0", 15);
    put_string(blob, "none");
    put_string(blob, "none");
    put_string(blob, "");
    put_u32(blob, 1);
    put_string(blob, public_blob);
    put_string(blob, secret);

    SshKey key;
    std::string encoded = base64(blob);
    key.private_text = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    for (size_t i = 0; i < encoded.size(); i += 70)
        key.private_text += encoded.substr(i, 70) + "\n";
    key.private_text += "-----END OPENSSH PRIVATE KEY-----\n";
    key.public_text = "ssh-ed25519 " + base64(public_blob) + " " + std::string(comment);
    return key;
}

}  // namespace holon::node
