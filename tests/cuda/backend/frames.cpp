// SPDX-License-Identifier: Apache-2.0
// NV12 and P010 frames straight through the network, and queues of frames, against the reference backend with the
// conversions written out in double precision.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "backend/cuda/cuda.hpp"
#include "backend/cuda/frames.hpp"
#include "backend/reference/reference.hpp"
#include "fake_cuda.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;

const int kSomeImage = 1;

// A semi-planar frame in host memory.
struct Frame {
    FrameFormat format;
    Size size;
    std::vector<std::uint16_t> luma, chroma;  // codes, packed

    Frame(const FrameFormat& f, Size s)
        : format(f), size(s), luma(static_cast<std::size_t>(s.width * s.height)),
          chroma(static_cast<std::size_t>((s.width + 1) / 2 * 2 * ((s.height + 1) / 2))) {}
    [[nodiscard]] int chroma_width() const { return (size.width + 1) / 2; }
    [[nodiscard]] int chroma_height() const { return (size.height + 1) / 2; }
    [[nodiscard]] double top() const { return format.bits == 8 ? 255 : 1023; }
};

struct Matrix {
    double kr = 0.2126, kb = 0.0722;
};
constexpr Matrix kBt709{};

double unit(const Frame& f) { return f.format.bits == 8 ? 1 : 4; }
bool full(const Frame& f) { return f.format.tags.range == Range::full; }

double clamp01(double v) { return std::clamp(v, 0.0, 1.0); }

// Bilinear chroma, then the matrix.
FloatPicture to_rgb(const Frame& f) {
    FloatPicture rgb(3, f.size);
    const double offset_x = f.format.tags.siting == ChromaSiting::left ? 0 : 0.5;
    for (int y = 0; y < f.size.height; ++y)
        for (int x = 0; x < f.size.width; ++x) {
            const double cx = (x - offset_x) / 2, cy = (y - 0.5) / 2;
            double uv[2];
            for (int i = 0; i < 2; ++i) {
                double sum = 0;
                for (int dy = 0; dy < 2; ++dy)
                    for (int dx = 0; dx < 2; ++dx) {
                        const int px = std::clamp(static_cast<int>(std::floor(cx)) + dx, 0, f.chroma_width() - 1);
                        const int py = std::clamp(static_cast<int>(std::floor(cy)) + dy, 0, f.chroma_height() - 1);
                        const double wx = cx - std::floor(cx), wy = cy - std::floor(cy);
                        sum += (dx ? wx : 1 - wx) * (dy ? wy : 1 - wy) * f.chroma[static_cast<std::size_t>((py * f.chroma_width() + px) * 2 + i)];
                    }
                uv[i] = (sum - 128 * unit(f)) / (full(f) ? f.top() : 224 * unit(f));
            }
            const double code = f.luma[static_cast<std::size_t>(y * f.size.width + x)];
            const double luma = full(f) ? code / f.top() : (code - 16 * unit(f)) / (219 * unit(f));
            const double r = luma + 2 * (1 - kBt709.kr) * uv[1], b = luma + 2 * (1 - kBt709.kb) * uv[0];
            const double g = (luma - kBt709.kr * r - kBt709.kb * b) / (1 - kBt709.kr - kBt709.kb);
            rgb.at(0, x, y) = static_cast<float>(r);
            rgb.at(1, x, y) = static_cast<float>(g);
            rgb.at(2, x, y) = static_cast<float>(b);
        }
    return rgb;
}

Frame from_rgb(const FloatPicture& rgb, const FrameFormat& format) {
    Frame f(format, rgb.size);
    const double kg = 1 - kBt709.kr - kBt709.kb;
    const auto yuv = [&](double r, double g, double b) {
        const double luma = kBt709.kr * r + kg * g + kBt709.kb * b;
        return std::array<double, 3>{luma, (b - luma) / 2 / (1 - kBt709.kb), (r - luma) / 2 / (1 - kBt709.kr)};
    };
    const auto code = [&](double v, bool chroma) {
        const double c = chroma ? v * (full(f) ? f.top() : 224 * unit(f)) + 128 * unit(f)
                                : v * (full(f) ? f.top() : 219 * unit(f)) + (full(f) ? 0 : 16 * unit(f));
        return static_cast<std::uint16_t>(std::clamp(std::nearbyint(c), 0.0, f.top()));
    };
    const auto at = [&](int c, int x, int y) {
        return clamp01(rgb.at(c, std::clamp(x, 0, rgb.size.width - 1), std::clamp(y, 0, rgb.size.height - 1)));
    };
    for (int y = 0; y < f.size.height; ++y)
        for (int x = 0; x < f.size.width; ++x)
            f.luma[static_cast<std::size_t>(y * f.size.width + x)] = code(yuv(at(0, x, y), at(1, x, y), at(2, x, y))[0], false);
    const bool left = format.tags.siting == ChromaSiting::left;
    for (int y = 0; y < f.chroma_height(); ++y)
        for (int x = 0; x < f.chroma_width(); ++x) {
            double mean[3];
            for (int c = 0; c < 3; ++c) {
                mean[c] = 0;
                for (int dy = 0; dy < 2; ++dy)
                    mean[c] += 0.5 * (left ? 0.25 * at(c, 2 * x - 1, 2 * y + dy) + 0.5 * at(c, 2 * x, 2 * y + dy) + 0.25 * at(c, 2 * x + 1, 2 * y + dy)
                                           : 0.5 * at(c, 2 * x, 2 * y + dy) + 0.5 * at(c, 2 * x + 1, 2 * y + dy));
            }
            const auto v = yuv(mean[0], mean[1], mean[2]);
            f.chroma[static_cast<std::size_t>((y * f.chroma_width() + x) * 2)] = code(v[1], true);
            f.chroma[static_cast<std::size_t>((y * f.chroma_width() + x) * 2 + 1)] = code(v[2], true);
        }
    return f;
}

