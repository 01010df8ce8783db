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

class vapoursynth : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(host_.missing, "");
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

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

// RGB of 8 bits as a sequence of pictures through the program; in floating point near to it.
TEST_F(vapoursynth, rgb_has_the_bits_of_sequences_and_floats_are_near) {
    Kind kind{.id = pfRGB24, .frames = 1};
    std::string error;
    VSNode* const node = host_.source(kind);
    const Bytes planes = host_.frame(node, 0, error);
    host_.api->freeNode(node);
    const std::size_t pixels = planes.size() / 3;
    const std::string in = folder_ / "in_%03d.ppm", out = folder_ / "out_%03d.ppm";
    std::ofstream file(folder_ / "in_001.ppm", std::ios::binary);
    file << "P6\n" << kind.width << " " << kind.height << "\n255\n";
    for (std::size_t i = 0; i < planes.size(); ++i) file.put(static_cast<char>(planes[i % 3 * pixels + i / 3]));
    file.close();
    ASSERT_EQ(std::system((std::string(PROGRAM) + " --quiet --force -m swift-x2 -o " + out + " " + in).c_str()), 0);
    std::ifstream made(folder_ / "out_001.ppm", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(made)), std::istreambuf_iterator<char>());
    const Bytes ours = upscaled(kind, {{"model", 0, "swift-x2"}});
    ASSERT_GT(text.size(), ours.size());
    const std::string data = text.substr(text.size() - ours.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < ours.size(); ++i)
        different += ours[i % 3 * (ours.size() / 3) + i / 3] != static_cast<std::uint8_t>(data[i]);
    EXPECT_EQ(different, 0u);

    kind.id = pfRGBS;
    const Bytes floats = upscaled(kind, {{"model", 0, "swift-x2"}});
    ASSERT_EQ(floats.size(), 4 * ours.size());
    double farthest = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        float value = 0;
        std::memcpy(&value, floats.data() + 4 * i, 4);
        farthest = std::max(farthest, std::abs(std::fmin(std::fmax(value, 0.f), 1.f) * 255.0 - ours[i]));
    }
    EXPECT_LT(farthest, 2.5);
    kind.id = pfRGBH;
    EXPECT_EQ(upscaled(kind, {{"model", 0, "swift-x2"}}).size(), 2 * ours.size());
    kind.id = pfGrayS;
    EXPECT_EQ(upscaled(kind, {{"model", 0, "swift-x2"}}).size(), 4 * ours.size() / 3);
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
