// SPDX-License-Identifier: GPL-2.0-or-later
// main() leaves by pthread_exit; the process goes on and ends with the last thread, status 0.
#include "program.h"

static pthread_t first;

int main() {
    first = pthread_self();
    pthread_t thread;
    MUST(pthread_create(
             &thread, nullptr,
             [](void*) -> void* {
                 MUST(pthread_join(first, nullptr) == 0);
                 std::printf("main has ended\n");
                 return nullptr;
             },
             nullptr) == 0);
    pthread_exit(nullptr);
}
