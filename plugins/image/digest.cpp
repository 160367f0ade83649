// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/image/digest.h"

#include <openssl/evp.h>

#include "plugins/os/error.h"

namespace holon::image {

std::string sha256(std::string_view text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr) != 1)
        throw Error("SHA-256 is not available in this OpenSSL");
    std::string hex;
    for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
    return hex;
}

std::string file_facts(const struct stat& file) {
    return fmt::format("{} {}.{:09} {}\n", file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec,
                       file.st_ino);
}

}  // namespace holon::image
