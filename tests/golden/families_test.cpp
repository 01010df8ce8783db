// SPDX-License-Identifier: Apache-2.0
// Small networks of every family with random weights, from the folder ENLARGE_TEST_DATA/golden, against what their
// authors' programs computed; and published ones, from ENLARGE_TEST_DATA/trained.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "golden.hpp"
#include "image/samples.hpp"
#include "run/enlarger.hpp"
#include "support/images.hpp"
#include "support/run_program.hpp"
#include "tile/tile.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;
using test::must;

std::string data_folder(const char* name) {
    const char* data = std::getenv("ENLARGE_TEST_DATA");
    return data && *data ? std::string(data) + "/" + name : std::string();
}

// Not built from files alone, each for a reason.
const std::map<std::string, std::string> kNotRun = {
    {"edsr/x4-res01",
     "how much of a block is added is not in the file, and a narrow network with 0.1 is not told apart"},
    {"swinir/noshift-psd-x3", "no published file has windows as large as its training pictures"},
};
// Families that are refused by name, or are no networks that enlarge.
const std::set<std::string> kOthers = {"rife"};

Image read_npy(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    if (bytes.size() < 12) return {};
    const std::size_t header = static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]);
    const std::string text = bytes.substr(10, header);
    int sides[3] = {};
    const std::size_t shape = text.find("'shape': (");
    if (text.find("'<f4'") == std::string::npos || shape == std::string::npos ||
        std::sscanf(text.c_str() + shape, "'shape': (%d, %d, %d)", sides, sides + 1, sides + 2) != 3)
        return {};
    Image image({sides[2], sides[1]}, {SampleType::f32, 32, static_cast<std::uint8_t>(sides[0]), true});
    const char* from = bytes.data() + 10 + header;
    for (int c = 0; c < sides[0]; ++c)
        for (int y = 0; y < sides[1]; ++y, from += 4 * static_cast<std::ptrdiff_t>(sides[2]))
            std::memcpy(image.view().row(c, y), from, 4 * static_cast<std::size_t>(sides[2]));
    return image;
}

Image run(const std::shared_ptr<NetworkEngine>& engine, const Image& in, int scale, int tile) {
    EnlargerOptions options;
    options.tile = tile;
    Enlarger enlarger(engine, options);
    Image out({in.size().width * scale, in.size().height * scale}, in.format());
    must(enlarger.run(in.view(), out.view(), {}));
    return out;
}

// Of random networks whose results are products of several, some are hundreds, where a float has fewer places.
double largest(const Image& image) {
    double most = 0;
    std::vector<float> row(static_cast<std::size_t>(image.size().width));
    for (int c = 0; c < image.format().channels; ++c)
        for (int y = 0; y < image.size().height; ++y) {
            load_row(image.view(), y, c, row.data());
            for (const float value : row) most = std::max(most, std::fabs(static_cast<double>(value)));
        }
    return most;
}

// One picture through one network, on every backend that computes in fp32; and in tiles, which must not show.
void expect_output(const Network& network, const Image& in, const Image& expected, bool tiles) {
    ASSERT_FALSE(in.empty());
    ASSERT_FALSE(expected.empty());
    ASSERT_EQ(network.graph.input_channels(), in.format().channels);
    ASSERT_EQ(Size(in.size().width * network.scale, in.size().height * network.scale), expected.size());
    auto graph = std::make_shared<const Graph>(network.graph);
    ThreadPool pool(2);
    bool plain = false;
    for (const Backend* backend : test::usable_backends()) {
        SCOPED_TRACE(backend->name());
        CompileOptions options;
        options.precision = Precision::fp32;
        options.pool = &pool;
        std::shared_ptr<const Program> program = must(backend->compile(*graph, options));
        if (plain && backend->name() == "reference") continue;  // what the cpu backend just did
        plain = program->info().description.find("plain loops") != std::string::npos;
        const auto engine = std::make_shared<NetworkEngine>(graph, *backend, options, program);
        const Image out = run(engine, in, network.scale, 0);
        EXPECT_LE(test::largest_difference(out.view(), expected.view()), std::max(1e-4, 1.5e-5 * largest(expected)));
        if (!tiles) continue;
        EXPECT_TRUE(test::same_bits(out.view(), run(engine, in, network.scale, 16).view()));
    }
}

