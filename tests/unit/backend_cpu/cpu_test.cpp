// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/cpu.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "backend/cpu/precision_cache.hpp"
#include "backend/reference/reference.hpp"
#include "base/cpu.hpp"
#include "base/log.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;

struct Case {
    const char* name;
    Graph graph;
};

// Every op on its own, away from the patterns that are fused.
Graph odd_graph(std::uint64_t seed) {
    test::NetworkBuilder b(seed, 3);
    const int first = b.leaky_relu(0, 0.3F);
    const int a = b.conv(first, 12, 1);
    const int activated = b.prelu(a);
    const int both = b.concat({a, activated, 0});
    const int c = b.silu(b.append(op::HardSwish{}, {both}));
    const int shuffled = b.pixel_shuffle(b.conv(c, 20), 2);
    const int folded = b.pixel_unshuffle(shuffled, 2);
    const int sum = b.add(folded, b.conv(c, 20), 0.5F, -1.5F);
    const int gate = b.span_gate(sum, folded);
    const int large = b.upsample_nearest(gate, 3);
    const int scaled = b.scale_shift(b.conv(large, 5, 1), {1, 2, 3, 4, 5}, {0, 0.1F, 0.2F, 0.3F, 0.4F});
    b.conv(scaled, 3, 3, 0.3F);
    return b.finish();
}

std::vector<Case> networks() {
    std::vector<Case> cases;
    cases.push_back({"compact 64 x4", test::compact_graph(1, {.features = 64, .convs = 2, .scale = 4})});
    cases.push_back({"compact 24 x2", test::compact_graph(2, {.features = 24, .convs = 3, .scale = 2})});
    cases.push_back({"compact 32 x3", test::compact_graph(3, {.features = 32, .convs = 1, .scale = 3})});
    cases.push_back({"compact 20 x1", test::compact_graph(4, {.features = 20, .convs = 2, .scale = 1})});
    cases.push_back({"grey compact 6 x4", test::compact_graph(5, {.features = 6, .convs = 1, .scale = 4, .channels = 1})});
    cases.push_back({"compact 128 x2", test::compact_graph(6, {.features = 128, .convs = 1, .scale = 2})});
    cases.push_back({"compact 80 x1", test::compact_graph(14, {.features = 80, .convs = 1, .scale = 1})});
    cases.push_back({"rrdb 64 x4", test::rrdb_graph(7, {.features = 64, .growth = 32})});
    cases.push_back({"rrdb 48 x2 from x4", test::rrdb_graph(8, {.features = 48, .growth = 16, .unshuffle = 2})});
    cases.push_back({"rrdb 12 x1", test::rrdb_graph(9, {.features = 12, .growth = 6, .unshuffle = 4})});
    cases.push_back({"rrdb 16 x8", test::rrdb_graph(10, {.features = 16, .growth = 8, .upconvs = 3})});
    cases.push_back({"span 48 x4", test::span_graph(11, {.features = 48, .scale = 4})});
    cases.push_back({"span 28 x2", test::span_graph(12, {.features = 28, .scale = 2, .norm = false})});
    cases.push_back({"odd", odd_graph(13)});
    return cases;
}

double magnitude(const FloatPicture& picture) {
    double most = 1;
    for (const float v : picture.values) most = std::max(most, std::fabs(static_cast<double>(v)));
    return most;
}

std::unique_ptr<Program> exact_program(const Graph& graph) {
    CompileOptions options;
    options.precision = Precision::fp32;
    return test::must(cpu_backend().compile(graph, options));
}

TEST(cpu, equals_the_reference_for_every_family_and_size) {
    ThreadPool pool(3);
    for (const Case& c : networks()) {
        const int multiple = c.graph.size_multiple();
        for (const Size size : {Size{1, 1}, Size{3, 5}, Size{8, 4}, Size{37, 22}}) {
            const Size fit{(size.width + multiple - 1) / multiple * multiple, (size.height + multiple - 1) / multiple * multiple};
            const FloatPicture picture = test::random_picture(5, c.graph.input_channels(), fit);
            const FloatPicture want = test::run_whole(reference_backend(), c.graph, picture);
            const FloatPicture got = test::run_whole(cpu_backend(), c.graph, picture, &pool);
            EXPECT_LE(test::largest_difference(want, got), 1e-4 * magnitude(want)) << c.name << " " << fit.width << "x" << fit.height;
        }
    }
}

