// SPDX-License-Identifier: Apache-2.0
// core.enlarge.Upscale() in the real VapourSynth: the bits of the command line, colours, order, refusals.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>

#include "host.hpp"

namespace {

using host::Bytes;
using host::Kind;
using Argument = host::Host::Argument;

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Samples of planes as those of pixels; `big`: their upper byte first.
std::string side_by_side(const Bytes& planes, std::size_t bytes, bool big, std::size_t channels = 3) {
    const std::size_t pixels = planes.size() / bytes / channels;
    std::string made;
    for (std::size_t i = 0; i < pixels * channels; ++i)
        for (std::size_t b = 0; b < bytes; ++b) {
            const std::size_t sample = i % channels * pixels + i / channels;
            made += static_cast<char>(planes[sample * bytes + (big ? bytes - 1 - b : b)]);
        }
    return made;
}

// PFM begins with the lowest row.
std::string upside_down(const std::string& rows, int height) {
    const std::size_t row = rows.size() / static_cast<std::size_t>(height);
    std::string made;
    for (std::size_t at = rows.size(); at > 0; at -= row) made += rows.substr(at - row, row);
    return made;
}

class vapoursynth : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(host_.missing, "");
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    // The first frame of a clip as it is.
    Bytes source_bytes(const Kind& kind) {
        std::string error;
        VSNode* const node = host_.source(kind);
        Bytes bytes = host_.frame(node, 0, error);
        EXPECT_EQ(error, "");
        host_.api->freeNode(node);
        return bytes;
    }
    // All frames of a clip that was enlarged so.
    Bytes upscaled(const Kind& kind, std::vector<Argument> arguments) {
        std::string error;
        VSNode* const node = host_.upscale(kind, std::move(arguments), error);
        EXPECT_EQ(error, "");
        Bytes all;
        for (int n = 0; node && n < kind.frames; ++n) {
            const Bytes one = host_.frame(node, n, error);
            EXPECT_EQ(error, "");
            all.insert(all.end(), one.begin(), one.end());
        }
        host_.api->freeNode(node);
        return all;
    }
    std::string refused(const Kind& kind, const std::vector<Argument>& arguments) {
        std::string error;
        if (VSNode* const node = host_.upscale(kind, arguments, error)) {
            host_.frame(node, 0, error);
            host_.api->freeNode(node);
        }
        return error;
    }
    // The same clip through the program, by way of YUV4MPEG2 files.
    Bytes by_the_program(const Kind& kind, const std::string& colour, const std::string& options) {
        const std::string in = folder_ / "in.y4m", out = folder_ / "out.y4m";
        std::ofstream file(in, std::ios::binary);
        file << "YUV4MPEG2 W" << kind.width << " H" << kind.height << " F25:1 Ip A1:1 C" << colour << "\n";
        VSNode* const node = host_.source(kind);
        std::string error;
        for (int n = 0; n < kind.frames; ++n) {
            const Bytes one = host_.frame(node, n, error);
            file << "FRAME\n";
            file.write(reinterpret_cast<const char*>(one.data()), static_cast<std::streamsize>(one.size()));
        }
        host_.api->freeNode(node);
        file.close();
        const std::string command = std::string(PROGRAM) + " --quiet --force " + options + " -o " + out + " " + in;
        EXPECT_EQ(std::system(command.c_str()), 0) << command;
        std::ifstream made(out, std::ios::binary);
        std::string line, text((std::istreambuf_iterator<char>(made)), std::istreambuf_iterator<char>());
        Bytes frames;
        std::size_t at = text.find('\n') + 1;
        while (at < text.size()) {
            const std::size_t begin = text.find('\n', at) + 1;
            const std::size_t next = text.find("FRAME", begin);
            frames.insert(frames.end(), text.begin() + static_cast<std::ptrdiff_t>(begin),
                          next == std::string::npos ? text.end() : text.begin() + static_cast<std::ptrdiff_t>(next));
            at = next == std::string::npos ? text.size() : next;
        }
        return frames;
    }
    // Its first frame, by way of NUT files that ffmpeg writes and reads.
    Bytes through_nut(const Kind& kind, const std::string& format, const std::string& options) {
        const Bytes plain = source_bytes(kind);
        std::ofstream(folder_ / "in.raw", std::ios::binary)
            .write(reinterpret_cast<const char*>(plain.data()), static_cast<std::streamsize>(plain.size()));
        const std::string size = std::to_string(kind.width) + "x" + std::to_string(kind.height);
        const std::string ffmpeg = "ffmpeg -nostdin -v error -y ";
        const std::string steps = "cd " + folder_.string() + " && " + ffmpeg + "-f rawvideo -pix_fmt " + format +
                                  " -s " + size + " -i in.raw -c:v rawvideo -f nut in.nut && " PROGRAM
                                  " --quiet --force " + options +
                                  " in.nut -o out.nut --container nut --video-codec rawvideo --pixel-format " + format +
                                  " && " + ffmpeg + "-i out.nut -f rawvideo out.raw";
        EXPECT_EQ(std::system(steps.c_str()), 0) << steps;
        const std::string made = contents(folder_ / "out.raw");
        return {made.begin(), made.end()};
    }

