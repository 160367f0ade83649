// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/key.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::ssi::daemon {

Digest Key::sign(std::initializer_list<std::string_view> parts) const {
    static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(
        EVP_MAC_CTX_new(algorithm), &EVP_MAC_CTX_free);
    char name[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end()};
    auto bytes = [](std::string_view text) {
        return reinterpret_cast<const unsigned char*>(text.data());
    };
    Digest digest{};
    std::size_t length = 0;
    bool good =
        context && EVP_MAC_init(context.get(), bytes(bytes_), bytes_.size(), parameters) == 1;
    for (std::string_view part : parts) {
        const std::uint64_t size = part.size();
        good = good &&
               EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(&size),
                              sizeof size) == 1 &&
               EVP_MAC_update(context.get(), bytes(part), part.size()) == 1;
    }
    if (!good || EVP_MAC_final(context.get(), digest.data(), &length, digest.size()) != 1 ||
        length != digest.size())
        throw Error("OpenSSL cannot compute an HMAC-SHA256");
    return digest;
}

Key read_key(const std::filesystem::path& path) {
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!file.valid() || ::fstat(file.get(), &status) != 0)
        throw Error("{}: {}; make one with: (umask 077; head -c 32 /dev/urandom > {})",
                    path.string(), errno_text(), path.string());
    if (!S_ISREG(status.st_mode)) throw Error("{}: not a regular file", path.string());
    if (status.st_uid != ::geteuid() || (status.st_mode & 0177) != 0)
        throw Error("{}: others can read or change the key; chown root and chmod 600 it",
                    path.string());
    std::string bytes(4097, '\0');
    const ssize_t count = ::read(file.get(), bytes.data(), bytes.size());
    if (count < 0) throw Error("{}: {}", path.string(), errno_text());
    if (count < static_cast<ssize_t>(min_key_bytes) || count > 4096)
        throw Error("{}: a key has {} to 4096 bytes, this file {}", path.string(), min_key_bytes,
                    count > 4096 ? "more" : std::to_string(count));
    bytes.resize(static_cast<std::size_t>(count));
    return Key(std::move(bytes));
}

bool equal(const Digest& a, const Digest& b) {
    return ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Digest random_digest() {
    Digest digest{};
    if (::RAND_bytes(digest.data(), static_cast<int>(digest.size())) != 1)
        throw Error("OpenSSL has no random bytes");
    return digest;
}

std::string_view view(const Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

}  // namespace holon::ssi::daemon
