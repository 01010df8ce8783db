// SPDX-License-Identifier: Apache-2.0
// NV12 and P010 frames straight through the network, and queues of frames, against the reference backend with the
// conversions written out in double precision.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "backend/cuda/cuda.hpp"
#include "backend/frames.hpp"
#include "backend/reference/reference.hpp"
#include "fake_cuda.hpp"
#include "color/resample.hpp"
#include "run/ordered_workers.hpp"
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

// The bytes that a codec would hold, and the view of them. Planar formats have U and V apart, and their samples low.
struct Bytes {
    std::vector<std::uint8_t> luma, chroma, second;
    FrameSurface view;

    explicit Bytes(const Frame& f, int padding = 0) {
        const int width = f.format.bits == 8 ? 1 : 2, shift = f.format.high_bits ? 6 : 0;
        const auto fill = [&](const std::vector<std::uint16_t>& codes, std::size_t first, std::size_t step, int row, std::vector<std::uint8_t>& to) {
            for (std::size_t i = first, n = 0; i < codes.size(); i += step) {
                const int c = codes[i] << shift;
                to.push_back(static_cast<std::uint8_t>(c));
                if (width == 2) to.push_back(static_cast<std::uint8_t>(c >> 8));
                if (++n % static_cast<std::size_t>(row) == 0) to.insert(to.end(), static_cast<std::size_t>(padding), 0xAA);
            }
        };
        view.format = f.format;
        view.size = f.size;
        const bool planar = !f.format.semi_planar;
        fill(f.luma, 0, 1, f.size.width, luma);
        fill(f.chroma, 0, planar ? 2 : 1, f.chroma_width() * (planar ? 1 : 2), chroma);
        if (planar) fill(f.chroma, 1, 2, f.chroma_width(), second);
        view.plane = {reinterpret_cast<std::uint64_t>(luma.data()), reinterpret_cast<std::uint64_t>(chroma.data()), reinterpret_cast<std::uint64_t>(second.data())};
        view.pitch_bytes = {f.size.width * width + padding, f.chroma_width() * (planar ? 1 : 2) * width + padding, f.chroma_width() * width + padding};
    }
    // Sample (x, y) of plane 0, 1, 2 = Y, U, V.
    [[nodiscard]] int code(int plane, int x, int y) const {
        const bool planar = !view.format.semi_planar;
        const auto& bytes = plane == 0 ? luma : plane == 2 && planar ? second : chroma;
        const std::size_t i = static_cast<std::size_t>(plane == 0 || planar ? x : 2 * x + plane - 1), width = view.format.bits == 8 ? 1 : 2;
        const std::size_t at = static_cast<std::size_t>(y * view.pitch_bytes[static_cast<std::size_t>(plane == 0 ? 0 : 1)]) + i * width;
        return width == 1 ? bytes[at] : (bytes[at] | bytes[at + 1] << 8) >> (view.format.high_bits ? 6 : 0);
    }
    // The padding between rows was left alone.
    [[nodiscard]] bool untouched() const {
        const auto rows = [](const std::vector<std::uint8_t>& bytes, std::int64_t pitch, std::int64_t used) {
            for (std::size_t i = 0; i < bytes.size(); ++i)
                if (static_cast<std::int64_t>(i) % pitch >= used && bytes[i] != 0xAA) return false;
            return true;
        };
        const int width = view.format.bits == 8 ? 1 : 2, half = (view.size.width + 1) / 2;
        return rows(luma, view.pitch_bytes[0], view.size.width * width) &&
               rows(chroma, view.pitch_bytes[1], half * width * (view.format.semi_planar ? 2 : 1)) && rows(second, view.pitch_bytes[2], half * width);
    }
};

int worst_difference(const Bytes& got, const Frame& expected, bool chroma) {
    int worst = 0;
    for (int p = chroma ? 1 : 0; p < (chroma ? 3 : 1); ++p)
        for (int y = 0; y < (chroma ? expected.chroma_height() : expected.size.height); ++y)
            for (int x = 0; x < (chroma ? expected.chroma_width() : expected.size.width); ++x) {
                const int truth = p == 0 ? expected.luma[static_cast<std::size_t>(y * expected.size.width + x)]
                                         : expected.chroma[static_cast<std::size_t>((y * expected.chroma_width() + x) * 2 + p - 1)];
                worst = std::max(worst, std::abs(got.code(p, x, y) - truth));
            }
    return worst;
}

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