    host::Host host_;
    std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("enlarge-vapoursynth-" + std::to_string(getpid()));
};

TEST_F(vapoursynth, frames_have_the_bits_of_the_command_line) {
    const struct {
        int id;
        const char* colour;
    } formats[] = {{pfYUV420P8, "420mpeg2"}, {pfYUV420P10, "420p10"}, {pfYUV422P8, "422"},   {pfYUV422P12, "422p12"},
                   {pfYUV444P8, "444"},      {pfYUV444P12, "444p12"}, {pfGray8, "mono"}};
    for (const auto& format : formats) {
        Kind kind{.id = format.id, .width = 46, .height = 34};
        const Bytes ours = upscaled(kind, {{"model", 0, "swift-x2"}});
        const Bytes theirs = by_the_program(kind, format.colour, "-m swift-x2");
        EXPECT_EQ(ours.size(), theirs.size()) << format.colour;
        EXPECT_TRUE(ours == theirs) << format.colour;
    }
}

// YUV4MPEG2 has fewer bits: these go through NUT.
TEST_F(vapoursynth, frames_of_16_bits_have_the_bits_of_the_command_line) {
    if (std::system("command -v ffmpeg >/dev/null") != 0) GTEST_SKIP() << "ffmpeg is not installed";
    for (const auto& [id, name] : {std::pair(pfYUV420P16, "yuv420p16le"), {pfYUV422P16, "yuv422p16le"},
                                   {pfYUV444P16, "yuv444p16le"}, {pfGray16, "gray16le"}}) {
        const Kind kind{.id = id, .width = 46, .height = 34, .frames = 1};
        const Bytes ours = upscaled(kind, {{"model", 0, "swift-x2"}});
        EXPECT_TRUE(ours == through_nut(kind, name, "-m swift-x2")) << name;
    }
}

TEST_F(vapoursynth, arguments_do_what_the_options_do) {
    const Kind kind{};
    EXPECT_TRUE(upscaled(kind, {{"model", 0, "fine-x2"}, {"denoise", 0.25}}) ==
                by_the_program(kind, "420mpeg2", "-m fine-x2 --denoise 0.25"));
    EXPECT_TRUE(upscaled(kind, {{"scale", 3}}) == by_the_program(kind, "420mpeg2", "--scale 3"));
    EXPECT_TRUE(upscaled(kind, {{"model", 0, "swift-x2"}, {"width", 120}, {"height", 100}, {"precision", 0, "fp32"}}) ==
                by_the_program(kind, "420mpeg2", "-m swift-x2 --size 120x100 --exact --precision fp32"));
}

