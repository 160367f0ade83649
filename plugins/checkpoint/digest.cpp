// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/checkpoint/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

namespace holon::checkpoint {
namespace {

std::string text_of(XXH128_hash_t hash) {
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

struct Digest::State {
    XXH3_state_t* hash = XXH3_createState();
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { XXH3_freeState(hash); }
};

Digest::Digest() : state_(std::make_unique<State>()) {
    if (state_->hash == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(state_->hash);
}
Digest::~Digest() = default;

void Digest::add(const void* bytes, std::size_t size) {
    XXH3_128bits_update(state_->hash, bytes, size);
}

std::string Digest::hex() const { return text_of(XXH3_128bits_digest(state_->hash)); }

std::string xxh3(std::string_view bytes) {
    return text_of(XXH3_128bits(bytes.data(), bytes.size()));
}

}  // namespace holon::checkpoint