// Where there are several, the first that is no plain loop speaks for the others: quick where the reference is slow.
TEST(cpu, gives_with_each_instruction_set_what_the_first_gives) {
    const std::vector<Isa> sets = supported_isas();
    const std::size_t first = sets.size() > 2 ? 1 : 0;
    const char* const set_before = std::getenv("ENLARGE_ISA");
    const std::string before = set_before ? set_before : "";
    const auto with = [](Isa isa, const Case& c, const FloatPicture& picture) {
        ::setenv("ENLARGE_ISA", std::string(isa_name(isa)).c_str(), 1);
        return test::run_whole(cpu_backend(), c.graph, picture);
    };
    for (const Case& c : networks()) {
        const int multiple = c.graph.size_multiple();
        for (const Size size : {Size{1, 1}, Size{13, 10}}) {
            const Size fit{(size.width + multiple - 1) / multiple * multiple,
                           (size.height + multiple - 1) / multiple * multiple};
            const FloatPicture picture = test::random_picture(5, c.graph.input_channels(), fit);
            const FloatPicture want = with(sets[first], c, picture);
            for (std::size_t i = first + 1; i < sets.size(); ++i)
                EXPECT_LE(test::largest_difference(want, with(sets[i], c, picture)), 1e-4 * magnitude(want))
                    << c.name << " " << fit.width << "x" << fit.height << " " << isa_name(sets[i]);
        }
    }
    ::setenv("ENLARGE_ISA", before.c_str(), 1);  // empty is as if it were not there
}

TEST(cpu, results_depend_on_neither_threads_nor_runs) {
    for (const Case& c : networks()) {
        const int multiple = c.graph.size_multiple();
        const FloatPicture picture = test::random_picture(6, c.graph.input_channels(), {52 / multiple * multiple, 40});
        const FloatPicture alone = test::run_whole(cpu_backend(), c.graph, picture);
        for (const int threads : {1, 2, 5}) {
            ThreadPool pool(threads);
            EXPECT_TRUE(test::same_bits(alone, test::run_whole(cpu_backend(), c.graph, picture, &pool))) << c.name << " " << threads;
        }
    }
}

// Weights that no cache holds are packed by all threads while the network runs, each time it runs.
TEST(cpu, large_networks_give_the_same_bits_for_any_number_of_threads_and_runs) {
    const Graph graph = test::compact_graph(14, {.features = 128, .convs = 16, .scale = 1});
    const FloatPicture small = test::random_picture(7, 3, {9, 7}), tall = test::random_picture(8, 3, {5, 101});
    const FloatPicture want = test::run_whole(reference_backend(), graph, small);
    const FloatPicture alone = test::run_whole(cpu_backend(), graph, tall);
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        CompileOptions options;
        options.precision = Precision::fp32;
        options.pool = &pool;
        const auto program = test::must(cpu_backend().compile(graph, options));
        // Working memory for two steps' weights, not for those of all.
        EXPECT_LT(program->memory_bytes(small.size), 12 << 20) << threads;
        const FloatPicture got = test::run_whole(cpu_backend(), graph, small, &pool);
        EXPECT_LE(test::largest_difference(want, got), 1e-4 * magnitude(want)) << threads;
        EXPECT_TRUE(test::same_bits(alone, test::run_whole(cpu_backend(), graph, tall, &pool))) << threads;
    }
}

TEST(cpu, tiles_give_the_same_bits_as_the_whole_picture) {
    ThreadPool pool(2);
    for (const Case& c : networks()) {
        if (std::string(c.name).find("rrdb") != std::string::npos && std::string(c.name) != "rrdb 12 x1") continue;  // slow
        CompileOptions options;
        options.pool = &pool;
        options.precision = Precision::fp32;
        const auto program = test::must(cpu_backend().compile(c.graph, options));
        const FloatPicture picture = test::random_picture(7, c.graph.input_channels(), {100, 72});
        const FloatPicture whole = test::run_whole(cpu_backend(), c.graph, picture, &pool);
        for (const int side : {4, 20, 64}) {
            if (side == 4 && c.graph.macs_per_pixel() > 50000) continue;
            EXPECT_TRUE(test::same_bits(whole, test::run_tiled(*program, picture, side))) << c.name << " " << side;
        }
    }
}

TEST(cpu, half_precision_rows_stay_close) {
    for (const Case& c : networks()) {
        if (std::string(c.name) == "odd") continue;
        const int multiple = c.graph.size_multiple();
        const FloatPicture picture = test::random_picture(8, c.graph.input_channels(), {40 / multiple * multiple, 24});
        const FloatPicture want = test::run_whole(reference_backend(), c.graph, picture);
        const FloatPicture got = test::run_whole(cpu_backend(), c.graph, picture, nullptr, Precision::fp16);
        EXPECT_LE(test::largest_difference(want, got), 2e-2 * magnitude(want)) << c.name;
        EXPECT_GT(test::largest_difference(want, got), 0) << c.name;
    }
}

double psnr(const Image& a, const Image& b, int& largest) {
    double squares = 0;
    largest = 0;
    const int row_bytes = a.size().width * a.format().channels;
    for (int y = 0; y < a.size().height; ++y)
        for (int i = 0; i < row_bytes; ++i) {
            const int difference = std::abs(static_cast<int>(a.view().row(0, y)[i]) - static_cast<int>(b.view().row(0, y)[i]));
            largest = std::max(largest, difference);
            squares += difference * difference;
        }
    return squares > 0 ? 10 * std::log10(255.0 * 255.0 * row_bytes * a.size().height / squares) : 120;
}

