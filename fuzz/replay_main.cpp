// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: what ctest does with seeds and with what fuzzers found.
//
//   fuzz_x SEEDS_FOLDER [-- FINDINGS_FOLDER]
//
// Every seed must be accepted by the reader it is for; a finding need only do no harm. A folder that is not there, or
// in which there is nothing, is a failure: nothing would be tested.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/outcome.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

// Whether the target accepted it.
bool run(const std::string& bytes, std::size_t size) {
    enlarge::fuzz::accepted = false;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), size);
    return enlarge::fuzz::accepted;
}

// Whether all is well with a folder.
bool replay(const fs::path& folder, bool seeds) {
    std::error_code error;
    std::vector<fs::path> files;
    for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        if (entry->is_regular_file()) files.push_back(entry->path());
    if (error || files.empty()) {
        std::printf("FAILED: %s: %s\n", folder.c_str(), error ? error.message().c_str() : "no file is in it");
        return false;
    }
    std::sort(files.begin(), files.end());
    bool good = true;
    for (const fs::path& file : files) {
        std::ifstream in(file, std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        std::printf("%s (%zu bytes)\n", file.c_str(), bytes.size());
        std::fflush(stdout);  // the last line names the culprit
        if (!run(bytes, bytes.size()) && seeds) {
            std::printf("FAILED: %s: a seed must be read, and was refused\n", file.c_str());
            good = false;
        }
        // Its first half, and the whole with each of 64 bytes flipped: cheap, and no corpus needed.
        run(bytes, bytes.size() / 2);
        for (std::size_t k = 0; k < 64 && !bytes.empty(); ++k) {
            std::string changed = bytes;
            changed[bytes.size() * k / 64] = static_cast<char>(changed[bytes.size() * k / 64] ^ (1U << (k % 8)));
            run(changed, changed.size());
        }
    }
    std::printf("%zu files of %s replayed\n", files.size(), folder.c_str());
    return good;
}

}  // namespace

int main(int argc, char** argv) {
    bool good = argc > 1, seeds = true;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--") == 0)
            seeds = false;
        else
            good = replay(argv[i], seeds) && good;
    }
    return good ? 0 : 1;
}
