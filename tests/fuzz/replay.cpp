// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a fuzz target without libFuzzer: every file of the folders and files named on the command
// line, and a fixed set of mutations of each, the same in every run. It fails as the target fails:
// by an abort or an exception.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int mutations_per_seed = 3000;

void run(const std::string& input) {
    // An allocation of exactly this size, so that a sanitizer sees a read beyond it.
    const std::vector<std::uint8_t> bytes(input.begin(), input.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

class Mutator {
  public:
    std::string mutate(std::string text) {
        for (auto rounds = 1 + pick(4); rounds > 0; --rounds) {
            const auto at = pick(text.size() + 1);
            switch (pick(5)) {
                case 0:
                    text.resize(at);
                    break;
                case 1:
                    text.insert(at, 1, static_cast<char>(pick(256)));
                    break;
                case 2:
                    text.erase(at, 1 + pick(8));
                    break;
                case 3:
                    text.insert(at, text.substr(pick(text.size() + 1), pick(64)));
                    break;
                default:
                    if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << pick(8)));
            }
        }
        return text;
    }

  private:
    std::size_t pick(std::size_t limit) { return static_cast<std::size_t>(generator_() % limit); }
    std::mt19937_64 generator_{20081};
};

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> seeds{""};
    for (int i = 1; i < argc; ++i) {
        if (std::filesystem::is_directory(argv[i])) {
            std::vector<std::filesystem::path> files;
            for (const auto& entry : std::filesystem::directory_iterator(argv[i]))
                files.push_back(entry.path());
            std::sort(files.begin(), files.end());
            for (const auto& file : files) seeds.push_back(read(file));
        } else if (std::filesystem::exists(argv[i])) {
            seeds.push_back(read(argv[i]));
        }
    }
    Mutator mutator;
    for (const auto& seed : seeds) {
        run(seed);
        for (int i = 0; i < mutations_per_seed; ++i) run(mutator.mutate(seed));
    }
    std::printf("%zu seeds, %d mutations each\n", seeds.size(), mutations_per_seed);
}