// 8-bit pixels of a program for a smooth picture.
Image run_bytes(const Program& program, Size size) {
    const FloatPicture picture = test::random_picture(31, 3, size);
    Image in(size, kRgb8), out({size.width * program.info().scale, size.height * program.info().scale}, kRgb8);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x)
            for (int c = 0; c < 3; ++c)
                in.view().row(0, y)[x * 3 + c] = static_cast<std::byte>(std::lrint(std::clamp(picture.at(c, x, y), 0.0F, 1.0F) * 255));
    const auto session = test::must(program.session());
    EXPECT_TRUE(test::must(session->run({std::as_const(in).view(), {0, 0, size.width, size.height}, out.view()})).finite);
    return out;
}

TEST(cpu, faster_paths_keep_their_promises_and_auto_says_which_it_took) {
    ThreadPool pool(2);
    for (const int features : {24, 32, 64}) {
        const Graph graph = test::compact_graph(41, {.features = features, .convs = 8, .scale = 4});
        CompileOptions options;
        options.pool = &pool;
        options.precision = Precision::fp32;
        const Image exact = run_bytes(*test::must(cpu_backend().compile(graph, options)), {61, 47});
        int largest = 0;
        options.precision = Precision::fp16;
        const auto half = test::must(cpu_backend().compile(graph, options));
        EXPECT_GE(psnr(exact, run_bytes(*half, {61, 47}), largest), 58) << features;
        EXPECT_LE(largest, 1);
        options.precision = Precision::int16;
        const auto integer = test::must(cpu_backend().compile(graph, options));
        EXPECT_GE(psnr(exact, run_bytes(*integer, {61, 47}), largest), 48) << features;
        EXPECT_LE(largest, 6);
        EXPECT_EQ(integer->info().precision, Precision::int16);
        EXPECT_GT(integer->info().calibration_psnr, 45);
        options.precision = Precision::automatic;
        const auto chosen = test::must(cpu_backend().compile(graph, options));
        EXPECT_GE(psnr(exact, run_bytes(*chosen, {61, 47}), largest), 48) << features;
        if (chosen->info().precision != Precision::fp32) {
            EXPECT_GT(chosen->info().calibration_psnr, 48);
        }
    }
}

TEST(cpu, integer_results_depend_on_neither_tiles_nor_threads) {
    ThreadPool pool(3);
    const Graph graph = test::compact_graph(42, {.features = 24, .convs = 3, .scale = 2});
    CompileOptions options;
    options.precision = Precision::int16;
    const FloatPicture picture = test::random_picture(9, 3, {100, 72});
    const FloatPicture whole = test::run_whole(cpu_backend(), graph, picture, nullptr, Precision::int16);
    EXPECT_TRUE(test::same_bits(whole, test::run_whole(cpu_backend(), graph, picture, &pool, Precision::int16)));
    options.pool = &pool;
    const auto program = test::must(cpu_backend().compile(graph, options));
    for (const int side : {4, 20, 64}) EXPECT_TRUE(test::same_bits(whole, test::run_tiled(*program, picture, side))) << side;
}

// Float pictures have no largest value: blocks that exceed what calibration saw take larger units instead of clipping.
TEST(cpu, integers_hold_pictures_far_louder_than_those_that_calibrated_them) {
    ThreadPool pool(3);
    const Graph graph = test::compact_graph(46, {.features = 32, .convs = 4, .scale = 2});
    FloatPicture picture = test::random_picture(10, 3, {72, 56});
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 56; ++y)
            for (int x = 20; x < 40; ++x) picture.at(c, x, y) *= 200;
    const FloatPicture want = test::run_whole(reference_backend(), graph, picture);
    const FloatPicture got = test::run_whole(cpu_backend(), graph, picture, &pool, Precision::int16);
    EXPECT_LE(test::largest_difference(want, got), 5e-3 * magnitude(want));
    CompileOptions options;
    options.precision = Precision::int16;
    options.pool = &pool;
    const auto program = test::must(cpu_backend().compile(graph, options));
    for (const int side : {4, 20}) EXPECT_TRUE(test::same_bits(got, test::run_tiled(*program, picture, side))) << side;
}

