// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/child_time.h"

#include <algorithm>

#include "ssi/inject/process.h"

namespace holon::ssi::daemon {
namespace {

// Where two entries meet, their sum must stay a number of ns that a process may be told.
constexpr std::uint64_t most_time = std::uint64_t{1} << 60;

void add_up(inject::UsedElsewhere& sum, const inject::UsedElsewhere& more) {
    sum.user = std::min(sum.user + std::min(more.user, most_time), most_time);
    sum.system = std::min(sum.system + std::min(more.system, most_time), most_time);
}

}  // namespace

ChildTime::ChildTime() : ChildTime(Processes{&inject::parent_of, &inject::start_time}) {}

void ChildTime::add(pid_t process, const UsedElsewhere& used) {
    Entry entry{{}, false, {}};
    add_up(entry.used, used);
    for (pid_t each = process; each > 1 && entry.line.size() < most_ancestors;
         each = processes_.parent(each))
        entry.line.push_back({each, processes_.started(each)});
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= most_entries) advance_all();
    if (entries_.size() >= most_entries) entries_.pop_front();
    put(std::move(entry));
}

// Past those who have gone since.
void ChildTime::advance(Entry& entry) {
    std::size_t count = 0;
    while (count < entry.line.size() &&
           processes_.started(entry.line[count].process) != entry.line[count].started)
        ++count;
    entry.line.erase(entry.line.begin(), entry.line.begin() + static_cast<std::ptrdiff_t>(count));
    entry.gone = entry.gone || count != 0;
}

// Two that nobody can tell any more are one.
void ChildTime::put(Entry entry) {
    for (Entry& each : entries_)
        if (each.gone == entry.gone && each.line == entry.line)
            return add_up(each.used, entry.used);
    entries_.push_back(std::move(entry));
}

void ChildTime::advance_all() {
    std::list<Entry> before;
    before.swap(entries_);
    for (Entry& each : before) {
        advance(each);
        if (!each.line.empty()) put(std::move(each));
    }
}

ChildTime::UsedElsewhere ChildTime::of_children(pid_t process) {
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) return {};
    advance_all();
    const Id asking{process, processes_.started(process)};
    UsedElsewhere sum;
    for (const Entry& each : entries_)
        if (each.gone && each.line.front() == asking) add_up(sum, each.used);
    return sum;
}

}  // namespace holon::ssi::daemon