// The bytes that a codec would hold, and the view of them.
struct Bytes {
    std::vector<std::uint8_t> luma, chroma;
    cuda::GpuFrame view;

    explicit Bytes(const Frame& f) {
        const int width = f.format.bits == 8 ? 1 : 2;
        const auto fill = [&](const std::vector<std::uint16_t>& codes, std::vector<std::uint8_t>& to) {
            for (const std::uint16_t c : codes) {
                if (width == 1) {
                    to.push_back(static_cast<std::uint8_t>(c));
                } else {
                    const auto high = static_cast<std::uint16_t>(c << 6);
                    to.push_back(static_cast<std::uint8_t>(high));
                    to.push_back(static_cast<std::uint8_t>(high >> 8));
                }
            }
        };
        fill(f.luma, luma);
        fill(f.chroma, chroma);
        view.format = f.format;
        view.size = f.size;
        view.plane[0] = reinterpret_cast<std::uint64_t>(luma.data());
        view.plane[1] = reinterpret_cast<std::uint64_t>(chroma.data());
        view.pitch_bytes[0] = f.size.width * width;
        view.pitch_bytes[1] = f.chroma_width() * 2 * width;
    }
    [[nodiscard]] int code(const std::vector<std::uint8_t>& plane, std::size_t i) const {
        return view.format.bits == 8 ? plane[i] : (plane[2 * i] | plane[2 * i + 1] << 8) >> 6;
    }
};

class CudaFrameTest : public testing::Test {
protected:
    void SetUp() override {
        void* library = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
        ASSERT_TRUE(library) << dlerror();
        fake_ = reinterpret_cast<FakeCuda* (*)()>(dlsym(library, "fake_cuda"))();
        *fake_ = FakeCuda{};
        cuda::BackendOptions options;
        options.library = FAKE_CUDA;
        options.images = {&kSomeImage};
        options.calibration_side = 0;
        backend_ = cuda::make_backend(options);
    }
    void TearDown() override {
        backend_.reset();
        EXPECT_STREQ(fake_->error, "");
    }
    Result<std::unique_ptr<Program>> compile(const Graph& graph, int device = 0) {
        CompileOptions options;
        options.precision = Precision::fp16;
        options.device = device;
        return backend_->compile(graph, options);
    }
    FakeCuda* fake_ = nullptr;
    std::unique_ptr<Backend> backend_;
};

FrameFormat frame_format(int bits, ChromaSiting siting, Range range) {
    FrameFormat f;
    f.bits = static_cast<std::uint8_t>(bits);
    f.semi_planar = true;
    f.high_bits = bits > 8;
    f.tags.matrix = 1;
    f.tags.range = range;
    f.tags.siting = siting;
    return f;
}

TEST_F(CudaFrameTest, takes_nv12_and_p010_through_the_network) {
    struct Case {
        int bits, scale;
        ChromaSiting siting;
        Range range;
    };
    for (const Case& c : {Case{8, 4, ChromaSiting::left, Range::limited}, Case{10, 2, ChromaSiting::left, Range::full},
                          Case{8, 2, ChromaSiting::center, Range::full}, Case{10, 4, ChromaSiting::center, Range::limited},
                          Case{8, 8, ChromaSiting::left, Range::limited}}) {  // scale 8: stored by the plain kernel
        SCOPED_TRACE(std::to_string(c.bits) + " bits, scale " + std::to_string(c.scale) + ", siting " + std::to_string(static_cast<int>(c.siting)));
        const Graph graph = test::compact_graph(21, {.features = 64, .convs = 1, .scale = c.scale});
        const FrameFormat format = frame_format(c.bits, c.siting, c.range);
        const Frame in = from_rgb(test::random_picture(22, 3, {70, 10}), format);
        const Frame expected = from_rgb(test::run_whole(reference_backend(), graph, to_rgb(in)), format);

        const auto program = test::must(compile(graph));
        const auto session = test::must(program->session());
        auto* frames = dynamic_cast<cuda::FrameSession*>(session.get());
        ASSERT_TRUE(frames);
        const Bytes from(in);
        Bytes to(Frame(format, expected.size));
        ASSERT_TRUE(test::must(frames->run_frame(from.view, to.view)).finite);
        const int allowed = c.bits == 8 ? 1 : 3;
        int worst = 0;
        for (std::size_t i = 0; i < expected.luma.size(); ++i) worst = std::max(worst, std::abs(to.code(to.luma, i) - expected.luma[i]));
        EXPECT_LE(worst, allowed) << "luma";
        worst = 0;
        for (std::size_t i = 0; i < expected.chroma.size(); ++i) worst = std::max(worst, std::abs(to.code(to.chroma, i) - expected.chroma[i]));
        EXPECT_LE(worst, allowed) << "chroma";
    }
}

