// SPDX-License-Identifier: GPL-2.0-or-later
//
// What programs have recorded about themselves (ssi/control/recording.h), made readable.
#pragma once

#include <iosfwd>
#include <memory>
#include <vector>

#include "ssi/cli/client.h"
#include "ssi/control/recording.h"

namespace holon::ssi::cli {

using recording::Recording;

// A copy of all but the events; all zeros where nothing has been recorded yet, or there is no file.
std::shared_ptr<const Recording> read_recording(const os::Fd& memory);

// Writes one program's events as the Trace Event Format that Perfetto and Chrome read: elements of
// the array, each with a comma behind it. ORIGIN: the time, ns, that is zero. How many were
// written.
std::size_t write_events(std::ostream& out, const os::Fd& memory, const Recording& recording,
                         const std::string& program, std::uint64_t origin);

// What happened from EARLIER (null: the beginning) to NOW: CPU time of each node, threads, the
// hottest PAGES pages with what lies there and who uses it, calls by name, what never-worse
// decided.
Json describe(const Recording& now, const Recording* earlier, std::size_t pages);

// The parts of a description as tables. SECONDS: rates per second of that time; 0: sums.
std::string threads_table(const std::vector<Json>& programs, double seconds);
std::string pages_table(const std::vector<Json>& programs, double seconds);
// One line for each page that threads of different nodes write: which, and what of it.
std::string sharing_lines(const std::vector<Json>& programs);

}  // namespace holon::ssi::cli
