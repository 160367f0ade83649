// SPDX-License-Identifier: GPL-2.0-or-later
// A file of any content is unpacked or found damaged. Its digest is made to fit, so that what is
// behind that check is reached.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "plugins/checkpoint/digest.h"
#include "plugins/checkpoint/part.h"
#include "plugins/os/error.h"

namespace {

struct TemporaryFile {
    std::string path = "/tmp/holon-part-fuzz.XXXXXX";
    TemporaryFile() {
        ::close(::mkstemp(path.data()));
        // The buffers of a megabyte stay with the process from one run to the next.
        ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
        ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
    }
    ~TemporaryFile() { ::unlink(path.c_str()); }
} file;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const int fd = ::open(file.path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
    const bool written = ::write(fd, data, size) == static_cast<ssize_t>(size);
    ::close(fd);
    if (!written) std::abort();
    holon::checkpoint::Part part;
    part.file = "part";
    part.bytes = size;
    part.xxh3 = holon::checkpoint::xxh3({reinterpret_cast<const char*>(data), size});
    for (const std::uint64_t content :
         {std::uint64_t{0}, std::uint64_t{6}, std::uint64_t{1} << 60}) {
        part.content = content;
        try {
            holon::checkpoint::read_part(file.path, part, -1);
        } catch (const holon::Error&) {
        }
    }
    return 0;
}
