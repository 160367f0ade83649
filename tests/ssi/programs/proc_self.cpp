// SPDX-License-Identifier: GPL-2.0-or-later
// What threads read in /proc/self: its name, arguments, threads, mappings.
#include <sys/prctl.h>

#include "program.h"

static bool contains(const char* file, const char* text) {
    FILE* stream = std::fopen(file, "r");
    MUST(stream != nullptr);
    char line[512];
    bool found = false;
    while (std::fgets(line, sizeof line, stream) != nullptr)
        found = found || std::strstr(line, text) != nullptr;
    std::fclose(stream);
    return found;
}

static bool mapped(const void* address, const char* permissions) {
    FILE* stream = std::fopen("/proc/self/maps", "r");
    MUST(stream != nullptr);
    char line[512], found[8] = "";
    unsigned long begin, end;
    while (std::fgets(line, sizeof line, stream) != nullptr) {
        char each[8];
        if (std::sscanf(line, "%lx-%lx %4s", &begin, &end, each) == 3 &&
            reinterpret_cast<unsigned long>(address) >= begin &&
            reinterpret_cast<unsigned long>(address) < end)
            std::strcpy(found, each);
    }
    std::fclose(stream);
    return std::strcmp(found, permissions) == 0;
}

static int global = 1;

int main(int, char** argv) {
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    run_threads(3, [&](int me) {
        if (me == 0) MUST(prctl(PR_SET_NAME, "renamed") == 0);
        pthread_barrier_wait(&barrier);
        if (me == 1) {
            int local;
            auto* heap = std::malloc(100);
            std::printf("threads %d\n", contains("/proc/self/status", "Threads:\t4"));
            std::printf("own stack %d, heap %d, data %d, text %d\n", mapped(&local, "rw-p"),
                        mapped(heap, "rw-p"), mapped(&global, "rw-p"),
                        mapped(reinterpret_cast<void*>(&mapped), "r-xp"));
            std::free(heap);
            char link[512] = {}, command[512] = {};
            MUST(readlink("/proc/self/exe", link, sizeof link - 1) > 0);
            FILE* stream = std::fopen("/proc/self/cmdline", "r");
            MUST(std::fread(command, 1, sizeof command - 1, stream) > 0);
            std::fclose(stream);
            std::printf("cmdline is argv[0]: %d, exe ends in proc_self: %d\n",
                        std::strcmp(command, argv[0]) == 0,
                        std::strstr(link, "proc_self") != nullptr);
        }
        pthread_barrier_wait(&barrier);
        if (me == 0) {
            char name[64], path[64];
            MUST(prctl(PR_GET_NAME, name) == 0);
            std::snprintf(path, sizeof path, "/proc/self/task/%d/comm", own_tid());
            std::printf("name %s, in /proc %d\n", name, contains(path, "renamed"));
        }
        pthread_barrier_wait(&barrier);
    });
    const int memory = int(contains("/proc/self/status", "VmRSS"));
    std::printf("status has VmRSS %d\n", memory);
}
