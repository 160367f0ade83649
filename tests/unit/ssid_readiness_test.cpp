// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/readiness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace holon::ssi::daemon {
namespace {

struct Pipe {
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
    // What is there; "end" behind it where nobody can write any more.
    std::string text() const {
        char bytes[16];
        std::string all;
        ssize_t count = 0;
        while ((count = ::read(read.get(), bytes, sizeof bytes)) > 0)
            all.append(bytes, static_cast<std::size_t>(count));
        return all + (count == 0 ? "end" : "");
    }
    os::Fd read, write;
};

TEST(SsidReadiness, IsToldOnceWhenEnoughNodesAreUp) {
    Pipe pipe;
    Readiness ready(std::move(pipe.write), 3);
    ready.up(2);
    EXPECT_EQ(pipe.text(), "");
    ready.up(3);
    EXPECT_EQ(pipe.text(), "\nend");
    ready.up(4);
    EXPECT_EQ(pipe.text(), "end");
}

TEST(SsidReadiness, ADaemonThatEndsBeforeClosesThePipeWithoutAWord) {
    Pipe pipe;
    { const Readiness ready(std::move(pipe.write), 1); }
    EXPECT_EQ(pipe.text(), "end");
}

TEST(SsidReadiness, NobodyNeedsToWait) { Readiness().up(1); }

}  // namespace
}  // namespace holon::ssi::daemon
