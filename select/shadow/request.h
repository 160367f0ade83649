// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string_view>

#include "select/placement/placement.h"
#include "select/shadow/shadow.h"
#include "select/site/site.h"

namespace holon::shadow {

// What a job with a spec asks of the placement, in the placement's words.
struct Wanted {
    placement::Request request;
    bool smp = false;  // the job is a virtual SMP, also one that goes on from a checkpoint
    std::int64_t image = site::any_image;  // number of the image in FACTS
};

// Of the job's own numbers and its SPEC. Throws holon::Error where the spec cannot be read.
Wanted wanted_of(const Test& test, std::string_view spec, const site::Facts& facts);

}  // namespace holon::shadow
