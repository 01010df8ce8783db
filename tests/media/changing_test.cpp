// SPDX-License-Identifier: Apache-2.0
// Inputs whose tags change while they are read.
#include <gtest/gtest.h>

#include <algorithm>

#include "media/clip_maker.hpp"
#include "media/ffmpeg_program.hpp"

namespace enlarge::test {
namespace {

constexpr int kTags = 800;

std::string big_endian(std::size_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
    return out;
}

// A script tag of FLV with kTags entries "tag_7" = `value`.
std::string flv_tags(const std::string& value) {
    std::string body = std::string("\x02", 1) + big_endian(10, 2) + "onMetaData" + "\x08" + big_endian(kTags, 4);
    for (int i = 0; i < kTags; ++i) {
        const std::string key = "tag_" + std::to_string(i);
        body += big_endian(key.size(), 2) + key + "\x02" + big_endian(value.size(), 2) + value;
    }
    body += std::string("\0\0\x09", 3);
    return "\x12" + big_endian(body.size(), 3) + std::string(7, '\0') + body + big_endian(body.size() + 11, 4);
}

// The clip with tags before its first packet, and from its sixtieth packet on others before each.
std::string with_changing_tags(const std::string& flv) {
    std::string out = flv.substr(0, 13) + flv_tags("first");
    const std::string later = flv_tags("later");
    std::size_t number = 0;
    for (std::size_t at = 13; at + 15 <= flv.size(); ++number) {
        const auto byte = [&](std::size_t k) { return std::size_t{static_cast<unsigned char>(flv[at + k])}; };
        const std::size_t whole = (byte(1) << 16 | byte(2) << 8 | byte(3)) + 15;
        if (number >= 60) out += later;
        out += flv.substr(at, whole);
        at += whole;
    }
    return out;
}

TEST(changing_input, tags_of_a_pipe_are_those_of_its_beginning_whatever_comes_later) {
    const Scratch scratch;
    ClipSpec spec;
    spec.frames = 120;
    spec.sound = false;
    spec.codec_options = {{"preset", "ultrafast"}, {"crf", "20"}, {"bf", "0"}};
    make_clip(scratch / "plain.flv", spec);
    write_file(scratch / "in.flv", with_changing_tags(contents(scratch / "plain.flv")));
    const Ran ran = run(scratch,
                        words("-", scratch / "out.mkv",
                              {"--container", "mkv", "--input-format", "flv", "--input-option", "probesize=60000",
                               "--input-option", "analyzeduration=400000"}),
                        scratch / "in.flv");
    ASSERT_EQ(ran.code, 0) << ran.errors;
    const SeenClip seen = look_at(scratch / "out.mkv");
    EXPECT_EQ(seen.times.size(), 120u);
    const auto kept = std::count_if(seen.tags.begin(), seen.tags.end(), [](const auto& t) {
        return (t.first.starts_with("tag_") || t.first.starts_with("TAG_")) && t.second == "first";
    });
    EXPECT_EQ(kept, kTags);
    EXPECT_NE(ran.errors.find("tags that came in after the start are not in the output"), std::string::npos)
        << ran.errors;
}

}  // namespace
}  // namespace enlarge::test
