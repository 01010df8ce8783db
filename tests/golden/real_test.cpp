// SPDX-License-Identifier: Apache-2.0
// Published networks, from the folder ENLARGE_TEST_DATA/weights, against PyTorch on a synthetic picture.
#include <nlohmann/json.hpp>

#include "base/half.hpp"
#include "golden.hpp"

namespace enlarge {
namespace {

using test::must;

test::GoldenCase case_of(const std::string& name) {
    for (const test::GoldenCase& c : test::golden_cases("real_cases.txt"))
        if (c.weights == "real_" + name) return c;
    ADD_FAILURE() << "no golden file for " << name;
    return {};
}

StateDict read(const std::string& file) { return must(read_weights(test::real_weights() + file)); }

void expect_real(const std::string& name, const std::string& file) {
    test::expect_golden(must(recognise(read(file))), case_of(name), file);
}

#define NEEDS_REAL_WEIGHTS() \
    if (test::real_weights().empty()) GTEST_SKIP() << "ENLARGE_TEST_DATA is not set: published weights are not tested"

TEST(real, general_x4v3) {
    NEEDS_REAL_WEIGHTS();
    expect_real("general", "pth/realesr-general-x4v3-fp16values.pth");
    expect_real("general", "safetensors/realesr-general-x4v3-fp16.safetensors");
    expect_real("general", "ncnn/RealESRGAN_General_x4_v3.param");
    expect_real("general", "onnx/realesr-general-x4v3-fp16.onnx");
}

TEST(real, general_wdn_x4v3) {
    NEEDS_REAL_WEIGHTS();
    expect_real("wdn", "pth/realesr-general-wdn-x4v3-fp16values.pth");
    expect_real("wdn", "safetensors/realesr-general-wdn-x4v3-fp16.safetensors");
    expect_real("wdn", "ncnn/RealESRGAN_General_WDN_x4_v3.param");
}

TEST(real, animevideov3) {
    NEEDS_REAL_WEIGHTS();
    expect_real("anime", "pth/realesr-animevideov3.pth");
}

TEST(real, animevideov3_for_ncnn_is_the_same_network_with_weights_cut_to_half_precision) {
    NEEDS_REAL_WEIGHTS();
    const StateDict whole = read("pth/realesr-animevideov3.pth");
    const StateDict named = must(named_tensors(read("ncnn/realesr-animevideov3-x4.param")));
    ASSERT_EQ(named.tensors.size(), whole.tensors.size());
    for (const auto& [name, tensor] : whole.tensors) {
        const std::vector<float>& values = named.tensors.at(name).values;
        if (tensor.shape.size() != 4) {
            EXPECT_EQ(values, tensor.values) << name;
            continue;
        }
        // ncnn's converter cut the last bits and made zero of what half precision has no normal number for.
        ASSERT_EQ(values.size(), tensor.values.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            ASSERT_NEAR(values[i], tensor.values[i], std::fabs(tensor.values[i]) / 1024 + 0x1p-14) << name << " " << i;
    }
}

TEST(real, animevideov3_x2_for_ncnn_is_the_x4_network_and_says_that_it_is_reduced) {
    NEEDS_REAL_WEIGHTS();
    const Network network = must(recognise(read("ncnn/realesr-animevideov3-x2.param")));
    EXPECT_EQ(network.scale, 2);
    EXPECT_EQ(network.graph.scale(), 4);
    EXPECT_EQ(network.variant, "PReLU, computed at x4 and resized");
}

// A mix that somebody else made and published for browsers: half-precision values, kernels as row, column, in, out.
TEST(real, denoise_strength_one_half_is_what_others_publish) {
    NEEDS_REAL_WEIGHTS();
    const StateDict mixed = must(blend(read("pth/realesr-general-x4v3-fp16values.pth"),
                                       read("pth/realesr-general-wdn-x4v3-fp16values.pth"), 0.5F));
    const std::string folder = test::real_weights() + "tfjs/general_fast-64/";
    std::ifstream text(folder + "model.json"), shard(folder + "group1-shard1of1.bin", std::ios::binary);
    const auto manifest = nlohmann::json::parse(text).at("weightsManifest").at(0).at("weights");
    std::map<std::string, std::vector<float>> published;
    for (const auto& entry : manifest) {
        std::size_t count = 1;
        for (const auto& side : entry.at("shape")) count *= side.get<std::size_t>();
        std::vector<float>& values = published[entry.at("name").get<std::string>()];
        if (entry.at("dtype") == "int32") {
            shard.ignore(static_cast<std::streamsize>(count * 4));
            continue;
        }
        std::vector<std::uint16_t> halves(count);
        shard.read(reinterpret_cast<char*>(halves.data()), static_cast<std::streamsize>(count * 2));
        ASSERT_TRUE(shard.good());
        for (const std::uint16_t half : halves) values.push_back(half_to_float(half));
    }
    // "unknown", "unknown_0", "unknown_1", ...: kernel, bias and slopes of one layer after the other.
    const auto entry = [&](int i) { return published.at(i == 0 ? "unknown" : "unknown_" + std::to_string(i - 1)); };
    double worst = 0;
    const auto compare = [&](float ours, float theirs) {  // in units of the last place of half precision, at least 2^-11
        const double unit = std::max(1.0, std::fabs(static_cast<double>(theirs))) / 2048;
        worst = std::max(worst, std::fabs(static_cast<double>(ours) - theirs) / unit);
    };
    for (int layer = 0; layer < 34; ++layer) {
        const Tensor& kernel = mixed.tensors.at("body." + std::to_string(2 * layer) + ".weight");
        const auto out = static_cast<std::size_t>(kernel.shape[0]), in = static_cast<std::size_t>(kernel.shape[1]);
        const std::vector<float> theirs = entry(3 * layer), bias = entry(3 * layer + 1);
        ASSERT_EQ(theirs.size(), kernel.values.size());
        for (std::size_t o = 0; o < out; ++o)
            for (std::size_t i = 0; i < in; ++i)
                for (std::size_t tap = 0; tap < 9; ++tap)
                    compare(kernel.values[(o * in + i) * 9 + tap], theirs[(tap * in + i) * out + o]);
        for (std::size_t o = 0; o < out; ++o) compare(mixed.tensors.at("body." + std::to_string(2 * layer) + ".bias").values[o], bias[o]);
        if (layer == 33) break;
        const std::vector<float> slopes = entry(3 * layer + 2);
        for (std::size_t o = 0; o < out; ++o) compare(mixed.tensors.at("body." + std::to_string(2 * layer + 1) + ".weight").values[o], slopes[o]);
    }
    EXPECT_LE(worst, 2);  // theirs is rounded, and so were the two files mixed here
    RecordProperty("worst", std::to_string(worst));
}

TEST(real, denoise_strength_one_half_is_the_blend_of_general_and_wdn) {
    NEEDS_REAL_WEIGHTS();
    const StateDict mixed = must(blend(read("pth/realesr-general-x4v3-fp16values.pth"),
                                       read("safetensors/realesr-general-wdn-x4v3-fp16.safetensors"), 0.5F));
    test::expect_golden(must(recognise(mixed)), case_of("denoise"), "0.5 * general + 0.5 * wdn");
}

TEST(real, span_slim) {
    NEEDS_REAL_WEIGHTS();
    expect_real("span38", "span/team38_span_ch28_slim.pth");
    expect_real("span46", "span/team46_span.pth");
}

}  // namespace
}  // namespace enlarge
