// SPDX-License-Identifier: GPL-2.0-or-later
// Threads write one file by pwrite, O_APPEND and stdio; what is in it at the end.
#include <fcntl.h>
#include <sys/stat.h>

#include "program.h"

int main() {
    char folder[] = "/tmp/ssi-files-XXXXXX";
    MUST(mkdtemp(folder) != nullptr && chdir(folder) == 0);
    const int file = open("by-offset", O_RDWR | O_CREAT, 0600);
    MUST(file >= 0);
    FILE* stream = std::fopen("stream", "w");
    run_threads(4, [&](int me) {
        char block[1000];
        std::memset(block, 'a' + me, sizeof block);
        const int own = open("appended", O_WRONLY | O_CREAT | O_APPEND, 0600);
        MUST(own >= 0);
        for (int i = 0; i < 20; ++i) {
            MUST(pwrite(file, block, sizeof block, (i * 4 + me) * 1000) == 1000);
            MUST(write(own, block, 10) == 10);
            std::fprintf(stream, "line of %c\n", 'a' + me);
        }
        close(own);
    });
    std::fclose(stream);
    long counts[4] = {}, wrong = 0;
    for (int i = 0; i < 80; ++i) {
        char byte;
        MUST(pread(file, &byte, 1, i * 1000 + 999) == 1);
        if (byte != 'a' + i % 4) ++wrong;
    }
    struct stat appended, by_offset;
    MUST(stat("appended", &appended) == 0 && fstat(file, &by_offset) == 0);
    stream = std::fopen("stream", "r");
    char line[64];
    while (std::fgets(line, sizeof line, stream) != nullptr) {
        MUST(std::strlen(line) == 10 && line[8] >= 'a' && line[8] <= 'd');
        ++counts[line[8] - 'a'];
    }
    char cwd[128];
    run_threads(1, [&](int) { MUST(getcwd(cwd, sizeof cwd) != nullptr); });
    std::printf("wrong %ld, sizes %ld %ld, lines %ld %ld %ld %ld, cwd %s\n", wrong,
                long(appended.st_size), long(by_offset.st_size), counts[0], counts[1], counts[2],
                counts[3], std::strcmp(cwd, folder) == 0 ? "right" : cwd);
    MUST(unlink("appended") == 0 && unlink("by-offset") == 0 && unlink("stream") == 0);
    MUST(chdir("/") == 0 && rmdir(folder) == 0);
}
