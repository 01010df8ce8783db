// SPDX-License-Identifier: Apache-2.0
// Videos on GPUs, with a driver that both FFmpeg and we find as libcuda.so.1 and that has no GPU: everything but NVDEC and
// NVENC themselves, which need libraries of NVIDIA's that the driver here does not bring.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "api/engine_state.hpp"
#include "color/convert.hpp"
#include "enlarge/log.hpp"
#include "enlarge/media.hpp"
#include "enlarge/models.hpp"
#include "fake_cuda.hpp"
#include "image/color_tags.hpp"
#include "media/clip_maker.hpp"
#include "media/gpu.hpp"
#include "media/program.hpp"
#include "support/images.hpp"
#include "support/source_folder.hpp"
#include "video/frame_upscaler.hpp"

namespace enlarge {
namespace {

using media::Frame;
using test::must;

const std::string kModel = test::source_folder() + "/tests/media/data/nearest-x2.safetensors";

class CudaVideo : public testing::Test {
protected:
    void SetUp() override {
        void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
        ASSERT_TRUE(library) << dlerror();
        auto* control = reinterpret_cast<FakeCuda* (*)()>(dlsym(library, "fake_cuda"));
        if (!control) GTEST_SKIP() << "SKIPPED: libcuda.so.1 is a real driver; LD_LIBRARY_PATH must name the folder of the tests' own";
        fake_ = control();
        *fake_ = FakeCuda{};
        fake_->devices = 2;  // the driver counts once per process
    }
    void TearDown() override {
        if (fake_) {
            EXPECT_STREQ(fake_->error, "");
        }
    }
    Upscaler upscaler(const std::string& device, Precision precision = Precision::fp16) {
        EngineOptions options;
        options.device = device;
        options.precision = precision;
        return must(Upscaler::create(must(Model::open(kModel)), options));
    }
    FakeCuda* fake_ = nullptr;
};

media::VideoFormat format_of(int bits, Size size, bool semi_planar) {
    media::VideoFormat f;
    f.size = size;
    f.samples.bits = static_cast<std::uint8_t>(bits);
    f.samples.semi_planar = semi_planar;
    f.samples.high_bits = semi_planar && bits > 8;
    f.samples.tags = guess_missing({}, size, false);
    f.samples.tags.siting = ChromaSiting::left;
    return f;
}

// Luma with edges; chroma as smooth as that of pictures mostly is, since filters between its samples differ.
Frame picture(int bits, Size size, int seed) {
    media::FramePool pool = must(media::FramePool::create(bits == 8 ? "yuv420p" : "yuv420p10le", size));
    Frame frame = must(pool.get(format_of(bits, size, false), nullptr));
    frame.pts = seed;
    frame.time_base = {1, 25};
    const MutableFrameView view = frame.view();
    const auto put = [&](int plane, int x, int y, double v) {
        const int code = static_cast<int>(std::lround(v * (bits == 8 ? 1 : 4)));
        std::byte* row = view.plane[static_cast<std::size_t>(plane)] + view.stride_bytes[static_cast<std::size_t>(plane)] * y;
        if (bits == 8) row[x] = static_cast<std::byte>(code);
        else reinterpret_cast<std::uint16_t*>(row)[x] = static_cast<std::uint16_t>(code);
    };
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x) put(0, x, y, 120 + ((x / 5 + y / 3 + seed) % 2 ? 40 : -40) + x % 7);
    for (int y = 0; y < (size.height + 1) / 2; ++y)
        for (int x = 0; x < (size.width + 1) / 2; ++x) {
            put(1, x, y, 128 + 12 * std::sin(0.1 * x + 0.07 * y + seed));
            put(2, x, y, 128 + 12 * std::cos(0.08 * x - 0.1 * y));
        }
    return frame;
}

// Sample (x, y) of a frame of the host, on the scale of its depth.
int sample(const Frame& frame, int plane, int x, int y) {
    const FrameFormat& f = frame.format().samples;
    const FrameView view = frame.view();
    const bool together = f.semi_planar && plane > 0;
    const auto p = static_cast<std::size_t>(together ? 1 : plane);
    const std::byte* row = view.plane[p] + view.stride_bytes[p] * y;
    const int i = together ? 2 * x + plane - 1 : x;
    if (f.bits == 8) return static_cast<int>(row[i]);
    return reinterpret_cast<const std::uint16_t*>(row)[i] >> (f.high_bits ? 6 : 0);
}

int worst(const Frame& a, const Frame& b) {
    int most = 0;
    const Size size = a.format().size;
    for (int p = 0; p < 3; ++p)
        for (int y = 0; y < (p ? (size.height + 1) / 2 : size.height); ++y)
            for (int x = 0; x < (p ? (size.width + 1) / 2 : size.width); ++x) most = std::max(most, std::abs(sample(a, p, x, y) - sample(b, p, x, y)));
    return most;
}

// The way of frames on a computer without GPU: zimg, the network in float, zimg.
Frame by_processor(Upscaler& cpu, const Frame& in, int bits) {
    const Size size = in.format().size, out_size{size.width * 2, size.height * 2};
    const PixelFormat rgb{SampleType::f32, 32, 3, true};
    Image picture(size, rgb), enlarged(out_size, rgb);
    Converter to = must(Converter::to_rgb(in.format().samples, size, rgb));
    must(to.convert(in.view(), picture.view()));
    must(cpu.upscale(std::as_const(picture).view(), enlarged.view()));
    const media::VideoFormat format = format_of(bits, out_size, false);
    media::FramePool pool = must(media::FramePool::create(bits == 8 ? "yuv420p" : "yuv420p10le", out_size));
    Frame out = must(pool.get(format, nullptr));
    Converter from = must(Converter::from_rgb(rgb, out_size, format.samples));
    must(from.convert(std::as_const(enlarged).view(), out.view()));
    return out;
}

TEST_F(CudaVideo, frames_that_went_to_the_gpu_through_ffmpeg_come_back_unchanged) {
    Upscaler gpu = upscaler("cuda:0");
    const auto ffmpeg = must(media::Gpu::open(gpu.state().session.state().enlarger.engine().program().context()));
    for (const int bits : {8, 10})
        for (const Size size : {Size{48, 32}, Size{37, 21}}) {
            SCOPED_TRACE(std::to_string(bits) + " bits, width " + std::to_string(size.width));
            const Frame from = picture(bits, size, 3);
            media::GpuFramePool pool = must(media::GpuFramePool::create(*ffmpeg, bits, size));
            Frame there = must(pool.get(from.format(), &from));
            ASSERT_TRUE(media::on_gpu(there));
            EXPECT_FALSE(media::on_gpu(from));
            must(media::upload(from, there));
            EXPECT_EQ(there.format().samples.bits, bits);
            EXPECT_TRUE(there.format().samples.semi_planar);
            EXPECT_EQ(there.pts, 3);
            EXPECT_FALSE(there.same_pixels(there));  // nobody knows
            const Frame back = must(media::download(there));
            EXPECT_EQ(worst(from, back), 0);
            EXPECT_EQ(back.format().samples.tags.matrix, from.format().samples.tags.matrix);
        }
    EXPECT_GT(fake_->copies_2d, 0);
}

// A frame that a decoder left on the GPU goes through the network into a frame for an encoder there; and the same from host
// memory. Both are what the processor makes of it.
TEST_F(CudaVideo, frames_on_the_gpu_are_enlarged_as_the_processor_would) {
    Upscaler gpu = upscaler("cuda:0"), cpu = upscaler("cpu", Precision::fp32);
    const auto ffmpeg = must(media::Gpu::open(gpu.state().session.state().enlarger.engine().program().context()));
    for (const int bits : {8, 10}) {
        SCOPED_TRACE(std::to_string(bits) + " bits");
        const Size size{44, 24}, out_size{88, 48};
        const media::VideoFormat in = format_of(bits, size, true), out = format_of(bits, out_size, false);
        const video::FrameTask task{.in = in, .out = out, .frame_pixels = bits == 8 ? "yuv420p" : "yuv420p10le",
                                    .encoder_gpu = ffmpeg.get()};
        const auto workers = must(video::make_surface_upscaler(gpu.state().session.state().enlarger, task));
        ASSERT_TRUE(workers);
        EXPECT_EQ(workers->at_once(), 2);
        EXPECT_EQ(workers->rgb_pictures(), nullptr);
        media::GpuFramePool source = must(media::GpuFramePool::create(*ffmpeg, bits, size));
        media::FramePool host = must(media::FramePool::create(bits == 8 ? "yuv420p" : "yuv420p10le", out_size));
        for (int i = 0; i < 3; ++i) {
            const Frame from = picture(bits, size, i);
            Frame there = must(source.get(from.format(), &from));
            video::Item made{.number = i, .frame = from, .picture = {}}, plain = made;
            ASSERT_TRUE(must(workers->prepare(made)));
            EXPECT_TRUE(media::on_gpu(made.frame));  // where the encoder wants it
            plain.frame = must(host.get(out, &from));
            must(media::upload(from, there));
            const auto window = [&](const Frame& frame) {
                return video::FrameWindow({video::Item{.number = i, .frame = frame, .picture = {}}}, 0);
            };
            must(workers->run(i % 2, window(there), made, {}));
            must(workers->run(i % 2, window(from), plain, {}));
            const Frame back = must(media::download(made.frame)), expected = by_processor(cpu, from, bits);
            EXPECT_EQ(worst(back, plain.frame), 0);
            EXPECT_LE(worst(back, expected), bits == 8 ? 1 : 4);
        }
    }
}

struct Ran {
    VideoReport report;
    std::string said;
};
Ran enlarge_clip(Upscaler& with, const std::string& in, const std::string& out, VideoOptions options = {}) {
    Ran ran;
    options.notice = [&](const std::string& text) { ran.said += text + "\n"; };
    if (options.video_codec.empty()) options.video_codec = "ffv1";
    ran.report = must(enlarge_video(with, in, out, options));
    return ran;
}

TEST_F(CudaVideo, two_gpus_take_alternate_frames_and_the_clip_is_the_processors) {
    const test::Scratch folder;
    test::make_clip(folder / "in.mkv", {.width = 48, .height = 32, .frames = 9, .codec = "ffv1", .codec_options = {}, .sound = false, .matrix = 1, .still_from = 7});
    Upscaler cpu = upscaler("cpu", Precision::fp32), both = upscaler("cuda");
    enlarge_clip(cpu, folder / "in.mkv", folder / "cpu.mkv");
    const Ran ran = enlarge_clip(both, folder / "in.mkv", folder / "gpu.mkv");
    EXPECT_NE(ran.said.find("2 GPUs take alternate frames, which go in and out as 4:2:0"), std::string::npos) << ran.said;
    EXPECT_EQ(ran.report.frames_out, 9);
    EXPECT_GT(ran.report.reused_frames, 0);
    EXPECT_GT(fake_->kernels_on_device[0], 0);
    EXPECT_GT(fake_->kernels_on_device[1], 0);
    const test::SeenClip a = test::look_at(folder / "cpu.mkv"), b = test::look_at(folder / "gpu.mkv");
    EXPECT_EQ(a.times, b.times);
    EXPECT_EQ(a.pixel_format, b.pixel_format);
    EXPECT_LT(test::mean_difference(a, b), 0.5);
    // In order, none mixed up: each frame is most like its own. (Single samples of such colours differ with the filter
    // between chroma samples, which is bicubic on the processor and linear on the GPU.)
    ASSERT_EQ(a.pixels.size(), 9U);
    ASSERT_EQ(b.pixels.size(), 9U);
    const auto difference = [&](std::size_t i, std::size_t j) {
        double sum = 0;
        for (std::size_t k = 0; k < 96 * 64; ++k) sum += std::abs(a.pixels[i][k] - b.pixels[j][k]);
        return sum / (96 * 64);
    };
    for (std::size_t f = 0; f < 9; ++f) {
        EXPECT_LT(difference(f, f), 0.5) << f;
        if (f < 7) {
            EXPECT_GT(difference(f, f + 1), 2 * difference(f, f)) << f;
        }
    }
}

TEST_F(CudaVideo, what_gpus_do_not_take_goes_over_rgb_and_still_uses_both) {
    const test::Scratch folder;
    test::make_clip(folder / "in.mkv", {.width = 32, .height = 16, .frames = 5, .codec = "ffv1", .pixel_format = "yuv444p", .codec_options = {}, .sound = false});
    Upscaler cpu = upscaler("cpu", Precision::fp32), both = upscaler("cuda");
    enlarge_clip(cpu, folder / "in.mkv", folder / "cpu.mkv");
    const Ran ran = enlarge_clip(both, folder / "in.mkv", folder / "gpu.mkv");
    EXPECT_NE(ran.said.find("over RGB"), std::string::npos) << ran.said;
    EXPECT_GT(fake_->kernels_on_device[1], 0);
    EXPECT_LT(test::mean_difference(test::look_at(folder / "cpu.mkv"), test::look_at(folder / "gpu.mkv")), 0.1);
}

// No libnvcuvid and no libnvidia-encode here: one sentence each, and the processor does it.
TEST_F(CudaVideo, codecs_that_the_gpu_lacks_are_the_processors_and_that_is_said) {
    const test::Scratch folder;
    test::make_clip(folder / "in.mkv", {.width = 160, .height = 96, .frames = 2, .sound = false, .matrix = 1});
    Upscaler gpu = upscaler("cuda:0");
    VideoOptions options;
    options.gpu_decode = true;
    options.video_codec = "hevc_nvenc";
    const Ran ran = enlarge_clip(gpu, folder / "in.mkv", folder / "out.mkv", options);
    EXPECT_NE(ran.said.find("the processor decodes"), std::string::npos) << ran.said;
    EXPECT_NE(ran.said.find("hevc_nvenc cannot be used here"), std::string::npos) << ran.said;
    EXPECT_NE(ran.report.encoder.find("libx265"), std::string::npos) << ran.report.encoder;
    EXPECT_EQ(test::look_at(folder / "out.mkv").times.size(), 2U);
}

TEST_F(CudaVideo, a_frame_that_does_not_fit_goes_over_rgb_in_tiles) {
    const test::Scratch folder;
    test::make_clip(folder / "in.mkv", {.width = 96, .height = 64, .frames = 2, .codec = "ffv1", .codec_options = {}, .sound = false, .matrix = 1});
    Upscaler cpu = upscaler("cpu", Precision::fp32), gpu = upscaler("cuda:0");
    enlarge_clip(cpu, folder / "in.mkv", folder / "cpu.mkv");
    fake_->memory = static_cast<std::size_t>(fake_->bytes_in_use) + 400'000;
    const Ran ran = enlarge_clip(gpu, folder / "in.mkv", folder / "gpu.mkv");
    EXPECT_EQ(ran.report.frames_out, 2);
    EXPECT_GT(fake_->failed_allocations, 0);
    EXPECT_LT(test::mean_difference(test::look_at(folder / "cpu.mkv"), test::look_at(folder / "gpu.mkv")), 0.5);
}

// Kernels are loaded once per process and device: this is the device that no other test uses.
TEST_F(CudaVideo, a_driver_that_refuses_the_kernels_leaves_the_work_to_the_processor) {
    fake_->module_result = 222;
    std::string said;
    set_log_sink([&](LogLevel, const std::string& text) { said += text + "\n"; });
    EngineOptions options;
    options.device = "cuda:1";
    if (const auto forced = Upscaler::create(must(Model::open(kModel)), options); forced.ok()) {
        set_log_sink({});
        GTEST_SKIP() << "SKIPPED: the kernels are loaded already; run this test alone";
    }
    options.device = "auto";
    const auto made = Upscaler::create(must(Model::open(kModel)), options);
    set_log_sink({});
    ASSERT_TRUE(made.ok()) << made.error().message;
    EXPECT_EQ(made->path().substr(0, 3), "cpu") << made->path();
    EXPECT_NE(said.find("cuda is not used: "), std::string::npos) << said;
}

}  // namespace
}  // namespace enlarge