TEST(cpu, what_has_no_faster_path_is_refused_or_falls_back) {
    const Graph graph = odd_graph(43);  // maps read what convolutions make
    CompileOptions options;
    const bool terms = kernels(test::must(chosen_isa())).fast_terms;  // which rows of floats have, too
    for (const Precision precision : {Precision::fp16, Precision::int16, Precision::int8}) {
        options.precision = precision;
        const auto refused = cpu_backend().compile(graph, options);
        if (precision != Precision::int8 && terms) {
            EXPECT_EQ(test::must(cpu_backend().compile(graph, options))->info().precision, precision);
            continue;
        }
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().code, Errc::unsupported);
    }
    options.precision = Precision::automatic;
    const auto automatic = test::must(cpu_backend().compile(graph, options));
    EXPECT_EQ(automatic->info().precision, terms ? Precision::fp16 : Precision::fp32);
    if (terms) return;
    const FloatPicture picture = test::random_picture(10, 3, {33, 26});
    EXPECT_TRUE(test::same_bits(test::run_tiled(*exact_program(graph), picture, 1 << 16),
                                test::run_tiled(*automatic, picture, 1 << 16)));
}

// Where products are those of terms, a network that is too far off for fp16 on rows of halves, and near enough for
// int16, is called that: by itself, at the next start, and when it is asked for.
TEST(cpu, rows_of_halves_take_the_place_of_int16_where_there_are_terms) {
    namespace fs = std::filesystem;
    test::NetworkBuilder b(50, 3);
    int x = 0;
    for (int i = 0; i < 5; ++i) x = b.prelu(b.conv(x, 32));
    b.add(b.conv(x, 3, 3, 1.6F), 0);
    const Graph graph = b.finish();
    const FloatPicture picture = test::random_picture(51, 3, {45, 38});
    const std::string before = std::getenv("ENLARGE_ISA") ? std::getenv("ENLARGE_ISA") : "";
    ThreadPool pool(2);
    for (const Isa isa : supported_isas()) {
        if (!kernels(isa).fast_terms) continue;
        ::setenv("ENLARGE_ISA", std::string(isa_name(isa)).c_str(), 1);
        const fs::path folder = fs::path(testing::TempDir()) / ("enlarge_place_" + std::to_string(::getpid()));
        CompileOptions options;
        options.pool = &pool;
        options.cache_folder = folder.string();
        const auto program = [&](Precision precision) {
            options.precision = precision;
            return test::must(cpu_backend().compile(graph, options));
        };
        const auto first = program(Precision::automatic), again = program(Precision::automatic),
                   asked = program(Precision::int16), half = program(Precision::fp16);
        EXPECT_EQ(first->info().precision, Precision::int16);
        EXPECT_GT(first->info().calibration_psnr, 52);
        EXPECT_EQ(again->info().precision, Precision::int16);
        EXPECT_EQ(asked->info().precision, Precision::int16);
        EXPECT_EQ(half->info().precision, Precision::fp16);
        EXPECT_GE(half->info().calibration_psnr, 58);
        const FloatPicture want = test::run_tiled(*first, picture, 64);
        EXPECT_TRUE(test::same_bits(want, test::run_tiled(*again, picture, 64)));
        EXPECT_TRUE(test::same_bits(want, test::run_tiled(*asked, picture, 64)));
        fs::remove_all(folder);
    }
    if (before.empty())
        ::unsetenv("ENLARGE_ISA");
    else
        ::setenv("ENLARGE_ISA", before.c_str(), 1);
}

// In floats on rows of floats and in terms; not where weights are packed while the network runs, nor where rounding
// matters more.
TEST(cpu, blocks_of_six_pixels_are_taken_where_they_are_faster) {
    const Graph graph = test::compact_graph(44, {.features = 24, .convs = 2, .scale = 2});
    const Graph large = test::compact_graph(14, {.features = 128, .convs = 16, .scale = 1});
    const char* const set_before = std::getenv("ENLARGE_ISA");
    const std::string before = set_before ? set_before : "";
    for (const Isa isa : supported_isas()) {
        ::setenv("ENLARGE_ISA", std::string(isa_name(isa)).c_str(), 1);
        const bool six = kernels(isa).fast_blocks6;
        const ProgramInfo info = exact_program(graph)->info();
        EXPECT_EQ(info.alignment, six ? 6 : 4) << isa_name(isa);
        EXPECT_EQ(info.description.find("F(6x6,3x3)") != std::string::npos, six) << info.description;
        EXPECT_EQ(exact_program(large)->info().alignment, 4) << isa_name(isa);
        EXPECT_EQ(exact_program(test::span_graph(45))->info().alignment, 4) << isa_name(isa);
        for (const Precision precision : {Precision::fp16, Precision::int16}) {
            CompileOptions options;
            options.precision = precision;
            EXPECT_EQ(test::must(cpu_backend().compile(graph, options))->info().alignment,
                      kernels(isa).fast_terms ? 6 : 4)
                << isa_name(isa);
        }
    }
    ::setenv("ENLARGE_ISA", before.c_str(), 1);  // empty is as if it were not there
}