// Decoder, network and encoder on one GPU: frames are addresses there, and nothing but a flag is copied.
TEST_F(CudaFrameTest, takes_frames_that_are_on_the_gpu) {
    const Graph graph = test::compact_graph(21, {.features = 64, .convs = 1, .scale = 2});
    const FrameFormat format = frame_format(8, ChromaSiting::left, Range::limited);
    const Frame in = from_rgb(test::random_picture(22, 3, {34, 8}), format);
    const auto program = test::must(compile(graph));
    const auto session = test::must(program->session());
    auto& frames = dynamic_cast<cuda::FrameSession&>(*session);
    EXPECT_TRUE(frames.stream());
    EXPECT_TRUE(frames.context());
    const Bytes from(in);
    Bytes host(Frame(format, {68, 16})), device(Frame(format, {68, 16}));
    test::must(frames.run_frame(from.view, host.view));
    cuda::GpuFrame there = from.view, back = device.view;  // on the fake GPU any address is as good as another
    there.on_device = back.on_device = true;
    test::must(frames.run_frame(there, back));
    EXPECT_EQ(host.luma, device.luma);
    EXPECT_EQ(host.chroma, device.chroma);
}

TEST_F(CudaFrameTest, refuses_what_needs_the_way_over_rgb) {
    const FrameFormat good = frame_format(8, ChromaSiting::left, Range::limited);
    const auto refused = [&](const Graph& graph, const FrameFormat& format) {
        const auto program = test::must(compile(graph));
        const auto session = test::must(program->session());
        const Bytes from(Frame(format, {16, 8}));
        const int scale = program->info().scale;
        Bytes to(Frame(format, {16 * scale, 8 * scale}));
        const auto report = dynamic_cast<cuda::FrameSession&>(*session).run_frame(from.view, to.view);
        return !report.ok() && report.error().code == Errc::unsupported;
    };
    EXPECT_TRUE(refused(test::compact_graph(1, {.features = 64, .scale = 3}), good));
    FrameFormat other = good;
    other.sub_y = 0;
    EXPECT_TRUE(refused(test::compact_graph(1, {.features = 64, .scale = 2}), other));
    other = good;
    other.tags.siting = ChromaSiting::top_left;
    EXPECT_TRUE(refused(test::compact_graph(1, {.features = 64, .scale = 2}), other));
    other = good;
    other.tags.matrix = 0;
    EXPECT_TRUE(refused(test::compact_graph(1, {.features = 64, .scale = 2}), other));
}

TEST_F(CudaFrameTest, keeps_frames_in_order_while_gpus_take_them_in_turn) {
    fake_->devices = 2;
    const Graph graph = test::compact_graph(23, {.features = 32, .convs = 1, .scale = 2});
    const auto program = test::must(compile(graph, -1));
    const auto queue = test::must(cuda::FrameQueue::create(*program, 4));
    EXPECT_EQ(queue->depth(), 4);
    constexpr int kFrames = 9;
    std::vector<FloatPicture> in, out;
    for (int i = 0; i < kFrames; ++i) {
        in.push_back(test::random_picture(static_cast<std::uint64_t>(i) + 30, 3, {33, 12}));
        out.emplace_back(3, Size{66, 24});
    }
    int begun = 0;
    for (int done = 0; done < kFrames; ++done) {
        while (begun < kFrames && queue->waiting() < queue->depth()) {
            test::must(queue->submit({in[static_cast<std::size_t>(begun)].view(), {0, 0, 33, 12}, out[static_cast<std::size_t>(begun)].view()}));
            ++begun;
        }
        EXPECT_TRUE(test::must(queue->next()).finite);
    }
    const auto session = test::must(program->session());
    for (int i = 0; i < kFrames; ++i) {
        const Rect all{0, 0, 33, 12};
        EXPECT_TRUE(test::same_bits(out[static_cast<std::size_t>(i)], test::run_tile(*session, program->info(), in[static_cast<std::size_t>(i)], all, all))) << i;
    }
    EXPECT_GT(fake_->kernels_on_device[0], 0);
    EXPECT_GT(fake_->kernels_on_device[1], 0);
}

}  // namespace
}  // namespace enlarge