// `out_size` empty: what the network makes.
struct FrameCase {
    int bits, scale;
    ChromaSiting siting = ChromaSiting::left;
    Range range = Range::limited;
    Size in{70, 10}, out{};
    bool semi_planar = true;
    int features = 64;
};

FloatPicture resampled(FloatPicture from, Size to) {
    FloatPicture result(3, to);
    Resampler(from.size, to).run(from.view(), 0, 0, result.view());
    return result;
}

TEST_F(CudaFrameTest, takes_frames_of_every_kind_through_the_network) {
    const auto left = ChromaSiting::left, center = ChromaSiting::center;
    for (const FrameCase& c : {FrameCase{8, 4}, FrameCase{10, 2, left, Range::full}, FrameCase{8, 2, center, Range::full}, FrameCase{10, 4, center},
                               FrameCase{8, 8},                                                        // stored by the plain kernel
                               FrameCase{8, 2, left, Range::limited, {33, 9}},                         // odd sides
                               FrameCase{8, 4, left, Range::limited, {36, 10}, {}, false},             // planar
                               FrameCase{10, 2, left, Range::limited, {35, 7}, {}, false},
                               FrameCase{8, 3, left, Range::limited, {34, 10}},                        // a last layer of odd scale
                               FrameCase{8, 1, left, Range::limited, {33, 9}},
                               FrameCase{8, 4, left, Range::limited, {40, 12}, {100, 30}},             // reduced afterwards
                               FrameCase{10, 2, center, Range::limited, {30, 12}, {45, 31}, false, 32}}) {
        SCOPED_TRACE(std::to_string(c.bits) + " bits, scale " + std::to_string(c.scale) + ", siting " + std::to_string(static_cast<int>(c.siting)) +
                     ", width " + std::to_string(c.in.width) + " to " + std::to_string(c.out.width));
        const Graph graph = test::compact_graph(21, {.features = c.features, .convs = 1, .scale = c.scale});
        FrameFormat format = frame_format(c.bits, c.siting, c.range);
        format.semi_planar = c.semi_planar;
        format.high_bits = c.bits > 8 && c.semi_planar;
        const Frame in = from_rgb(test::random_picture(22, 3, c.in), format);
        FloatPicture enlarged = test::run_whole(reference_backend(), graph, to_rgb(in));
        const Frame expected = from_rgb(c.out.width ? resampled(enlarged, c.out) : enlarged, format);

        const auto program = test::must(compile(graph));
        EXPECT_TRUE(program->takes_frames(format, format).ok());
        const auto session = test::must(program->session());
        auto* frames = dynamic_cast<FrameSession*>(session.get());
        ASSERT_TRUE(frames);
        const Bytes from(in, 6);
        Bytes to(Frame(format, expected.size), 10);
        for (int run = 0; run < 3; ++run) ASSERT_TRUE(test::must(frames->run_frame(from.view, to.view)).finite);
        EXPECT_LE(worst_difference(to, expected, false), c.bits == 8 ? 1 : 3) << "luma";
        EXPECT_LE(worst_difference(to, expected, true), c.bits == 8 ? 1 : 3) << "chroma";
        EXPECT_TRUE(to.untouched());
    }
}

// Decoder, network and encoder on one GPU: frames are addresses there, other ones each time, and the launches between first
// and last layer are a graph from the second frame on. The frame is there only when its own stream has come to it.
TEST_F(CudaFrameTest, takes_frames_that_are_on_the_gpu_in_the_order_of_their_stream) {
    const Graph graph = test::compact_graph(21, {.features = 64, .convs = 2, .scale = 2});
    const FrameFormat format = frame_format(8, ChromaSiting::left, Range::limited);
    const auto program = test::must(compile(graph));
    const auto session = test::must(program->session());
    auto& frames = dynamic_cast<FrameSession&>(*session);
    EXPECT_TRUE(program->context());
    std::vector<Bytes> in, host, device;
    for (int i = 0; i < 4; ++i) {
        in.emplace_back(from_rgb(test::random_picture(static_cast<std::uint64_t>(22 + i), 3, {34, 8}), format));
        host.emplace_back(Frame(format, {68, 16}));
        device.emplace_back(Frame(format, {68, 16}));
    }
    for (std::size_t i = 0; i < 4; ++i) {
        test::must(frames.run_frame(in[i].view, host[i].view));
        FrameSurface there = in[i].view, back = device[i].view;  // on the fake GPU any address is as good as another
        there.on_device = back.on_device = true;
        // A decoder's work: it fills the frame on the default stream, some time.
        const std::int64_t events = fake_->events;
        test::must(frames.run_frame(there, back));
        EXPECT_GT(fake_->events, events);  // waited for the stream of the frame
    }
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(host[i].luma, device[i].luma) << i;
        EXPECT_EQ(host[i].chroma, device[i].chroma) << i;
        if (i) {
            EXPECT_NE(host[i].luma, host[0].luma);
        }
    }
    EXPECT_EQ(fake_->graph_launches, 6);  // of the two plans, from their second frame on
}

