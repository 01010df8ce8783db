// SPDX-License-Identifier: Apache-2.0
// A folder of unfinished work that somebody else made: a journal and a segment, both with right checksums, as a forger
// would write them. The input is the journal's text up to the first zero byte, then the segment. The text goes without
// its first line, which is the one of this version, and its last ("end ..."). Where it says "segment FRAMES PACKETS",
// bytes, duration and checksum are filled in.
#include "video/journal.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "fuzz/outcome.hpp"
#include "fuzz/scratch.hpp"
#include "fuzz/weights.hpp"
#include "media/ffmpeg.hpp"

extern "C" {
#include <libavutil/crc.h>
}

namespace {

std::string crc(const std::string& bytes) {
    return std::to_string(
        av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

// The first line of the journals that are made today.
std::string title(const std::string& folder) {
    const auto journal = enlarge::video::Journal::open(folder, {}, true);
    enlarge::fuzz::require(journal.ok(), "an empty journal can be made");
    std::ifstream in(folder + "/journal");
    std::string line;
    std::getline(in, line);
    return line + "\n";
}

enlarge::video::JobPlan plan() {
    enlarge::video::JobPlan plan;
    plan.fingerprint = {{"a fact", "its value"}};
    return plan;
}

// The text as a forger finishes it.
std::string finished(const std::string& text, const std::string& segment) {
    std::istringstream lines(text);
    std::string out, line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string word, frames, packets, more;
        words >> word >> frames >> packets;
        if (word == "segment" && !packets.empty() && !(words >> more))
            line = word + " 0 " + frames + " " + packets + " " + std::to_string(segment.size()) + " 40 " + crc(segment);
        out += line + "\n";
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    static const fuzz::ScratchFolder scratch;
    if (size > (1 << 18)) return 0;
    const std::string all(reinterpret_cast<const char*>(data), size);
    const std::size_t zero = std::min(all.find('\0'), all.size());
    const std::string segment = all.substr(std::min(zero + 1, all.size()));
    const std::string folder = scratch / "out.mkv.enlarge";
    static const std::string first = title(folder);
    std::filesystem::create_directory(folder);
    const std::string text = first + finished(all.substr(0, zero), segment);
    fuzz::write_file(folder + "/journal", text + "end " + crc(text) + "\n");
    fuzz::write_file(folder + "/segment-000000", segment);
    {
        const auto journal = video::Journal::open(folder, plan(), false);
        if (!journal) {
            fuzz::require(!journal.error().message.empty() && journal.error().code != Errc::internal,
                          "a folder is never an internal error");
        } else if ((*journal)->segments() > 0) {
            const auto packets = (*journal)->packets();
            int count = 0;
            bool good = packets.ok();
            while (good) {
                const auto packet = (*packets)->next();
                good = packet.ok();
                if (!good || !*packet || ++count > 1000) break;
            }
            fuzz::accepted = good && count > 0;
        }
    }
    std::filesystem::remove_all(folder);
    return 0;
}
