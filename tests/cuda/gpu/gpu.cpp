// SPDX-License-Identifier: Apache-2.0
// On a real GPU: the backend against the reference, all precisions, every operation. Without one: says why, exits
// with 77 (skipped).
//   cuda_gpu [PART]    only checks whose names have PART in them
#include <cmath>
#include <cstdio>
#include <span>
#include <string_view>

#include "backend/cuda/cuda.hpp"
#include "backend/reference/reference.hpp"
#include "support/run_program.hpp"
#include "support/tensor_cases.hpp"

using namespace enlarge;

namespace {

int failures = 0;
std::string_view part;  // of the names of checks that are run

bool wanted(std::string_view name) { return name.find(part) != std::string_view::npos; }

// The first samples that are further off than `limit`, and how many there are: what they have in common is the error.
void show_wrong(const test::FloatPicture& expected, const test::FloatPicture& got, double limit) {
    int wrong = 0;
    for (int c = 0; c < got.channels; ++c)
        for (int y = 0; y < got.size.height; ++y)
            for (int x = 0; x < got.size.width; ++x) {
                if (std::fabs(static_cast<double>(got.at(c, x, y)) - expected.at(c, x, y)) <= limit) continue;
                if (++wrong <= 8)
                    std::printf("    channel %d at (%d, %d): %g, should be %g\n", c, x, y, got.at(c, x, y),
                                expected.at(c, x, y));
            }
    std::printf("    %d of %zu samples\n", wrong, got.values.size());
}

void check(const char* what, const Graph& graph, Size size, Precision precision, double least_psnr, double most_difference) {
    if (!wanted(what)) return;
    const test::FloatPicture picture = test::random_picture(2, graph.input_channels(), size);
    const test::FloatPicture expected = test::run_whole(reference_backend(), graph, picture);
    CompileOptions options;
    options.precision = precision;
    const auto program = cuda_backend().compile(graph, options);
    if (!program.ok()) {
        std::printf("FAILED %s: %s\n", what, program.error().message.c_str());
        ++failures;
        return;
    }
    const auto session = test::must((*program)->session());
    const Rect all{0, 0, size.width, size.height};
    test::FloatPicture input = picture;
    test::FloatPicture got = test::run_tile(*session, (*program)->info(), input, all, all);
    for (int again = 0; again < 3; ++again)  // later runs go through a graph
        if (!test::same_bits(got, test::run_tile(*session, (*program)->info(), input, all, all))) ++failures, std::printf("FAILED %s: runs differ\n", what);
    double sum = 0;
    for (std::size_t i = 0; i < got.values.size(); ++i) sum += std::pow(static_cast<double>(got.values[i]) - expected.values[i], 2);
    const double psnr = -10 * std::log10(sum / static_cast<double>(got.values.size()) + 1e-30);
    const double worst = test::largest_difference(expected, got);
    const bool good = psnr >= least_psnr && worst <= most_difference;
    std::printf("%s %s: %.1f dB, at most %.2g off (%s)\n", good ? "ok" : "FAILED", what, psnr, worst, (*program)->info().description.c_str());
    if (!good) show_wrong(expected, got, most_difference);
    failures += !good;
}

// A picture of many tiles is that of one tile, bit for bit.
void check_tiles(const char* what, const Graph& graph, Size size, int side) {
    if (!wanted(what)) return;
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = cuda_backend().compile(graph, options);
    if (!program.ok()) {
        std::printf("FAILED %s: %s\n", what, program.error().message.c_str());
        ++failures;
        return;
    }
    test::FloatPicture picture = test::random_picture(3, graph.input_channels(), size);
    const auto session = test::must((*program)->session());
    const Rect all{0, 0, size.width, size.height};
    const test::FloatPicture whole = test::run_tile(*session, (*program)->info(), picture, all, all);
    const test::FloatPicture tiled = test::run_tiled(**program, picture, side);
    const bool good = test::same_bits(whole, tiled);
    std::printf("%s %s: tiles of %d pixels\n", good ? "ok" : "FAILED", what, side);
    if (!good) show_wrong(whole, tiled, 0);
    failures += !good;
}

}  // namespace

int main(int count, char** words) {
    if (count > 1) part = words[1];
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what was found so far, if the next check hangs
    bool usable = false;
    for (const DeviceInfo& device : cuda_backend().probe()) {
        std::printf("%s: %s: %s\n", device.id.c_str(), device.name.c_str(), device.detail.c_str());
        usable = usable || device.usable;
    }
    if (!usable) {
        std::printf("SKIPPED: no usable GPU\n");
        return 77;
    }
    const Size size{301, 77};
    // Shortest first: one layer of the body tells more about its kernel than 32.
    check("Compact 64 fp16, one layer", test::compact_graph(1, {.features = 64, .convs = 1, .scale = 1}), {40, 9},
          Precision::fp16, 60, 1.0 / 255);
    const Graph compact = test::compact_graph(1, {.features = 64, .convs = 4, .scale = 4});
    check("Compact 64 fp32", compact, size, Precision::fp32, 80, 1e-4);
    check("Compact 64 fp16", compact, size, Precision::fp16, 60, 1.0 / 255);
    check("Compact 64 int8", test::compact_graph(1, {.features = 64, .convs = 2, .scale = 2}), size, Precision::int8, 40, 0.1);
    check_tiles("Compact 64 fp16", compact, {1290, 730}, 200);
    for (const int features : {24, 32, 48, 128}) check("Compact fp16", test::compact_graph(2, {.features = features, .scale = 2}), size, Precision::fp16, 60, 1.0 / 255);
    check("RRDB fp16", test::rrdb_graph(3, {.features = 64, .growth = 32, .blocks = 1}), {61, 33}, Precision::fp16, 60, 1.0 / 255);
    check("RRDB unshuffled fp16", test::rrdb_graph(3, {.features = 64, .growth = 32, .unshuffle = 2}), {62, 34}, Precision::fp16, 60, 1.0 / 255);
    check("SPAN fp16", test::span_graph(4, {.features = 48, .scale = 4}), {121, 37}, Precision::fp16, 60, 1.0 / 255);
    for (const auto& cases : {std::span<const test::TensorCase>(test::kTensorCases), {test::kMoreTensorCases}})
        for (const test::TensorCase& layers : cases)
            check(layers.name, test::tensor_network(layers), {20, 12}, Precision::fp32, 80, 1e-4);
    return failures ? 1 : 0;
}