// Differences of numbers that are 20000 times as large: no sums of few bits give them.
TEST(cpu, a_precision_that_a_network_does_not_bear_is_used_and_said) {
    const auto differences = [](float gain) {
        constexpr int kOut = 32, kTaps = 9, kMiddle = 4;
        std::vector<float> first(kOut * 3 * kTaps), second(3 * kOut * kTaps);
        for (int o = 0; o < kOut; ++o)
            first[static_cast<std::size_t>((o * 3 + o / 2 % 3) * kTaps + kMiddle)] = gain + (o % 2 ? 0.0F : 1.0F);
        for (int o = 0; o < 3; ++o)
            for (int i = 0; i < 2; ++i)
                second[static_cast<std::size_t>((o * kOut + 2 * o + i) * kTaps + kMiddle)] = i ? -1.0F : 1.0F;
        test::NetworkBuilder b(1, 3);
        const int x = test::must(b.graph.conv2d(0, kOut, 3, std::move(first), std::vector<float>(kOut)));
        test::must(b.graph.conv2d(x, 3, 3, std::move(second), std::vector<float>(3)));
        return b.finish();
    };
    std::string said;
    set_log_sink([&](LogLevel level, const Notice& notice) {
        if (level == LogLevel::warning) said = notice.code;
    });
    for (const Precision precision : {Precision::fp16, Precision::int16, Precision::automatic, Precision::fp32})
        for (const float gain : {1.0F, 20000.0F}) {
            said.clear();
            const auto program = test::must(cpu_backend().compile(differences(gain), {.precision = precision}));
            const bool asked = precision == Precision::fp16 || precision == Precision::int16;
            EXPECT_EQ(said, asked && gain > 1 ? "promise-not-kept" : "") << precision_name(precision) << gain;
            if (asked) {
                EXPECT_EQ(program->info().precision, precision);
            }
        }
    set_log_sink({});
}

// Features so large and weights so small that sums of few bits would lose them, one after the other.
TEST(cpu, computes_with_very_small_weights_too) {
    for (const float gain : {1e-35F, 1e35F}) {
        test::NetworkBuilder b(51, 3);
        const int x = b.conv(b.prelu(b.conv(0, 32, 3, gain)), 32);
        b.pixel_shuffle(b.conv(b.prelu(x), 12, 3, 1 / gain), 2);
        const Graph graph = b.finish();
        const FloatPicture picture = test::random_picture(9, 3, {21, 14});
        const FloatPicture want = test::run_whole(reference_backend(), graph, picture);
        EXPECT_LE(test::largest_difference(want, test::run_whole(cpu_backend(), graph, picture)), 1e-4 * magnitude(want)) << gain;
    }
}

TEST(cpu, what_was_measured_is_kept_and_damage_to_it_is_noticed) {
    namespace fs = std::filesystem;
    const fs::path folder = fs::path(testing::TempDir()) / ("enlarge_precisions_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    ThreadPool pool(2);
    CompileOptions options;
    options.pool = &pool;
    options.cache_folder = (folder / "cache").string();
    const FloatPicture picture = test::random_picture(3, 3, {36, 28});
    const auto files = [&] {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(options.cache_folder)) found.push_back(entry.path());
        return found;
    };
    const auto run = [&](const Graph& graph, Precision& taken) {
        const auto program = test::must(cpu_backend().compile(graph, options));
        taken = program->info().precision;
        return test::run_tiled(*program, picture, 64);
    };
    const Graph graph = test::compact_graph(47, {.features = 32, .convs = 3, .scale = 2});
    Precision first{}, again{};
    const FloatPicture want = run(graph, first);
    ASSERT_EQ(files().size(), 1U);
    EXPECT_NE(first, Precision::fp32) << "a tame network: int16 or fp16 pass";
    const fs::path file = files()[0];
    const auto written = fs::last_write_time(file);
    EXPECT_TRUE(test::same_bits(want, run(graph, again)));
    EXPECT_EQ(again, first);
    EXPECT_EQ(fs::last_write_time(file), written);

    // Damage anywhere, or another network's file under this name: measured again, kept again.
    const auto read_bytes = [](const fs::path& from) {
        std::ifstream in(from, std::ios::binary);
        return std::string((std::istreambuf_iterator<char>(in)), {});
    };
    const std::string whole = read_bytes(file);
    const auto put = [&](const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; };
    for (const std::size_t at : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
        std::string bad = whole;
        bad[at] = static_cast<char>(bad[at] ^ 0x40);
        for (const std::string& bytes : {bad, whole.substr(0, at)}) {
            put(bytes);
            EXPECT_TRUE(test::same_bits(want, run(graph, again))) << at;
            EXPECT_EQ(again, first);
            EXPECT_EQ(read_bytes(file), whole) << at;
        }
    }
    // Another network's, of as many channels once padded to lanes, whatever their number: 26 and 32.
    const Graph other = test::compact_graph(48, {.features = 26, .convs = 3, .scale = 2});
    const FloatPicture other_want = run(other, again);
    ASSERT_EQ(files().size(), 2U);
    const fs::path other_file = files()[0] == file ? files()[1] : files()[0];
    fs::copy_file(file, other_file, fs::copy_options::overwrite_existing);
    EXPECT_TRUE(test::same_bits(other_want, run(other, again)));
    EXPECT_NE(read_bytes(other_file), whole) << "written anew";

    // A folder that cannot be: no harm.
    put("");
    options.cache_folder = (file / "cache").string();
    EXPECT_TRUE(test::same_bits(want, run(graph, again)));
    fs::remove_all(folder);
}

