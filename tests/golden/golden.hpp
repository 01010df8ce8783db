// SPDX-License-Identifier: Apache-2.0
// The golden files (made by tools/make_golden.py) and how a network's results are held against them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "arch/arch.hpp"
#include "run/enlarger.hpp"
#include "support/run_program.hpp"
#include "support/source_folder.hpp"

namespace enlarge::test {

inline std::string golden_path(const std::string& file) { return source_folder() + "/tests/golden/data/" + file; }

// The folder with published weights, or empty.
inline std::string real_weights() {
    const char* data = std::getenv("ENLARGE_TEST_DATA");
    return data && *data ? std::string(data) + "/weights/" : std::string();
}

struct GoldenCase {
    std::string weights, picture, expected;
    int width = 0, height = 0, channels = 0, scale = 0;
};

inline void PrintTo(const GoldenCase& c, std::ostream* out) { *out << c.weights; }

inline std::vector<GoldenCase> golden_cases(const std::string& list) {
    std::vector<GoldenCase> cases;
    std::ifstream in(golden_path(list));
    GoldenCase c;
    while (in >> c.weights >> c.picture >> c.width >> c.height >> c.channels >> c.expected >> c.scale) cases.push_back(c);
    return cases;
}

inline std::vector<char> read_golden(const std::string& file) {
    std::ifstream in(golden_path(file), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Those of this computer, best first.
inline std::vector<const Backend*> usable_backends() {
    std::vector<const Backend*> found;
    for (const Backend* backend : backends()) {
        // Software drivers take minutes: tests/vulkan has small cases, `scripts/test --long` runs these.
        if (backend->name() == "vulkan" && !std::getenv("ENLARGE_TEST_VULKAN")) continue;
        for (const DeviceInfo& device : backend->probe())
            if (device.usable && (found.empty() || found.back() != backend)) found.push_back(backend);
    }
    return found;
}

// Runs `network` on the case's picture with every usable backend in fp32. The float result must be within 1e-4 of what
// PyTorch computed in double precision, and no 8-bit sample may be off by more than 1.
// Whether a backend can take the picture as it is.
inline bool fits(const Graph& graph, Size size) {
    return graph.spare() == 0 && size.width % graph.size_multiple() == 0 && size.height % graph.size_multiple() == 0;
}

inline void expect_golden(const Network& network, const GoldenCase& golden, const std::string& what) {
    SCOPED_TRACE(what);
    const std::vector<char> pixels = read_golden(golden.picture), wanted = read_golden(golden.expected);
    const Size size{golden.width, golden.height}, big{size.width * golden.scale, size.height * golden.scale};
    const auto channels = static_cast<std::uint8_t>(golden.channels);
    const std::size_t count = static_cast<std::size_t>(big.width) * static_cast<std::size_t>(big.height) * channels;
    ASSERT_EQ(pixels.size(), static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height) * channels);
    ASSERT_EQ(wanted.size(), count * sizeof(float));
    FloatPicture expected(channels, big);
    std::memcpy(expected.values.data(), wanted.data(), wanted.size());
    ASSERT_EQ(network.scale, golden.scale);
    ASSERT_EQ(network.graph.input_channels(), golden.channels);

    ImageView in{{SampleType::u8, 8, channels, false}, size, {}, {}};
    in.plane[0] = reinterpret_cast<const std::byte*>(pixels.data());
    in.stride_bytes[0] = std::ptrdiff_t{channels} * size.width;
    const Rect all{0, 0, size.width, size.height};
    ThreadPool pool(2);
    int backends_run = 0;
    for (const Backend* backend : usable_backends()) {
        SCOPED_TRACE("backend " + std::string(backend->name()));
        CompileOptions options;
        options.pool = &pool;
        options.precision = Precision::fp32;
        const std::shared_ptr<const Program> program = must(backend->compile(network.graph, options));
        const auto session = must(program->session());
        const auto graph = std::make_shared<const Graph>(network.graph);
        // What continues other pictures as the network wants them.
        Enlarger whole(std::make_shared<NetworkEngine>(graph, *backend, options, program), {});
        const auto compute = [&](const MutableImageView& out) {
            if (fits(*graph, size)) EXPECT_TRUE(must(session->run({in, all, out})).finite);
            else must(whole.run(in, out, {}));
        };
        FloatPicture floats(channels, big);
        compute(floats.view());
        EXPECT_LE(largest_difference(floats, expected), 1e-4);
        Image bytes(big, {SampleType::u8, 8, channels, false});
        compute(bytes.view());
        int worst = 0;
        for (int c = 0; c < channels; ++c)
            for (int y = 0; y < big.height; ++y)
                for (int x = 0; x < big.width; ++x) {
                    const double value = std::min(1.0F, std::max(0.0F, expected.at(c, x, y)));
                    const int right = static_cast<int>(std::nearbyint(value * 255));
                    const int got = std::to_integer<int>(bytes.view().row(0, y)[x * channels + c]);
                    worst = std::max(worst, std::abs(got - right));
                }
        EXPECT_LE(worst, 1);
        ++backends_run;
    }
    EXPECT_GE(backends_run, 1);
}

}  // namespace enlarge::test
