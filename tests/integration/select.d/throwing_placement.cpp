// SPDX-License-Identifier: GPL-2.0-or-later
// A placement that throws, in place of the real one: the linker takes this, for it comes first.
#include <stdexcept>

#include "select/placement/placement.h"

namespace holon::placement {

struct Placer::State {};
Placer::Placer() = default;
Placer::~Placer() = default;
void Placer::place(std::span<const Node>, const Request&, const Weights&, Answer&, std::size_t) {
    throw std::runtime_error("the placement is broken");
}
std::string explain(const Candidate&, const Request&, NameOf, const void*) { throw 1; }

}  // namespace holon::placement
