// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "select/placement/placement.h"

namespace holon::placement {
namespace {

constexpr std::size_t most_named = 16;

std::string counted(std::uint64_t count, const char* thing) {
    return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string asked_for(const Request& request) {
    if (request.mode == Mode::restart) return counted(request.shapes.size(), "saved VM");
    std::string text = counted(request.cpus, "CPU");
    if (request.max_nodes != 0 && request.max_nodes == request.min_nodes)
        text += " on " + counted(request.min_nodes, "node");
    else if (request.min_nodes > 1)
        text += fmt::format(" on {} nodes or more", request.min_nodes);
    else if (request.max_nodes != 0)
        text += fmt::format(" on at most {}", counted(request.max_nodes, "node"));
    return text;
}

}  // namespace

std::string explain(const Candidate& candidate, const Request& request, NameOf name_of,
                    const void* context) {
    std::string text = counted(candidate.nodes.size(), "node") + ": ";
    for (std::size_t i = 0; i < candidate.nodes.size() && i < most_named; ++i)
        text += fmt::format("{}{} {}", i == 0 ? "" : ", ", name_of(context, candidate.nodes[i]),
                            candidate.cpus[i]);
    if (candidate.nodes.size() > most_named)
        text += fmt::format(" and {} more", candidate.nodes.size() - most_named);
    text += " CPUs";
    if (request.mode == Mode::restart)
        text += fmt::format("; {} as they were", counted(request.shapes.size(), "VM"));
    text += candidate.domains == 1 ? "; one latency domain"
                                   : fmt::format("; {} latency domains", candidate.domains);
    if (candidate.whole == 0)
        text += "; no free node is broken into";
    else
        text += fmt::format("; {} wholly free before", candidate.whole);
    if (candidate.left_over != 0)
        text += fmt::format("; {} left free there", counted(candidate.left_over, "CPU"));
    if (candidate.uncached != 0)
        text += fmt::format("; {} must prepare the image", candidate.uncached);
    else
        text += "; the image is ready on all";
    if (candidate.emulated != 0) text += fmt::format("; {} emulate", candidate.emulated);
    if (candidate.unknown != 0)
        text += fmt::format("; nothing is known of {} yet", candidate.unknown);
    return text;
}

std::string explain_none(const Answer& answer, const Request& request) {
    const Refused& refused = answer.refused;
    std::string text;
    if (answer.required_refused) {
        text = "a node that the job names cannot take it";
    } else {
        text = fmt::format("{} for {}", counted(answer.eligible, "node"), asked_for(request));
        if (request.mode != Mode::restart)
            text += fmt::format(", with {}", counted(answer.eligible_cpus, "CPU"));
    }
    auto add = [&, first = true](std::uint32_t count, const char* why) mutable {
        if (count == 0) return;
        text += fmt::format("{} {} {}", first ? "; not considered:" : ",", count, why);
        first = false;
    };
    add(refused.unavailable, "not available");
    add(refused.broken, "with a broken VM layer");
    add(refused.image, "without the image");
    add(refused.accelerator, "without an accelerator");
    add(refused.huge_pages, "with too few huge pages");
    add(refused.cpus, "with too few CPUs");
    add(refused.memory, "with too little memory");
    return text;
}

}  // namespace holon::placement