// What each colour property changes, and that the result's properties say what was taken.
TEST_F(vapoursynth, colours_are_honoured_and_written_down) {
    Kind plain{.frames = 1};
    const std::vector<Argument> arguments{{"model", 0, "swift-x2"}};
    const Bytes guessed = upscaled(plain, arguments);
    for (const auto& [name, value, same] : {std::tuple("_Matrix", 9, false), std::tuple("_Matrix", 6, true),
                                           std::tuple("_Matrix", 2, true), std::tuple("_Range", 1, false),
                                           std::tuple("_Range", 0, true), std::tuple("_ColorRange", 0, false),
                                           std::tuple("_ChromaLocation", 2, false),
                                           std::tuple("_ChromaLocation", 0, true)}) {
        Kind tagged = plain;
        tagged.properties = {{name, value}};
        EXPECT_EQ(upscaled(tagged, arguments) == guessed, same) << name << " " << value;
    }
    std::string error;
    VSNode* const node = host_.upscale(plain, arguments, error);
    const VSFrame* const frame = host_.api->getFrame(0, node, nullptr, 0);
    ASSERT_NE(frame, nullptr);
    const VSMap* const properties = host_.api->getFramePropertiesRO(frame);
    EXPECT_EQ(host_.api->mapGetInt(properties, "_Matrix", 0, nullptr), 6);
    int absent = 0;
    host_.api->mapGetInt(properties, host_.api->getAPIVersion() >= VS_MAKE_VERSION(4, 3) ? "_Range" : "_ColorRange", 0,
                         &absent);
    EXPECT_EQ(absent, 0);
    host_.api->freeFrame(frame);
    host_.api->freeNode(node);
}

TEST_F(vapoursynth, frames_may_be_asked_for_in_any_order_by_many_threads) {
    Kind kind{.frames = 24};
    const Bytes in_order = upscaled(kind, {{"model", 0, "swift-x2"}, {"num_streams", 1}});
    std::string error;
    VSNode* const node = host_.upscale(kind, {{"model", 0, "swift-x2"}, {"num_streams", 3}}, error);
    ASSERT_NE(node, nullptr) << error;
    struct Waiting {
        std::mutex lock;
        std::condition_variable done;
        std::vector<Bytes> frames{24};
        int left = 24;
        host::Host* host;
    } waiting;
    waiting.host = &host_;
    for (int i = 0; i < kind.frames; ++i)
        host_.api->getFrameAsync(
            (i * 7 + 5) % kind.frames, node,
            [](void* user, const VSFrame* frame, int n, VSNode*, const char*) {
                auto& all = *static_cast<Waiting*>(user);
                const Bytes bytes = frame ? all.host->planes(frame) : Bytes{};
                if (frame) all.host->api->freeFrame(frame);
                const std::lock_guard lock(all.lock);
                all.frames[static_cast<std::size_t>(n)] = bytes;
                if (--all.left == 0) all.done.notify_all();
            },
            &waiting);
    std::unique_lock lock(waiting.lock);
    waiting.done.wait(lock, [&] { return waiting.left == 0; });
    Bytes all;
    for (const Bytes& one : waiting.frames) all.insert(all.end(), one.begin(), one.end());
    EXPECT_TRUE(all == in_order);
    lock.unlock();
    host_.api->freeNode(node);
}

// RGB as a sequence of pictures through the program.
TEST_F(vapoursynth, rgb_has_the_bits_of_sequences) {
    for (const int id : {pfRGB24, pfRGB48}) {
        const Kind kind{.id = id, .frames = 1};
        const std::size_t bytes = id == pfRGB48 ? 2 : 1;
        std::ofstream(folder_ / "in_001.ppm", std::ios::binary)
            << "P6\n" << kind.width << " " << kind.height << (bytes == 2 ? "\n65535\n" : "\n255\n")
            << side_by_side(source_bytes(kind), bytes, true);
        const std::string in = folder_ / "in_%03d.ppm", out = folder_ / "out_%03d.ppm";
        ASSERT_EQ(std::system((PROGRAM + (" --quiet --force -m swift-x2 -o " + out + " " + in)).c_str()), 0);
        const std::string ours = side_by_side(upscaled(kind, {{"model", 0, "swift-x2"}}), bytes, true);
        const std::string theirs = contents(folder_ / "out_001.ppm");
        ASSERT_GT(theirs.size(), ours.size());
        EXPECT_TRUE(theirs.substr(theirs.size() - ours.size()) == ours) << bytes;
    }
}