// A file that is whole to the last bit of its checksum, and yet tells what is not so.
TEST(cpu, a_kept_precision_that_lies_is_not_believed) {
    namespace fs = std::filesystem;
    ThreadPool pool(2);
    // Where half precision is faster, those of another set.
    const std::vector<Isa> sets = supported_isas();
    const auto isa = std::find_if(sets.rbegin(), sets.rend(), [](Isa set) { return kernels(set).fast_i16; });
    if (isa == sets.rend()) GTEST_SKIP() << "no kernels here whose precision is measured and kept";
    const KernelTable& table = kernels(*isa);
    const std::string before = std::getenv("ENLARGE_ISA") ? std::getenv("ENLARGE_ISA") : "";
    ::setenv("ENLARGE_ISA", std::string(isa_name(*isa)).c_str(), 1);
    const fs::path folder = fs::path(testing::TempDir()) / ("enlarge_lies_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    CompileOptions options;
    options.pool = &pool;
    options.cache_folder = folder.string();
    const Graph graph = test::compact_graph(49, {.features = 32, .convs = 3, .scale = 2});
    const FloatPicture picture = test::random_picture(3, 3, {36, 28});
    Precision taken{};
    const auto run = [&] {
        const auto program = test::must(cpu_backend().compile(graph, options));
        taken = program->info().precision;
        return test::run_tiled(*program, picture, 64);
    };
    const FloatPicture want = run();
    ASSERT_EQ(taken, Precision::int16);
    const fs::path file = cpu::precision_file(folder, cpu::precision_key(graph, *isa, table));
    const auto read_bytes = [&] {
        std::ifstream in(file, std::ios::binary);
        return std::string((std::istreambuf_iterator<char>(in)), {});
    };
    const std::string whole = read_bytes();
    ASSERT_GT(whole.size(), 1000U);
    // After magic, version and key: precision, dB, largest; then of each table the number of steps, and of each step a
    // count and so many floats.
    constexpr std::size_t kPrecision = 16 + 4 + 16, kPsnr = kPrecision + 4, kLargest = kPsnr + 8, kRanges = kLargest + 4;
    const auto sealed = [](std::string bytes) {
        const std::uint64_t sum = XXH3_64bits(bytes.data(), bytes.size() - sizeof sum);
        std::memcpy(bytes.data() + bytes.size() - sizeof sum, &sum, sizeof sum);
        return bytes;
    };
    const auto with = [&](std::size_t at, auto value) {
        std::string bytes = whole;
        std::memcpy(bytes.data() + at, &value, sizeof value);
        return sealed(bytes);
    };
    // Two tables follow each other: ranges, and what one picture has of them.
    const auto with_tables = [&](int tables, auto change) {
        std::string bytes = whole;
        std::size_t at = kRanges;
        const auto count = [&] {
            std::uint32_t value = 0;
            std::memcpy(&value, bytes.data() + at, sizeof value);
            at += sizeof value;
            return value;
        };
        for (int table = 0; table < tables; ++table)
            for (std::uint32_t steps = count(); steps > 0; --steps) {
                const std::uint32_t floats = count();
                for (std::uint32_t i = 0; i < floats; ++i, at += sizeof(float)) {
                    float value = 0;
                    std::memcpy(&value, bytes.data() + at, sizeof value);
                    value = change(value, i);
                    std::memcpy(bytes.data() + at, &value, sizeof value);
                }
            }
        EXPECT_EQ(at + 8 == bytes.size(), tables == 2) << "the layout is as this test has it";
        return sealed(bytes);
    };
    const auto with_ranges = [&](auto change) { return with_tables(2, change); };
    ASSERT_EQ(with_ranges([](float value, std::uint32_t) { return value; }), whole) << "the layout is as this test has it";
    const std::pair<const char*, std::string> lies[] = {
        {"ranges a thousand times too large", with_ranges([](float v, std::uint32_t) { return v * 1000; })},
        {"ranges twice too large", with_ranges([](float v, std::uint32_t) { return v * 2; })},
        {"ranges a thousand times too small", with_ranges([](float v, std::uint32_t) { return v / 1000; })},
        {"ranges alone a thousand times too large", with_tables(1, [](float v, std::uint32_t) { return v * 1000; })},
        {"ranges alone twice too small", with_tables(1, [](float v, std::uint32_t) { return v / 2; })},
        {"one range infinite", with_ranges([](float v, std::uint32_t i) { return i == 7 ? INFINITY : v; })},
        {"one range zero", with_ranges([](float v, std::uint32_t i) { return i == 7 ? 0.0F : v; })},
        {"one range beyond what rows can hold", with_ranges([](float v, std::uint32_t i) { return i == 7 ? 1e30F : v; })},
        {"a precision that is none", with(kPrecision, std::int32_t{77})},
        {"automatic as a result", with(kPrecision, static_cast<std::int32_t>(Precision::automatic))},
        {"fp16 with ranges", with(kPrecision, static_cast<std::int32_t>(Precision::fp16))},
        {"a fidelity below the gate", with(kPsnr, 30.0)},
        {"a fidelity beyond equal", with(kPsnr, 1e9)},
        {"a fidelity that is no number", with(kPsnr, std::nan(""))},
        {"a negative difference", with(kLargest, -1.0F)},
    };
    for (const auto& [what, bytes] : lies) {
        std::ofstream(file, std::ios::binary) << bytes;
        EXPECT_TRUE(test::same_bits(want, run())) << what;
        EXPECT_EQ(taken, Precision::int16) << what;
        EXPECT_EQ(read_bytes(), whole) << what << ": measured again, kept again";
    }

    // Files that another can have written: a link, and one that a group may write.
    const auto gate = [](Precision, const cpu::Fidelity&) { return true; };
    const cpu::PrecisionKey key = cpu::precision_key(graph, test::must(chosen_isa()), table);
    EXPECT_TRUE(cpu::load_precision(file, key, gate).has_value());
    EXPECT_FALSE(cpu::load_precision(file, {key.high, key.low + 1}, gate).has_value());
    const fs::perms usual = fs::status(file).permissions();
    EXPECT_EQ(usual & (fs::perms::group_write | fs::perms::others_write), fs::perms::none);
    for (const fs::perms more : {fs::perms::group_write, fs::perms::others_write}) {
        fs::permissions(file, usual | more);
        EXPECT_FALSE(cpu::load_precision(file, key, gate).has_value());
    }
    fs::permissions(file, usual);
    fs::rename(file, folder / "elsewhere");
    fs::create_symlink(folder / "elsewhere", file);
    EXPECT_FALSE(cpu::load_precision(file, key, gate).has_value());
    fs::remove_all(folder);
    ::setenv("ENLARGE_ISA", before.c_str(), 1);  // empty is as if it were not there
}

TEST(cpu, residual_networks_and_gates_run_in_integers_too) {
    ThreadPool pool(2);
    for (const Graph& graph : {test::rrdb_graph(44, {.features = 32, .growth = 16, .blocks = 2}),
                               test::span_graph(45, {.features = 48, .scale = 4, .norm = false})}) {
        const FloatPicture picture = test::random_picture(8, 3, {40, 32});
        const FloatPicture want = test::run_whole(reference_backend(), graph, picture);
        const FloatPicture got = test::run_whole(cpu_backend(), graph, picture, &pool, Precision::int16);
        EXPECT_LE(test::largest_difference(want, got), 2e-2 * magnitude(want));
        EXPECT_GT(test::largest_difference(want, got), 0);
    }
}

TEST(cpu, integer_samples_round_half_to_even_and_clamp) {
    const Graph graph = test::compact_graph(21, {.features = 8, .convs = 1, .scale = 2});
    const auto program = exact_program(graph);
    const auto session = test::must(program->session());
    const Size size{13, 9};
    Image in(size, kRgb8);
    test::Random random(3);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width * 3; ++x) in.view().row(0, y)[x] = static_cast<std::byte>(random.integer(0, 255));
    const Size big{26, 18};
    Image floats(big, kRgbF32), bytes(big, kRgb8), words(big, {SampleType::u16, 10, 3, true});
    for (Image* out : {&floats, &bytes, &words})
        ASSERT_TRUE(session->run({std::as_const(in).view(), {0, 0, 13, 9}, out->view()}).ok());
    for (int y = 0; y < big.height; ++y)
        for (int x = 0; x < big.width; ++x)
            for (int c = 0; c < 3; ++c) {
                const float value = reinterpret_cast<const float*>(floats.view().row(0, y))[x * 3 + c];
                const float clamped = std::clamp(value, 0.0F, 1.0F);
                ASSERT_EQ(static_cast<int>(bytes.view().row(0, y)[x * 3 + c]), std::lrint(clamped * 255.0F));
                ASSERT_EQ(reinterpret_cast<const std::uint16_t*>(words.view().row(c, y))[x], std::lrint(clamped * 1023.0F));
            }
}

