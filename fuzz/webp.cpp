// SPDX-License-Identifier: Apache-2.0
// Any bytes as an animated WebP, read to its end as the demuxer reads it.
#include "media/webp.hpp"

#include <array>
#include <cstdint>
#include <string>

#include "fuzz/outcome.hpp"
#include "fuzz/scratch.hpp"
#include "fuzz/weights.hpp"
#include "media/ffmpeg.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    static const fuzz::ScratchFolder folder;
    static const std::string path = folder / "a.webp";
    if (size > (1 << 18)) return 0;
    fuzz::write_file(path, {reinterpret_cast<const char*>(data), size});
    Limits limits;
    limits.side = 1024;
    limits.pixels = 1 << 18;
    const auto animation = media::WebpAnimation::open(path, limits);
    if (!animation) {
        fuzz::require(!animation.error().message.empty(), "an error says something");
        fuzz::require(animation.error().code != Errc::internal, "a file is never an internal error");
        return 0;
    }
    fuzz::require((*animation)->frames() >= 0, "no negative number of frames");
    std::array<unsigned char, 4096> block;
    std::int64_t bytes = 0;
    for (int n = 0; bytes < (1 << 25) && (n = avio_read((*animation)->io(), block.data(), block.size())) > 0;)
        bytes += n;
    fuzz::require((*animation)->duration_ms(0) >= 0, "no negative time");
    fuzz::accepted = bytes > 0 && (*animation)->frames() > 0;
    return 0;
}
