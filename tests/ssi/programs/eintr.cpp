// SPDX-License-Identifier: GPL-2.0-or-later
// What a handler does to a read in progress: EINTR without SA_RESTART, nothing with it.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "program.h"

static int handled;
static void handler(int) { add(handled, 1); }

/// Signals come until the call has returned: the first may be early. When the call is to go on in
/// spite of them, some are sent, and then it is given the byte it waits for.
template <typename Call>
static void interrupted(const char* name, int flags, const Call& call, int wakes_by = -1) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    int state = 0, result_errno = 0;
    long result = 0;
    const auto body = [&](int) {
        set(state, 1);
        result = call();
        result_errno = errno;
        set(state, 2);
    };
    Thread<decltype(body)> thread;
    thread.start(body, 0);
    MUST(becomes([&] { return get(state) != 0; }));
    for (int sent = 0; get(state) == 1 && (wakes_by < 0 || sent < 5); ++sent) {
        const int before = get(handled);
        usleep(20'000);
        if (get(state) != 1) break;
        MUST(pthread_kill(thread.id(), SIGUSR1) == 0);
        // A signal that comes when the thread has gone on to its end is nobody's.
        MUST(becomes([&] { return get(handled) > before || get(state) != 1; }));
    }
    if (wakes_by >= 0) {
        MUST(get(state) == 1);
        MUST(write(wakes_by, "x", 1) == 1);
    }
    thread.join();
    std::printf("%s: %ld %s\n", name, result, result < 0 ? std::strerror(result_errno) : "");
}

int main() {
    int ends[2];
    MUST(pipe(ends) == 0);
    char byte;
    const auto reads = [&] { return long(read(ends[0], &byte, 1)); };
    interrupted("read", 0, reads);
    interrupted("read, restarted", SA_RESTART, reads, ends[1]);
    interrupted("poll", SA_RESTART, [&] {
        pollfd one = {ends[0], POLLIN, 0};
        return long(poll(&one, 1, 10'000));
    });
    interrupted("nanosleep", SA_RESTART, [&] {
        timespec time = {10, 0}, rest = {};
        const long result = nanosleep(&time, &rest);
        MUST(result == 0 || (rest.tv_sec >= 5 && rest.tv_sec < 10));
        return result;
    });
    interrupted("pause", SA_RESTART, [] { return long(pause()); });
    interrupted("wait", 0, [&] {
        const pid_t child = fork();
        if (child == 0) {
            pause();
            _exit(0);
        }
        const long result = waitpid(child, nullptr, 0);
        const int error = errno;
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        errno = error;
        return result;
    });
}