class golden_families : public testing::TestWithParam<std::string> {};

TEST_P(golden_families, compute_what_their_authors_programs_compute) {
    const fs::path folder = fs::path(data_folder("golden")) / GetParam();
    std::string weights;
    for (const char* name : {"weights.pth", "weights.safetensors"})
        if (fs::exists(folder / name)) weights = (folder / name).string();
    const auto network = recognise(must(read_weights(weights)));
    ASSERT_TRUE(network.ok()) << network.error().message;
    for (const char* n : {"0", "1"}) {
        SCOPED_TRACE(std::string("input ") + n);
        expect_output(*network, read_npy(folder / ("input_" + std::string(n) + ".npy")),
                      read_npy(folder / ("output_" + std::string(n) + ".npy")), *n == '0');
    }
}

// Networks that read the whole picture, in as little memory as they can do with: stage by stage, in tiles.
TEST_P(golden_families, give_the_same_bits_in_little_memory) {
    const fs::path folder = fs::path(data_folder("golden")) / GetParam();
    const bool pth = fs::exists(folder / "weights.pth");
    const auto network = recognise(must(read_weights((folder / (pth ? "weights.pth" : "weights.safetensors")).string())));
    ASSERT_TRUE(network.ok()) << network.error().message;
    ThreadPool pool(2);
    CompileOptions options;
    options.precision = Precision::fp32;
    options.pool = &pool;
    const auto program = must(must(choose_backend("cpu"))->compile(network->graph, options));
    const ProgramInfo& info = program->info();
    if (info.halo != kWholePicture) return;
    const Size size = round_up(Size{99, 70}, info.size_multiple);
    if (network->graph.longest_side() > 0 && size.width > network->graph.longest_side()) return;
    test::FloatPicture picture = test::random_picture(3, info.channels, size);
    std::vector<test::FloatPicture> results;
    for (const std::int64_t memory : {std::int64_t{0}, std::int64_t{1}}) {
        results.emplace_back(info.channels, Size{size.width * info.scale, size.height * info.scale});
        TileJob job{picture.view(), {0, 0, size.width, size.height}, results.back().view()};
        job.memory_bytes = memory;
        job.continued = {size.width - 98, size.height - 70};
        must(must(program->session())->run(job));
    }
    EXPECT_TRUE(test::same_bits(results[0], results[1]));
}

std::vector<std::string> variants() {
    std::vector<std::string> all;
    std::error_code error;
    for (const auto& family : fs::directory_iterator(data_folder("golden"), error)) {
        if (!family.is_directory() || kOthers.contains(family.path().filename().string())) continue;
        for (const auto& variant : fs::directory_iterator(family.path(), error)) {
            const std::string name = family.path().filename().string() + "/" + variant.path().filename().string();
            if (!kNotRun.contains(name)) all.push_back(name);
        }
    }
    std::sort(all.begin(), all.end());
    return all;
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(golden_families);
INSTANTIATE_TEST_SUITE_P(all, golden_families, testing::ValuesIn(variants()), name_of);

// Networks that their authors trained and published.
TEST(trained_families, compute_what_their_authors_programs_compute) {
    const std::string folder = data_folder("trained");
    if (folder.empty()) GTEST_SKIP() << "ENLARGE_TEST_DATA is not set: published weights are not tested";
    for (const char* name : {"2025_team24_spanf", "2026_team00_SPAN", "2026_team22_spanv2_c2"}) {
        SCOPED_TRACE(name);
        const std::string stem = folder + "/ntire-esr/" + name;
        const auto network = recognise(must(read_weights(stem + ".pth")));
        ASSERT_TRUE(network.ok()) << network.error().message;
        expect_output(*network, read_npy(folder + "/ntire-esr/input.npy"), read_npy(stem + ".output.npy"), false);
    }
    const std::string cugan = folder + "/realcugan-pth/up2x-conservative-fp16values";
    expect_output(must(recognise(must(read_weights(cugan + ".pth")))), read_npy(folder + "/realcugan-pth/input.npy"),
                  read_npy(cugan + ".output.npy"), false);
}

}  // namespace
}  // namespace enlarge
