// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/shadow/host.h"

#include <dlfcn.h>

namespace holon::shadow {
namespace {

// Both names of a function are exported; a release may drop one.
void* find_symbol(const char* name, const char* other = nullptr) {
    void* const found = ::dlsym(RTLD_DEFAULT, name);
    return found == nullptr && other != nullptr ? ::dlsym(RTLD_DEFAULT, other) : found;
}

template <typename T>
bool look_up(T& into, const char* name, const char* other = nullptr) {
    into = reinterpret_cast<T>(find_symbol(name, other));
    return into != nullptr;
}

using Log = void (*)(const char* format, ...);

void log_by(const char* name, const char* line) {
    if (const auto log = reinterpret_cast<Log>(::dlsym(RTLD_DEFAULT, name)))
        log("select/cons_tres: holon: %s", line);
}

}  // namespace

std::optional<Host> Host::find() {
    Host host{};
    const bool all =
        look_up(host.find_job, "find_job_record") && look_up(host.find_node, "find_node_record") &&
        look_up(host.test, "slurm_bit_test", "bit_test") &&
        look_up(host.clear, "slurm_bit_clear", "bit_clear") &&
        look_up(host.set, "slurm_bit_set", "bit_set") &&
        look_up(host.size, "slurm_bit_size", "bit_size") &&
        look_up(host.copy, "slurm_bit_copy", "bit_copy") &&
        look_up(host.copy_bits, "slurm_bit_copybits", "bit_copybits") &&
        look_up(host.free, "slurm_bit_free") &&
        look_up(host.iterate, "slurm_list_iterator_create", "list_iterator_create") &&
        look_up(host.next, "slurm_list_next", "list_next") &&
        look_up(host.end_iteration, "slurm_list_iterator_destroy", "list_iterator_destroy") &&
        look_up(host.nodes, "node_record_table_ptr") &&
        look_up(host.node_count, "node_record_count") && look_up(host.jobs, "job_list") &&
        look_up(host.conf, "slurm_conf");
    if (!all) return std::nullopt;
    return host;
}

void log_error(const char* line) { log_by("slurm_error", line); }
void log_info(const char* line) { log_by("slurm_info", line); }

}  // namespace holon::shadow
