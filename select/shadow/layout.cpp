// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/shadow/layout.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "plugins/spec/spec.h"

namespace holon::shadow {
namespace {

// Reads memory of this process that may not be there.
bool probe(const void* from, void* to, std::size_t size) {
    iovec here{to, size}, there{const_cast<void*>(from), size};
    return ::process_vm_readv(::getpid(), &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

template <typename T>
bool probe(const T* from, T& to) {
    return from != nullptr && probe(from, &to, sizeof to);
}

// A text of up to MOST bytes that may not be there.
std::string probe_text(const char* from, std::size_t most) {
    std::string text;
    char block[256];
    while (text.size() < most) {
        // up to the end of the page, so that the next one need not exist
        const std::size_t page = 4096 - (reinterpret_cast<std::uintptr_t>(from) & 4095);
        const std::size_t size = std::min(sizeof block, page);
        if (from == nullptr || !probe(from, block, size)) return {};
        const std::size_t length = ::strnlen(block, size);
        text.append(block, length);
        if (length < size) return text;
        from += size;
    }
    return {};
}

// More than any job has; a wrong field would be read as more than this, or as text without a spec.
constexpr std::uint32_t most_entries = 4096;
constexpr std::size_t most_text = 1 << 20;

std::string_view value_of(std::string_view entry) {
    if (entry.starts_with("SPANK_")) entry.remove_prefix(6);
    if (!entry.starts_with(spec::spec_variable)) return {};
    entry.remove_prefix(spec::spec_variable.size());
    return entry.starts_with('=') ? entry.substr(1) : std::string_view{};
}

}  // namespace

bool Layout::fits(const Host& host, const job_record_t* job, std::string& why) {
    std::uint32_t magic = 0, id = 0;
    decltype(job->details) details = nullptr;
    decltype(job->part_ptr) partition = nullptr;
    why.clear();
    if (!probe(&job->magic, magic) || magic != JOB_MAGIC)
        return why = "the magic number of a job is wrong", false;
    if (!probe(&job->job_id, id) || host.find_job(id) != job)
        return why = "a job is not found by its id", false;
    if (!probe(&job->details, details) || !probe(&job->part_ptr, partition))
        return why = "a job cannot be read", false;
    // A job may be without either for a moment.
    if (details == nullptr || partition == nullptr) return false;
    if (!probe(&details->magic, magic) || magic != DETAILS_MAGIC)
        return why = "the magic number of a job's details is wrong", false;
    if (!probe(&partition->magic, magic) || magic != PART_MAGIC)
        return why = "the magic number of a partition is wrong", false;
    if (!proven_) proven_ = node_fits(host, why);
    return proven_;
}

bool Layout::node_fits(const Host& host, std::string& why) const {
    for (int i = 0; i < *host.node_count; ++i) {
        const node_record_t* const node = host.node(i);
        if (node == nullptr) continue;  // a dynamic node that went
        std::uint32_t magic = 0;
        char* name = nullptr;
        if (!probe(&node->magic, magic) || magic != NODE_MAGIC)
            return why = "the magic number of a node is wrong", false;
        if (!probe(&node->name, name) || probe_text(name, 4096).empty() ||
            host.find_node(name) != node)
            return why = "a node is not found by its name", false;
        return true;
    }
    why = "there are no nodes";
    return false;
}

std::string Layout::spec_of(const job_record_t& job) const {
    std::uint32_t count = 0;
    char** entries = nullptr;
    if (proven_) {
        for (std::uint32_t i = 0; i < job.spank_job_env_size; ++i)
            if (job.spank_job_env[i] != nullptr)
                if (const auto value = value_of(job.spank_job_env[i]); !value.empty())
                    return std::string(value);
        return {};
    }
    if (!probe(&job.spank_job_env_size, count) || count == 0 || count > most_entries ||
        !probe(&job.spank_job_env, entries))
        return {};
    for (std::uint32_t i = 0; i < count; ++i) {
        char* entry = nullptr;
        if (!probe(entries + i, entry)) return {};
        const std::string text = probe_text(entry, most_text);
        if (const auto value = value_of(text); !value.empty()) return std::string(value);
    }
    return {};
}

}  // namespace holon::shadow
