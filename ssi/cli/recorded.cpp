// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/cli/recorded.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <ostream>

#include "ssi/cli/names.h"
#include "ssi/syscalls/table.h"

namespace holon::ssi::cli {
namespace {

using namespace recording;

constexpr double second = 1e9;
// Who writes a page less often than that in the time looked at is no suspect.
constexpr std::uint32_t suspicious_writes = 3;

std::uint64_t since(std::uint64_t now, std::uint64_t earlier) {
    return now > earlier ? now - earlier : 0;
}

// CLOCK and SEEN of a program may be anything; what is shown stays finite.
double seconds(std::uint64_t ns) { return static_cast<double>(ns) / second; }

std::string call_name(std::uint64_t number) {
    const syscalls::Call* row = syscalls::find(number);
    return row != nullptr ? row->name : fmt::format("call {}", number);
}

template <class Table, class Key>
auto by_key(const Table& table, Key key) {
    std::map<std::uint64_t, decltype(&table[0])> found;
    for (const auto& each : table)
        if (key(each) != 0) found.emplace(static_cast<std::uint64_t>(key(each)), &each);
    return found;
}

Json threads_of(const Recording& now, const Recording& earlier) {
    const auto key = [](const recording::Thread& thread) { return thread.tid; };
    const auto before = by_key(earlier.threads, key);
    constexpr recording::Thread none{};
    Json list = Json::array();
    for (const recording::Thread& thread : now.threads) {
        if (thread.tid == 0) continue;
        const auto found = before.find(static_cast<std::uint64_t>(thread.tid));
        const recording::Thread& was = found != before.end() ? *found->second : none;
        list.push_back({{"tid", thread.tid},
                        {"node", thread.node % max_nodes},
                        {"reads", since(thread.reads, was.reads)},
                        {"writes", since(thread.writes, was.writes)},
                        {"fault_seconds", seconds(since(thread.fault_ns, was.fault_ns))},
                        {"calls", since(thread.calls, was.calls)},
                        {"call_seconds", seconds(since(thread.call_ns, was.call_ns))},
                        {"moves", since(thread.moves, was.moves)}});
    }
    return list;
}

// Threads of different nodes write the page. "false": none writes what another does; "true": some
// do; "": no two do.
std::string sharing_of(const std::vector<User>& writers) {
    bool apart = false, same = false;
    for (std::size_t i = 0; i < writers.size(); ++i)
        for (std::size_t k = 0; k < i; ++k) {
            if (writers[i].node == writers[k].node) continue;
            // Two bytes of a word may be one variable's.
            const bool disjoint = writers[i].high / 8 < writers[k].low / 8 ||
                                  writers[k].high / 8 < writers[i].low / 8;
            (disjoint ? apart : same) = true;
        }
    return same ? "true" : apart ? "false" : "";
}

Json page_of(const Page& page, const Page& was, const Names& names) {
    Json users = Json::array();
    std::vector<User> writers;
    std::uint64_t hottest = page.address;
    std::uint32_t most = 0;
    for (const User& user : page.users) {
        if (user.tid == 0) continue;
        User delta = user;
        for (const User& old : was.users)
            if (old.tid == user.tid) {
                delta.reads = user.reads > old.reads ? user.reads - old.reads : 0;
                delta.writes = user.writes > old.writes ? user.writes - old.writes : 0;
            }
        if (delta.reads == 0 && delta.writes == 0) continue;
        Json entry = {{"tid", delta.tid},
                      {"node", delta.node % max_nodes},
                      {"reads", delta.reads},
                      {"writes", delta.writes}};
        if (user.high >= user.low) {
            entry["first_written"] = names.of(page.address + user.low);
            entry["low"] = user.low;
            entry["high"] = user.high;
            if (delta.writes >= suspicious_writes) writers.push_back(delta);
            if (delta.writes > most) {
                most = delta.writes;
                hottest = page.address + user.low % 4096;
            }
        }
        users.push_back(std::move(entry));
    }
    return {{"address", fmt::format("{:#x}", page.address)},
            {"where", names.of(hottest)},
            {"reads", since(page.reads, was.reads)},
            {"writes", since(page.writes, was.writes)},
            {"seconds", seconds(since(page.ns, was.ns))},
            {"taken", since(page.taken, was.taken)},
            {"sharing", sharing_of(writers)},
            {"users", std::move(users)}};
}

Json pages_of(const Recording& now, const Recording& earlier, std::size_t most) {
    const auto before = by_key(earlier.pages, [](const Page& page) { return page.address; });
    constexpr Page none{};
    struct Hot {
        const Page* page;
        const Page* was;
        std::uint64_t faults;
    };
    std::vector<Hot> hot;
    for (const Page& page : now.pages) {
        if (page.address == 0) continue;
        const auto found = before.find(page.address);
        const Page& was = found != before.end() ? *found->second : none;
        const std::uint64_t faults = since(page.reads, was.reads) + since(page.writes, was.writes);
        if (faults != 0) hot.push_back({&page, &was, faults});
    }
    std::stable_sort(hot.begin(), hot.end(),
                     [](const Hot& a, const Hot& b) { return a.faults > b.faults; });
    if (hot.size() > most) hot.resize(most);
    Names names({now.maps, std::min<std::size_t>(now.maps_size, max_maps)});
    for (const recording::Thread& thread : now.threads)
        if (thread.tid != 0 && thread.tid != now.pid) names.add_stack(thread.stack, thread.tid);
    Json list = Json::array();
    for (const Hot& each : hot) list.push_back(page_of(*each.page, *each.was, names));
    return list;
}

Json calls_of(const Recording& now, const Recording& earlier) {
    Json list = Json::array();
    for (std::size_t number = 0; number < max_calls; ++number) {
        const std::uint64_t count =
            since(now.by_number[number].count, earlier.by_number[number].count);
        if (count != 0)
            list.push_back({{"name", call_name(number)},
                            {"count", count},
                            {"seconds", seconds(since(now.by_number[number].ns,
                                                      earlier.by_number[number].ns))}});
    }
    std::stable_sort(list.begin(), list.end(), [](const Json& a, const Json& b) {
        return a["count"].get<std::uint64_t>() > b["count"].get<std::uint64_t>();
    });
    return list;
}

const Recording& empty_recording() {
    static const auto empty = std::make_unique<Recording>();
    return *empty;
}

std::string per(std::uint64_t count, double time) {
    return time > 0 ? fmt::format("{:.0f}", static_cast<double>(count) / time)
                    : std::to_string(count);
}

}  // namespace

std::shared_ptr<const Recording> read_recording(const os::Fd& memory) {
    const auto recording = std::make_shared<Recording>();
    if (!memory.valid()) return recording;
    auto* to = reinterpret_cast<char*>(recording.get());
    constexpr std::size_t size = offsetof(Recording, events);
    for (std::size_t done = 0; done < size;) {
        const ssize_t n = ::pread(memory.get(), to + done, size - done, static_cast<off_t>(done));
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    if (recording->magic != recording::magic) return std::make_shared<Recording>();
    recording->nodes = std::min<std::uint32_t>(recording->nodes, max_nodes);
    return recording;
}

Json describe(const Recording& now, const Recording* before, std::size_t pages) {
    const Recording& earlier = before != nullptr ? *before : empty_recording();
    Json cpu = Json::array();
    for (std::uint32_t node = 0; node < now.nodes; ++node)
        cpu.push_back(
            {{"node", node}, {"seconds", seconds(since(now.cpu[node], earlier.cpu[node]))}});
    const std::uint64_t from = earlier.magic != 0 ? earlier.seen : now.began;
    Json description = {
        {"seconds", seconds(since(now.seen, from))},
        {"cpu", std::move(cpu)},
        {"faults", since(now.faults, earlier.faults)},
        {"calls", since(now.calls, earlier.calls)},
        {"call_seconds", seconds(since(now.call_ns, earlier.call_ns))},
        {"bytes_sent", since(now.bytes, earlier.bytes)},
        {"pages_granted", since(now.grants, earlier.grants)},
        {"pages_sent_ahead", since(now.prefetched, earlier.prefetched)},
        {"pages_sent_ahead_and_used", since(now.prefetch_hits, earlier.prefetch_hits)},
        {"pages_not_in_the_table", since(now.lost_pages, earlier.lost_pages)},
        {"threads", threads_of(now, earlier)},
        {"pages", pages_of(now, earlier, pages)},
        {"calls_by_name", calls_of(now, earlier)}};
    double waited = 0;
    for (const Json& thread : description["threads"])
        waited += thread["fault_seconds"].get<double>();
    description["fault_seconds"] = waited;
    description["never_worse"] = {{"windows", since(now.windows, earlier.windows)},
                                  {"bad", since(now.bad_windows, earlier.bad_windows)}};
    if (now.home_at != 0) description["taken_home_after"] = seconds(since(now.home_at, now.began));
    return description;
}

std::string threads_table(const std::vector<Json>& programs, double time) {
    std::vector<Row> rows{{"THREAD", "NODE", time > 0 ? "FAULTS/s" : "FAULTS", "WRITES", "WAITED",
                           time > 0 ? "CALLS/s" : "CALLS", "IN CALLS", "MOVES"}};
    for (const Json& program : programs)
        for (const Json& thread : program["threads"]) {
            const auto reads = thread["reads"].get<std::uint64_t>(),
                       writes = thread["writes"].get<std::uint64_t>(),
                       calls = thread["calls"].get<std::uint64_t>();
            if (time > 0 && reads + writes + calls == 0) continue;
            rows.push_back(
                {fmt::format("{}/{}", program.value("pid", 0), thread.value("tid", 0)),
                 std::to_string(thread.value("node", 0)), per(reads + writes, time),
                 per(writes, time), fmt::format("{:.3f}s", thread.value("fault_seconds", 0.0)),
                 per(calls, time), fmt::format("{:.3f}s", thread.value("call_seconds", 0.0)),
                 std::to_string(thread.value("moves", 0UL))});
        }
    return rows.size() > 1 ? table(rows) : "";
}

std::string pages_table(const std::vector<Json>& programs, double time) {
    std::vector<Row> rows{{"PAGE", "PID", time > 0 ? "READS/s" : "READS",
                           time > 0 ? "WRITES/s" : "WRITES", "WAITED", "THREADS", "SHARING",
                           "WHERE"}};
    for (const Json& program : programs)
        for (const Json& page : program["pages"])
            rows.push_back({page.value("address", ""), std::to_string(program.value("pid", 0)),
                            per(page["reads"].get<std::uint64_t>(), time),
                            per(page["writes"].get<std::uint64_t>(), time),
                            fmt::format("{:.3f}s", page.value("seconds", 0.0)),
                            std::to_string(page["users"].size()), page.value("sharing", ""),
                            page.value("where", "")});
    return rows.size() > 1 ? table(rows) : "";
}

std::string sharing_lines(const std::vector<Json>& programs) {
    std::string text;
    for (const Json& program : programs)
        for (const Json& page : program["pages"]) {
            const std::string sharing = page.value("sharing", "");
            if (sharing.empty()) continue;
            text += fmt::format("{} sharing of {}:", sharing, page.value("address", ""));
            const char* separator = " ";
            for (const Json& user : page["users"]) {
                if (user.value("writes", 0U) < suspicious_writes) continue;
                text +=
                    fmt::format("{}thread {} (node {}) writes {}", separator, user.value("tid", 0),
                                user.value("node", 0), user.value("first_written", ""));
                separator = ", ";
            }
            text += '\n';
        }
    return text;
}

std::size_t write_events(std::ostream& out, const os::Fd& memory, const Recording& recording,
                         const std::string& program, std::uint64_t origin) {
    const auto named = [&](const char* what, std::int64_t tid, const std::string& name) {
        out << Json{{"name", what},
                    {"ph", "M"},
                    {"pid", recording.pid},
                    {"tid", tid},
                    {"args", {{"name", name}}}}
                   .dump(-1, ' ', false, Json::error_handler_t::replace)
            << ",\n";
    };
    // Tracks of nodes; no thread has such a number (PID_MAX_LIMIT is 2^22).
    constexpr std::int64_t node_track = 1 << 30;
    named("process_name", 0, program);
    for (std::uint32_t node = 0; node < recording.nodes; ++node)
        named("thread_name", node_track + node, fmt::format("pages taken from node {}", node));
    for (const recording::Thread& thread : recording.threads)
        if (thread.tid != 0) named("thread_name", thread.tid, fmt::format("thread {}", thread.tid));
    const auto microseconds = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
    const std::size_t count = std::min<std::size_t>(recording.event_count, max_events);
    std::vector<Event> events(4096);
    std::size_t written = 0;
    for (std::size_t at = 0; at < count;) {
        const std::size_t piece = std::min(events.size(), count - at);
        const ssize_t n =
            ::pread(memory.get(), events.data(), piece * sizeof(Event),
                    static_cast<off_t>(offsetof(Recording, events) + at * sizeof(Event)));
        if (n < static_cast<ssize_t>(sizeof(Event))) break;
        const std::size_t got = static_cast<std::size_t>(n) / sizeof(Event);
        for (std::size_t i = 0; i < got; ++i) {
            const Event& event = events[i];
            Json entry = {{"pid", recording.pid},
                          {"tid", event.tid},
                          {"ts", microseconds(since(event.begin, origin))}};
            const bool lasts = event.kind == Kind::fault || event.kind == Kind::call;
            entry["ph"] = lasts ? "X" : "i";
            if (lasts)
                entry["dur"] = microseconds(since(event.end, event.begin));
            else
                entry["s"] = "t";
            switch (event.kind) {
                case Kind::fault:
                    entry["name"] = event.detail != 0 ? "write fault" : "read fault";
                    entry["cat"] = "fault";
                    entry["args"] = {{"address", fmt::format("{:#x}", event.what)},
                                     {"node", event.node}};
                    break;
                case Kind::call:
                    entry["name"] = call_name(event.what);
                    entry["cat"] = "call";
                    entry["args"] = {{"node", event.node}};
                    break;
                case Kind::taken:
                    entry["tid"] = node_track + event.node % max_nodes;
                    entry["name"] = "recall";
                    entry["cat"] = "recall";
                    entry["args"] = {{"address", fmt::format("{:#x}", event.what)},
                                     {"pages", event.detail}};
                    break;
                case Kind::moved:
                    entry["name"] = fmt::format("moves to node {}", event.node);
                    entry["cat"] = "move";
                    break;
                case Kind::home:
                    entry["tid"] = recording.pid;
                    entry["s"] = "p";
                    entry["name"] = "all threads are called home";
                    entry["cat"] = "move";
                    break;
                default:
                    continue;  // a place that was taken and never filled
            }
            out << entry.dump() << ",\n";
            ++written;
        }
        at += got;
    }
    return written;
}

}  // namespace holon::ssi::cli