TEST(cpu, not_a_number_is_reported) {
    const Graph graph = test::compact_graph(22, {.features = 8, .convs = 1, .scale = 2});
    const auto program = exact_program(graph);
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(1, 3, {20, 20}), out(3, {40, 40});
    picture.at(1, 7, 7) = std::numeric_limits<float>::quiet_NaN();
    EXPECT_FALSE(test::must(session->run({picture.view(), {0, 0, 20, 20}, out.view()})).finite);
    picture.at(1, 7, 7) = 0;
    EXPECT_TRUE(test::must(session->run({picture.view(), {0, 0, 20, 20}, out.view()})).finite);
}

TEST(cpu, stops_when_progress_says_so) {
    const Graph graph = test::compact_graph(23, {.features = 64, .convs = 8, .scale = 4});
    const auto program = exact_program(graph);
    const auto session = test::must(program->session());
    FloatPicture picture = test::random_picture(1, 3, {300, 300}), out(3, {1200, 1200});
    int calls = 0;
    const std::function<bool(double)> stop = [&](double fraction) { return fraction > 0 && ++calls < 2; };
    const auto result = session->run({picture.view(), {0, 0, 300, 300}, out.view(), &stop});
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Errc::cancelled);
    EXPECT_EQ(calls, 2);
}

