// SPDX-License-Identifier: GPL-2.0-or-later
// posix_spawn, popen, system and vfork from threads; what they print and how they end.
#include <spawn.h>
#include <sys/wait.h>

#include "program.h"

extern char** environ;

int main() {
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    run_threads(1, [](int) {
        const char* arguments[] = {"echo", "spawned", nullptr};
        pid_t child;
        MUST(posix_spawnp(&child, "echo", nullptr, nullptr, const_cast<char**>(arguments),
                          environ) == 0);
        int status;
        MUST(waitpid(child, &status, 0) == child);
        std::printf("spawn: %d\n", WEXITSTATUS(status));
    });
    run_threads(1, [](int) {
        FILE* output = popen("echo one; echo two", "r");
        MUST(output != nullptr);
        char line[64];
        while (std::fgets(line, sizeof line, output) != nullptr) std::printf("read %s", line);
        std::printf("popen: %d\n", WEXITSTATUS(pclose(output)));
    });
    run_threads(1, [](int) { std::printf("system: %d\n", WEXITSTATUS(std::system("exit 6"))); });
    run_threads(2, [](int me) {
        if (me == 0) return;
        const pid_t child = vfork();
        if (child == 0) {
            execlp("sh", "sh", "-c", "kill -TERM $$", static_cast<char*>(nullptr));
            _exit(127);
        }
        int status;
        MUST(waitpid(child, &status, 0) == child);
        std::printf("vfork: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    });
}