TEST_F(CudaFrameTest, refuses_what_needs_the_way_over_rgb) {
    const FrameFormat good = frame_format(8, ChromaSiting::left, Range::limited);
    const auto program = test::must(compile(test::compact_graph(1, {.features = 64, .scale = 2})));
    const auto session = test::must(program->session());
    const auto refused = [&](const FrameFormat& format) {
        const Bytes from(Frame(format, {16, 8}));
        Bytes to(Frame(format, {32, 16}));
        const auto report = dynamic_cast<FrameSession&>(*session).run_frame(from.view, to.view);
        const auto told = program->takes_frames(format, format);
        return !report.ok() && report.error().code == Errc::unsupported && !told.ok() && told.error().code == Errc::unsupported;
    };
    EXPECT_FALSE(refused(good));
    FrameFormat other = good;
    other.sub_y = 0;
    EXPECT_TRUE(refused(other));
    other = good;
    other.tags.siting = ChromaSiting::top_left;
    EXPECT_TRUE(refused(other));
    other = good;
    other.tags.matrix = 0;
    EXPECT_TRUE(refused(other));
    EXPECT_FALSE(program->takes_frames(frame_format(10, ChromaSiting::left, Range::limited), good).ok());  // wants dither
    EXPECT_FALSE(reference_backend().compile(test::compact_graph(1), {}).value()->takes_frames(good, good).ok());
}

TEST_F(CudaFrameTest, says_that_a_frame_does_not_fit) {
    fake_->memory = 600'000;
    const FrameFormat format = frame_format(8, ChromaSiting::left, Range::limited);
    const auto program = test::must(compile(test::compact_graph(1, {.features = 64, .scale = 2})));
    const auto session = test::must(program->session());
    const Bytes from(Frame(format, {128, 64}));
    Bytes to(Frame(format, {256, 128}));
    const auto report = dynamic_cast<FrameSession&>(*session).run_frame(from.view, to.view);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, Errc::memory) << report.error().message;
    const Bytes small(Frame(format, {16, 8}));
    Bytes small_out(Frame(format, {32, 16}));
    EXPECT_TRUE(dynamic_cast<FrameSession&>(*session).run_frame(small.view, small_out.view).ok());
}

TEST_F(CudaFrameTest, keeps_frames_in_order_while_gpus_take_them_in_turn) {
    fake_->devices = 2;
    const Graph graph = test::compact_graph(23, {.features = 32, .convs = 1, .scale = 2});
    const auto program = test::must(compile(graph, -1));
    ASSERT_EQ(program->devices(), 2);
    std::vector<std::unique_ptr<Session>> sessions;
    for (int i = 0; i < 4; ++i) sessions.push_back(test::must(program->session()));
    OrderedWorkers workers(4);
    constexpr int kFrames = 9;
    std::vector<FloatPicture> in, out;
    for (int i = 0; i < kFrames; ++i) {
        in.push_back(test::random_picture(static_cast<std::uint64_t>(i) + 30, 3, {33, 12}));
        out.emplace_back(3, Size{66, 24});
    }
    int begun = 0;
    for (int done = 0; done < kFrames; ++done) {
        while (begun < kFrames && workers.under_way() < workers.size()) {
            const auto i = static_cast<std::size_t>(begun++);
            test::must(workers.submit([&, i](int worker) -> Result<void> {
                TRY(const TileReport report, sessions[static_cast<std::size_t>(worker)]->run({in[i].view(), {0, 0, 33, 12}, out[i].view()}));
                return report.finite ? Result<void>() : Result<void>(Error{Errc::numeric, "not finite"});
            }));
        }
        test::must(workers.next());
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