// RGB and grey in floating point as pictures through the program.
TEST_F(vapoursynth, floats_have_the_bits_of_pictures) {
    for (const int id : {pfRGBS, pfGrayS}) {
        const Kind kind{.id = id, .frames = 1};
        const std::string in = folder_ / "in.pfm", out = folder_ / "out.pfm";
        const std::size_t channels = id == pfRGBS ? 3 : 1;
        std::ofstream(in, std::ios::binary)
            << (channels == 3 ? "PF\n" : "Pf\n") << kind.width << " " << kind.height << "\n-1.0\n"
            << upside_down(side_by_side(source_bytes(kind), 4, false, channels), kind.height);
        ASSERT_EQ(std::system((PROGRAM + (" --quiet --force -m swift-x2 -o " + out + " " + in)).c_str()), 0);
        const Bytes made = upscaled(kind, {{"model", 0, "swift-x2"}});
        const std::string ours = upside_down(side_by_side(made, 4, false, channels), 2 * kind.height);
        const std::string theirs = contents(out);
        ASSERT_GT(theirs.size(), ours.size());
        EXPECT_TRUE(theirs.substr(theirs.size() - ours.size()) == ours) << id;
    }
}

TEST_F(vapoursynth, floats_of_16_bits_are_rounded_ones_of_32) {
    const Bytes whole = upscaled({.id = pfRGBS, .frames = 1}, {{"model", 0, "swift-x2"}});
    const Bytes half = upscaled({.id = pfRGBH, .frames = 1}, {{"model", 0, "swift-x2"}});
    ASSERT_EQ(2 * half.size(), whole.size());
    double farthest = 0;
    for (std::size_t i = 0; i < half.size() / 2; ++i) {
        float value = 0;
        _Float16 rounded = 0;
        std::memcpy(&value, whole.data() + 4 * i, 4);
        std::memcpy(&rounded, half.data() + 2 * i, 2);
        farthest = std::max(farthest, std::abs(static_cast<double>(rounded) - static_cast<double>(value)));
    }
    EXPECT_LT(farthest, 1.0 / 255);  // what goes in is rounded, too
    EXPECT_GT(farthest, 0);
}

TEST_F(vapoursynth, yuv_in_floating_point_is_near_to_16_bits) {
    Kind kind{.id = pfYUV444P16, .frames = 1, .properties = {{"_Matrix", 1}, {"_Range", 1}}};
    const Bytes whole = upscaled(kind, {{"model", 0, "swift-x2"}});
    kind.id = pfYUV444PS;
    kind.properties = {{"_Matrix", 1}};
    const Bytes floats = upscaled(kind, {{"model", 0, "swift-x2"}});
    ASSERT_EQ(floats.size(), 2 * whole.size());
    double farthest = 0;
    for (std::size_t i = 0; i < whole.size() / 2; ++i) {
        std::uint16_t expected = 0;
        float value = 0;
        std::memcpy(&expected, whole.data() + 2 * i, 2);
        std::memcpy(&value, floats.data() + 4 * i, 4);
        const double level = i < whole.size() / 6 ? value : value + 0.5;
        farthest = std::max(farthest, std::abs(std::fmin(std::fmax(level, 0.0), 1.0) * 65535 - expected));
    }
    EXPECT_LT(farthest, 1100);  // 4 of 255: out-of-gamut colours are cut in other places
}

TEST_F(vapoursynth, what_cannot_be_is_said) {
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {refused({}, {{"model", 0, "no-such-model"}}), "no-such-model"},
        {refused({}, {{"precision", 0, "fp8"}}), "precision is fp8; expected auto, fp32"},
        {refused({}, {{"denoise", 2}}), "denoise is 2.000000; expected 0 to 1"},
        {refused({}, {{"num_streams", 0}}), "num_streams is 0; expected 1 to 64"},
        {refused({}, {{"width", -3}}), "width is -3; expected 0 or more"},
        {refused({}, {{"device", 0, "gpu:99"}}), "gpu:99"},
        {refused({.id = pfYUV411P8}, {}), "the clip is YUV411P8; expected"},
        {refused({}, {{"model", 0, "swift-x2"}, {"width", 101}, {"height", 64}}),
         "101x64; expected a width that divides by 2"},
        {refused({.properties = {{"_FieldBased", 1}}}, {{"model", 0, "swift-x2"}}), "interlaced (_FieldBased is 1)"}};
    for (const auto& [said, expected] : wrong) {
        EXPECT_NE(said.find(expected), std::string::npos) << "said: " << said << "; expected: " << expected;
        EXPECT_EQ(said.find("enlarge.Upscale: "), 0u) << said;
        EXPECT_EQ(said.find("enlarge.Upscale: ", 1), std::string::npos) << said;
    }
}

}  // namespace
