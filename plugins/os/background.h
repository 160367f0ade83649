// SPDX-License-Identifier: GPL-2.0-or-later
// A thread that reads files for a plugin inside somebody else's process (slurmctld), which must
// neither wait for a file system nor lose a signal to a thread that is not its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace holon::os {

// Background owns such a thread, from construction to destruction. Its end may be in the middle of
// a read from a hung file system: after two seconds the thread is left to itself, so what STEP uses
// must be owned by STEP (a shared_ptr in its closure), and the library be linked with -z nodelete.
class Background {
  public:
    // STEP is called over and over, on the thread, with all signals blocked; it waits by itself, in
    // pause() or a poll(2) of its own, with WAKE among what ends it: a descriptor that becomes
    // readable when the thread is to end. An exception out of STEP ends the thread.
    using Step = std::function<void(int wake)>;
    explicit Background(Step step);
    ~Background();
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    // Returns after MILLISECONDS, or at once when the thread is to end.
    static void pause(int wake, int milliseconds);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

// Something that was read from files, and whether it has to be read again because they are others
// now. The stamp is taken before reading and counts only when that ended well: what changes while
// it is read, or could not be read, is read once more.
class Reading {
  public:
    // True where what is known was read from files with another stamp than STAMP: read, then say
    // done().
    bool due(std::string stamp);
    void done() { read_ = begun_; }

  private:
    std::string begun_, read_ = "nothing was read";
};

// Differs where the file (or folder) PATH is another one, or was written to; for a missing one as
// well.
std::string stamp_of(const std::string& path);

}  // namespace holon::os
