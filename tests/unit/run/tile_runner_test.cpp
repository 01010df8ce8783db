// SPDX-License-Identifier: Apache-2.0
#include "run/tile_runner.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <string>

#include "support/images.hpp"
#include "support/networks.hpp"

namespace enlarge {
namespace {

using namespace test;

// What the backend below does wrong.
struct Faults {
    int poison = 256;            // tiles that hold a sample of this value are "not finite" ...
    bool poison_fp32 = false;    // ... in full precision too
    std::int64_t most_pixels = std::int64_t{1} << 40;  // larger tiles throw std::bad_alloc
    bool as_error = false;       // ... or fail with Errc::memory
};

// A network that copies its input, with faults.
class CopySession : public Session {
public:
    CopySession(const Faults& faults, Precision precision) : faults_(faults), precision_(precision) {}
    Result<TileReport> run(const TileJob& job) override {
        if (std::int64_t{job.in.size.width} * job.in.size.height > faults_.most_pixels) {
            if (faults_.as_error) return Error{Errc::memory, "the device is full"};
            throw std::bad_alloc();
        }
        bool poisoned = false;
        for (int y = 0; y < job.in.size.height; ++y)
            for (int x = 0; x < 3 * job.in.size.width; ++x)
                poisoned = poisoned || std::to_integer<int>(job.in.row(0, y)[x]) == faults_.poison;
        copy_pixels(job.in.part(job.core), job.out);
        if (!poisoned || (precision_ == Precision::fp32 && !faults_.poison_fp32)) return TileReport{true};
        for (int y = 0; y < job.out.size.height; ++y) std::memset(job.out.row(0, y), 0, 3 * static_cast<std::size_t>(job.out.size.width));
        return TileReport{false};
    }

private:
    const Faults& faults_;
    Precision precision_;
};

class CopyProgram : public Program {
public:
    CopyProgram(const Faults& faults, Precision precision) : faults_(faults) { info_.precision = precision; }
    [[nodiscard]] const ProgramInfo& info() const override { return info_; }
    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override { return std::int64_t{tile.width} * tile.height; }
    Result<std::unique_ptr<Session>> session() const override {
        return std::unique_ptr<Session>(std::make_unique<CopySession>(faults_, info_.precision));
    }

private:
    const Faults& faults_;
    ProgramInfo info_;
};

class CopyBackend : public Backend {
public:
    explicit CopyBackend(const Faults& faults) : faults_(faults) {}
    [[nodiscard]] std::string_view name() const override { return "copy"; }
    [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cpu; }
    std::vector<DeviceInfo> probe() const override { return {}; }
    Result<std::unique_ptr<Program>> compile(const Graph&, const CompileOptions& options) const override {
        const Precision precision = options.precision == Precision::automatic ? Precision::fp16 : options.precision;
        return std::unique_ptr<Program>(std::make_unique<CopyProgram>(faults_, precision));
    }

private:
    const Faults& faults_;
};

// One 1x1 convolution; `gain` 1 copies the input, as the backend above does.
Graph copy_graph(float gain) {
    Graph graph;
    const int in = must(graph.input(3));
    must(graph.conv2d(in, 3, 1, {gain, 0, 0, 0, gain, 0, 0, 0, gain}, {0, 0, 0}));
    return graph;
}

struct Fixture {
    explicit Fixture(float gain = 1) : backend(faults) {
        auto graph = std::make_shared<const Graph>(copy_graph(gain));
        std::shared_ptr<const Program> program = must(backend.compile(*graph, {}));
        engine = std::make_unique<NetworkEngine>(graph, backend, CompileOptions{}, program);
        for (int y = 0; y < 24; ++y)
            for (int x = 0; x < 96; ++x) in.view().row(0, y)[x] = std::byte((x + y) % 200);
    }
    Result<void> run(TileRunner& runner, const Rect& core) {
        return runner.run({in.view(), 0, in.size()}, core, out.view().part(core), {});
    }
    Faults faults;
    CopyBackend backend;
    std::unique_ptr<NetworkEngine> engine;
    Image in{{32, 24}, kRgb8}, out{{32, 24}, kRgb8};
};

TEST(tile_runner, computes_a_tile_that_overflows_again_in_full_precision) {
    Fixture f;
    f.in.view().row(0, 20)[3 * 20] = std::byte{255};
    f.faults.poison = 255;
    TileRunner runner(*f.engine, 0, false);
    for (int y = 0; y < 24; y += 8)
        for (int x = 0; x < 32; x += 8) must(f.run(runner, {x, y, 8, 8}));
    EXPECT_TRUE(same_bits(f.in.view(), f.out.view()));
    EXPECT_EQ(runner.counts().tiles, 12);
    EXPECT_EQ(runner.counts().recomputed, 1);
}

TEST(tile_runner, asks_the_reference_when_full_precision_fails_too) {
    Fixture f;
    f.in.view().row(0, 3)[3] = std::byte{255};
    f.faults.poison = 255;
    f.faults.poison_fp32 = true;
    TileRunner runner(*f.engine, 0, false);
    must(f.run(runner, {0, 0, 32, 24}));
    EXPECT_TRUE(same_bits(f.in.view(), f.out.view()));
    EXPECT_EQ(runner.counts().recomputed, 1);
}

TEST(tile_runner, fails_rather_than_give_a_black_tile) {
    Fixture f(std::numeric_limits<float>::infinity());
    f.in.view().row(0, 3)[3] = std::byte{255};
    f.faults.poison = 255;
    f.faults.poison_fp32 = true;
    TileRunner runner(*f.engine, 0, false);
    const auto result = f.run(runner, {0, 0, 32, 24});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::numeric);
    EXPECT_NE(result.error().message.find("32x24 pixels at 0,0"), std::string::npos) << result.error().message;
}

TEST(tile_runner, cuts_a_tile_in_two_until_it_fits_into_memory) {
    for (const bool as_error : {false, true})
        for (const int halo : {0, 3}) {
            Fixture f;
            f.faults.most_pixels = 120;
            f.faults.as_error = as_error;
            TileRunner runner(*f.engine, halo, false);
            must(f.run(runner, {0, 0, 32, 24}));
            EXPECT_TRUE(same_bits(f.in.view(), f.out.view()));
            EXPECT_GE(runner.counts().tiles, 32 * 24 / 120);
        }
}

TEST(tile_runner, says_so_when_not_even_one_pixel_fits) {
    Fixture f;
    f.faults.most_pixels = 0;
    TileRunner runner(*f.engine, 0, false);
    const auto result = f.run(runner, {0, 0, 32, 24});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::memory);
}

}  // namespace
}  // namespace enlarge