TEST(cpu, memory_grows_with_width_but_hardly_with_height) {
    const Graph graph = test::compact_graph(24, {.features = 64, .convs = 8, .scale = 4});
    const auto program = exact_program(graph);
    EXPECT_LT(program->memory_bytes({640, 4000}), program->memory_bytes({640, 1000}) * 11 / 10);
    EXPECT_GT(program->memory_bytes({6400, 1000}), program->memory_bytes({640, 1000}) * 5);
}

// Against the reference, and the same bits in tiles of any size.
void expect_like_the_reference(const Program& program, const Graph& graph, const FloatPicture& picture) {
    const FloatPicture expected = test::run_whole(reference_backend(), graph, picture);
    const FloatPicture whole = test::run_tiled(program, picture, 1 << 16);
    EXPECT_LE(test::largest_difference(expected, whole), 2e-5);
    for (const int side : {8, 20, 32})
        EXPECT_TRUE(test::same_bits(whole, test::run_tiled(program, picture, side))) << "tile " << side;
}

TEST(cpu, runs_attention_and_norms_node_by_node) {
    ThreadPool pool(2);
    for (const bool local : {true, false}) {
        SCOPED_TRACE(local);
        const Graph graph = test::attention_graph(21, local);
        CompileOptions options;
        options.pool = &pool;
        const auto program = test::must(cpu_backend().compile(graph, options));
        EXPECT_NE(program->info().description.find("node by node"), std::string::npos);
        EXPECT_EQ(program->info().description.find("plain loops"), std::string::npos);
        EXPECT_EQ(program->info().size_multiple, 4);
        EXPECT_EQ(program->info().halo == kWholePicture, !local);
        expect_like_the_reference(*program, graph, test::random_picture(3, 3, {48, 32}));
        options.precision = Precision::fp16;
        const auto half = cpu_backend().compile(graph, options);
        ASSERT_FALSE(half.ok());
        EXPECT_EQ(half.error().code, Errc::unsupported);
    }
}

TEST(cpu, says_what_runs_in_plain_loops) {
    test::NetworkBuilder b(23, 3);
    const int positive = b.append(op::Abs{}, {b.conv(0, 3)});
    b.append(op::Silu{}, {positive});
    const Graph graph = b.finish();
    const auto program = test::must(cpu_backend().compile(graph, {}));
    EXPECT_NE(program->info().description.find("in plain loops (abs)"), std::string::npos)
        << program->info().description;
    const FloatPicture picture = test::random_picture(5, 3, {20, 12});
    EXPECT_LE(test::largest_difference(test::run_whole(reference_backend(), graph, picture), test::run_tiled(*program, picture, 1 << 16)), 1e-5);
}

TEST(cpu, runs_convolutions_of_any_kind) {
    test::NetworkBuilder b(22, 3);
    op::Conv2d strided{.kernel_h = 3,
                       .kernel_w = 3,
                       .stride_h = 2,
                       .stride_w = 2,
                       .pad_top = 1,
                       .pad_left = 1,
                       .pad_bottom = 1,
                       .pad_right = 1,
                       .weights = make_values(std::vector<float>(6 * 27, 0.1F)),
                       .bias = make_values(std::vector<float>(6, 0.5F))};
    const int small = b.append(strided, {0});
    strided.stride_h = strided.stride_w = 1;
    strided.groups = 6;
    strided.weights = make_values(std::vector<float>(6 * 9, -0.1F));
    b.pixel_shuffle(b.conv(b.append(strided, {small}), 12), 2);
    const Graph graph = b.finish();
    const auto program = test::must(cpu_backend().compile(graph, {}));
    const FloatPicture picture = test::random_picture(4, 3, {30, 18});
    expect_like_the_reference(*program, graph, picture);
}

}  // namespace
}  // namespace enlarge
